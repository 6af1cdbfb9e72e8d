"""The configuration that `beforehand run` takes when none is given."""
