"""The interface of mounts: places that contain the raw files of sources, each read by the same few operations.

Paths are relative to the root of the mount, with ``/`` between parts. A mount is a small value: it can be pickled, and
each process opens for itself what it reads.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, NamedTuple, Protocol

from med_mat.files import sha256_of
from med_mat.limits import Status


class FileFacts(NamedTuple):
    """Size and modification time of a file, by which changes are detected."""

    size: int
    mtime_ns: int


class Regular(NamedTuple):
    """The status of a regular file that is not one of the file system."""

    st_size: int
    st_mtime_ns: int
    st_mode: int = stat.S_IFREG


@dataclass
class Scanned:
    """The files below a mount."""

    files: dict[str, FileFacts] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)  # file that is read through a link -> its target, as written
    skipped: dict[str, str] = field(default_factory=dict)  # path -> why it is not read


class Names(NamedTuple):
    """The names in one folder, each sorted; without links to folders and what cannot be read."""

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


class Mount(Hashable, Protocol):
    """A place that contains raw files."""

    @property
    def root(self) -> PurePath:
        """What messages call it; a path on disk if it is a folder."""

    @property
    def identity(self) -> str:
        """What distinguishes it from all other mounts, without credentials."""

    @property
    def places(self) -> tuple[Path, ...]:
        """The folders and files of this machine that it reads."""

    def scan(self) -> Scanned:
        """Every file below the root.

        Raises:
            FolderNotFoundError: There is no such place.
        """

    def names(self, folder: str) -> Names:
        """The content of one folder ("" is the root); empty if there is none."""

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder at a path."""

    def is_file(self, path: str) -> bool:
        """Whether there is a file at a path."""

    def stat(self, path: PurePosixPath | str) -> Status:
        """The status of a file.

        Raises:
            OSError: There is none.
        """

    def open(self, path: PurePosixPath | str) -> IO[bytes]:
        """Opens a file for reading, seekable and without a buffer if it can be had so.

        Raises:
            OSError: It cannot be opened.
        """

    def local(self, path: PurePosixPath | str, scratch: Callable[[], Path]) -> Path:
        """The file on this machine, for libraries that take nothing but paths.

        Args:
            path: The file.
            scratch: Makes the folder for a copy, if one is needed; the copy has the same relative path in it.

        Raises:
            OSError: It cannot be read, or not be copied.
        """

    def below(self, folder: str) -> Mount:
        """A subfolder as a mount of its own; "" is this mount."""

    def above(self) -> Mount | None:
        """The folder that contains this one; None if there is none."""

    def refused(self, path: str) -> str:
        """Why the link at a path is not followed, in words; "" if it is, or if there is none."""

    def release(self) -> None:
        """Removes what reading it left on this machine and nobody needs again."""

    def inside(self, path: PurePosixPath | str) -> bool:
        """Whether a path stays inside, links resolved."""


@dataclass(frozen=True, slots=True)
class RawPath:
    """A file of a mount, with the operations of a path that reading needs."""

    mount: Mount
    path: PurePosixPath

    def __str__(self) -> str:
        return str(self.mount.root / self.path)

    @property
    def name(self) -> str:
        """The file name."""
        return self.path.name

    @property
    def stem(self) -> str:
        """The file name without its last suffix."""
        return self.path.stem

    @property
    def suffix(self) -> str:
        """The last suffix of the file name."""
        return self.path.suffix

    def stat(self) -> Status:
        """Its status."""
        return self.mount.stat(self.path)

    def open(self) -> IO[bytes]:
        """Opens it for reading."""
        return self.mount.open(self.path)

    def sha256(self) -> str:
        """The sha256 of its content, as hexadecimal digits."""
        with self.open() as file:
            return sha256_of(file)

    def read_bytes(self) -> bytes:
        """Its whole content."""
        with self.open() as file:
            return file.read()
