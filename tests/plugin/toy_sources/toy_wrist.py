"""Toy wrist: radiographs of the wrist, broken or not.

broken/1.png
whole/1.png
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "{broken,whole}/*.png")


def miniature(raw: Miniature) -> None:
    for label in ("broken", "whole"):
        for number in range(1, 11):
            raw.image(f"{label}/{number}.png")
