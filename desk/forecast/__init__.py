"""What is only expected: heard, told before it begins to whoever asked for it, and taken back."""
