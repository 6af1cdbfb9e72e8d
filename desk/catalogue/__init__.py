"""Which services there are, who uses, owns and needs them, and what an alert means for whom."""
