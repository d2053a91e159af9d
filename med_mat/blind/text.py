"""A classifier of the words of question and options alone, without the image.

A linear model scores every option: a logistic regression predicts which of two options of a question is the right one
(a Bradley-Terry model with features). It is convex, so the same questions give the same scores. Needs scikit-learn (the
extra ``score``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from scipy import sparse

from med_mat.blind.asked import Asked, Codes, Floats, holds
from med_mat.errors import MissingExtraError

#: Maximum number of questions to learn from; of more, evenly spaced ones are used.
MOST = 60_000
_STEPS = 200
_WORD = r"[^\w+-]+"


def scores(asked: Asked, forms: Codes, weight: Floats, test: npt.NDArray[np.bool_]) -> Floats:
    """Per option: its score; 0 if its question is not tested.

    Args:
        asked: the questions.
        forms: per option: a number for its form.
        weight: per question: its weight in learning; 0: not learned from.
        test: per question: whether it is tested.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    found = np.zeros(len(asked.code))
    learned, tested = _sorted(asked, np.flatnonzero(weight > 0)), np.flatnonzero(test)
    if len(learned) and len(tested):
        chosen = np.concatenate((learned, tested))
        few = asked.pick(chosen)
        seen = features(few, forms[asked.places(chosen)])
        known = int(asked.count[learned].sum())
        weights = _fit(asked.pick(learned), seen[:known], weight[learned])
        found[asked.spread(test)] = seen[known:] @ weights
    return found


def _sorted(asked: Asked, learned: Codes) -> Codes:
    """The questions to learn from, in an order that depends only on their content; at most :data:`MOST`."""
    last = asked.count[learned] - 1
    steps = range(int(asked.count.max(initial=0)))
    options = [asked.code[asked.start[learned] + np.minimum(step, last)] for step in steps]
    order = learned[np.lexsort((*options, last, asked.label[learned], asked.instruction[learned]))]
    return order if len(order) <= MOST else order[np.linspace(0, len(order) - 1, MOST).astype(np.int64)]


def features(asked: Asked, forms: Codes) -> sparse.csr_array:
    """Per option, a row of 0 and 1: features of the option itself and of the other options."""
    blocks = [_ones(np.arange(len(asked.code)), column) for column in _facts(asked, forms)]
    return sparse.csr_array(sparse.hstack([*blocks, *_words(asked)], format="csr"))


def _facts(asked: Asked, forms: Codes) -> Iterator[Codes]:
    """For each categorical feature, the column in which each option has a 1."""
    count, number = asked.spread(asked.count), len(asked.texts)
    cross = asked.spread(asked.instruction) * number + asked.code
    pairs, back = np.unique(cross, return_inverse=True)
    said, texts = asked.said.to_pylist(), asked.texts.to_pylist()
    told = [texts[pair % number].casefold() in said[pair // number].casefold() for pair in pairs.tolist()]
    yield asked.code
    yield back
    yield asked.code * (asked.count.max() + 1) + count
    yield forms
    yield np.array(told, dtype=np.int64)[back] * (asked.count.max() + 1) + count
    yield np.arange(len(asked.code)) - asked.spread(asked.start)


def _words(asked: Asked) -> Iterator[sparse.csr_array]:
    """Words, words by number of options, labels by how many other options have them, and the other options."""
    words = holds(pc.split_pattern_regex(pc.utf8_lower(asked.texts), _WORD))[asked.code]
    yield words
    option, word = words.nonzero()
    yield _ones(option, word * (asked.count.max() + 1) + asked.spread(asked.count)[option], len(asked.code))
    others = sparse.coo_array(asked.labels[asked.code].multiply(asked.offered[asked.question]))
    yield _ones(others.row, others.col * 8 + np.minimum(others.data.astype(np.int64), 7), len(asked.code))
    place, start, count = (np.arange(len(asked.code)), asked.spread(asked.start), asked.spread(asked.count))
    steps = range(1, int(asked.count.max()))
    pairs = [(there := np.flatnonzero(step < count), start[there] + (place - start + step)[there] % count[there])
             for step in steps]  # fmt: skip
    yield _ones(
        np.concatenate([place[:0], *(one for one, _ in pairs)]),
        np.concatenate([place[:0], *(asked.code[one] * len(asked.texts) + asked.code[other] for one, other in pairs)]),
        len(asked.code),
    )


def _ones(row: npt.NDArray[Any], column: npt.NDArray[Any], rows: int | None = None) -> sparse.csr_array:
    """A matrix with a 1 in each of these places, without empty columns."""
    _, column = np.unique(column, return_inverse=True)
    shape = (len(row) if rows is None else rows, int(column.max(initial=-1)) + 1)
    return sparse.csr_array((np.ones(len(row)), (row, column)), shape)


def _fit(asked: Asked, seen: sparse.csr_array, weight: Floats) -> Floats:
    """The weights of the features, which predict the sign of differences between rows of right and wrong options."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtraError(
            "The classifier of words needs the package scikit-learn: pip install 'med-mat[score]'."
        ) from error
    wrong = np.setdiff1d(np.arange(len(asked.code)), asked.right)
    if len(wrong) < 2:  # a single pair has a single sign
        return np.zeros(seen.shape[1])
    question = asked.question[wrong]
    sign = np.where(np.arange(len(wrong)) % 2, -1.0, 1.0)  # alternating: without intercept, both signs are equivalent
    apart = sparse.csr_matrix(sparse.diags_array(sign) @ (seen[asked.right[question]] - seen[wrong]))
    apart.indices, apart.indptr = apart.indices.astype(np.int32), apart.indptr.astype(np.int32)  # needed by liblinear
    # liblinear: single-threaded and deterministic
    model = LogisticRegression(solver="liblinear", fit_intercept=False, max_iter=_STEPS)
    model.fit(apart, sign, sample_weight=weight[question])
    return np.asarray(model.coef_[0])
