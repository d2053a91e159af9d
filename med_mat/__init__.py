"""Med-MAT: compositional generalization experiments on medical images, from the publishers' own files."""
__version__ = "0.1.0"
