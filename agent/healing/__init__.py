"""What stands around the playbooks of this host: its restraints, its fleet, the judgement of an effect."""
