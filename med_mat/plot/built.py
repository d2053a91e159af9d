"""Figures of the records of a built Med-MAT and of an audit, and the counts that they show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from med_mat.errors import PlotError
from med_mat.plot.bars import label_balance
from med_mat.plot.grid import mat_grid
from med_mat.plot.sheet import contact_sheet, spread
from med_mat.selection import MAT
from med_mat.tags import Positions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from med_mat.dataset import MedMAT
    from med_mat.selection import Selector
    from med_mat.splits import Audit

FigureKind = Literal["grid", "labels", "sheet"]


def picture(
    mat: MedMAT,
    selector: Selector = None,
    *,
    kind: FigureKind = "grid",
    split: str | None = None,
    against: str | None = None,
    limit: int | None = None,
    theme: str = "light",
) -> Figure | Image.Image:
    """A figure of selected records of a Med-MAT. For a contact sheet, only the required row groups are read.

    Args:
        mat: An opened Med-MAT.
        selector: Records to show: see :meth:`med_mat.MedMAT.where`.
        kind: "grid" (:func:`mat_grid`), "labels" (:func:`label_balance`) or "sheet" (:func:`contact_sheet`).
        split: Show only this split.
        against: Compare with this split (grid and labels).
        limit: Maximum number of labels or records.
        theme: "light" or "dark".

    Raises:
        PlotError: Nothing to plot.
        VocabularyError: An unknown word in the selector or split.
        MissingExtraError: matplotlib is not installed.
    """
    positions = mat.where(selector, split=split)
    if kind == "sheet":
        if against is not None:
            raise PlotError("A contact sheet does not compare splits: leave out against.")
        number = 24 if limit is None else limit
        return contact_sheet(mat.stream(spread(positions, number)), limit=number, theme=theme)
    others = None if against is None else mat.where(selector, split=against)
    title = f"Records per {'triplet' if kind == 'grid' else 'label'}"
    title += f" of {selector}" if selector is not None else ""
    title += f", {split}" if split is not None and against is None else ""
    sides = split or "all", against or ""
    if kind == "grid":
        cells = None if others is None else cell_counts(mat, others)
        return mat_grid(cell_counts(mat, positions), against=cells, title=title, sides=sides, theme=theme)
    labels = None if others is None else label_counts(mat, others)
    number = 30 if limit is None else limit
    return label_balance(
        label_counts(mat, positions), against=labels, limit=number, title=title, sides=sides, theme=theme
    )


def cell_counts(mat: MedMAT, positions: Positions) -> dict[MAT, int]:
    """Number of records per triplet at these positions of the index."""
    counts: dict[MAT, int] = {}
    for row, count in mat.tags.counts(positions).items():
        triplet = mat.tags.facts[row].mat
        counts[triplet] = counts.get(triplet, 0) + count
    return counts


def label_counts(mat: MedMAT, positions: Positions) -> dict[str, int]:
    """Number of records per label at these positions of the index; a record counts for each of its labels."""
    counts: dict[str, int] = {}
    numbers = np.bincount(mat.tags.label[positions], minlength=len(mat.tags.labels))
    for code in np.flatnonzero(numbers):
        for label in mat.tags.labels[code]:
            counts[label] = counts.get(label, 0) + int(numbers[code])
    return counts


def audit_grid(audit: Audit, *, theme: str = "light") -> Figure:
    """The MAT grid of train against test, with the target outlined.

    Args:
        audit: Of an experiment.
        theme: "light" or "dark".

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return mat_grid(
        {MAT.parse(triplet): count for triplet, count in audit.train.items()},
        against={MAT.parse(triplet): count for triplet, count in audit.test.items()},
        target=MAT.parse(audit.target[0]) if len(audit.target) == 1 else None,
        title=audit.title,
        theme=theme,
    )
