"""What is no mistake in a rule file and yet seldom meant."""
