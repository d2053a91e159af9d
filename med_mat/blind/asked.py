"""Single-choice questions as arrays, for the measurement of blind answerability, and the form of each option."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from med_mat.errors import SplitError

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

#: The columns of a table of questions that are read, from :data:`med_mat.schema.QUESTION_COLUMNS`.
COLUMNS = ("open_question", "options", "answer")
#: Relative difference up to which scores count as equal: rounding depends on the order of records.
_ALIKE = 1e-9
#: What separates the labels of one option.
_SEPARATOR = ", "
_DENIES = r"(?i)^(no|none|not|non|normal|negative|healthy|without|absent)\b"


@dataclass(frozen=True)
class Asked:
    """Single-choice questions as arrays, table after table. All options are concatenated in ``code``."""

    tables: tuple[int, ...]  # number of questions of each table
    place: Codes  # per question: its row in its table
    instruction: Codes  # per question: position in said
    said: pa.Array  # the distinct instructions, in alphabetical order
    count: Codes  # per question: number of options
    start: Codes  # per question: position of its first option
    right: Codes  # per question: position of the right option
    code: Codes  # per option: position in texts
    texts: pa.Array  # the distinct options, in alphabetical order

    @classmethod
    def of(cls, tables: list[pa.Table]) -> Asked:
        """Read tables of questions; rows without options or answer are skipped.

        Raises:
            SplitError: a column is missing, or an answer is not a letter of its options.
        """
        kept, places = [], []
        for table in tables:
            missing = [name for name in COLUMNS if name not in table.column_names]
            if missing:
                raise SplitError(
                    f"Blind answerability: a table of questions lacks {', '.join(missing)}; it needs "
                    f"{', '.join(COLUMNS)}, as mat.questions(positions) gives them."
                )
            offered = pc.fill_null(pc.greater(pc.list_value_length(table["options"]), 0), False)
            single = np.asarray(pc.and_(offered, pc.is_valid(table["answer"])))
            places.append(np.flatnonzero(single))
            kept.append(table.select(COLUMNS).filter(pa.array(single)))
        whole = pa.concat_tables(kept)
        options = _flat(whole["options"])
        count = np.asarray(pc.list_value_length(options)).astype(np.int64)
        start = np.cumsum(count) - count
        code, texts = _alphabetic(options.flatten())
        instruction, said = _alphabetic(_flat(whole["open_question"]))
        letters = _flat(whole["answer"]).dictionary_encode()
        known = [ord(one) - ord("A") if len(one) == 1 else -1 for one in letters.dictionary.to_pylist()]
        right = np.array(known, dtype=np.int64)[np.asarray(letters.indices)]
        if np.any(wrong := (right < 0) | (right >= count)):
            first = int(np.flatnonzero(wrong)[0])
            raise SplitError(
                f"Blind answerability: {np.count_nonzero(wrong):,} answers are no letter of their options, such as "
                f"{whole['answer'][first].as_py()!r} of {count[first]}."
            )
        return cls(
            tables=tuple(map(len, places)),
            place=np.concatenate(places),
            instruction=instruction,
            said=said,
            count=count,
            start=start,
            right=start + right,
            code=code,
            texts=texts,
        )

    def __len__(self) -> int:
        return len(self.count)

    @functools.cached_property
    def question(self) -> Codes:
        """Per option: its question."""
        return np.repeat(np.arange(len(self)), self.count)

    @functools.cached_property
    def label(self) -> Codes:
        """Per question: the right option, as a position in ``texts``."""
        return self.code[self.right]

    @functools.cached_property
    def labels(self) -> sparse.csr_array:
        """Per text in ``texts``, a row of 0 and 1: the labels that it contains."""
        return holds(pc.split_pattern(pc.utf8_lower(self.texts), _SEPARATOR))

    @functools.cached_property
    def offered(self) -> sparse.csr_array:
        """Per question, the number of its options that contain each label."""
        ends = np.concatenate((self.start, [len(self.code)]))
        options = sparse.csr_array((np.ones(len(self.code)), self.code, ends), (len(self), len(self.texts)))
        return options @ self.labels

    def pick(self, chosen: Codes) -> Asked:
        """The chosen questions, in the given order."""
        count = self.count[chosen]
        start = np.cumsum(count) - count
        return Asked(
            tables=(),
            place=self.place[chosen],
            instruction=self.instruction[chosen],
            said=self.said,
            count=count,
            start=start,
            right=start + (self.right - self.start)[chosen],
            code=self.code[self.places(chosen)],
            texts=self.texts,
        )

    def places(self, chosen: Codes) -> Codes:
        """The positions of the options of the chosen questions, in the given order."""
        count = self.count[chosen]
        start = np.cumsum(count) - count
        found: Codes = np.arange(int(count.sum())) + np.repeat(self.start[chosen] - start, count)
        return found

    def spread(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Values per question, repeated for each of its options."""
        return np.repeat(values, self.count)

    def most(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Per question: the maximum of the values of its options."""
        return np.maximum.reduceat(values, self.start) if len(self) else values[:0]

    def total(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Per question: the sum of the values of its options."""
        return np.add.reduceat(values, self.start) if len(self) else values[:0]

    def best(self, score: npt.NDArray[Any]) -> Floats:
        """Per option: the probability that it is guessed if the highest score wins, with ties broken at random."""
        most = self.most(score)
        top: Floats = (score >= self.spread(most - _ALIKE * np.abs(most))).astype(np.float64)
        top /= self.spread(self.total(top))
        return top


def form(asked: Asked) -> Codes:
    """Per option: a number for its form compared with the other options, independent of its words."""
    length = np.asarray(pc.utf8_length(asked.texts)).astype(np.int64)[asked.code]
    denies = np.asarray(pc.match_substring_regex(asked.texts, _DENIES)).astype(np.int64)[asked.code]
    each = asked.labels[asked.code]
    labels = np.asarray(each.sum(axis=1)).ravel().astype(np.int64)
    shared = np.asarray(each.multiply(asked.offered[asked.question]).sum(axis=1)).ravel().astype(np.int64) - labels
    found: Codes = (asked.spread(asked.count) * 2 + denies) * 2 + asked.spread(asked.most(denies))
    for values in (length, labels, shared):
        found = found * 12 + _standing(asked, values)
    return found


def _standing(asked: Asked, values: Codes) -> Codes:
    """Per option, 0 to 11: is its value the largest or smallest of its question, and how many others have it."""
    key = asked.question * (values.max(initial=0) + 1) + values
    _, back, number = np.unique(key, return_inverse=True, return_counts=True)
    largest, smallest = values == asked.spread(asked.most(values)), values == asked.spread(-asked.most(-values))
    found: Codes = (largest * 2 + smallest) * 3 + np.minimum(number[back], 3) - 1
    return found


def holds(lists: pa.ListArray) -> sparse.csr_array:
    """Per list of texts, a row of 0 and 1: the texts that it contains."""
    coded = lists.flatten().dictionary_encode()
    length = np.asarray(pc.list_value_length(lists)).astype(np.int64)
    row = np.repeat(np.arange(len(lists)), length)
    shape = (len(lists), len(coded.dictionary))
    found = sparse.csr_array((np.ones(len(row)), (row, np.asarray(coded.indices))), shape)
    found.data[:] = 1  # duplicates count once
    return found


def _alphabetic(texts: pa.Array) -> tuple[Codes, pa.Array]:
    """Codes and the distinct texts in alphabetical order, which does not depend on the order of the records."""
    coded = texts.dictionary_encode()
    order = pc.sort_indices(coded.dictionary).to_numpy().astype(np.int64)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return back[np.asarray(coded.indices)], coded.dictionary.take(pa.array(order))


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
