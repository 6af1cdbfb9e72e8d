"""The page: what it shows, in which words, read from the store, and copied to a second place."""
