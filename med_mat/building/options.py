"""The options of a build."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import get_type_hints

from med_mat import limits, strict
from med_mat.building.outcomes import OnError
from med_mat.errors import BuildError
from med_mat.imaging.decoding import Check


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a build. Its bytes depend on all but ``on_error``, ``jobs`` and ``allow_fewer``.

    Raises:
        BuildError: an option has the wrong type or is out of range; nothing is converted, so ``seed="0"`` is refused.
    """

    seed: int = 0
    check: Check = "decode"
    on_error: OnError = "skip"
    jobs: int | None = None  # worker processes; None: from joblib's parallel_config, otherwise 1
    max_file: int = limits.MAX_FILE  # maximum size of a file in bytes: on disk, unpacked, or 8 per pixel
    allow_fewer: bool = False  # continue even if records of the existing Med-MAT would be lost

    def __post_init__(self) -> None:
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        for name, value in strict.arguments(get_type_hints(Options), given, "A build", error=BuildError).items():
            object.__setattr__(self, name, value)
        if self.max_file < 1:
            raise BuildError(f"A build: max_file must be a positive number of bytes, not {self.max_file}.")
        if self.jobs == 0:
            raise BuildError("A build: jobs must be a number of worker processes, or -1 for all cores, not 0.")
