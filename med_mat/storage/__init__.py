"""The storage of a built Med-MAT: a folder or the Hub, and its file formats."""
