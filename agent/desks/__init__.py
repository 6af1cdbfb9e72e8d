"""Everything that goes between this host and its desks: alerts, evidence, leases, and answers back."""
