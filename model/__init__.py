"""The nouns: values that every room shares; no clock, file, socket or thread lives here."""
