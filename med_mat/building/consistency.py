"""Final consistency checks of a record: no two columns contradict each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from med_mat.catalog import Row
from med_mat.taxonomy import DRAWN

Record = Mapping[str, Any]


def contradiction(record: Record) -> str | None:
    """A sentence saying why the record contradicts itself; None if it does not.

    The rules: a label is exactly one of present, absent and unknown; every label of a box or of the mask's legend is
    present; boxes are inside the image; a record has both a mask and a legend, or neither.
    """
    present, absent, unknown = (set(record[name]) for name in ("labels", "labels_absent", "labels_unknown"))
    for first, second, said in (
        (present, absent, "present and absent"),
        (present, unknown, "present and unknown"),
        (absent, unknown, "absent and unknown"),
    ):
        if first & second:
            return f"It calls {_named(first & second)} {said} at once."
    if record["label"] is not None and present != {record["label"]}:
        return f"Its label is {record['label']!r}, and its labels are {_named(present)}."
    if (record["mask"] is None) != (record["mask_legend"] is None):
        return "It has a mask or a legend of a mask, without the other."
    marked = {label for entry in record["mask_legend"] or () for label in entry["labels"]}
    boxed = {box["label"] for box in record["boxes"] or ()}
    for named, where in ((marked, "Its mask marks"), (boxed, "It has a box of")):
        if not named <= present:
            return f"{where} {_named(named - present)}, which it does not call present."
    if boxed and record["mask_legend"] == []:
        return f"It has a box of {_named(boxed)}, and its mask marks nothing."
    for box in record["boxes"] or ():
        if not (
            0 <= box["xmin"] < box["xmax"] <= record["width"] and 0 <= box["ymin"] < box["ymax"] <= record["height"]
        ):
            return (
                f"A box of {box['label']!r} does not lie in the image of {record['width']} x {record['height']} pixels."
            )
    return None


def contradictions(records: Sequence[tuple[Row, Record]]) -> dict[str, str]:
    """The records of one image that contradict themselves or each other: id -> reason.

    If two rows contradict each other, neither is known to be right, so both are reported.
    """
    found = {record["id"]: why for _, record in records if (why := contradiction(record)) is not None}
    for row, one in records:
        for other_row, other in records:
            if row is other_row:
                continue
            denied = set(one["labels_absent"])
            if row.kind == "classes" and other_row.kind in DRAWN:  # classes are exclusive: exactly one is present
                denied.update(name for name in row.names if name != one["label"])
            if denied := denied & set(other["labels"]):
                why = f"row {other_row.number} calls {_named(denied)} present, and row {row.number} does not."
                for record in (one, other):
                    found.setdefault(record["id"], f"Two rows of one image contradict each other: {why}")
    return found


def _named(labels: set[str]) -> str:
    return ", ".join(map(repr, sorted(labels))) or "none"
