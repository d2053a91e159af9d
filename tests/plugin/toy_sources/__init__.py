"""A package outside Med-MAT that adds source number 900."""
