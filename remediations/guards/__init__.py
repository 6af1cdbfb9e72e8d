"""The guards by family; each is a small pure function from a question to a refusal, or None."""
