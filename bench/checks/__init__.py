"""What checking many targets costs: ours and others, each in turn against one nginx on this machine."""
