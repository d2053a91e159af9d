"""What a classifier makes of the words of question and options alone, without the picture.

A linear model scores every option; the chance that an option is right is the softmax of the scores of its question
(McFadden's conditional logit), and the weights are those of the greatest likelihood under a penalty on their squares.
It is convex, so the same questions give the same weights.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import optimize, sparse

if TYPE_CHECKING:
    from med_mat.leakage.blind import Asked, Codes, Floats

#: Questions to learn from; of more, so many are taken at even distances.
MOST = 60_000
_PENALTY = 1.0
_STEPS = 200
_WORD = r"[^\w+-]+"


def scores(asked: Asked, forms: Codes, weight: Floats, test: npt.NDArray[np.bool_]) -> Floats:
    """Of each option: its score; 0 where its question is neither learned from nor tested.

    Args:
        asked: the questions.
        forms: of each option: a number for its form.
        weight: of each question: how much it counts in learning; 0: not learned from.
        test: of each question: whether it is to be answered.
    """
    found = np.zeros(len(asked.code))
    learned = _some(asked, np.flatnonzero(weight > 0))
    used = np.zeros(len(asked), dtype=bool)
    used[learned] = True
    if not len(learned) or not test.any():
        return found
    used |= test
    options = asked.spread(used)
    few = asked.pick(used)
    seen = features(few, forms[options])
    learns = np.isin(np.flatnonzero(used), learned)
    found[options] = seen @ _fit(few.pick(learns), seen[few.spread(learns)], weight[used][learns])
    return found


def _some(asked: Asked, learned: Codes) -> Codes:
    """The questions to learn from: all, or some at even distances in an order that follows from what they say."""
    if len(learned) <= MOST:
        return learned
    instruction = pc.rank(asked.instruction, tiebreaker="min").to_numpy()
    order = np.lexsort((asked.code[asked.start[learned]], asked.label[learned], instruction[learned]))
    return learned[order[np.linspace(0, len(learned) - 1, MOST).astype(np.int64)]]


def features(asked: Asked, forms: Codes) -> sparse.csr_array:
    """Of each option, a row of 0 and 1: what it says, and what stands beside it."""
    blocks = [_ones(np.arange(len(asked.code)), column) for column in _facts(asked, forms)]
    return sparse.csr_array(sparse.hstack([*blocks, *_words(asked)], format="csr"))


def _facts(asked: Asked, forms: Codes) -> Iterator[Codes]:
    """Of each option, one number after the other: the columns in which it has a 1."""
    count, number = asked.spread(asked.count), len(asked.texts)
    instructions = asked.instruction.dictionary_encode()
    instruction = asked.spread(np.asarray(instructions.indices).astype(np.int64))
    cross = instruction * number + asked.code
    pairs, back = np.unique(cross, return_inverse=True)
    said, texts = instructions.dictionary.to_pylist(), asked.texts.to_pylist()
    told = [texts[pair % number].casefold() in said[pair // number].casefold() for pair in pairs.tolist()]
    yield asked.code
    yield back
    yield asked.code * (asked.count.max() + 1) + count
    yield forms
    yield np.array(told, dtype=np.int64)[back] * (asked.count.max() + 1) + count
    yield np.arange(len(asked.code)) - asked.spread(asked.start)


def _words(asked: Asked) -> Iterator[sparse.csr_array]:
    """Words, words by number of options, labels by how many other options have them, and the other options."""
    lower = pc.utf8_lower(asked.texts)
    words = _holds(pc.split_pattern_regex(lower, _WORD))[asked.code]
    yield words
    option, word = words.nonzero()
    yield _ones(option, word * (asked.count.max() + 1) + asked.spread(asked.count)[option], len(asked.code))
    labels = _holds(pc.split_pattern(lower, ", "))
    each = labels[asked.code]
    ends = np.concatenate((asked.start, [len(asked.code)]))
    offers = sparse.csr_array((np.ones(len(asked.code)), asked.code, ends), (len(asked), len(asked.texts)))
    others = sparse.coo_array(each.multiply((offers @ labels)[asked.question]))
    yield _ones(others.coords[0], others.coords[1] * 8 + np.minimum(others.data.astype(np.int64), 7), len(asked.code))
    longest = int(asked.count.max())
    for step in range(1, longest):  # each option beside the one so many places after it, in a circle
        place = np.arange(len(asked.code)) - asked.spread(asked.start)
        beside = asked.spread(asked.start) + (place + step) % asked.spread(asked.count)
        there = np.flatnonzero(step < asked.spread(asked.count))
        pair = asked.code[there] * len(asked.texts) + asked.code[beside[there]]
        yield _ones(there, pair, len(asked.code))


def _holds(lists: pa.ListArray) -> sparse.csr_array:
    """Of each list of texts, a row of 0 and 1: the texts that it holds."""
    coded = lists.flatten().dictionary_encode()
    length = np.asarray(pc.list_value_length(lists)).astype(np.int64)
    found = _ones(np.repeat(np.arange(len(lists)), length), np.asarray(coded.indices), len(lists))
    found.data[:] = 1
    return found


def _ones(row: npt.NDArray[Any], column: npt.NDArray[Any], rows: int | None = None) -> sparse.csr_array:
    """A 1 in each of these places; columns that nothing has are left out."""
    _, column = np.unique(column, return_inverse=True)
    shape = (len(row) if rows is None else rows, int(column.max(initial=-1)) + 1)
    return sparse.csr_array((np.ones(len(row)), (row, column)), shape)


def _fit(asked: Asked, seen: sparse.csr_array, weight: Floats) -> Floats:
    """The weights of the features."""
    turned = sparse.csr_array(seen.T)
    loss = functools.partial(_loss, asked, seen, turned, weight)
    found = optimize.minimize(loss, np.zeros(seen.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    return np.asarray(found.x)


def _loss(
    asked: Asked, seen: sparse.csr_array, turned: sparse.csr_array, weight: Floats, weights: Floats
) -> tuple[float, Floats]:
    score = seen @ weights
    score -= asked.spread(asked.most(score))
    chance = np.exp(score)
    total = asked.total(chance)
    lost = float(weight @ (np.log(total) - score[asked.right])) + _PENALTY / 2 * float(weights @ weights)
    off = chance / asked.spread(total) * asked.spread(weight)
    off[asked.right] -= weight
    return lost, turned @ off + _PENALTY * weights
