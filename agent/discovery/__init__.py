"""What a host is made of, and how it would be watched: found by looking, told as a configuration."""
