"""Blind answerability: how many single-choice questions can be answered without their picture.

Each way of guessing sees question and options alone, and what it knows of labels it learned from the training
questions. Where several options suit it equally well, it is credited with its chance among them, so that no order of
records or options decides.

==========  ==========================================================================================================
way         guesses
==========  ==========================================================================================================
commonest   the label that is the commonest answer of train, offered or not
prior       of the options offered, the one that is the commonest answer of train
number      the option that is the commonest answer of train among questions with as many options
longest     the longest option, in characters
shortest    the shortest option
position    the letter that is right most often in train among questions with as many options
shape       the option whose form is right most often in train: number of options, how its length, its number of labels
            and the labels that it shares with others compare with those of the other options, whether it denies
text        what a linear classifier of all words of question and options says (:mod:`med_mat.blind.text`)
==========  ==========================================================================================================

A way *tells* where it reaches more than chance and the prior of labels explain, of all questions or where every label
counts alike. To say the commonest label is no fault of the questions, nor is to prefer the commonest of those offered,
so the prior explains of a guess what it would reach if, among the options offered, answers fell as they fall in train.
That options which are never right stand beside it is a fault: one that train never has as an answer counts like the
average of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from med_mat.blind.asked import Asked, Codes, Floats, form
from med_mat.errors import SplitError

#: A way tells where the lower end of its interval is more than this above what chance and the prior explain.
MARGIN = 0.05
#: Of the normal distribution, for intervals of 95 %.
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Share:
    """A share of the questions, 0 to 1."""

    accuracy: float
    low: float  # of its 95 % interval (Wilson's)
    high: float
    explained: float  # what chance and the prior of labels make of the same guesses

    @property
    def tells(self) -> bool:
        """Whether it is more than is explained."""
        return self.low > self.explained + MARGIN


@dataclass(frozen=True, slots=True)
class Reached:
    """What one way of guessing reaches."""

    all: Share  # of all questions
    alike: Share  # the same where every label counts alike, in train and in test

    @property
    def tells(self) -> bool:
        """Whether the questions give their answers away to it."""
        return self.all.tells or self.alike.tells


@dataclass(frozen=True, slots=True)
class Blind:
    """How many of some questions can be answered without their picture."""

    questions: int  # single-choice ones that were asked
    learned_from: int  # single-choice ones of train
    labels: int  # different answers
    chance: float  # the mean of 1 / number of options
    alike_chance: float  # the same where every label counts alike
    folds: int  # 0: train and test are apart; else the folds of one table
    ways: Mapping[str, Reached]

    @property
    def telling(self) -> tuple[str, ...]:
        """The ways that tell, the one that reaches most first."""
        found = [name for name, one in self.ways.items() if one.tells]
        return tuple(sorted(found, key=lambda name: -self.ways[name].all.accuracy))

    @property
    def above_chance(self) -> float:
        """How far above chance the best way surely is: by the lower end of its interval; below 0 where none is."""
        return max((one.all.low for one in self.ways.values()), default=0.0) - self.chance

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON, numbers to four digits."""
        ways = {
            name: {
                "tells": one.tells,
                **{part: {key: round(value, 4) for key, value in asdict(getattr(one, part)).items()}
                   for part in ("all", "alike")},
            }
            for name, one in self.ways.items()
        }  # fmt: skip
        chances = {name: round(getattr(self, name), 4) for name in ("chance", "alike_chance")}
        return {**asdict(self), **chances, "ways": ways, "telling": list(self.telling)}

    def __str__(self) -> str:
        if not self.questions:
            return "no single-choice question"
        reached = ", ".join(f"{name} {one.all.accuracy:.2f}" for name, one in self.ways.items())
        told = "".join(f"; {name} tells: {_told(self.ways[name])}" for name in self.telling)
        return f"{self.questions:,} single-choice questions, chance {self.chance:.2f}: {reached}{told}"


def _told(one: Reached) -> str:
    share, when = (one.all, "") if one.all.tells else (one.alike, " where every label counts alike")
    return f"{share.low:.2f} to {share.high:.2f}{when}, of which {share.explained:.2f} is explained"


def measure(train: pa.Table, test: pa.Table, *, text: bool = False) -> Blind:
    """How many test questions can be answered without their picture, by what the training questions teach.

    Args:
        train: what is learned from: the columns ``open_question``, ``options`` and ``answer``, as
            :meth:`med_mat.dataset.MedMAT.questions` gives them. Rows without options or answer are passed over.
        test: what is asked: the same columns.
        text: also by a classifier of words (the extra ``score``).

    Raises:
        SplitError: a column is missing, or an answer is no letter of its options.
        MissingExtraError: ``text`` without the extra ``score``.
    """
    asked = Asked.of([train, test])
    learned = np.arange(len(asked)) < asked.tables[0]
    return _account(asked, [(learned, ~learned)], text=text, folds=0)


def cross_measure(questions: pa.Table, folds: npt.NDArray[np.integer[Any]], *, text: bool = False) -> Blind:
    """The same where no test is apart: each fold is asked by what the other folds teach.

    Args:
        questions: the same columns.
        folds: a fold for each row; records that belong together have the same one.
        text: as for :func:`measure`.

    Raises:
        SplitError: as for :func:`measure`, or folds of another length.
        MissingExtraError: as for :func:`measure`.
    """
    if len(folds) != questions.num_rows:
        raise SplitError(f"Blind answerability: {len(folds):,} folds are given for {questions.num_rows:,} questions.")
    asked = Asked.of([questions])
    of = np.asarray(folds)[asked.place]
    used = np.unique(of)
    return _account(asked, [(of != one, of == one) for one in used], text=text, folds=len(used))


def _account(
    asked: Asked, turns: list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]], *, text: bool, folds: int
) -> Blind:
    """What each way reaches: per turn, the questions to learn from and those to ask, each asked once at most."""
    forms = np.unique(form(asked), return_inverse=True)[1] if len(asked) else asked.code
    taught, tested = np.zeros((2, len(asked)), dtype=bool)
    guesses: dict[str, Floats] = {}
    even: dict[str, Floats] = {}
    fall = np.zeros(len(asked.code))
    for learned, test in turns:
        here = asked.spread(test)
        taught |= learned
        tested |= test
        fall[here] = _fall(asked, np.bincount(asked.label[learned], minlength=len(asked.texts)))[here]
        for found, weight in ((guesses, learned.astype(np.float64)), (even, _evened(asked, learned))):
            said = _guess(asked, forms, weight)
            if text:
                from med_mat.blind.text import scores

                said["text"] = asked.best(scores(asked, forms, weight, test))
            for name, chances in said.items():
                found.setdefault(name, np.zeros(len(asked.code)))[here] = chances[here]
    size = int(np.count_nonzero(tested))
    by_chance = asked.spread(1.0 / asked.count)
    ways: dict[str, list[Share]] = {}
    chance: list[float] = []
    for found, counts in ((guesses, tested.astype(np.float64)), (even, _evened(asked, tested))):
        worth = _worth(asked, counts)
        chance.append(_share(counts, 1.0 / asked.count))
        usual = _share(counts, found["commonest"][asked.right]) if found else 0.0
        for name, chances in found.items():
            accuracy = _share(counts, chances[asked.right])
            expected = (_expected(asked, tested, chances, worth * fallen) for fallen in (fall, by_chance))
            low, high = wilson(accuracy, _effective(counts))
            ways.setdefault(name, []).append(Share(accuracy, low, high, max(chance[-1], usual, *expected)))
    return Blind(
        questions=size,
        learned_from=int(np.count_nonzero(taught)),
        labels=len(np.unique(asked.label[tested])),
        chance=chance[0],
        alike_chance=chance[1],
        folds=folds,
        ways={name: Reached(*both) for name, both in ways.items()} if size else {},
    )


def _share(counts: Floats, reached: Floats) -> float:
    """The mean over questions that count so much."""
    return float(np.sum(counts * reached)) / max(float(np.sum(counts)), 1e-9)


def _effective(counts: Floats) -> float:
    """As many questions that count alike say as much (L. Kish, 1965)."""
    return float(np.sum(counts)) ** 2 / max(float(np.sum(counts**2)), 1e-9)


def _worth(asked: Asked, counts: Floats) -> Floats:
    """Of each option: how much a question counts of which it is the answer; one that is never right, most."""
    found = np.full(len(asked.texts), float(np.max(counts, initial=0.0)))
    found[asked.label[counts > 0]] = counts[counts > 0]
    return found[asked.code]


def _expected(asked: Asked, tested: npt.NDArray[np.bool_], chances: Floats, fallen: Floats) -> float:
    """What guesses would reach if options were right in proportion to this."""
    within = asked.spread(tested)
    return float(np.sum((chances * fallen)[within])) / max(float(np.sum(fallen[within])), 1e-9)


def _evened(asked: Asked, chosen: npt.NDArray[np.bool_]) -> Floats:
    """Of each question: a weight by which every label counts alike among the chosen; they add up to their number."""
    number = np.bincount(asked.label[chosen], minlength=len(asked.texts))
    each = int(np.count_nonzero(chosen)) / max(int(np.count_nonzero(number)), 1)
    return np.where(chosen, each / np.maximum(number, 1)[asked.label], 0.0)


def _fall(asked: Asked, answers: Codes) -> Floats:
    """Of each option: the chance that it is right if, among those offered, answers fall as they do in train."""
    weight = answers[asked.code].astype(np.float64)
    known = asked.total((weight > 0).astype(np.float64))
    usual = np.where(known > 0, asked.total(weight) / np.maximum(known, 1), 1.0)
    weight = np.where(weight > 0, weight, asked.spread(usual))
    weight /= asked.spread(asked.total(weight))
    return weight


def _guess(asked: Asked, forms: Codes, weight: Floats) -> dict[str, Floats]:
    """Way -> of each option the chance that it is guessed; questions with weight are learned from."""
    length = np.asarray(pc.utf8_length(asked.texts)).astype(np.int64)[asked.code]
    answers = np.bincount(asked.label, weight, minlength=len(asked.texts))
    top = (answers >= answers.max(initial=0)) & (answers > 0)
    numbered = asked.code * (asked.count.max(initial=0) + 1) + asked.spread(asked.count)
    letter = np.arange(len(asked.code)) - asked.spread(asked.start)
    lettered = letter * (asked.count.max(initial=0) + 1) + asked.spread(asked.count)
    right, offered = _rightness(asked, forms, weight)
    return {
        "commonest": (top / max(np.count_nonzero(top), 1))[asked.code],
        "prior": asked.best(answers[asked.code]),
        "number": asked.best(_rightness(asked, np.unique(numbered, return_inverse=True)[1], weight)[0]),
        "longest": asked.best(length),
        "shortest": asked.best(-length),
        "position": asked.best(_rightness(asked, lettered, weight)[0]),
        # beside what is known, one question more in which the form was right by chance
        "shape": asked.best((right + 1.0 / asked.spread(asked.count)) / (offered + 1.0)),
    }


def _rightness(asked: Asked, key: Codes, weight: Floats) -> tuple[Floats, Floats]:
    """Of each option: how often options of its key are right in train, and how often they are offered."""
    right = np.bincount(key[asked.right], weight, minlength=int(key.max(initial=-1)) + 1)
    offered = np.bincount(key, asked.spread(weight), minlength=len(right))
    return right[key].astype(np.float64), offered[key].astype(np.float64)


def wilson(accuracy: float, size: float) -> tuple[float, float]:
    """The 95 % interval of an accuracy over so many questions (E. B. Wilson, 1927); 0 to 1 where there is none."""
    if not size:
        return 0.0, 1.0
    spread = _Z**2 / size
    middle = (accuracy + spread / 2) / (1 + spread)
    width = _Z * ((accuracy * (1 - accuracy) + spread / 4) / size) ** 0.5 / (1 + spread)
    return max(middle - width, 0.0), min(middle + width, 1.0)
