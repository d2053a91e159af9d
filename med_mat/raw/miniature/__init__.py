"""Writes a tiny copy of a source's layout with synthetic images: for tests, for the demo, and as documentation.

The same calls give the same bytes: images, positions and identifiers are derived from the path, and dates are fixed.
What an image shows follows from its modality, area and labels: see :mod:`med_mat.raw.miniature.look`.
"""

from med_mat.raw.miniature.dicom import Dicoms
from med_mat.raw.miniature.pictures import Mode, Pictures
from med_mat.raw.miniature.tables import Tables
from med_mat.raw.miniature.volumes import Volumes

__all__ = ["Miniature", "Mode"]


class Miniature(Pictures, Dicoms, Volumes, Tables):
    """A tiny copy of a source, written below ``root``. Sizes are (width, height); paths are relative, with ``/``."""
