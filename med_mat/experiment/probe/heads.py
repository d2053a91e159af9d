"""From features to scores of options: the two models of the probe.

``options`` works for labels that were never trained. The embedding of each option's text is centered over the options
of its question; a ridge regression predicts, from the features of the image, the centered embedding of the right option
(so it learns what tells the right option from the others of its question, not what the options of a subset have in
common), and an option scores by its inner product with the prediction. ``linear`` is a logistic regression over the
labels, for a target whose labels are those of its training records.

Features are scaled to length 1 and centered within each subset, so that a head learns what differs within the subsets
and not what tells them apart; records of other subsets, such as those of the target, are centered by the mean of all
training records. Each record is answered on its own: no statistic of the tested records is used.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from med_mat.blind.asked import Asked, Codes
from med_mat.errors import EngineError
from med_mat.experiment.probe.packages import package
from med_mat.experiment.probe.questions import Matrix, accuracy
from med_mat.experiment.probe.ridge import Ridge

#: Scores of the options of questions, (options,), from features, (questions, d).
Model: TypeAlias = Callable[[Asked, Matrix], Matrix]
#: The score of an option that is no label of a training record, in the linear model: the logarithm of almost nothing.
_NEVER = -50.0
_STEPS = 1000


@dataclass(frozen=True)
class Known:
    """Questions with features: what a head learns from, or is judged by."""

    asked: Asked
    features: Matrix  # (questions, d)
    weights: Matrix  # (questions,), which sum to 1
    groups: Codes  # (questions,)
    subsets: Codes  # (questions,)


@dataclass(frozen=True)
class Fitted:
    """A model whose strength has been chosen."""

    scores: Model
    strength: float
    selection: str  # the rule by which it was chosen
    selected: float  # the accuracy that the rule compares
    tried: dict[float, float]  # strength -> that accuracy


def scaled(features: npt.NDArray[Any]) -> Matrix:
    """Features with each row scaled to length 1, as float64."""
    wide = features.astype(np.float64)
    found: Matrix = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return found


def centered(parts: Mapping[str, Known]) -> dict[str, Known]:
    """The parts of an experiment, each record less the mean of its subset in "train", or of all that train."""
    train = parts["train"]
    numbers, subset = np.unique(train.subsets, return_inverse=True)
    total = np.bincount(subset, train.weights)
    shares = sparse.csr_array((train.weights / total[subset], (subset, np.arange(len(subset)))))
    means = np.vstack((shares @ train.features, train.weights @ train.features))
    found = {}
    for name, part in parts.items():
        place = np.searchsorted(numbers, part.subsets).clip(max=len(numbers) - 1)
        mean = np.where(numbers[place] == part.subsets, place, len(numbers))
        found[name] = replace(part, features=part.features - means[mean])
    return found


def compact(vectors: Matrix) -> Matrix:
    """Vectors in the space that they span: the same inner products in at most as many dimensions as there are."""
    left, values, _ = np.linalg.svd(vectors, full_matrices=False)
    found: Matrix = left * values
    return found


def apart(asked: Asked, vectors: Matrix) -> Matrix:
    """Per option, its vector less the mean over the options of its question.

    Args:
        asked: the questions.
        vectors: (texts, t), in the order of ``asked.texts``.
    """
    each = vectors[asked.code]
    mean = np.add.reduceat(each, asked.start) / asked.count[:, None] if len(asked) else each[:0]
    found: Matrix = each - mean[asked.question]
    return found


def options(train: Known, validation: Known | None, vectors: Matrix, strengths: tuple[float, ...]) -> Fitted:
    """Fit the regression to the embeddings of options.

    Args:
        train: what to learn from.
        validation: what to choose the strength by; None: training groups that are left out in turn.
        vectors: (texts, t) embeddings of the texts of the questions.
        strengths: of the ridge, to choose among.
    """
    targets = apart(train.asked, vectors)[train.asked.right]
    ridge = Ridge.of(train.features, targets, train.weights)

    def scores(asked: Asked, predicted: Matrix) -> Matrix:
        found: Matrix = np.einsum("ot,ot->o", apart(asked, vectors), predicted[asked.question])
        return found

    def judged(strength: float) -> float:
        if validation is None:
            return accuracy(train.asked, scores(train.asked, ridge.left_out(train.groups, strength)), train.weights)
        found = scores(validation.asked, ridge.predict(validation.features, strength))
        return accuracy(validation.asked, found, validation.weights)

    best, tried = _best(judged, strengths)
    return Fitted(
        lambda asked, features: scores(asked, ridge.predict(features, best)),
        best,
        _rule(validation),
        tried[best],
        tried,
    )


def linear(train: Known, validation: Known | None, strengths: tuple[float, ...]) -> Fitted:
    """Fit a logistic regression over the labels of the training records.

    Raises:
        EngineError: they have a single label.
        MissingExtraError: scikit-learn is not installed.
    """
    models = package("sklearn.linear_model", "The head linear", "'med-mat[probe]'")
    labels, classes = np.unique(train.asked.label, return_inverse=True)
    if len(labels) < 2:
        raise EngineError(
            f"The head linear needs two labels, and all training records have {train.asked.texts[int(labels[0])]}."
        )

    def fitted(rows: Codes, strength: float) -> Model:
        weights = train.weights[rows] / train.weights[rows].mean()
        model = models.LogisticRegression(C=1 / (strength * len(rows)), max_iter=_STEPS, tol=1e-8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a fit that stops at the last step is one that has not changed for long
            model.fit(train.features[rows], classes[rows], sample_weight=weights)
        column = np.full(len(train.asked.texts) + 1, -1)
        column[labels[model.classes_]] = np.arange(len(model.classes_))

        def scores(asked: Asked, features: Matrix) -> Matrix:
            log = np.maximum(model.predict_log_proba(features), _NEVER)
            known = np.column_stack((log, np.full(len(log), _NEVER)))  # the last one: no label of a training record
            found: Matrix = known[asked.question, column[asked.code]]
            return found

        return scores

    judge, rows = (train, _folds(train.groups)) if validation is None else (validation, None)

    def judged(strength: float) -> float:
        if rows is None:
            model = fitted(np.arange(len(classes)), strength)
            return accuracy(judge.asked, model(judge.asked, judge.features), judge.weights)
        total = 0.0
        for fold in range(int(rows.max()) + 1):
            inside, outside = np.flatnonzero(rows == fold), np.flatnonzero(rows != fold)
            if len(np.unique(classes[outside])) > 1:
                asked = train.asked.pick(inside)
                found = fitted(outside, strength)(asked, train.features[inside])
                total += accuracy(asked, found, train.weights[inside])
        return total

    best, tried = _best(judged, strengths)
    rule = _rule(validation) if rows is None else "balanced accuracy of five folds of groups of the training records"
    return Fitted(fitted(np.arange(len(classes)), best), best, rule, tried[best], tried)


def _best(judged: Callable[[float], float], strengths: tuple[float, ...]) -> tuple[float, dict[float, float]]:
    """The strength of the highest accuracy, the largest of equal ones; and the accuracy of each."""
    tried = {strength: judged(strength) for strength in sorted(strengths)}
    return max(tried, key=lambda one: (round(tried[one], 9), one)), tried


def _rule(validation: Known | None) -> str:
    if validation is None:
        return "balanced accuracy of training records whose group is left out, in closed form"
    return "balanced accuracy of the validation part of the arm"


def _folds(groups: Codes, number: int = 5) -> Codes:
    """A fold for each record: whole groups, which are dealt in the order of their number."""
    return np.unique(groups, return_inverse=True)[1].ravel() % number
