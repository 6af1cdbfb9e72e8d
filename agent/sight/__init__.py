"""How the agent looks: probes in their slots, what wakes them, and what it works out of what it saw."""
