"""Data files: the subsets, and the words of the questions."""
