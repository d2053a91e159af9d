"""Leakage between splits: duplicates and near-duplicates, within a source and across sources."""
