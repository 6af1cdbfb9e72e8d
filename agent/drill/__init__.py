"""Drills: a safe fault on this host, and how fast it is noticed, healed and told."""
