"""Bone Fracture Multi-Region X-ray Data: radiographs of limbs, hips, lumbar spine and more, fractured or not.

Bone_Fracture_Binary_Classification/Bone_Fracture_Binary_Classification/     # doubled
    train/fractured/0.jpeg                                  # some hold a PNG, some are cut short
    train/not fractured/1-rotated1-rotated2.jpg             # also not_fractured
    val/fractured/10 (1).jpg
    test/not fractured/5.png
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    pattern = "{train,val,test}/{fractured,not fractured,not_fractured}/*"
    return class_folders(raw, pattern, splits=SPLITS, label=lambda path: path.parent.name.replace("_", " "))


def miniature(raw: Miniature) -> None:
    top = "Bone_Fracture_Binary_Classification/Bone_Fracture_Binary_Classification"
    for label in ("fractured", "not fractured"):
        for part, start, count in (("train", 0, 5), ("val", 10, 2), ("test", 20, 2)):
            for number in range(start, start + count):
                name = (f"{number}.jpeg", f"{number}-rotated1-rotated2.jpg", f"{number}.png")[number % 3]
                inside = "PNG" if number == 3 else None
                path = f"{top}/{part}/{label}/{name}"
                raw.image(path, size=(80, 96), mode="RGB" if number % 2 else "L", format=inside)
        raw.image(f"{top}/train/{label}/7 - Copy.jpg", size=(80, 96), seed=f"{label} copy")
        raw.image(f"{top}/val/{label}/7 (1).jpg", size=(80, 96), seed=f"{label} copy")  # leaks
    raw.corrupt(f"{top}/train/not fractured/4-rotated1-rotated2.jpg")
