"""The thumbnails of a build: small gray images to verify candidate copies with, read from disk as needed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med_mat.errors import BuildError
from med_mat.imaging.descriptor import SIDE

__all__ = ["SIDE", "Thumbnails", "write"]

_BYTES = SIDE * SIDE


def write(path: Path, thumbnails: Sequence[bytes | None]) -> str:
    """Write thumbnails one after the other, and return the sha256 of the file; a missing one is written as zeros.

    Args:
        path: the file to write.
        thumbnails: SIDE x SIDE gray values each, as bytes.

    Raises:
        ValueError: a thumbnail has another size.
    """
    blank, digest = bytes(_BYTES), hashlib.sha256()
    with path.open("wb") as file:
        for one in thumbnails:
            if one is not None and len(one) != _BYTES:
                raise ValueError(f"A thumbnail of {len(one):,} bytes: expected {SIDE} x {SIDE}.")
            file.write(blank if one is None else one)
            digest.update(blank if one is None else one)
    return digest.hexdigest()


class Thumbnails:
    """The thumbnails of several files, numbered consecutively across files, and read from disk as needed.

    Args:
        paths: files written by :func:`write`.

    Raises:
        BuildError: a file is truncated within a thumbnail.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        counts = []
        for path in self._paths:
            size = path.stat().st_size
            if size % _BYTES:
                raise BuildError(
                    f"{path}: {size:,} bytes are no whole number of thumbnails of {SIDE} x {SIDE}: damaged. "
                    "Delete it and build again."
                )
            counts.append(size // _BYTES)
        self._ends = np.cumsum(counts, dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def take(self, positions: NDArray[Any]) -> NDArray[np.uint8]:
        """The thumbnails at the given positions, in that order: (n, SIDE, SIDE) uint8."""
        taken = np.zeros((len(positions), SIDE, SIDE), np.uint8)
        which = np.searchsorted(self._ends, positions, side="right")
        for number in np.unique(which).tolist():
            mine = np.flatnonzero(which == number)
            start = self._ends[number - 1] if number else 0
            # mapped again each time: a build has more files than a process may keep open
            part = np.memmap(self._paths[number], np.uint8, "r").reshape(-1, SIDE, SIDE)
            taken[mine] = part[positions[mine] - start]
        return taken
