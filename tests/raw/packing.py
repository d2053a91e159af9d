"""Packs folders into archives of every kind, as publishers and users do."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

#: Kind of archive -> its suffix.
KINDS = ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "7z")


def pack(folder: Path, archive: Path, below: str = "", only: Iterable[Path] | None = None) -> Path:
    """Packs the files of a folder into an archive, whose kind follows from its name."""
    files = [path for path in sorted(folder.rglob("*") if only is None else only) if path.is_file()]
    named = [(path, f"{below}{path.relative_to(folder).as_posix()}") for path in files]
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            for path, name in named:
                zipped.write(path, name)
    elif archive.name.endswith(".7z"):
        import py7zr

        with py7zr.SevenZipFile(archive, "w") as solid:
            for path, name in named:
                solid.write(path, name)
    else:
        mode = {"tar": "w", "gz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}[archive.name.rpartition(".")[2]]
        with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]  # the mode is one of a few
            for path, name in named:
                tar.add(path, name)
    return archive
