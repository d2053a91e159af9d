"""Blind answerability: how many single-choice questions can be answered without their image.

Each way of guessing sees only question and options, and learns about labels from the training questions. If several
options are tied, it is credited with the probability of guessing right among them, so that the order of records or
options does not matter.

==========  ==========================================================================================================
way         guesses
==========  ==========================================================================================================
commonest   the most frequent answer in train, offered or not
prior       of the options offered, the one that is the most frequent answer in train
number      the option that is the most frequent answer in train among questions with the same number of options
longest     the longest option, in characters
shortest    the shortest option
position    the letter that is right most often in train among questions with the same number of options
shape       the option whose form is right most often in train: number of options; its length, its number of labels and
            its labels shared with other options, compared with those of the other options; whether it is a negation
text        the prediction of a linear classifier of all words of question and options (:mod:`med_mat.blind.text`)
==========  ==========================================================================================================

A way *tells* if its accuracy exceeds what chance and the prior of labels explain, over all questions or with every
label weighted equally. That the most frequent label can be guessed is not a fault of the questions, nor that the most
frequent of the offered labels can. So the prior explains the accuracy that a guess would have if, among the options
offered, answers were distributed as in train. Options that are never right are a fault: an option that is never an
answer in train is given the average weight of the others.
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

#: A way tells if the lower end of its interval exceeds what chance and the prior explain by more than this.
MARGIN = 0.05
#: Quantile of the normal distribution for intervals of 95 %.
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Share:
    """An accuracy with its confidence interval; all values from 0 to 1."""

    accuracy: float
    low: float  # lower end of the 95 % Wilson interval
    high: float  # upper end
    explained: float  # the accuracy that chance and the prior of labels explain

    @property
    def tells(self) -> bool:
        """Whether the accuracy exceeds what is explained."""
        return self.low > self.explained + MARGIN


@dataclass(frozen=True, slots=True)
class Reached:
    """The accuracy of one way of guessing."""

    all: Share  # over all questions
    alike: Share  # with every label weighted equally, in train and in test

    @property
    def tells(self) -> bool:
        """Whether this way reveals answers of the questions."""
        return self.all.tells or self.alike.tells


@dataclass(frozen=True, slots=True)
class Blind:
    """The blind answerability of a set of questions."""

    questions: int  # number of single-choice questions tested
    learned_from: int  # number of single-choice questions in train
    labels: int  # number of distinct answers
    chance: float  # the mean of 1 / number of options
    alike_chance: float  # the same with every label weighted equally
    folds: int  # 0: train and test are separate; otherwise the number of folds of one table
    ways: Mapping[str, Reached]

    @property
    def telling(self) -> tuple[str, ...]:
        """The ways that tell, in descending order of accuracy."""
        found = [name for name, one in self.ways.items() if one.tells]
        return tuple(sorted(found, key=lambda name: -self.ways[name].all.accuracy))

    @property
    def above_chance(self) -> float:
        """The highest lower end of the intervals minus chance; negative if no way is surely better than chance."""
        return max((one.all.low for one in self.ways.values()), default=0.0) - self.chance

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON, numbers rounded to four decimals."""
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
    """Measure how many test questions can be answered without their image, after learning from the training questions.

    Args:
        train: the training questions: the columns ``open_question``, ``options`` and ``answer``, from
            :meth:`med_mat.dataset.MedMAT.questions`. Rows without options or answer are skipped.
        test: the test questions: the same columns.
        text: whether to use a classifier of words too (needs the extra ``score``).

    Raises:
        SplitError: a column is missing, or an answer is not a letter of its options.
        MissingExtraError: ``text`` without the extra ``score``.
    """
    asked = Asked.of([train, test])
    learned = np.arange(len(asked)) < asked.tables[0]
    return _account(asked, [(learned, ~learned)], text=text, folds=0)


def cross_measure(questions: pa.Table, folds: npt.NDArray[np.integer[Any]], *, text: bool = False) -> Blind:
    """The same by cross-validation, without a separate test set: each fold is tested after learning from the others.

    Args:
        questions: the same columns as for :func:`measure`.
        folds: (n,) int: the fold of each row; records of one group must be in the same fold.
        text: as for :func:`measure`.

    Raises:
        SplitError: as for :func:`measure`, or ``folds`` has another length.
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
    """The accuracy of each way; a turn has masks of the questions to learn from and of those to test."""
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
    """The weighted mean over questions."""
    return float(np.sum(counts * reached)) / max(float(np.sum(counts)), 1e-9)


def _effective(counts: Floats) -> float:
    """The effective sample size of weighted questions (L. Kish, 1965)."""
    return float(np.sum(counts)) ** 2 / max(float(np.sum(counts**2)), 1e-9)


def _worth(asked: Asked, counts: Floats) -> Floats:
    """Per option: the weight of a question whose answer it is; the maximum weight if it is never the answer."""
    found = np.full(len(asked.texts), float(np.max(counts, initial=0.0)))
    found[asked.label[counts > 0]] = counts[counts > 0]
    return found[asked.code]


def _expected(asked: Asked, tested: npt.NDArray[np.bool_], chances: Floats, fallen: Floats) -> float:
    """The accuracy of guesses if options were right in proportion to ``fallen``."""
    within = asked.spread(tested)
    return float(np.sum((chances * fallen)[within])) / max(float(np.sum(fallen[within])), 1e-9)


def _evened(asked: Asked, chosen: npt.NDArray[np.bool_]) -> Floats:
    """Per question: a weight that gives every label among the chosen the same total; the sum is their number."""
    number = np.bincount(asked.label[chosen], minlength=len(asked.texts))
    each = int(np.count_nonzero(chosen)) / max(int(np.count_nonzero(number)), 1)
    return np.where(chosen, each / np.maximum(number, 1)[asked.label], 0.0)


def _fall(asked: Asked, answers: Codes) -> Floats:
    """Per option: the probability that it is right if, among those offered, answers are distributed as in train."""
    weight = answers[asked.code].astype(np.float64)
    known = asked.total((weight > 0).astype(np.float64))
    usual = np.where(known > 0, asked.total(weight) / np.maximum(known, 1), 1.0)
    weight = np.where(weight > 0, weight, asked.spread(usual))
    weight /= asked.spread(asked.total(weight))
    return weight


def _guess(asked: Asked, forms: Codes, weight: Floats) -> dict[str, Floats]:
    """Way -> per option the probability that it is guessed; questions with positive weight are learned from."""
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
        # smoothed by one additional question in which the form was right by chance
        "shape": asked.best((right + 1.0 / asked.spread(asked.count)) / (offered + 1.0)),
    }


def _rightness(asked: Asked, key: Codes, weight: Floats) -> tuple[Floats, Floats]:
    """Per option: how often options with its key are right in train, and how often they are offered."""
    right = np.bincount(key[asked.right], weight, minlength=int(key.max(initial=-1)) + 1)
    offered = np.bincount(key, asked.spread(weight), minlength=len(right))
    return right[key].astype(np.float64), offered[key].astype(np.float64)


def wilson(accuracy: float, size: float) -> tuple[float, float]:
    """The 95 % interval of an accuracy over ``size`` questions (E. B. Wilson, 1927); 0 to 1 if there are none."""
    if not size:
        return 0.0, 1.0
    spread = _Z**2 / size
    middle = (accuracy + spread / 2) / (1 + spread)
    width = _Z * ((accuracy * (1 - accuracy) + spread / 4) / size) ** 0.5 / (1 + spread)
    return max(middle - width, 0.0), min(middle + width, 1.0)
