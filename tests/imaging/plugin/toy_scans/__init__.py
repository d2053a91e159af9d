"""A package outside Med-MAT that adds a decoder of slides, a source of slides and a source of volumes."""
