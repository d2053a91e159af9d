"""How many images of a held-out target are in its training data, for every combination of the paper.

The authors hold out a subset by its number, not by its images: rows of one source under two tasks, and sources that
contain each other, are on both sides. Nothing is dropped here: the numbers show what a split by subset alone leaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from med_mat import paper
from med_mat.errors import SplitError
from med_mat.selection import EVERYTHING
from med_mat.splits.kinds.combination import part_rows
from med_mat.splits.options import Options
from med_mat.splits.study import Study
from med_mat.tags import Positions
from med_mat.taxonomy import SPLITS

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT


@dataclass(frozen=True, slots=True)
class SharedImages:
    """One combination of the paper, counted in a build."""

    kind: str
    number: int  # of the row in its table
    target: str
    parts: tuple[str, ...]
    tested: int = 0  # test records of the target
    shared: int = 0  # of these, whose group is in the training part of the parts
    held: int = 0  # all records of the target, whatever their split
    shared_by_any: int = 0  # of these, whose group is anywhere in the parts
    rows: Mapping[str, int] = field(default_factory=dict)  # "target row/part row" -> records of the target
    missing: str = ""  # why nothing could be counted

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def overlaps(mat: MedMAT) -> list[SharedImages]:
    """Count them for each of the 43 + 9 + 8 combinations, with the paper's triplets.

    Groups join patients, files, images and near-duplicates across all sources of the build, so a build of more sources
    finds more.
    """
    return [_overlap(mat, one) for one in paper.combinations()]


def to_text(found: Sequence[SharedImages]) -> str:
    """As a table, with the pairs of rows that share images."""
    lines = ["table      row   test records   shared with train   all records   shared with parts   combination"]
    for one in found:
        name = f"{' + '.join(one.parts)} -> {one.target}"
        if one.missing:
            lines.append(f"{one.kind:<9} {one.number:>4}   {'not counted':<66}   {name}")
            continue
        share = f" ({one.shared / one.tested:.0%})" if one.tested else ""
        lines.append(
            f"{one.kind:<9} {one.number:>4}   {one.tested:>12,}   {f'{one.shared:,}{share}':>17}   {one.held:>11,}   "
            f"{one.shared_by_any:>17,}   {name}"
        )
        lines += [f"{'':<15}   row {pair}: {count:,} records" for pair, count in one.rows.items()]
    counted = [one for one in found if not one.missing]
    leaking = [one for one in counted if one.shared_by_any]
    lines.append(
        f"{len(leaking)} of the {len(counted)} combinations that this Med-MAT has the records for share images or "
        f"patients between target and training data; {len(found) - len(counted)} could not be counted."
    )
    return "\n".join(lines)


def _overlap(mat: MedMAT, row: paper.PaperCombination) -> SharedImages:
    target, parts = str(row.target), tuple(map(str, row.parts))
    options = Options(triplet_source="paper", pool_tasks=True, cross_tasks=row.kind == "detection", test_on="all")
    try:
        rows = {number for part in row.parts for number in part_rows(mat, part.within(mat), options)}
        study = Study.of(mat, row.target.selection, options, named=rows)
    except SplitError as error:
        return SharedImages(row.kind, row.number, target, parts, missing=str(error))
    held = study.test
    used = mat.where_rows(frozenset(rows), EVERYTHING)
    tags = mat.tags
    tested, trained = held[tags.split[held] == SPLITS.index("test")], used[tags.split[used] == SPLITS.index("train")]
    return SharedImages(
        row.kind,
        row.number,
        target,
        parts,
        tested=len(tested),
        shared=len(_shared(mat, tested, trained)),
        held=len(held),
        shared_by_any=len(_shared(mat, held, used)),
        rows=_pairs(mat, held, used),
    )


def _shared(mat: MedMAT, some: Positions, others: Positions) -> Positions:
    """Those of some records that share a group with other records."""
    group = mat.tags.group
    return some[np.isin(group[some], group[others])]


def _pairs(mat: MedMAT, held: Positions, used: Positions) -> dict[str, int]:
    """For each row of the target and each row of the parts, how many records of the former share a group."""
    row = mat.tags.row
    found = {}
    for one in np.unique(row[held]):
        for other in np.unique(row[used]):
            count = len(_shared(mat, held[row[held] == one], used[row[used] == other]))
            if count:
                found[f"{one}/{other}"] = count
    return found
