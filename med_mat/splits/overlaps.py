"""How many records several experiments have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from med_mat.errors import SplitError
from med_mat.splits.evidence import marked
from med_mat.splits.split import Split

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Overlap:
    """How many records experiments have in common, by part; printed as a table."""

    names: tuple[str, ...]  # what differs between the experiments
    parts: Mapping[str, Counts]  # part -> (n, n): records of the i-th that the j-th has too

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return {"names": list(self.names), "parts": {name: counts.tolist() for name, counts in self.parts.items()}}

    def __str__(self) -> str:
        width = max(12, *(len(name) + 2 for name in self.names))
        lines = []
        for part, counts in self.parts.items():
            lines.append(f"{part:<{width}}" + "".join(f"{name:>{width}}" for name in self.names))
            lines += [
                f"{name:<{width}}" + "".join(f"{count:>{width},}" for count in row)
                for name, row in zip(self.names, counts.tolist(), strict=True)
            ]
        same = all(np.all(counts == counts.flat[0]) for counts in self.parts.values())
        return "\n".join([*lines, "All are the same: nothing was sampled."] if same and len(self.names) > 1 else lines)


def overlap(experiments: Sequence[Split]) -> Overlap:
    """How many records each experiment shares with each of the others.

    Raises:
        SplitError: No experiment, or experiments over different builds.
    """
    if not experiments:
        raise SplitError("overlap compares experiments, and none is given.")
    if any(one.mat is not experiments[0].mat for one in experiments):
        raise SplitError("overlap compares experiments over one opened Med-MAT, and these are over several.")
    sides = {
        "train": [one.train_positions for one in experiments],
        "validation": [one.validation_positions for one in experiments],
        "test": [one.test_positions for one in experiments],
    }
    count = len(experiments[0].mat)
    parts = {}
    for name, positions in sides.items():
        if any(len(one) for one in positions):
            marks = [marked(one, count) for one in positions]
            parts[name] = np.array([[np.count_nonzero(other[one]) for other in marks] for one in positions], np.int64)
    return Overlap(tuple(differences(experiments)), parts)


def differences(experiments: Sequence[Split]) -> list[str]:
    """What differs between the experiments, such as "seed 3" or "fold 2"."""
    definitions = [one.definition for one in experiments]
    keys = [key for key in definitions[0] if any(one.get(key) != definitions[0][key] for one in definitions)]
    return [", ".join(f"{key} {one.get(key)}" for key in keys) or one["experiment"] for one in definitions]
