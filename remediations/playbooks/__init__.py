"""Playbooks to start from; each one only proposes until somebody sets its mode to auto."""
