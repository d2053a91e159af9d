"""What to train on for a target that has little data."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from med_mat import catalog, strict
from med_mat.catalog import RowFacts
from med_mat.errors import SplitError
from med_mat.index import Index
from med_mat.selection import MAT, Selector
from med_mat.splits.interpretation import Element
from med_mat.splits.options import ExperimentOptions, Options
from med_mat.splits.registry import with_options
from med_mat.splits.study import Study
from med_mat.taxonomy import AXES

if TYPE_CHECKING:
    from typing_extensions import Unpack


#: Columns of a terminal that a table of recommendations fits in.
_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Choice:
    """A row to train on."""

    source: str
    row: int
    mat: MAT
    shares: tuple[str, ...]  # axes, in the order modality, area, task
    records: int | None  # training records here; None: the source is not in this Med-MAT
    take: int  # of the budget
    why: str


@dataclass(frozen=True, slots=True, repr=False)
class Recommendation:
    """Rows to train on, best first. Rows that are not in this build come last, with no records taken from them."""

    target: str
    own: int  # training records of the target itself
    missing: tuple[Element, ...]  # elements that this build lacks
    choices: tuple[Choice, ...]

    def __str__(self) -> str:
        lines = [f"To train for {self.target}, which has {self.own:,} training records of its own:"]
        cells = [(*one[:4], "") for one in self._cells()]
        width = [max(map(len, column), default=0) for column in zip(*cells, strict=True)]
        for number, source, row, triplet, why in self._cells():
            line = f"  {number:>{width[0]}}  {source:<{width[1]}}  row {row:>{width[2]}}  {triplet:<{width[3]}}  "
            lines += textwrap.wrap(why, _WIDTH, initial_indent=line, subsequent_indent=" " * len(line))
        lines += [f"  nothing here holds the {axis} {word}" for axis, word in self.missing]
        return "\n".join(lines)

    def _cells(self) -> list[tuple[str, str, str, str, str]]:
        """For each choice its records, source, row, triplet and reason."""
        return [
            (
                "not built" if one.records is None else f"{one.take:,} of {one.records:,}",
                one.source, str(one.row), str(one.mat), one.why,
            )
            for one in self.choices
        ]  # fmt: skip

    def __repr__(self) -> str:
        built = [one for one in self.choices if one.records is not None]
        absent = len(self.choices) - len(built)
        return (
            f"Recommendation({self.target}: {len(built)} rows to train on, {sum(one.take for one in built):,} records"
            f"{f'; {absent} rows not built' if absent else ''})"
        )

    def _repr_html_(self) -> str:
        from med_mat import markup

        title = f"To train for {self.target}, which has {self.own:,} training records of its own"
        return markup.block(title, markup.table(("records", "source", "row", "triplet", "why"), self._cells()))


@with_options
def recommend(
    index: Index, target: Selector, budget: int | None = None, **options: Unpack[ExperimentOptions]
) -> Recommendation:
    """Rank the rows to train on for a target: first what completes its elements, then what shares most with it.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to test on.
        budget: Number of training records to spread evenly over the rows (default: all).

    Raises:
        SplitError: No test record of the target, or a budget that is not a positive number of records.
    """
    kinds = {"budget": int | None}
    budget = strict.arguments(kinds, {"budget": budget}, "A recommendation", error=SplitError)["budget"]
    if budget is not None and budget < 1:
        raise SplitError(f"A recommendation: budget must be at least 1, or None for all, not {budget}.")
    study = Study.of(index, target, Options.of(options))
    interpretation, goal = study.interpretation, study.target.elements
    own, _ = study.trainable(study.target.rows)
    others = {row: axes for row, axes in study.others().items() if axes}
    counts = index.tags.counts(study.trainable(others)[0])
    ranked: list[tuple[int, str]] = []
    uncovered = set(goal)
    facts = index.tags.facts
    left = sorted(counts, key=lambda row: (-study.likeness(facts[row]), -counts[row], row))
    while left:
        row = max(left, key=lambda one: len(uncovered & interpretation.elements(facts[one])))  # on a tie, the first
        new = uncovered & interpretation.elements(facts[row])
        left.remove(row)
        uncovered -= new
        shared = " and ".join(axis for axis in AXES if axis in others[row])
        ranked.append((row, f"shares the {shared}" + (f"; the first to hold {_words(new)}" if new else "")))
    takes = _spread([counts[row] for row, _ in ranked], budget)
    choices = [
        _choice(index.tags.facts[row], others[row], counts[row], take, why)
        for (row, why), take in zip(ranked, takes, strict=True)
    ]
    choices += _elsewhere(study, uncovered)
    return Recommendation(str(study.target), len(own), tuple(sorted(uncovered)), tuple(choices))


def _elsewhere(study: Study, uncovered: set[Element]) -> list[Choice]:
    """Rows that this build lacks: of the target, sharing two elements, or with an element found nowhere in it."""
    found: list[Choice] = []
    interpretation, target = study.interpretation, study.target
    for source in catalog.load().values():
        for row in (RowFacts.of(row, source) for row in source.rows if row.number not in study.index.tags.facts):
            axes = target.shared(interpretation.elements(row))
            if set(interpretation.expanded_triplets(row)) & set(target.mats):
                why = "would hold the target itself"
            elif len(axes) > 1 or uncovered & interpretation.elements(row):
                why = "would share the " + " and ".join(axis for axis in AXES if axis in axes)
            else:
                continue
            found.append(_choice(row, axes, None, 0, f"{why}; 'med-mat show {row.source}'"))
    return sorted(found, key=lambda one: -len(one.shares))


def _choice(row: RowFacts, axes: frozenset[str], records: int | None, take: int, why: str) -> Choice:
    return Choice(row.source, row.number, row.mat, tuple(a for a in AXES if a in axes), records, take, why)


def _words(elements: set[Element]) -> str:
    return " and ".join(f"the {axis} {word}" for axis, word in sorted(elements, key=lambda e: AXES.index(e[0])))


def _spread(counts: list[int], budget: int | None) -> list[int]:
    """How many records to take of each row: equally many until one is used up; remainders go to the first."""
    if budget is None:
        return counts
    takes = [0] * len(counts)
    while budget > 0 and (open_ := [i for i, count in enumerate(counts) if takes[i] < count]):
        share = max(budget // len(open_), 1)
        for i in open_:
            more = min(share, counts[i] - takes[i], budget)
            takes[i] += more
            budget -= more
    return takes
