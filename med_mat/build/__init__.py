"""From raw folders to a Med-MAT."""
