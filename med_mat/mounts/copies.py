"""Copies of files on this machine, for libraries that take nothing but paths."""

from __future__ import annotations

import shutil
import weakref
from contextlib import suppress
from pathlib import Path, PurePosixPath

from med_mat import limits
from med_mat.files import temporary_folder
from med_mat.mounts.base import Mount


class Copies:
    """Paths on this machine for the files of a mount: those of the files if it is a folder, else those of copies.

    The copies are in one temporary folder, below that of the build, with the same relative paths.
    """

    def __init__(self, mount: Mount) -> None:
        self._mount = mount
        self._folder: Path | None = None

    def local(self, path: PurePosixPath) -> Path:
        """The path of a file on this machine.

        Raises:
            OSError: It cannot be read, or not be copied.
        """
        return self._mount.local(path, self._scratch)

    def keep_for(self, user: object) -> None:
        """Removes the copies when an object is gone."""
        if self._folder is not None:
            weakref.finalize(user, shutil.rmtree, self._folder, True)

    def remove(self) -> None:
        """Removes the copies."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _scratch(self) -> Path:
        if self._folder is None:
            self._folder = temporary_folder(limits.allowance().scratch)
        return self._folder


def copied(mount: Mount, path: PurePosixPath | str, scratch: Path) -> Path:
    """Copies a file of a mount below a folder, and returns the path of the copy.

    Raises:
        OSError: It cannot be read, or not be written.
    """
    copy = scratch / path
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            with mount.open(path) as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except BaseException:
            with suppress(OSError):
                copy.unlink()
            raise
    return copy
