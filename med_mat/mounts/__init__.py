"""Where raw files are read: a folder, or archives that are read in place."""
