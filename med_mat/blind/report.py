"""Reports blind answerability of a built Med-MAT for each subset, row and experiment, as text and as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from med_mat.blind.guessing import MARGIN, Blind, Reached, cross_measure, measure
from med_mat.selection import Selection

if TYPE_CHECKING:
    from med_mat.index import Index
    from med_mat.questions import Form
    from med_mat.tags import Positions

#: Number of folds if a subset or row has no test questions.
FOLDS = 5
#: Maximum number of records of a side; of more, those with the lowest keys, independent of the rest of the build.
MOST = 200_000


@dataclass(frozen=True, slots=True)
class Entry:
    """The result for one subset, row or experiment."""

    name: str
    blind: Blind

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {"name": self.name, **self.blind.to_data()}


def of_rows(mat: Index, rows: Iterable[int], *, text: bool = False) -> Blind:
    """Measure how far the test questions of these rows can be answered after learning from their training questions.

    If either side has no single-choice question, the other is divided into :data:`FOLDS` folds by group.

    Args:
        mat: an opened Med-MAT.
        rows: upstream's row numbers.
        text: whether to use a classifier of words too.
    """
    numbers, every = frozenset(rows), Selection.of(None)
    side = [_some(mat, mat.where_rows(numbers, every, split)) for split in ("train", "test")]
    train, test = map(mat.questions, side)
    found = measure(train, test, text=text)
    if found.questions and found.learned_from:
        return found
    positions = side[1] if found.questions else side[0]
    return cross_measure(test if found.questions else train, _folds(mat, positions), text=text)


def of_parts(mat: Index, train: Positions, test: Positions, form: Form, *, text: bool = False) -> Blind:
    """Measure how far the test questions of a split can be answered after learning from its training questions.

    Args:
        mat: an opened Med-MAT.
        train: positions of the training records.
        test: positions of the test records.
        form: the form of the questions.
        text: whether to use a classifier of words too.
    """
    return measure(*(mat.questions(_some(mat, positions), form) for positions in (train, test)), text=text)


def of_subsets(mat: Index, *, text: bool = False) -> Iterator[Entry]:
    """The results of every subset that has records."""
    subsets: dict[int, list[int]] = {}
    for number, facts in mat.tags.facts.items():
        if facts.subset is not None:
            subsets.setdefault(facts.subset, []).append(number)
    for subset in sorted(subsets):
        yield Entry(f"subset {subset:02d}", of_rows(mat, subsets[subset], text=text))


def of_each_row(mat: Index, *, text: bool = False) -> Iterator[Entry]:
    """The results of every row that has records, given that the row of a question is known."""
    for number, facts in mat.tags.facts.items():
        yield Entry(f"row {number} {facts.source}", of_rows(mat, [number], text=text))


def _some(mat: Index, positions: Positions) -> Positions:
    """All of these positions, or the :data:`MOST` that are measured, ascending."""
    if len(positions) <= MOST:
        return positions
    by_key = np.argsort(mat.tags.key[positions], kind="stable")  # equal files have one key: the earlier comes first
    return np.sort(positions[by_key[:MOST]])


def _folds(mat: Index, positions: Positions) -> Positions:
    """A fold for each record, by its group."""
    folds: Positions = (mat.tags.key[mat.tags.group[positions]] % np.uint64(FOLDS)).astype(np.int64)
    return folds


def to_text(sections: Mapping[str, Sequence[Entry]]) -> str:
    """A table for each section, the most answerable entries first; below, the entries without single-choice question.

    Args:
        sections: title -> entries.
    """
    lines: list[str] = []
    silent = []
    for title, entries in sections.items():
        asked = [one for one in entries if one.blind.questions]
        if asked:
            asked.sort(key=lambda one: -one.blind.above_chance)
            lines += [*_table(title, asked), ""]
        names = ", ".join(one.name.removeprefix(title).strip() for one in entries if not one.blind.questions)
        if names:
            silent.append(f"No single-choice question to measure, {title}: {names}.")
    return "\n".join([*lines, *([_LEGEND] if lines else []), *silent])


_LEGEND = f"""\
Share of the questions that are answered correctly without the image. Under "alike": the best way, its share and chance
with every label weighted equally.
*  the questions give answers away: by over {MARGIN} more than chance and the prior of labels explain, even at the lower
   end of the 95 % interval;
~  the same, but only where every label counts alike.
+  cross-validated by group, because test or training questions are missing."""


def _table(title: str, asked: Sequence[Entry]) -> list[str]:
    ways = [*asked[0].blind.ways]
    width = max(len(title), *(len(one.name) for one in asked))
    head = "  ".join((f"{title:<{width}}", "questions", "chance", *(f"{way:>9}" for way in ways), "alike"))
    lines = [head]
    for one in asked:
        found = one.blind
        cells = (f"{found.ways[way].all.accuracy:>8.2f}{_mark(found.ways[way])}" for way in ways)
        best = max(ways, key=lambda way: found.ways[way].alike.accuracy)
        alike = f"{found.ways[best].alike.accuracy:.2f} {best} ({found.alike_chance:.2f})"
        number = f"{found.questions:,}{'+' if found.folds else ' '}"
        lines.append("  ".join((f"{one.name:<{width}}", f"{number:>9}", f"{found.chance:>6.2f}", *cells, alike)))
    return lines


def _mark(reached: Reached) -> str:
    return "*" if reached.all.tells else "~" if reached.alike.tells else " "
