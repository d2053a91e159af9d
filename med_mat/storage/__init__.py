"""Where a built Med-MAT lies, a folder or the Hub, and how its files are read."""
