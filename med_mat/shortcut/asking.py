"""The test records of an experiment with an easy question: which modality, or which area, does the image show?

The answer is known from the record's triplet, and the other options are words that occur in the build. The easy and the
hard question are asked about the same images, so that the answers can be compared image by image.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa

from med_mat import schema
from med_mat.catalog import RowFacts
from med_mat.errors import ExportError
from med_mat.export import Exported, export
from med_mat.index import Asked, Index, Parts
from med_mat.questions.question import single_choice
from med_mat.questions.sampling import Sampler
from med_mat.tags import Positions
from med_mat.taxonomy import AREA_OVERLAPS, MODALITIES

Axis = Literal["modality", "area"]
AXES: tuple[Axis, ...] = ("modality", "area")
#: The question of each axis.
QUESTIONS: Mapping[Axis, str] = {
    "modality": "Which kind of imaging produced this image?",
    "area": "Which part of the body does this image show?",
}
#: Words of which one image may show both: they are not offered together.
OVERLAPS: Mapping[Axis, tuple[tuple[str, str], ...]] = {
    "modality": (("Der", "DP"), ("FP", "DP"), ("Co", "DP"), ("Co", "End"), ("End", "DP")),
    "area": (*AREA_OVERLAPS, ("Chest", "Breast"), ("Chest", "Bones"), ("Mouth", "Bones")),
}
_DISTRACTORS = 3
_KINDS = dict(schema.FIELDS)


@dataclass(frozen=True, eq=False)
class Easy:
    """The test records of an experiment with an easy question. It can be exported and scored like an experiment."""

    experiment: Parts
    axis: Axis
    seed: int = 0  # of the distractors and of the position of the answer

    @functools.cached_property
    def mat(self) -> Index:
        """The build, whose records ask the easy question."""
        return cast(Index, _EasyIndex(self.experiment.mat, self.axis, self.seed))

    @property
    def train_positions(self) -> Positions:
        """None: nothing is trained on the easy question."""
        return np.zeros(0, dtype=np.int64)

    @property
    def validation_positions(self) -> Positions:
        """None."""
        return np.zeros(0, dtype=np.int64)

    @property
    def test_positions(self) -> Positions:
        """The test records of the experiment, in its order."""
        return self.experiment.test_positions

    @property
    def definition(self) -> dict[str, Any]:
        """The definition of the experiment, and what is asked instead."""
        return {**self.experiment.definition, "asked": self.axis, "asked_seed": self.seed}

    @property
    def options(self) -> Asked:
        """The options of the experiment."""
        return self.experiment.options

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits, other than those of the experiment: answers to one are not answers to the other."""
        text = f"{self.experiment.fingerprint}/{self.axis}/{self.seed}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def export(self, out: str | os.PathLike[str], *, format: str, **settings: Any) -> Exported:  # noqa: A002
        """Write the test records with the easy question: see :func:`med_mat.export.export`.

        Args:
            out: The folder to write.
            format: The name of a format.
            settings: As for :func:`med_mat.export.export`.

        Raises:
            ExportError: As for :func:`med_mat.export.export`.
        """
        return export(self, out, format=format, **settings)


def easy(experiment: Parts, axis: Axis = "modality", *, seed: int = 0) -> Easy:
    """The test records of an experiment, asked for their modality or area.

    Args:
        experiment: The experiment.
        axis: "modality" or "area".
        seed: Random seed of the distractors and of the position of the answer.

    Raises:
        ExportError: Another axis, no test record, or the build has a single word of this axis.
    """
    if axis not in AXES:
        raise ExportError(f"{axis!r} is not an axis of easy questions: {' or '.join(AXES)}.")
    if not len(experiment.test_positions):
        raise ExportError("The experiment has no test records to ask.")
    words = {getattr(row.mat, axis) for row in experiment.mat.tags.facts.values()}
    if len(words) < 2:
        raise ExportError(
            f"All records of this Med-MAT have one {axis}, {min(words)}: there is nothing to choose from."
        )
    return Easy(experiment, axis, seed)


class _EasyIndex:
    """An index whose records ask the easy question; everything else is that of the index."""

    def __init__(self, index: Index, axis: Axis, seed: int) -> None:
        self._index, self._axis, self._seed = index, axis, seed
        self._words = sorted({getattr(row.mat, axis) for row in index.tags.facts.values()})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def __len__(self) -> int:
        return len(self._index)

    def questions(self, positions: Positions, form: Any = "default", seed: int = 0) -> pa.Table:
        """The easy questions of these records, in their order."""
        del form, seed
        tags = self._index.tags
        rows, keys = tags.row[positions].tolist(), tags.key[positions].view(np.int64).tolist()
        asked = [self._asked(tags.facts[row], key) for row, key in zip(rows, keys, strict=True)]
        columns = {name: pa.array([one[name] for one in asked], _KINDS[name]) for name in schema.QUESTION_COLUMNS}
        return pa.table(columns)

    def records(self, positions: Positions, **settings: Any) -> Iterator[dict[str, Any]]:
        """All columns of the records, with the easy question, one record at a time."""
        facts = self._index.tags.facts
        reading = cast(Any, self._index).records(positions, **settings)
        try:
            for record in reading:
                yield record | self._asked(facts[record["row"]], record["key"])
        finally:
            reading.close()

    def _asked(self, row: RowFacts, key: int) -> dict[str, Any]:
        answer = getattr(row.mat, self._axis)
        sampler = Sampler(key, self._seed)
        others = list(sampler.shuffled(rivals(answer, self._words, self._axis)))[:_DISTRACTORS]
        named = [phrase(word, self._axis) for word in others]
        return single_choice(sampler, QUESTIONS[self._axis], phrase(answer, self._axis), named).columns()


def rivals(answer: str, words: Sequence[str], axis: Axis) -> list[str]:
    """The words that are wrong where this one is right: all others, but those that overlap with it."""
    near = {word for pair in OVERLAPS[axis] if answer in pair for word in pair}
    return [word for word in words if word != answer and word not in near]


def phrase(word: str, axis: Axis) -> str:
    """A word of the vocabulary as an option."""
    meaning = MODALITIES.get(word, word) if axis == "modality" else word
    return meaning.partition(" (")[0].partition(",")[0]
