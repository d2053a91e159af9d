"""A split: training, validation and test records as positions in an index, with the rule that they must satisfy."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from med_mat.index import Index
from med_mat.splits.interpretation import Target
from med_mat.splits.options import Options, Rule
from med_mat.tags import Positions

if TYPE_CHECKING:
    import datasets

#: Why training records are dropped: their group is in the test part.
TESTED = "their group is tested"


@dataclass(frozen=True, eq=False, repr=False)  # compared by content: see ``fingerprint``
class Split:
    """Records to train on, and records of a target to test on. No pixels are read until they are asked for.

    Two splits are equal if they have the same definition and the same records, also over two builds.
    """

    name: str  # of the experiment
    target: Target
    mat: Index
    train_positions: Positions  # in the index, ascending
    test_positions: Positions
    rule: Rule
    options: Options
    arguments: Mapping[str, Any] = field(default_factory=dict)  # further ones, as plain data
    dropped: Mapping[str, int] = field(default_factory=dict)  # reason -> records
    like: Split | None = None  # the arm to compare this one with
    validation_positions: Positions = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # ascending

    @functools.cached_property
    def train(self) -> datasets.Dataset:
        """The training records; their ``info`` has the terms of their sources (:meth:`med_mat.MedMAT.select`).

        They are in the order of the index, source by source: shuffle them before training.
        """
        return self.mat.take(self.train_positions, questions=self.options.questions)

    @functools.cached_property
    def test(self) -> datasets.Dataset:
        """The test records of the target, with terms like those of ``train``."""
        return self.mat.take(self.test_positions, questions=self.options.questions)

    @functools.cached_property
    def validation(self) -> datasets.Dataset:
        """The records set apart from train for choosing a model; empty unless ``validation`` was given."""
        return self.mat.take(self.validation_positions, questions=self.options.questions)

    @property
    def leaked(self) -> bool:
        """Whether it trains on the target itself, and each of its training records shares a group with a test record.

        Such a source cannot be trained on. That is a finding about it, so the experiment is made and can be audited.
        """
        return not len(self.train_positions) and self.rule.target_records is None and TESTED in self.dropped

    @property
    def definition(self) -> dict[str, Any]:
        """What makes this experiment again, as plain data for YAML or JSON: see :meth:`med_mat.MedMAT.experiment`."""
        return {"experiment": self.name, "target": self.target.text, **self.options.to_data(), **self.arguments}

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that identify the definition and the records of each part, on every machine.

        Records count by source, row and content of their raw file, not by their position in this build.
        """
        digest = hashlib.blake2b(json.dumps(self.definition, sort_keys=True).encode(), digest_size=8)
        for positions in (self.train_positions, self.validation_positions, self.test_positions):
            digest.update(len(positions).to_bytes(8, "little"))
            digest.update(np.sort(self.mat.tags.key[positions]).astype("<u8").tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, Split) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        held = f"{len(self.validation_positions):,} validation, " if len(self.validation_positions) else ""
        return (
            f"{type(self).__name__}({self.name} for {self.target}: {len(self.train_positions):,} train, {held}"
            f"{len(self.test_positions):,} test records)"
        )
