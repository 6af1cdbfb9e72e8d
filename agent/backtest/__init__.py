"""What rules would have done, healed and said over recorded samples."""
