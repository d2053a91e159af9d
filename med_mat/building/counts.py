"""Counts of records by their tags, for the cards."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from med_mat.taxonomy import WITHHELD

#: The columns of the index that the cards and the manifest count.
COUNTED = ("source", "row", "subset", "modality", "area", "task", "split", "label_set", "group", "withheld")
#: The column that :func:`with_part` adds.
PART = "part"


def with_part(records: pa.Table) -> pa.Table:
    """Records with a column ``part``: the split whose files contain the record, which may be ``withheld``."""
    part = pc.if_else(pc.is_valid(records["withheld"]), WITHHELD, records["split"].cast(pa.string()))
    return records.append_column(PART, part)


def count(records: pa.Table, *columns: str) -> Counter[tuple[Any, ...]]:
    """The number of records with each combination of values in these columns."""
    table = records.group_by(list(columns)).aggregate([([], "count_all")])
    keys = zip(*(table[name].to_pylist() for name in columns), strict=True)
    return Counter(dict(zip(keys, table["count_all"].to_pylist(), strict=True)))
