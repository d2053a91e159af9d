"""Whether a model is right about an image whose modality or area it does not recognize.

- ``asking``: the same test images with another question, made from their tags
- ``comparing``: answers to both questions, together
"""

from med_mat.shortcut.asking import Easy, easy
from med_mat.shortcut.comparing import Shortcut, compare

__all__ = ["Easy", "Shortcut", "compare", "easy"]
