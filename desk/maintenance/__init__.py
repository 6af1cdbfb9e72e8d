"""Planned work: planned, announced, moved, carried out, called off, and told of."""
