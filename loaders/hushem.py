"""HuSHeM: cropped images of stained sperm heads in four shapes.

Human Sperm Head Morphology dataset (HuSHeM)/   # or HuSHeM/
    01_Normal/image_001.BMP
    02_Tapered/image_001.BMP                    # numbers begin again in each folder
    03_Pyriform/image_001.BMP
    04_Amorphous/image_013.BMP
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_CLASSES = ("01_Normal", "02_Tapered", "03_Pyriform", "04_Amorphous")


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, [f"{name}/*.bmp" for name in _CLASSES])


def miniature(raw: Miniature) -> None:
    top = "Human Sperm Head Morphology dataset (HuSHeM)"
    for label in _CLASSES:
        for number in (1, 2, 4, 13):
            raw.image(f"{top}/{label}/image_{number:03d}.BMP", size=(66, 66), mode="RGB")
    raw.text(f"{top}/03_Pyriform/.DS_Store", "\n")
    raw.text(f"{top}/02_Tapered/Thumbs.db", "\n")
