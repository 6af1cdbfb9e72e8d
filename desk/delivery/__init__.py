"""From a notice to each person: whose turn it is, one message each, what became of it, what came back."""
