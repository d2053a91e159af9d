"""Augmented Ocular Diseases: fundus photographs of ODIR-5K by disease, with the rarer diseases augmented.

AMD/43_left.jpg                      # folders in capitals or not
cataract/0_left.jpg                  # so are diabetes/, glaucoma/, hypertension/, myopia/, normal/
others/1_left.jpg                    # or other/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

#: What the miniature does not show, and why.
NOT_SHOWN = {"patients": "augmented copies alone name their original"}

_CLASSES = ("amd", "cataract", "diabetes", "glaucoma", "hypertension", "myopia", "normal", "other")


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, [f"{name}*/*" for name in _CLASSES], label=_label, patient=_patient)


def _label(path: PurePosixPath) -> str:
    return next(name for name in _CLASSES if path.parent.name.lower().startswith(name))


def _patient(path: PurePosixPath) -> str | None:
    """The patient of ODIR-5K: an augmented copy may have more before and behind the name of its original."""
    named = re.search(r"(\d+)_(?:left|right)", path.name, re.IGNORECASE)
    return named[1] if named else None


def miniature(raw: Miniature) -> None:
    for place, label in enumerate(_CLASSES):
        folder = {"amd": "AMD", "other": "others"}.get(label, label)
        for number in (place * 3, place * 3 + 1):
            for side in ("left", "right")[: 1 + number % 2]:
                name = f"{folder}/{number}_{side}"
                raw.image(f"{name}.jpg", size=(90 + number, 70), mode="RGB")
                if label in ("amd", "cataract"):
                    raw.image(f"{name}_aug_1.jpg", size=(90 + number, 70), mode="RGB")
    raw.image("cataract/aug_17.jpg", mode="RGB")  # whose copy it is cannot be told
    raw.corrupt("normal/18_left.jpg")
