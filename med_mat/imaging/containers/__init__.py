"""Files that browsers show, stripped of metadata: names, places, dates, comments, thumbnails, further images.

A container is parsed from its first byte to its last, and keeps only what its format needs to show the image; the
compressed image data stay byte for byte, and so do the pixels. A container that cannot be parsed is refused here: what
else it contains is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Format = Literal["PNG", "JPEG", "WEBP", "GIF"]

#: What may be removed, in the order in which it is told.
KINDS = (
    *("EXIF", "GPS position", "XMP", "IPTC", "comment", "text", "date", "thumbnail", "further images", "other data"),
    "data after the image",
)


class Header(NamedTuple):
    """Size and kind of a PNG or JPEG."""

    width: int
    height: int
    orientation: int  # as Pillow reads it from EXIF or XMP, 1 where none is given
    showable: bool  # a browser shows it as it is, in 8 bit
    note: str = ""  # why it is not showable


class Clean(NamedTuple):
    """A file without metadata."""

    data: bytes  # the very same object where there is nothing to remove
    removed: tuple[str, ...]  # in the order of KINDS
    complete: bool  # it was followed to its end marker; else only decoding can tell whether all pixels are there


class Edits:
    """Edits of a file: ranges that are removed or replaced, in order."""

    def __init__(self) -> None:
        self._made: list[tuple[int, int, bytes]] = []
        self._kinds: set[str] = set()

    def drop(self, start: int, end: int, kinds: Iterable[str], instead: bytes = b"") -> None:
        """Remove or replace a range; ``kinds`` says what is lost."""
        self._made.append((start, end, instead))
        self._kinds.update(kinds)

    def result(self, data: bytes, *, complete: bool) -> Clean:
        """The edited file."""
        if not self._made:
            return Clean(data, (), complete)
        view, at = memoryview(data), 0
        pieces: list[memoryview | bytes] = []
        for start, end, instead in self._made:
            pieces += [view[at:start], instead]
            at = end
        return Clean(b"".join([*pieces, view[at:]]), tuple(kind for kind in KINDS if kind in self._kinds), complete)


def told(removed: Iterable[str]) -> str:
    """What was removed, for a record's ``transform``; "" for nothing."""
    names = ", ".join(removed)
    return f"metadata removed ({names})" if names else ""
