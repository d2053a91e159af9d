"""The folder that a miniature is written to; paths cannot leave it."""

from __future__ import annotations

import gzip
from pathlib import Path, PurePosixPath

from med_mat.errors import ReadError

AnyPath = str | PurePosixPath


class Folder:
    """Files below ``root``; paths are relative, with ``/``."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).absolute()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"

    def write(self, path: AnyPath, data: bytes) -> None:
        """Write a file of any bytes; gzipped if the path ends with .gz.

        Raises:
            ReadError: The path leads out of the folder.
        """
        target = self._target(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(data, mtime=0) if target.suffix.lower() == ".gz" else data)

    def corrupt(self, path: AnyPath, *, keep: float = 0.6) -> None:
        """Truncate an existing file to its first part."""
        target = self._target(path)
        data = target.read_bytes()
        target.write_bytes(data[: int(len(data) * keep)])

    def _target(self, path: AnyPath) -> Path:
        relative = PurePosixPath(path)
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise ReadError(f"{str(path)!r} leads out of {self.root}: the paths of a miniature stay inside it.")
        return self.root / relative
