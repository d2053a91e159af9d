"""What to train on for a target of which there is little data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from med_mat import catalog, strict
from med_mat.catalog import RowFacts
from med_mat.errors import SplitError
from med_mat.selection import MAT, Selector
from med_mat.splits.options import Options
from med_mat.splits.reading import Element
from med_mat.splits.study import Study
from med_mat.taxonomy import AXES

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT


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


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Rows to train on, the best first. Rows that this build lacks are named last, with nothing taken of them."""

    target: str
    own: int  # training records of the target itself
    missing: tuple[Element, ...]  # elements that nothing here holds
    choices: tuple[Choice, ...]

    def __str__(self) -> str:
        lines = [f"To train for {self.target}, which has {self.own:,} training records of its own:"]
        for one in self.choices:
            records = "not built" if one.records is None else f"{one.take:,} of {one.records:,}"
            lines.append(f"  {records:>18}  {one.source:<28} row {one.row:<4} {one.mat!s:<32} {one.why}")
        lines += [f"  nothing here holds the {axis} {word}" for axis, word in self.missing]
        return "\n".join(lines)


def recommend(mat: MedMAT, target: Selector, budget: int | None = None, **options: Any) -> Recommendation:
    """Rank the rows to train on for a target: what completes its elements first, then what shares most with it.

    Args:
        mat: a built Med-MAT.
        target: as of every experiment.
        budget: training records to spread over the rows, each row as many until it is used up; None takes all.
        options: of :class:`~med_mat.splits.Options`.

    Raises:
        SplitError: no test record of the target, or a budget that is no number of records.
    """
    budget = strict.arguments({"budget": int | None}, {"budget": budget}, "A recommendation", error=SplitError)[
        "budget"
    ]
    if budget is not None and budget < 1:
        raise SplitError(f"A recommendation: budget is to be at least 1, or None for all, and is {budget}.")
    study = Study.of(mat, target, Options.of(options))
    reading, goal = study.reading, study.target.elements
    own, _ = study.trainable(study.target.rows)
    others = {row: axes for row, axes in study.others().items() if axes}
    counts = mat.tags.counts(study.trainable(others)[0])
    ranked: list[tuple[int, str]] = []
    uncovered = set(goal)
    left = sorted(counts, key=lambda row: (-_likeness(study, row), -counts[row], row))
    while left:
        row = max(left, key=lambda one: len(uncovered & reading.elements(mat.tags.facts[one])))  # the first of the best
        new = uncovered & reading.elements(mat.tags.facts[row])
        left.remove(row)
        uncovered -= new
        shared = " and ".join(axis for axis in AXES if axis in others[row])
        ranked.append((row, f"shares the {shared}" + (f"; the first to hold {_words(new)}" if new else "")))
    takes = _spread([counts[row] for row, _ in ranked], budget)
    choices = [
        _choice(mat.tags.facts[row], others[row], counts[row], take, why)
        for (row, why), take in zip(ranked, takes, strict=True)
    ]
    choices += _elsewhere(study, uncovered)
    return Recommendation(str(study.target), len(own), tuple(sorted(uncovered)), tuple(choices))


def _elsewhere(study: Study, uncovered: set[Element]) -> list[Choice]:
    """Rows that this build lacks: of the target itself, sharing two elements, or holding one that nothing here has."""
    found: list[Choice] = []
    reading, target = study.reading, study.target
    for source in catalog.load().values():
        for row in (RowFacts.of(row, source) for row in source.rows if row.number not in study.mat.tags.facts):
            axes = target.shared(reading.elements(row))
            if set(reading.wide_names(row)) & set(target.mats):
                why = "would hold the target itself"
            elif len(axes) > 1 or uncovered & reading.elements(row):
                why = "would share the " + " and ".join(axis for axis in AXES if axis in axes)
            else:
                continue
            found.append(_choice(row, axes, None, 0, f"{why}; 'med-mat show {row.source}'"))
    return sorted(found, key=lambda one: -len(one.shares))


def _likeness(study: Study, row: int) -> int:
    """The most elements that one triplet of the row shares with one of the target."""
    names = study.reading.wide_names(study.mat.tags.facts[row])
    return max(len(name.shared(one)) for name in names for one in study.target.mats)


def _choice(row: RowFacts, axes: frozenset[str], records: int | None, take: int, why: str) -> Choice:
    return Choice(row.source, row.number, row.mat, tuple(a for a in AXES if a in axes), records, take, why)


def _words(elements: set[Element]) -> str:
    return " and ".join(f"the {axis} {word}" for axis, word in sorted(elements, key=lambda e: AXES.index(e[0])))


def _spread(counts: list[int], budget: int | None) -> list[int]:
    """How many of each: all equally many until one is used up; what does not divide goes to the first."""
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
