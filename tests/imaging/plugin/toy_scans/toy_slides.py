"""Toy slides: tiles of whole-slide images.

benign/1.svs
malignant/1.svs
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example, Region
from med_mat.raw import RawFolder


def examples(raw: RawFolder) -> Iterator[Example]:
    for path in raw.glob("{benign,malignant}/*.svs"):
        for x in (0, 40):
            yield Example(Region(path, x, 10, 50, 30), label=path.parent.name, patient=str(path))
        yield Example(Region(path, 0, 0, 20, 20, level=1), label=path.parent.name, patient=str(path))
