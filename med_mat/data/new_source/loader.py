"""New source: radiographs, with or without a fracture.

new_source_images/
    negative/1.png
    positive/1.png
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    """Yields one example per image; ``help(med_mat.raw)`` lists what reads tables, masks, boxes and DICOM headers."""
    return class_folders(raw, "new_source_images/{negative,positive}/*.png")


def miniature(raw: Miniature) -> None:
    """Writes the same layout with synthetic images, its defects included; leave it out where data are private."""
    for label in ("negative", "positive"):
        for number in range(1, 9):
            raw.image(f"new_source_images/{label}/{number}.png")
