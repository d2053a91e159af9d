"""How much of one file is read: on disk, unpacked, and as pixels. The memory and the time of a build hang on it.

One number says it, in bytes (``--max-file``). It holds within :func:`allowing`, as the precision of ``decimal`` does:
decoders many calls below need it, and nothing between has a use for it. Elsewhere :data:`MAX_FILE` holds.
"""

from __future__ import annotations

import os
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
#: What a pixel is counted as: its decoded samples, and those of the copies that hashing and encoding make.
PIXEL_BYTES = 8
#: More than this is not held in memory beside what is made of it.
LARGE = 64 << 20
_BLOCK = 1 << 20
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT]?)(i?)B?", re.IGNORECASE)


@dataclass(slots=True)
class Allowance:
    """How much of one file is read, and what has been asked for: with another limit between these, all is the same."""

    most: int  # bytes
    scratch: Path | None = None  # where what is unpacked waits that memory should not hold; None: the system's place
    read: int = 0  # the most that a file took which was read
    refused: int | None = None  # the least that a file would take which was refused


_allowance: ContextVar[Allowance] = ContextVar("allowance")


@contextmanager
def allowing(most: int, scratch: Path | None = None) -> Iterator[Allowance]:
    """Another limit, in bytes, for what is called within."""
    now = Allowance(most, scratch)
    token = _allowance.set(now)
    try:
        yield now
    finally:
        _allowance.reset(token)


def allowance() -> Allowance:
    """The limit that holds here."""
    return _allowance.get(None) or Allowance(MAX_FILE)


def parsed(text: str) -> int:
    """The bytes that a text like ``500MB``, ``4GB`` or ``4GiB`` means.

    Raises:
        ValueError: it is none.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size: write 500MB, 4GB or 4GiB")
    return int(float(found[1]) * (_BINARY if found[3] else _UNITS)[found[2].upper()])


def told(size: int) -> str:
    """A number of bytes in words."""
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_:
            return f"{size / bytes_:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} bytes"


def path(full: Path, name: object = None) -> None:
    """Refuse the file that lies there, as :func:`file` does; ``name``: what it is called, else by its path.

    Raises:
        ReadError: it is no regular file, too large, or not to be found.
    """
    try:
        facts = full.stat()
    except OSError as error:
        raise ReadError(f"{full if name is None else name} cannot be read: {error.strerror or error}.") from error
    file(full if name is None else name, facts)


def file(name: object, facts: os.stat_result) -> None:
    """Refuse what is no regular file, or too large to be read.

    Raises:
        ReadError: it is.
    """
    if not stat.S_ISREG(facts.st_mode):
        raise ReadError(f"{name}: is no regular file but {_kind(facts.st_mode)}; it is not read.")
    _within(facts.st_size, f"{name}: is {told(facts.st_size)}, more than")


def unpacked(name: object, size: int, *, at_least: bool = False) -> None:
    """Refuse a file that unpacks to too many bytes.

    Args:
        name: of the file.
        size: of what it holds.
        at_least: it was not unpacked further.

    Raises:
        ReadError: it is.
    """
    words = f"{name}: unpacks to {'over ' if at_least else ''}{told(size)}, more than"
    _within(size, words, "a larger --max-file may read it" if at_least else "")


def memory(name: object, size: int) -> None:
    """Refuse a text of which a parser would make too much.

    Raises:
        ReadError: it would.
    """
    _within(size, f"{name}: would take about {told(size)} of memory when it is parsed, more than")


def pixels(name: object, width: int, height: int) -> None:
    """Refuse an image of no pixels, or of too many.

    Raises:
        ReadError: it is.
    """
    if min(width, height) < 1:
        raise ReadError(f"{name}: its header declares {width} x {height} pixels; it is damaged.")
    many_pixels(name, f"{width} x {height}", width * height)


def many_pixels(name: object, words: str, count: int) -> None:
    """Refuse an image of too many pixels; ``words``: how many these are.

    Raises:
        ReadError: it is.
    """
    most = f"{allowance().most / PIXEL_BYTES / 1e6:,.4g} megapixels"
    _within(count * PIXEL_BYTES, f"{name}: its header declares {words} pixels, more than the {most} that fit in")


def _within(size: int, words: str, helps: str = "") -> None:
    now = allowance()
    if size <= now.most:
        now.read = max(now.read, size)
        return
    now.refused = min(size, now.refused or size)
    helps = helps or f"--max-file {-(-size // 10**9)}GB would read it"
    raise ReadError(f"{words} the {told(now.most)} that are read of one file ({helps}).")


def _kind(mode: int) -> str:
    for test, what in ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket")):
        if test(mode):
            return what
    return "a device"


def scratch() -> IO[bytes]:
    """An empty file without a name, below the folder of the build: it is gone when it is closed, by whatever."""
    return tempfile.TemporaryFile(dir=allowance().scratch)


class Unpacking(Protocol):
    """What gives unpacked bytes, a part at a time."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most so many; none at the end."""


def spooled(name: object, packed: Unpacking, found: IO[bytes] | None = None) -> IO[bytes]:
    """What a stream unpacks to, in a file that is gone when it is closed, at its start.

    Args:
        name: what it is called in errors.
        packed: the stream.
        found: a file that holds what comes before; None: a new one (:func:`scratch`).

    Raises:
        ReadError: it is too much, or there is no space for it.
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
