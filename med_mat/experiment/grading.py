"""Which answers are right: the score of each record of a test, for comparisons that are paired by record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from med_mat.score.parsing import parse
from med_mat.splits import Experiment

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Graded:
    """The grades of a test; arrays are in the order of its records."""

    right: npt.NDArray[np.float64]  # (records,) 1 for a right answer, else 0
    graded: npt.NDArray[np.bool_]  # (records,) False for questions without options, which are not compared
    unread: int  # answers in which no option was found, or several: they count as wrong


def grade(split: Experiment, answers: Mapping[str, str | Mapping[str, float]]) -> Graded:
    """Grade answers to the single-choice questions of a test.

    Args:
        split: What was tested.
        answers: Record id -> text, or a score for each option letter, of which the highest wins and a tie is no answer.
    """
    positions = split.test_positions
    ids = split.mat.facts(positions, ["id"])["id"].to_pylist()
    asked = split.mat.questions(positions, split.options.questions)
    rows = zip(ids, asked["options"].to_pylist(), asked["answer"].to_pylist(), strict=True)
    right, graded, unread = np.zeros(len(ids)), np.zeros(len(ids), dtype=bool), 0
    for place, (one, options, answer) in enumerate(rows):
        if not options or not answer:
            continue
        graded[place] = True
        said = answers[one]
        letter = parse(said, options).letter if isinstance(said, str) else _best(said, len(options))
        right[place] = letter == answer
        unread += letter is None
    return Graded(right, graded, unread)


def _best(scores: Mapping[str, float], options: int) -> str | None:
    """The option with the highest score; None for a tie, or if an option has none."""
    letters = _LETTERS[:options]
    if any(letter not in scores for letter in letters):
        return None
    ranked = sorted(letters, key=lambda letter: -scores[letter])
    return None if len(ranked) > 1 and scores[ranked[0]] == scores[ranked[1]] else ranked[0]
