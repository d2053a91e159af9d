"""The interface of decoders: raw files, opened files and their cache.

A decoder (:mod:`med_mat.formats`) is a module with ``open_file(raw: RawFile) -> OpenFile``. It reads the header,
checks it against the limits of :mod:`med_mat.limits`, and raises a ReadError that names the file for anything wrong.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Literal

from med_mat import formats, limits
from med_mat.errors import ReadError
from med_mat.example import Pixels
from med_mat.imaging.stored import Stored, from_plane
from med_mat.limits import Status
from med_mat.mounts.base import Mount, RawPath
from med_mat.mounts.copies import Copies

if TYPE_CHECKING:
    from med_mat.imaging.windowing import Array, Plane
    from med_mat.selection import MAT

IN_MEMORY_BYTES = 1 << 30
HEAD = 1 << 12  # bytes by which a format is recognized

Check = Literal["header", "decode"]
#: The requested kind of values of a mask: see :func:`med_mat.imaging.decoding.values`.
Want = Literal["gray", "index", "color", "channels"]


class OpenFile(ABC):
    """A file that a decoder has opened."""

    name: str  # path below the raw folder, for messages
    sha256: str  # of the raw file
    size: int  # bytes of memory that it takes while it is open

    @abstractmethod
    def references(self) -> Iterator[Pixels]:
        """Every image in the file, as an example would refer to it."""

    @abstractmethod
    def values(self, reference: Pixels, want: Want) -> Array:
        """The values of one image as stored, for a mask: (rows, columns), or (rows, columns, 2 to 4) of uint8.

        Raises:
            ReadError: The file has no such image, or it cannot be decoded.
        """

    @abstractmethod
    def stored(self, reference: Pixels, mat: MAT | None, check: Check) -> Stored:
        """One image as a record stores it.

        Raises:
            ReadError: The file has no such image, or it cannot be decoded.
        """

    def aligned(self, image: OpenFile, notes: list[str]) -> OpenFile:
        """This file of masks with its axes aligned to those of its image file.

        Args:
            image: The image's file.
            notes: Receives notes on how the axes were matched if the files do not determine it.

        Raises:
            ReadError: The grids differ.
        """
        return self


class PlaneFile(OpenFile):
    """A file whose images are planes of numbers; each is windowed to 8 bit and stored as PNG.

    A plug-in's decoder must implement ``references`` and ``plane``, and set ``kind``.
    """

    kind: str  # kind of file, for the note "… to PNG"

    @abstractmethod
    def plane(self, reference: Pixels) -> Plane:
        """One image, with its file's display transformation.

        Raises:
            ReadError: The file has no such image, or it cannot be decoded.
        """

    def values(self, reference: Pixels, want: Want) -> Array:
        """The values of one image as stored."""
        return self.plane(reference).values

    def stored(self, reference: Pixels, mat: MAT | None, check: Check) -> Stored:
        """One image as a record stores it."""
        return from_plane(self.plane(reference), mat, self.sha256, self.name, [f"{self.kind} to PNG"])


@dataclass(frozen=True, slots=True)
class RawFile:
    """A raw file to be opened by a decoder. Its size is within the limits."""

    mount: Mount
    path: PurePosixPath  # below the root; it stays inside
    size: int  # bytes on disk
    head: bytes  # the whole content if ``whole``, else the first bytes
    whole: bool
    used: set[str]  # names of the decoders and steps that were needed (see ``FileCache``); a decoder may add steps
    copies: Copies

    @property
    def full(self) -> Path:
        """Its path on this machine; if it is not in a folder, that of a copy that lasts as long as the opened file."""
        return on_disk(self.mount, self.path, self.copies)

    @property
    def file(self) -> RawPath:
        """The file, to be read without a copy."""
        return RawPath(self.mount, self.path)

    def stream(self) -> IO[bytes]:
        """Opens its content."""
        return io.BytesIO(self.head) if self.whole else self.file.open()


class FileCache:
    """A cache of recently opened files (volumes, multi-frame files), bounded in bytes; one per worker, not shared.

    An image and its masks are often slices of two or three volumes, so several small files are kept. The most recent
    file is kept whatever its size.

    ``used`` collects the names of the decoders and steps that were needed (keys of ``med_mat.formats.needs``).
    """

    def __init__(self, limit: int = IN_MEMORY_BYTES) -> None:
        self.limit = limit
        self.used: set[str] = set()
        self._entries: OrderedDict[tuple[str, int, int], OpenFile] = OrderedDict()

    def get(self, path: str, facts: Status, opened: Callable[[], OpenFile]) -> OpenFile:
        """Returns the result of ``opened`` for the file, which is called again only if the file has changed."""
        key = (path, facts.st_size, facts.st_mtime_ns)
        if key in self._entries:
            self._entries.move_to_end(key)
            return self._entries[key]
        while self._entries and self.bytes > self.limit // 2:
            self._entries.popitem(last=False)  # before the new one is opened, so that both need not fit
        found = self._entries[key] = opened()
        while len(self._entries) > 1 and (len(self._entries) > 8 or self.bytes > self.limit):
            self._entries.popitem(last=False)
        return found

    @property
    def bytes(self) -> int:
        """The bytes of memory that the cached files take."""
        return sum(file.size for file in self._entries.values())


def on_disk(mount: Mount, path: PurePosixPath, copies: Copies) -> Path:
    """The path of a file on this machine, beside it the file that contains its pixels or its header, if there is one.

    Raises:
        OSError: It cannot be read, or not be copied.
    """
    if path.name.lower().endswith(formats.headers()):
        facts = mount.stat(path)
        found = formats.companion(mount, path, (facts.st_size, facts.st_mtime_ns))
        if found is not None and mount.is_file(str(found)):
            copies.local(found)
    return copies.local(path)


def raw_file(mount: Mount, path: PurePosixPath, facts: Status, used: set[str], *, whole: bool) -> RawFile:
    """Reads a file to its end unless it is large, or only its first bytes.

    Raises:
        OSError: The file cannot be read.
        ReadError: The file is empty.
    """
    with mount.open(path) as file:
        whole = whole and facts.st_size <= limits.LARGE
        head = file.read() if whole else file.read(HEAD)
    if not head:
        raise ReadError(f"{path}: the file is empty.")
    return RawFile(mount, path, facts.st_size, head, whole, used, Copies(mount))
