"""What playbooks ask leave for: approvals by people, and leases of hosts."""
