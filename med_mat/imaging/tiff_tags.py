"""Reads the tags of classic and Big TIFF files in either byte order, and rewrites them in memory."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SUBFILE, WIDTH, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION, SAMPLES = 254, 256, 258, 259, 262, 274, 277
PLANAR, PREDICTOR, PALETTE, TILE_WIDTH, EXTRA, FORMAT, XMP = 284, 317, 320, 322, 338, 339, 700
#: Offsets and lengths of the strips or tiles.
PLACES = (273, 279, 324, 325)
#: Size of each value type and, for integers, its struct format.
_TYPES = {
    1: (1, "B"), 2: (1, ""), 3: (2, "H"), 4: (4, "I"), 5: (8, ""), 6: (1, ""), 7: (1, ""), 8: (2, ""), 9: (4, ""),
    10: (8, ""), 11: (4, ""), 12: (8, ""), 13: (4, "I"), 16: (8, "Q"), 17: (8, ""), 18: (8, "Q"),
}  # fmt: skip
_LONG, _WIDE = 4, (16, 18)
_MOST_PAGES = 1 << 16
_MOST_ENTRIES = 1 << 20  # of all pages together
_MOST_NUMBERS = 1 << 22  # of a tag: an image of a quarter of a gigapixel has 2^20 tiles of 16 x 16


@dataclass(frozen=True, slots=True)
class Directory:
    """The tags of one page by number: type, count and values as stored in the file."""

    data: bytes
    order: str  # "<" or ">"
    big: bool
    entries: Mapping[int, tuple[int, int, bytes]]

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The integers of a tag; () if there are none."""
        kind, count, values = self.entries.get(tag, (0, 0, b""))
        layout = _TYPES.get(kind, (0, ""))[1] if count <= _MOST_NUMBERS else ""
        return struct.unpack(f"{self.order}{count}{layout}", values) if layout else ()

    def first(self, tag: int, otherwise: int) -> int:
        """The first number of a tag."""
        return (*self.numbers(tag), otherwise)[0]

    def __str__(self) -> str:
        samples, meaning = self.first(SAMPLES, 1), self.first(PHOTOMETRIC, -1)
        return (
            f"a TIFF of {samples} sample{'s' if samples > 1 else ''} of {self.first(BITS, 1)} bit, photometric "
            f"interpretation {meaning}, compression {self.first(COMPRESSION, 1)}, which cannot be read"
        )


def directories(data: bytes) -> list[Directory]:
    """The pages of a file, up to the first unreadable one.

    Raises:
        ValueError: The tags contain more bytes than the file, since many of them overlap.
    """
    order, big = {
        b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True),
    }.get(data[:4], ("", False))  # fmt: skip
    found: dict[int, Directory] = {}
    seen = held_in_all = 0
    if not order:
        return []
    offset, counter, entry = (
        struct.Struct(order + layout) for layout in (("Q", "Q", "HHQ8s") if big else ["I", "H", "HHI4s"])
    )
    try:
        (at,) = offset.unpack_from(data, 8 if big else 4)
        while at and at not in found and len(found) < _MOST_PAGES:
            (count,) = counter.unpack_from(data, at)
            at, start = at + counter.size, at
            entries: dict[int, tuple[int, int, bytes]] = {}
            seen += count
            if seen > _MOST_ENTRIES:
                raise ValueError(f"its pages have more than {_MOST_ENTRIES:,} tags")
            for tag, kind, number, held in entry.iter_unpack(data[at : at + count * entry.size]):
                if kind not in _TYPES:
                    continue
                size = number * _TYPES[kind][0]
                if size > len(held):
                    (place,) = offset.unpack(held)
                    held_in_all += min(size, len(data))
                    if held_in_all > 2 * len(data):
                        raise ValueError("its tags hold more than the file does")
                    held = data[place : place + size]
                if size <= len(held):
                    entries[tag] = kind, number, held[:size]
            found[start] = Directory(data, order, big, entries)
            (at,) = offset.unpack_from(data, at + count * entry.size)
    except (struct.error, OverflowError):  # truncated, or an offset outside the file
        pass
    return list(found.values())


def rewritten(directory: Directory, changes: Mapping[int, Sequence[int]]) -> bytes:
    """A classic file with only that page, its pixels in place and its tags changed; a tag without numbers is removed.

    Raises:
        ValueError: The file is too large for 32-bit offsets.
    """
    order, data = directory.order, directory.data + b"\0" * (len(directory.data) % 2)
    entries = dict(directory.entries)
    for tag, (kind, _, _) in directory.entries.items():
        if kind in _WIDE:
            entries[tag] = _longs(order, directory.numbers(tag))
    entries |= {tag: _longs(order, numbers) for tag, numbers in changes.items()}
    kept = sorted((tag, *entry) for tag, entry in entries.items() if entry[1])
    head, beyond = struct.pack(order + "H", len(kept)), b""
    after = len(data) + 2 + 12 * len(kept) + 4
    for tag, kind, count, values in kept:
        if len(values) > 4:
            place = after + len(beyond)
            beyond += values + b"\0" * (len(values) % 2)
            values = _packed(order, (place,))
        head += struct.pack(order + "HHI", tag, kind, count) + values.ljust(4, b"\0")
    start = struct.pack(order + "H", 42) + _packed(order, (len(data),))
    return b"".join((data[:2], start, data[8:], head, b"\0" * 4, beyond))


def _longs(order: str, numbers: Sequence[int]) -> tuple[int, int, bytes]:
    return _LONG, len(numbers), _packed(order, numbers)


def _packed(order: str, numbers: Sequence[int]) -> bytes:
    try:
        return struct.pack(f"{order}{len(numbers)}I", *numbers)
    except struct.error as error:
        raise ValueError("the TIFF is larger than 4 GiB, which its page cannot be read from") from error
