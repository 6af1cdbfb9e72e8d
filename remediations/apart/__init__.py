"""The hand in a process of its own: what it may be asked for, by whom, and the rights that it needs."""
