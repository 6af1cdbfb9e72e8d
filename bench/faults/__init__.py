"""The same faults under three keepers: who heals, how fast, and what each does that nobody needed."""
