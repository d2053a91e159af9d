"""Strips metadata (names, places, dates, comments, thumbnails, further images) from image files that browsers display.

A container is parsed from its first byte to its last, and keeps only what its format needs to display the image. The
compressed image data stay the same byte for byte, and so do the pixels. A container that cannot be parsed is refused,
since its other content is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Format = Literal["PNG", "JPEG", "WEBP", "GIF"]

#: Kinds of content that may be removed, in the order in which they are reported.
KINDS = (
    *("EXIF", "GPS position", "XMP", "IPTC", "comment", "text", "date", "thumbnail", "further images", "other data"),
    "data after the image",
)


class Header(NamedTuple):
    """Size and kind of a PNG or JPEG."""

    width: int
    height: int
    orientation: int  # as Pillow reads it from EXIF or XMP; 1 if none is given
    showable: bool  # browsers display it unchanged, in 8 bits
    note: str = ""  # why it is not showable


class Clean(NamedTuple):
    """A file without metadata."""

    data: bytes  # the same object if there is nothing to remove
    removed: tuple[str, ...]  # in the order of KINDS
    complete: bool  # it was parsed to its end marker; otherwise only decoding can tell whether all pixels are present


class Edits:
    """Edits of a file: ranges that are removed or replaced, in order."""

    def __init__(self) -> None:
        self._made: list[tuple[int, int, bytes]] = []
        self._kinds: set[str] = set()

    def drop(self, start: int, end: int, kinds: Iterable[str], instead: bytes = b"") -> None:
        """Remove or replace a range; ``kinds`` are the kinds of removed content."""
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
    """The removed content in words, for a record's ``transform``; "" for nothing."""
    names = ", ".join(removed)
    return f"metadata removed ({names})" if names else ""
