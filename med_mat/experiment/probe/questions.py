"""The questions of an experiment's records as arrays, and the features that go with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from med_mat.blind.asked import Asked, Codes
from med_mat.errors import EngineError
from med_mat.splits import Experiment
from med_mat.tags import Positions

Matrix = npt.NDArray[np.float64]
#: The parts of an experiment, in the order of ``Questions.part``.
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Questions:
    """The single-choice questions of an experiment, one after the other; records without options are left out."""

    asked: Asked
    part: Codes  # per question: position in PARTS
    position: Positions  # per question: its record, as a position in the index
    left_out: dict[str, int]  # part -> records without options

    @classmethod
    def of(cls, experiment: Experiment) -> Questions:
        """The questions of all parts of an experiment.

        Raises:
            EngineError: no training record, or no test record, has options.
        """
        parts = [getattr(experiment, f"{part}_positions") for part in PARTS]
        mat, form = experiment.mat, experiment.options.questions
        asked = Asked.of([mat.questions(positions, form) for positions in parts])
        part = np.repeat(np.arange(len(PARTS)), asked.tables)
        start = np.cumsum([0, *map(len, parts)])[part]
        position = np.concatenate(parts)[start + asked.place]
        left_out = {
            name: len(positions) - count
            for name, positions, count in zip(PARTS, parts, asked.tables, strict=True)
            if len(positions) > count
        }
        for name in ("train", "test"):
            if not asked.tables[PARTS.index(name)]:
                records = len(parts[PARTS.index(name)])
                raise EngineError(
                    f"The probe chooses among the options of a question, and none of the {records:,} {name} records of "
                    f"{experiment.name} for {experiment.target} has options: choose another target, arm or engine."
                )
        return cls(asked, part, position, left_out)

    def of_part(self, name: str) -> Codes:
        """The questions of a part, as positions among all."""
        return np.flatnonzero(self.part == PARTS.index(name))


def balanced(subset: npt.NDArray[np.int64], label: Codes) -> Matrix:
    """Weights of records that sum to 1: each subset counts the same, and in it each label.

    Args:
        subset: (n,) the subset of each record.
        label: (n,) its label.

    Returns:
        (n,) weights.
    """
    cell, count = np.unique(np.stack((subset, label)), axis=1, return_inverse=True, return_counts=True)[1:]
    cells = np.unique(np.stack((subset, label)), axis=1)
    subsets, labels = np.unique(cells[0], return_counts=True)
    share = 1 / len(subsets) / labels[np.searchsorted(subsets, cells[0])] / count
    return np.asarray(share[cell.ravel()])


def accuracy(asked: Asked, scores: Matrix, weights: Matrix) -> float:
    """The weighted share of questions whose right option has the highest score; ties count by their share."""
    return float(weights @ asked.best(scores)[asked.right])


def letters(asked: Asked, scores: Matrix) -> list[dict[str, float]]:
    """The scores of the options of each question, by letter."""
    return [
        {chr(ord("A") + number): round(float(score), 9) for number, score in enumerate(scores[start : start + count])}
        for start, count in zip(asked.start.tolist(), asked.count.tolist(), strict=True)
    ]
