"""Fracture detection: radiographs of bones, fractured or not, many of them rotated copies of one another.

data/
    train/fractured/10-rotated1-rotated3-rotated1.jpg
    train/not fractured/1.jpg            # also not_fractured, not-fractured, in any case
    val/fractured/2.jpg                  # some copies call it test
    val/not fractured/2-rotated1.jpg
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    splits = SPLITS if raw.first("data/val/**") else {**SPLITS, "test": "validation"}  # one part under two names
    return class_folders(raw, "data/{train,val,test}/{fractured,not*fractured}/*", splits=splits, label=_label)


def _label(path: PurePosixPath) -> str:
    return "not fractured" if path.parent.name.lower().startswith("not") else "fractured"


def miniature(raw: Miniature) -> None:
    for part, count in (("train", 4), ("val", 2)):
        for label in ("fractured", "not fractured"):
            for number in range(1, count + 1):
                name = f"{number}-rotated1" if number % 2 else f"{number}"
                path = f"data/{part}/{label}/{name}.{'png' if number == 4 else 'jpg'}"
                raw.image(path, mode="RGB" if number == 3 else "L")
    for part in ("train", "val"):  # one image in both parts, under two names
        raw.image(f"data/{part}/fractured/10-rotated{len(part)}.jpg", seed="copy")
    raw.corrupt("data/train/not fractured/2.jpg")
