"""An experiment: training and test records as positions in the index, with the rule that they keep."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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


@dataclass(frozen=True)
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

    @functools.cached_property
    def train(self) -> datasets.Dataset:
        """The training records."""
        return self.mat.take(self.train_positions)

    @functools.cached_property
    def test(self) -> datasets.Dataset:
        """The target's test records."""
        return self.mat.take(self.test_positions)

    @property
    def leaked(self) -> bool:
        """Whether it trains on the target itself, of which every training record shows what is tested.

        Such a source cannot be trained on; that is a finding about it, so that the experiment and its audit are made.
        """
        return not len(self.train_positions) and self.rule.target_records is None and TESTED in self.dropped

    @property
    def definition(self) -> dict[str, Any]:
        """What makes this experiment again, as plain data for YAML or JSON: see :meth:`MedMAT.experiment`."""
        return {"experiment": self.name, "target": self.target.text, **self.arguments, **self.options.to_data()}

    def audit(self) -> Audit:
        """Prove that the experiment keeps its rule.

        Raises:
            AuditError: it does not; the message is the whole audit.
        """
        from med_mat.splits.audit import audit

        return audit(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write which records are in train and test, to be opened by :meth:`MedMAT.load_split`."""
        from med_mat.splits.file import save

        save(self, path)

    def __repr__(self) -> str:
        return (
            f"Experiment({self.name} for {self.target}: {len(self.train_positions):,} to train, "
            f"{len(self.test_positions):,} to test)"
        )
