"""Trials: playbooks tried in a world that is only written, with no program, no thread and no waiting."""
