"""The labels of images as numbers: unknown labels are -1, never 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from med_mat.errors import ExportError
from med_mat.tags import Positions

if TYPE_CHECKING:
    from med_mat.index import Index


def labels_of(mat: Index, positions: Positions) -> tuple[str, ...]:
    """All labels of these records, sorted."""
    found: set[str] = set()
    for code in np.unique(mat.tags.label[positions]):
        found |= mat.tags.labels[code]
    return tuple(sorted(found))


def labels_of_rows(mat: Index, positions: Positions) -> dict[int, frozenset[str]]:
    """The labels that the records of each row of these records have, anywhere in the build."""
    rows = np.unique(mat.tags.row[positions])
    inside = np.isin(mat.tags.row, rows)
    pairs = np.unique(np.stack((mat.tags.row[inside].astype(np.int64), mat.tags.label[inside])), axis=1)
    found: dict[int, frozenset[str]] = {}
    for row, code in pairs.T.tolist():
        found[row] = found.get(row, frozenset()) | mat.tags.labels[code]
    return found


def is_single(mat: Index, positions: Positions) -> bool:
    """Whether each of these records that has labels has exactly one."""
    facts = mat.facts(positions, ("label", "labels"))
    several = pc.and_(pc.greater(pc.fill_null(pc.list_value_length(facts["labels"]), 0), 0), facts["label"].is_null())
    return not pc.any(several).as_py()


def chosen(classes: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The classes in their order: those that were chosen, else all that are known.

    Raises:
        ExportError: A class is given twice, or no record has it.
    """
    if len(set(classes)) < len(classes):
        raise ExportError(f"The classes must be different, not {'; '.join(classes)}.")
    if strange := [one for one in classes if one not in known]:
        raise ExportError(
            f"No record of this split has the label {strange[0]!r}. It has: {'; '.join(known) or 'none'}."
        )
    return tuple(classes) or tuple(known)


def multi_hot(facts: Mapping[str, Any], classes: Sequence[str], of_row: Mapping[int, frozenset[str]]) -> list[int]:
    """The labels of a record as 1 (present), 0 (absent) and -1 (unknown), in the order of the classes.

    A record with exactly one label has none of the others of its row. Otherwise only labels that are stated to be
    absent are 0.

    Args:
        facts: The columns ``row``, ``label``, ``labels``, ``labels_absent``, ``labels_unknown`` of the record.
        classes: Labels.
        of_row: The labels of each row: see :func:`labels_of_rows`.
    """
    present = frozenset(facts["labels"] or ())
    absent = frozenset(facts["labels_absent"] or ())
    if facts["label"] is not None:
        absent |= of_row.get(facts["row"], frozenset())
    absent -= present | frozenset(facts["labels_unknown"] or ())
    return [1 if one in present else 0 if one in absent else -1 for one in classes]
