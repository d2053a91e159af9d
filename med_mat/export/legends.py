"""One legend for the label maps of all images of an export: each value stands for a set of labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from med_mat.imaging.stored import png_bytes
from med_mat.tags import Positions

if TYPE_CHECKING:
    from med_mat.index import Index

#: Labels of a pixel, in the order of the classes.
LabelSet = tuple[str, ...]
_SLICE = 10_000  # records


def label_sets(mat: Index, positions: Iterable[Positions], classes: Sequence[str]) -> list[LabelSet]:
    """The sets of labels that pixels have in the masks of records, single labels first, in the order of the classes.

    Args:
        mat: The build.
        positions: Of each part.
        classes: Labels; others are ignored.
    """
    place = {label: number for number, label in enumerate(classes)}
    found: set[LabelSet] = set()
    for part in positions:
        for low in range(0, len(part), _SLICE):
            for (legend,) in zip(mat.facts(part[low : low + _SLICE], ("mask_legend",))["mask_legend"].to_pylist()):
                for entry in legend or ():
                    found.add(tuple(sorted({*entry["labels"]} & place.keys(), key=place.__getitem__)))
    return sorted(found - {()}, key=lambda one: (len(one), [place[label] for label in one]))


def coded(
    regions: Mapping[str, NDArray[np.bool_]], size: tuple[int, int], classes: Sequence[str], values: dict[LabelSet, int]
) -> NDArray[np.int64]:
    """A label map with the values of a legend.

    Args:
        regions: The mask of each label, (height, width); those of other labels are ignored.
        size: Width and height in pixels.
        classes: Labels in their order.
        values: The value of each set of labels, from 1. A set that is not in it, such as where the masks of two records
            of one image overlap, is added with the next value.

    Returns:
        (height, width); 0 is the background.
    """
    codes = np.zeros((size[1], size[0]), dtype=np.int64)
    sets: list[LabelSet] = [()]
    for label in classes:
        if label in regions:
            pairs, codes = np.unique(codes * 2 + regions[label], return_inverse=True)
            codes = codes.reshape(size[1], size[0])
            sets = [(*sets[pair // 2], label) if pair % 2 else sets[pair // 2] for pair in pairs.tolist()]
    numbers = np.array([values.setdefault(one, len(values) + 1) if one else 0 for one in sets], dtype=np.int64)
    return numbers[codes]


def png(label_map: NDArray[np.int64]) -> bytes:
    """A label map as a gray PNG, of 8 bits, or of 16 where it has a value above 255."""
    return png_bytes(Image.fromarray(label_map.astype(np.uint8 if label_map.max(initial=0) < 256 else np.uint16)))
