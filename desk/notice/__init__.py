"""What people are told, in which words, from when on, and how much of it is too much."""
