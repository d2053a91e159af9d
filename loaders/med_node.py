"""MED-NODE: clinical close-up photographs of melanomas and nevi.

complete_mednode_dataset/            # not in all copies
    melanoma/896.jpg                 # not consecutive
    naevus/19085.jpg
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "{melanoma,naevus}/*")


def miniature(raw: Miniature) -> None:
    for label, first, count in (("melanoma", 896, 7), ("naevus", 19085, 10)):
        for number in range(count):
            path = f"complete_mednode_dataset/{label}/{first + 1931 * number}.jpg"
            raw.image(path, size=(64 + 5 * number, 80), mode="RGB")
    raw.corrupt("complete_mednode_dataset/naevus/36464.jpg", keep=0.1)
