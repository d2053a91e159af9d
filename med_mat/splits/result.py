"""A CG experiment: a split that can be audited, saved, cited and repeated."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from med_mat import terms
from med_mat.conventions import Convention
from med_mat.errors import SplitError
from med_mat.export import Exported, Style, chat, export
from med_mat.export.conversation import Part
from med_mat.splits import saving
from med_mat.splits.audit import Audit, audit
from med_mat.splits.split import Split

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True, eq=False, repr=False)
class Experiment(Split):
    """A CG experiment: records to train on, and records of a target to test on."""

    def audit(self) -> Audit:
        """Check that the experiment satisfies its rule.

        Raises:
            AuditError: It does not; the message is the whole audit.
        """
        return audit(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write which records are in which part: see :func:`med_mat.splits.saving.save`.

        Args:
            path: A file ending in ``.parquet`` or ``.json``, to be loaded again, or in ``.csv``.

        Raises:
            SplitError: Another file extension.
            WriteError: The file cannot be written.
        """
        saving.save(self, path)

    def export(self, out: str | os.PathLike[str], *, format: str, **settings: Any) -> Exported:  # noqa: A002 - reads well
        """Write train, validation and test as files for a trainer or another program.

        Args:
            out: The folder to write: new, empty, or with the same export, which is then continued.
            format: The name of a format: see :func:`med_mat.export.export_formats`.
            settings: As for :func:`med_mat.export.export`.

        Raises:
            ExportError: As for :func:`med_mat.export.export`.
            WriteError: A file cannot be written.
        """
        return export(self, out, format=format, **settings)

    def chat(
        self, part: Part = "train", *, style: Style = "auto", boxes: Convention = "pixels", messages: bool = False
    ) -> datasets.Dataset:
        """The records of a part as conversations with their images, made when they are read.

        Args:
            part, style, boxes, messages: As for :func:`med_mat.export.chat`, which says what a trainer must be told.

        Raises:
            ExportError: As for :func:`med_mat.export.chat`.
        """
        return chat(self, part, style=style, boxes=boxes, messages=messages)

    def cite(self) -> str:
        """The citations of the paper and of every source that has records in the experiment, as BibTeX."""
        used = (self.train_positions, self.validation_positions, self.test_positions)
        return terms.bibtex(terms.of(self.mat.tags, np.concatenate(used)))

    def repeat(self, seeds: Iterable[int]) -> list[Experiment]:
        """The same experiment with other seeds; :func:`med_mat.splits.overlap` says how much they have in common.

        Args:
            seeds: One for each, all different.

        Raises:
            SplitError: A seed that is given twice or is not a whole number, or with which no experiment can be made.
        """
        wanted = list(seeds)
        if len(set(wanted)) < len(wanted):
            raise SplitError(f"The seeds of repeat must be different, not {wanted}.")
        return [self.mat.experiment({**self.definition, "seed": seed}) for seed in wanted]

    def _repr_html_(self) -> str:
        from med_mat import markup

        parts = {
            "train": self.train_positions, "validation": self.validation_positions, "test": self.test_positions,
        }  # fmt: skip
        rows = []
        for part, positions in parts.items():
            if len(positions):
                counts = self.mat.tags.counts(positions)
                sources = {self.mat.tags.facts[row].source for row in counts}
                rows.append((part, f"{len(positions):,}", f"{len(counts):,}", ", ".join(sorted(sources))))
        title = f"{self.name} for {self.target}"
        return markup.block(title, markup.table(("part", "records", "rows", "sources"), rows))
