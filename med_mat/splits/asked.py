"""Which records have questions of a kind: boxes and masks, labels, or none at all."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from med_mat.index import Index
from med_mat.tags import Positions
from med_mat.taxonomy import DRAWN

Mask = npt.NDArray[np.bool_]


def silent(index: Index, positions: Positions) -> Mask:
    """Which of these records have no question: their labels do not state of any finding whether it is present."""
    tags = index.tags
    if "" not in tags.label_sets:
        return np.zeros(len(positions), dtype=bool)
    # only findings may all be absent, and then the record's other statements decide
    found: Mask = _of_kinds(index, positions, ("findings",)) & (tags.label[positions] == tags.label_sets.index(""))
    if found.any():
        found[found] = index.silent[positions[found]]
    return found


def drawn(index: Index, positions: Positions) -> Mask:
    """Which of these records belong to rows of boxes and masks."""
    return _of_kinds(index, positions, DRAWN)


def _of_kinds(index: Index, positions: Positions, kinds: Collection[str]) -> Mask:
    tags = index.tags
    wanted = np.zeros(max(tags.facts, default=0) + 1, dtype=bool)
    wanted[[number for number, row in tags.facts.items() if row.annotation in kinds]] = True
    found: Mask = wanted[tags.row[positions]]
    return found


def asks_labels(index: Index, positions: Positions) -> bool:
    """Whether none of these records belongs to a row of boxes or masks."""
    return not drawn(index, positions).any()
