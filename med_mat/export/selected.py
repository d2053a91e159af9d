"""Selected records that can be exported like an experiment: each is in the part that its own split names."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from med_mat.index import Index
from med_mat.tags import Positions
from med_mat.taxonomy import SPLITS

if TYPE_CHECKING:
    from med_mat import questions


@dataclass(frozen=True, slots=True)
class Form:
    """The form of the questions."""

    questions: questions.Form = "default"


@dataclass(frozen=True)
class Selected:
    """Records at positions of an index."""

    mat: Index
    positions: Positions
    options: Form = Form()

    def _part(self, name: str) -> Positions:
        """Those of a split; withheld records are in none, as for ``load_dataset``."""
        tags = self.mat.tags
        chosen = (tags.split[self.positions] == SPLITS.index(name)) & ~tags.withheld[self.positions]
        found: Positions = self.positions[chosen]
        return found

    @property
    def train_positions(self) -> Positions:
        """Those in the split train."""
        return self._part("train")

    @property
    def validation_positions(self) -> Positions:
        """Those in the split validation."""
        return self._part("validation")

    @property
    def test_positions(self) -> Positions:
        """Those in the split test."""
        return self._part("test")

    @property
    def definition(self) -> dict[str, Any]:
        """The number of records, for they are listed nowhere else than in the export."""
        return {"records": len(self.positions), "questions": self.options.questions}

    @functools.cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that identify the records, on every machine."""
        digest = hashlib.blake2b(self.options.questions.encode(), digest_size=8)
        for positions in (self.train_positions, self.validation_positions, self.test_positions):
            digest.update(len(positions).to_bytes(8, "little"))
            digest.update(np.sort(self.mat.tags.key[positions]).astype("<u8").tobytes())
        return digest.hexdigest()
