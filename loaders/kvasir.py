"""Kvasir: endoscopy of the digestive tract in eight classes: anatomical landmarks, diseases and polyp removal.

kvasir-dataset/                      # none, one or two of these
    dyed-lifted-polyps/0053d7cd-549c-48cd-b370-b4ad64a8098a.jpg
    normal-z-line/….jpg              # version 2 has the same folders
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_CLASSES = (
    "dyed-lifted-polyps",
    "dyed-resection-margins",
    "esophagitis",
    "normal-cecum",
    "normal-pylorus",
    "normal-z-line",
    "polyps",
    "ulcerative-colitis",
)


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, [f"{name}/*" for name in _CLASSES])


def miniature(raw: Miniature) -> None:
    top = "kvasir-dataset/kvasir-dataset"
    for place, label in enumerate(_CLASSES):
        for number in range(2 + (label == "polyps")):
            name = f"{place * 7919 + number:08x}-549c-48cd-b370-b4ad64a8098a.jpg"
            raw.image(f"{top}/{label}/{name}", size=(108 if number else 90, 72), mode="RGB")
    raw.corrupt(f"{top}/polyps/{6 * 7919 + 2:08x}-549c-48cd-b370-b4ad64a8098a.jpg")
