"""Where the desk's tables stand, on a file or on PostgreSQL: one thread writes, readers never do."""
