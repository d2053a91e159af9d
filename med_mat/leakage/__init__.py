"""Leaks between splits: pictures that are the same, or look the same, wherever they lie."""
