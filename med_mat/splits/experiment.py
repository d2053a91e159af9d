"""An experiment: training and test records as positions in the index, with the rule that they keep."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from med_mat.splits.options import Options, Rule
from med_mat.splits.reading import Target
from med_mat.tags import Positions

if TYPE_CHECKING:
    import os

    import datasets

    from med_mat.dataset import MedMAT
    from med_mat.splits.audit import Audit

#: Why training records are dropped: they show what is tested.
TESTED = "their group is tested"


@dataclass(frozen=True, eq=False)  # arrays do not compare as a whole
class Experiment:
    """A CG experiment: records to train on, records of the target to test on. No pixels are read until asked for."""

    name: str
    target: Target
    mat: MedMAT
    train_positions: Positions  # in the index, ascending
    test_positions: Positions
    rule: Rule
    options: Options
    arguments: Mapping[str, Any] = field(default_factory=dict)  # further ones, as plain data
    dropped: Mapping[str, int] = field(default_factory=dict)  # reason -> records
    like: Experiment | None = None  # the arm that this one is to be compared with
    validation_positions: Positions = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # ascending

    @functools.cached_property
    def train(self) -> datasets.Dataset:
        """The training records; their ``info`` has the terms of their sources (:meth:`MedMAT.select`)."""
        return self.mat.take(self.train_positions, questions=self.options.questions)

    @functools.cached_property
    def test(self) -> datasets.Dataset:
        """The target's test records, with terms as the training records have them."""
        return self.mat.take(self.test_positions, questions=self.options.questions)

    @functools.cached_property
    def validation(self) -> datasets.Dataset:
        """The records that are set apart from train to choose a model by; none where none were asked for."""
        return self.mat.take(self.validation_positions, questions=self.options.questions)

    @property
    def leaked(self) -> bool:
        """Whether it trains on the target itself, of which every training record shows what is tested.

        Such a source cannot be trained on; that is a finding about it, so that the experiment and its audit are made.
        """
        return not len(self.train_positions) and self.rule.target_records is None and TESTED in self.dropped

    @property
    def definition(self) -> dict[str, Any]:
        """What makes this experiment again, as plain data for YAML or JSON: see :meth:`MedMAT.experiment`."""
        return {"experiment": self.name, "target": self.target.text, **self.options.to_data(), **self.arguments}

    def cite(self) -> str:
        """The citations of the paper and of every source that has records in the experiment, as BibTeX."""
        from med_mat import terms

        used = (self.train_positions, self.validation_positions, self.test_positions)
        return terms.bibtex(terms.of(self.mat.tags, np.concatenate(used)))

    def audit(self) -> Audit:
        """Prove that the experiment keeps its rule.

        Raises:
            AuditError: it does not; the message is the whole audit.
        """
        from med_mat.splits.audit import audit

        return audit(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write which records are in which part: see :func:`med_mat.splits.file.save`."""
        from med_mat.splits.file import save

        save(self, path)

    def repeat(self, seeds: Iterable[int]) -> list[Experiment]:
        """The same experiment with other seeds: see :func:`med_mat.splits.repeated.repeat`."""
        from med_mat.splits.repeated import repeat

        return repeat(self, seeds)

    def __repr__(self) -> str:
        held = f"{len(self.validation_positions):,} to validate, " if len(self.validation_positions) else ""
        return (
            f"Experiment({self.name} for {self.target}: {len(self.train_positions):,} to train, {held}"
            f"{len(self.test_positions):,} to test)"
        )
