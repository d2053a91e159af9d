"""Which triplets a row stands for, and which elements it has: the catalog's corrected triplets, or the paper's.

The paper counts some subsets under several tasks (28 as COVID and as Diseases; arXiv 2412.20070, Tables 3 and 10),
pools COVID and Cancer to State (appendix B.1), and lets a detection subset stand for a classification task (section
6.2). Each of the three is an option here, off by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from med_mat import catalog
from med_mat.catalog import RowFacts
from med_mat.errors import SplitError
from med_mat.selection import MAT, Selection
from med_mat.taxonomy import AXES
from med_mat.vocabulary import STANDARD, Vocabulary

#: An axis and a word on it, e.g. ("area", "Lung").
Element = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Interpretation:
    """Which triplets rows stand for.

    Args:
        triplet_source: "own" takes each row's corrected triplet; "paper" takes its subset's modality and area as the
            paper prints them, with each task that the paper counts the subset as. The rows of a subset are those of
            the catalog in both cases: the paper has rows 43, 44, 64 and 83 in other subsets, and their cards say why.
        pool_tasks: COVID and Cancer also count as State.
        cross_tasks: A detection task also counts as the classification task of what it finds.
    """

    triplet_source: Literal["own", "paper"] = "own"
    pool_tasks: bool = False
    cross_tasks: bool = False

    def triplets(self, row: RowFacts) -> tuple[MAT, ...]:
        """The triplets that a row stands for literally, its own first."""
        if self.triplet_source == "own" or row.subset is None:
            return (row.mat,)
        subset = catalog.load().subsets[row.subset]
        there = subset.upstream
        return tuple(MAT(there.modality, there.area, task) for task in (subset.mat.task, *subset.also))

    def expanded_triplets(self, row: RowFacts) -> tuple[MAT, ...]:
        """The triplets that a row stands for, including those of wider tasks."""
        names = self.triplets(row)
        return tuple(dict.fromkeys(wide for name in names for wide in self.expanded(name, row.vocabulary)))

    def expanded(self, mat: MAT, vocabulary: Vocabulary = STANDARD) -> tuple[MAT, ...]:
        """The triplet, and what it also counts as in a vocabulary."""
        tasks = vocabulary.counts_as(mat.task, pool_tasks=self.pool_tasks, cross_tasks=self.cross_tasks)
        return (mat, *(MAT(mat.modality, mat.area, task) for task in sorted(tasks - {mat.task})))

    def elements(self, row: RowFacts) -> frozenset[Element]:
        """The elements of a row."""
        return elements_of(self.expanded_triplets(row))


@dataclass(frozen=True, slots=True)
class Target:
    """What an experiment tests on: rows, and the triplets by which they were selected."""

    text: str
    mats: tuple[MAT, ...]
    rows: frozenset[int]
    vocabulary: Vocabulary = STANDARD  # of the build

    @property
    def elements(self) -> frozenset[Element]:
        """The elements that training data must have, or must not have."""
        return elements_of(self.mats)

    def shared(self, elements: Iterable[Element]) -> frozenset[str]:
        """The axes on which some of the elements are the target's, a subset of {"modality", "area", "task"}."""
        return frozenset(axis for axis, _ in self.elements.intersection(elements))

    def touched(self, elements: Iterable[Element]) -> frozenset[str]:
        """The axes on which some of the elements overlap with the target's, as ``avoid="wide"`` compares them.

        COVID is a kind of State, Cancer Detection detects Cancer, and the chest contains the lungs: see
        :meth:`med_mat.vocabulary.Vocabulary.related`.
        """
        return frozenset(
            axis
            for axis, word in elements
            if any(axis == own and self.vocabulary.related(axis, word, wanted) for own, wanted in self.elements)
        )

    def __str__(self) -> str:
        return self.text


def elements_of(mats: Iterable[MAT]) -> frozenset[Element]:
    """The elements of some triplets."""
    return frozenset((axis, getattr(mat, axis)) for mat in mats for axis in AXES)


def find_target(facts: Mapping[int, RowFacts], selection: Selection, interpretation: Interpretation) -> Target:
    """The rows that a selection matches by any of their triplets; there may be none.

    Raises:
        SplitError: The selection has conditions on single records.
    """
    mats: dict[MAT, None] = {}
    rows = set()
    words = STANDARD
    for number, row in facts.items():
        words = row.vocabulary
        for mat in interpretation.expanded_triplets(row):
            verdict = selection.resolve({**row.as_fields(), **asdict(mat)})
            if not isinstance(verdict, bool):
                raise SplitError(
                    f"The target {selection} has conditions on single records ({verdict}). A target consists of "
                    "triplets, sources, subsets and rows; restrict the records with among=."
                )
            if verdict:
                mats[mat] = None
                rows.add(number)
    return Target(str(selection), tuple(sorted(mats)), frozenset(rows), words)
