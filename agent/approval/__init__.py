"""What people may be asked on this host, and the sealed answers that they gave."""
