"""Measured comparisons: how fast a killed process is noticed, healed and told of, and what that costs."""
