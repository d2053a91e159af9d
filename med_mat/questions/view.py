"""Questions as a view: made only from the records' columns in the index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from med_mat import schema
from med_mat.catalog import Catalog, Row, load
from med_mat.errors import CardError
from med_mat.questions.asking import Form, Questioner
from med_mat.tags import Tags

#: The columns that questions are made from, besides row and key.
FACTS = ("label", "labels", "labels_absent", "labels_unknown", "raw_label", "boxes", "width", "height")
_KINDS = dict(schema.FIELDS)
_BOXED = ("boxes", "masks")


@dataclass(frozen=True, slots=True)
class View:
    """Makes the questions of a build's records in one form; created by :meth:`of`. It contains only plain data."""

    rows: Mapping[int, Row]  # of the catalog
    sources: Mapping[int, str]  # of the build, by row number
    questioner: Questioner

    @classmethod
    def of(cls, tags: Tags, form: Form, seed: int, catalog: Catalog | None = None) -> View:
        """For a build.

        Args:
            tags: Tags of the build. In the paper's form, options are label sets that occur in the whole subset.
            form: Form of the questions.
            seed: Random seed.
            catalog: The catalog (default: that of this installation).
        """
        catalog = load() if catalog is None else catalog
        subsets = {facts.subset for facts in tags.facts.values()}
        rows = {row.number: row for row in catalog.rows if row.subset in subsets}
        sources = {number: facts.source for number, facts in tags.facts.items()}
        sets = _label_sets(tags, tuple(rows.values())) if form == "paper" else None
        return cls(rows, sources, Questioner(rows.values(), form, seed, sets))

    def columns(self, numbers: Sequence[int]) -> tuple[str, ...]:
        """The columns of the index that the questions of these rows are made from.

        Raises:
            CardError: The card of a row is not installed.
        """
        for number in numbers:
            if number not in self.rows or self.rows[number].source != self.sources[number]:
                raise CardError(
                    f"Row {number} has records of the source {self.sources[number]!r}, whose card is not installed, "
                    "and questions are made anew from the card. Install the package that brings it, select other "
                    'sources, or take the questions as they were built, of the form "default".'
                )
        rows = [self.rows[number] for number in numbers]
        unread = set() if any(row.scales for row in rows) else {"raw_label"}
        if not any(row.kind in _BOXED for row in rows):
            unread |= {"boxes", "width", "height"}
        return tuple(name for name in FACTS if name not in unread)

    def ask(self, numbers: Sequence[int], keys: Sequence[int], facts: pa.Table) -> pa.Table:
        """The questions of records.

        Args:
            numbers: (n,) Row of each record.
            keys: (n,) Key of each record, signed.
            facts: (n,) Records, with at least the columns of :meth:`columns`.

        Returns:
            (n,) Records with the columns :data:`med_mat.schema.QUESTION_COLUMNS`.
        """
        asked = [
            self.questioner.ask(key, self.rows[number], **said).columns()
            for number, key, said in zip(numbers, keys, _said(facts), strict=True)
        ]
        return pa.table(
            {name: pa.array([one[name] for one in asked], _KINDS[name]) for name in schema.QUESTION_COLUMNS}
        )


def _said(facts: pa.Table) -> Iterator[dict[str, Any]]:
    """The arguments of :meth:`Questioner.ask`, record by record."""
    for one in facts.select([name for name in FACTS if name in facts.column_names]).to_pylist():
        boxes = one.get("boxes") or ()
        yield {
            "label": one["label"],
            "present": one["labels"],
            "absent": one["labels_absent"],
            "unknown": one["labels_unknown"],
            "raw_label": one.get("raw_label") or "",
            "boxes": [(box["xmin"], box["ymin"], box["xmax"], box["ymax"], box["label"]) for box in boxes],
            "size": (one.get("width", 0), one.get("height", 0)),
        }


def _label_sets(tags: Tags, rows: Sequence[Row]) -> dict[int, list[list[str]]]:
    """The sets of labels that occur in the rows of findings of a row's subset, sorted, by row number."""
    by_subset: dict[int | None, list[int]] = {}
    for row in rows:
        if row.kind == "findings" and row.number in tags.facts:
            by_subset.setdefault(row.subset, []).append(row.number)
    found: dict[int, list[list[str]]] = {}
    for subset, numbers in by_subset.items():
        groups = [[number] for number in numbers] if subset is None else [numbers]
        for group in groups:
            codes = np.unique(tags.label[np.isin(tags.row, group)])
            texts = sorted(tags.label_sets[code] for code in codes.tolist())
            sets = [text.split(schema.LABEL_SEPARATOR) for text in texts if text]
            found |= {row.number: sets for row in rows if row.number in group or (subset and row.subset == subset)}
    return found
