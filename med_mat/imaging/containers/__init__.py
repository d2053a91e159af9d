"""What a browser shows, without what only tells: names, places, dates, comments, thumbnails, further images.

A container is followed from its first byte to its last, and keeps what is on its format's list of what shows the
picture; the compressed image data stay byte for byte, so its pixels do. A container that cannot be followed is refused
here: what else it holds is unknown.
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
    """A file without what does not show the picture."""

    data: bytes  # the very same object where there is nothing to remove
    removed: tuple[str, ...]  # in the order of KINDS
    complete: bool  # it was followed to its end marker; else only decoding can tell whether all pixels are there


class Edits:
    """What changes in a file: pieces of it replaced, in their order, mostly by nothing."""

    def __init__(self) -> None:
        self._made: list[tuple[int, int, bytes]] = []
        self._kinds: set[str] = set()

    def drop(self, start: int, end: int, kinds: Iterable[str], instead: bytes = b"") -> None:
        """Replace what lies there; ``kinds`` says what is lost."""
        self._made.append((start, end, instead))
        self._kinds.update(kinds)

    def result(self, data: bytes, *, complete: bool) -> Clean:
        """The file with all that done."""
        if not self._made:
            return Clean(data, (), complete)
        view, at = memoryview(data), 0
        pieces: list[memoryview | bytes] = []
        for start, end, instead in self._made:
            pieces += [view[at:start], instead]
            at = end
        return Clean(b"".join([*pieces, view[at:]]), tuple(kind for kind in KINDS if kind in self._kinds), complete)


def told(removed: Iterable[str]) -> str:
    """What was removed, as a part of a record's ``transform``; '' where nothing was."""
    names = ", ".join(removed)
    return f"metadata removed ({names})" if names else ""
