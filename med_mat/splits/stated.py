"""What is stated of the persons and devices of a part: age group, sex, device and view."""

from __future__ import annotations

import pyarrow.compute as pc

from med_mat.index import Index
from med_mat.selection.fields import ATTRIBUTES, FIELDS
from med_mat.tags import Positions


def stated(index: Index, positions: Positions) -> dict[str, dict[str, int]]:
    """Attribute -> value -> records, "unknown" last; without the attributes that are stated of none of the records.

    Args:
        index: An opened Med-MAT.
        positions: In the index.
    """
    column = index.facts(positions, ["attributes"])["attributes"]
    found = {}
    for name in ATTRIBUTES:
        counted = pc.value_counts(pc.struct_field(column, name)).to_pylist() if len(column) else []
        counts = {one["values"]: one["counts"] for one in counted}
        if set(counts) - {None}:
            words = [*sorted(set(counts) - {None}), *([None] if None in counts else [])]
            found[name] = {FIELDS[name].spelled(word): counts[word] for word in words}
    return found
