"""Hands: playbooks, the guards before them, their runs and the proof that they helped."""
