"""What comes in: alerts as they are posted, taken together, and agents of whom nothing is heard."""
