"""The tags of TIFF files, classic and big, of both byte orders: read, and written anew in memory."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION, SAMPLES = 256, 258, 259, 262, 274, 277
PLANAR, PREDICTOR, PALETTE, TILE_WIDTH, EXTRA, FORMAT, XMP = 284, 317, 320, 322, 338, 339, 700
#: Where the strips, or the tiles, of the pixels begin, and how long they are.
PLACES = (273, 279, 324, 325)
_SIZES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # types of whole numbers
_WIDE = (WIDTH, TILE_WIDTH, *PLACES)  # tags whose numbers need more than 16 bit
_MOST_PAGES = 1 << 16


@dataclass(frozen=True, slots=True)
class Directory:
    """The tags of one page: entries as they stand in the file, by number."""

    data: bytes
    order: str
    entries: Mapping[int, bytes]

    @property
    def big(self) -> bool:
        """Whether offsets have 8 bytes."""
        return self.data[2:4] in (b"\x2b\0", b"\0\x2b")

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The whole numbers of a tag, () where there are none."""
        entry = self.entries.get(tag, b"")
        kind, count = struct.unpack_from(self.order + ("2xHQ" if self.big else "2xHI"), entry) if entry else (0, 0)
        if kind not in _SIZES:
            return ()
        layout = struct.Struct(f"{self.order}{count}{_SIZES[kind]}")
        held, at = (entry, 12) if self.big else (entry, 8)
        if layout.size > len(entry) - at:
            (at,) = struct.unpack_from(self.order + ("Q" if self.big else "I"), entry, at)
            held = self.data
        return layout.unpack_from(held, at) if at + layout.size <= len(held) else ()

    def first(self, tag: int, otherwise: int) -> int:
        """The first number of a tag."""
        return (*self.numbers(tag), otherwise)[0]

    def __str__(self) -> str:
        bits = self.numbers(BITS) or (1,)
        return (
            f"a TIFF of {self.first(SAMPLES, 1)} samples of {bits[0]} bit, photometric interpretation "
            f"{self.first(PHOTOMETRIC, -1)}, compression {self.first(COMPRESSION, 1)}, which cannot be read"
        )


def directories(data: bytes) -> list[Directory]:
    """Every page of a file; only those before the first one that cannot be followed."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or data[2:4] not in (b"\x2a\0", b"\0\x2a", b"\x2b\0", b"\0\x2b"):
        return []
    big = data[2:4] in (b"\x2b\0", b"\0\x2b")
    found: dict[int, Directory] = {}
    try:
        (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        while at and at not in found and len(found) < _MOST_PAGES:
            (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
            start, size = at + (8 if big else 2), 20 if big else 12
            if start + count * size > len(data):
                break
            entries = [data[start + n * size : start + (n + 1) * size] for n in range(count)]
            tags = {struct.unpack_from(order + "H", entry)[0]: entry for entry in entries}
            found[at] = Directory(data, order, tags)
            (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, start + count * size)
    except struct.error:
        pass
    return list(found.values())


def rewritten(directory: Directory, changes: Mapping[int, Sequence[int]]) -> bytes:
    """A file of one page with other tags; no numbers: the tag is left out."""
    order, big = directory.order, directory.big
    data = directory.data + b"\0" * (len(directory.data) % 2)
    room = 8 if big else 4
    entries = dict(directory.entries)
    beyond: list[bytes] = []
    kept = {tag: numbers for tag, numbers in changes.items() if numbers}
    for tag in changes:
        entries.pop(tag, None)
    after = len(data) + (8 if big else 2) + (20 if big else 12) * (len(entries) + len(kept)) + room
    for tag, numbers in kept.items():
        kind = (16 if big else 4) if tag in _WIDE else 3
        value = struct.pack(f"{order}{len(numbers)}{_SIZES[kind]}", *numbers)
        if len(value) > room:
            place = after + sum(map(len, beyond))
            beyond.append(value)
            value = struct.pack(order + ("Q" if big else "I"), place)
        head = struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, len(numbers))
        entries[tag] = head + value.ljust(room, b"\0")
    block = struct.pack(order + ("Q" if big else "H"), len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
    start = struct.pack(order + ("Q" if big else "I"), len(data))
    front = 8 if big else 4
    return b"".join((data[:front], start, data[front + room :], block, b"\0" * room, *beyond))
