"""What people tell us: answers to a notice, and reports of their own."""
