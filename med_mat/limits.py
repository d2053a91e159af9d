"""The size limit of a raw file: on disk, decompressed, and decoded to pixels. It bounds a build's memory and time.

It is one number of bytes (``--max-file``), set by :func:`allowing` for everything called within, like the precision of
``decimal``: decoders many calls below need it, and nothing in between does. The default is :data:`MAX_FILE`.
"""

from __future__ import annotations

import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from med_mat.errors import ReadError

MAX_FILE = 2_000_000_000
#: Bytes counted per pixel: its decoded samples, and the copies made by hashing and encoding.
PIXEL_BYTES = 8
#: A larger file is not kept in memory together with the arrays decoded from it.
LARGE = 64 << 20
_BLOCK = 1 << 20
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT]?)(i?)B?", re.IGNORECASE)


@dataclass(slots=True)
class Allowance:
    """The limit and the sizes checked against it: any limit from ``read`` up to ``refused`` gives the same result."""

    most: int  # bytes
    scratch: Path | None = None  # folder of temporary files; None: that of the system
    read: int = 0  # the largest size that was accepted
    refused: int | None = None  # the smallest size that was refused


_allowance: ContextVar[Allowance | None] = ContextVar("allowance")


@contextmanager
def allowing(most: int, scratch: Path | None = None) -> Iterator[Allowance]:
    """Set the limit, in bytes, for everything called within."""
    before = _allowance.get(None)
    try:
        yield allow(most, scratch)
    finally:
        _allowance.set(before)


def allow(most: int, scratch: Path | None = None) -> Allowance:
    """Set the limit, in bytes, for the rest of the current context (see :mod:`contextvars`)."""
    now = Allowance(most, scratch)
    _allowance.set(now)
    return now


def allowance() -> Allowance:
    """The current limit."""
    return _allowance.get(None) or Allowance(MAX_FILE)


def parsed(text: str) -> int:
    """Parse a size such as ``500MB``, ``4GB`` or ``4GiB`` to bytes.

    Raises:
        ValueError: it is not a size.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size: write 500MB, 4GB or 4GiB")
    return int(float(found[1]) * (_BINARY if found[3] else _UNITS)[found[2].upper()])


def told(size: int) -> str:
    """Format a number of bytes, such as ``1.5 GB``."""
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_:
            return f"{size / bytes_:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} bytes"


class Status(Protocol):
    """What is known of a file without opening it; an :class:`os.stat_result` is one."""

    @property
    def st_size(self) -> int:
        """Its size in bytes."""

    @property
    def st_mtime_ns(self) -> int:
        """When it was changed, in nanoseconds."""

    @property
    def st_mode(self) -> int:
        """Its kind."""


class _Path(Protocol):
    def stat(self) -> Status:
        """The status of the file."""


def path(full: _Path, name: object = None) -> None:
    """Check the file at a path, as :func:`file` does; ``name`` is its name in errors, by default its path.

    Raises:
        ReadError: it is not a regular file, is too large, or cannot be found.
    """
    try:
        facts = full.stat()
    except OSError as error:
        raise ReadError(f"{full if name is None else name} cannot be read: {error.strerror or error}.") from error
    file(full if name is None else name, facts)


def file(name: object, facts: Status) -> None:
    """Check that a file is a regular one within the limit.

    Raises:
        ReadError: it is not.
    """
    if not stat.S_ISREG(facts.st_mode):
        raise ReadError(f"{name}: is no regular file but {_kind(facts.st_mode)}; it is not read.")
    if not _fits(facts.st_size):
        raise _refused(f"{name}: is {told(facts.st_size)}, more than", facts.st_size)


def unpacked(name: object, size: int, *, at_least: bool = False) -> None:
    """Check the decompressed size of a file.

    Args:
        name: the name of the file.
        size: its decompressed size in bytes.
        at_least: whether decompression stopped there.

    Raises:
        ReadError: the size exceeds the limit.
    """
    if not _fits(size):
        words = f"{name}: unpacks to {'over ' if at_least else ''}{told(size)}, more than"
        raise _refused(words, size, "a larger --max-file may read it" if at_least else "")


def memory(name: object, size: int) -> None:
    """Check the memory that parsing a text would take.

    Args:
        name: the name of the file.
        size: the memory in bytes.

    Raises:
        ReadError: the memory exceeds the limit.
    """
    if not _fits(size):
        raise _refused(f"{name}: would take about {told(size)} of memory when it is parsed, more than", size)


def pixels(name: object, width: int, height: int) -> None:
    """Check the size of an image in pixels.

    Raises:
        ReadError: the image is empty, or exceeds the limit.
    """
    if min(width, height) < 1:
        raise ReadError(f"{name}: its header declares {width} x {height} pixels; it is damaged.")
    many_pixels(name, f"{width} x {height}", width * height)


def many_pixels(name: object, words: str, count: int) -> None:
    """Check a number of pixels, which ``words`` describe in errors.

    Raises:
        ReadError: the number exceeds the limit.
    """
    if not _fits(count * PIXEL_BYTES):
        most = f"{allowance().most / PIXEL_BYTES / 1e6:,.4g} megapixels"
        said = f"{name}: its header declares {words} pixels, more than the {most} that fit in"
        raise _refused(said, count * PIXEL_BYTES)


def _fits(size: int) -> bool:
    """Whether a size is within the limit, which is noted."""
    now = allowance()
    if size <= now.most:
        now.read = max(now.read, size)
        return True
    now.refused = min(size, now.refused or size)
    return False


def _refused(words: str, size: int, helps: str = "") -> ReadError:
    helps = helps or f"--max-file {-(-size // 10**9)}GB would read it"
    return ReadError(f"{words} the {told(allowance().most)} that are read of one file ({helps}).")


def _kind(mode: int) -> str:
    for test, what in ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket")):
        if test(mode):
            return what
    return "a device"


def scratch() -> IO[bytes]:
    """An empty, unnamed temporary file in the folder of the build; deleted when it is closed or its process ends."""
    return tempfile.TemporaryFile(dir=allowance().scratch)


class Unpacking(Protocol):
    """A stream of decompressed bytes."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most ``size``; none at the end."""


def spooled(name: object, packed: Unpacking, found: IO[bytes] | None = None) -> IO[bytes]:
    """Decompress a stream to a temporary file, and rewind the file.

    Args:
        name: the name of the raw file, for errors.
        packed: the stream.
        found: a file to append to; None: a new one (:func:`scratch`).

    Raises:
        ReadError: the decompressed size exceeds the limit, or the disk is full.
    """
    found, size = found or scratch(), 0
    while block := packed.read(_BLOCK):
        size += len(block)
        if size > allowance().most:
            found.close()
            unpacked(name, size, at_least=True)
        try:
            found.write(block)
        except OSError as error:
            found.close()
            raise ReadError(
                f"{name}: cannot be unpacked to a temporary file ({error.strerror or error}): free some space."
            ) from error
    unpacked(name, size)
    found.seek(0)
    return found
