"""From answers to a number."""
