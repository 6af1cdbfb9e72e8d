"""The ladder on which a playbook earns its mode: what it proposed, and where it stands."""
