"""Reads EXIF blocks and XMP texts: the orientation of an image, and the kinds of metadata in them.

The orientation is read as Pillow, and thus ``datasets``, reads it; boxes and masks are oriented accordingly.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

#: Prefix of an EXIF block in JPEG files, and sometimes in others.
PREFIX = b"Exif\0\0"
GPS = "GPS position"

_ORIENTATION, _GPS, _THUMBNAIL = 0x0112, 0x8825, 0x0201
_PLACE = frozenset({2, 4})  # latitude, longitude: the directory often contains only its version
_WHOLE = {3: "H", 4: "I", 8: "h", 9: "i"}  # type of an entry -> struct format of a single integer
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def minimal(orientation: int) -> bytes:
    """An EXIF block with only the orientation, without prefix, as Pillow writes it."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)


def is_minimal(block: bytes, orientation: int) -> bool:
    """Whether a block, without prefix, contains only this orientation."""
    little = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)
    return block in (minimal(orientation), little)


def orientation(block: bytes, xmp: bytes = b"") -> int:
    """The orientation, 1 to 8, from the EXIF block, else from the XMP text, else 1."""
    block = bare(block)
    order = _order(block)
    if order:
        for tag, kind, count, value in _entries(block, order, _first(block, order)):
            if tag == _ORIENTATION:
                number = 0
                if kind in _WHOLE and count == 1:
                    (number,) = struct.unpack_from(order + _WHOLE[kind], value)
                return number if 1 <= number <= 8 else 1
    found = _XMP.search(xmp)
    return int(found[1]) if found and 1 <= int(found[1]) <= 8 else 1


def told(block: bytes) -> tuple[str, ...]:
    """The kinds of metadata in an EXIF block."""
    block = bare(block)
    words = ["EXIF"]
    order = _order(block)
    if order:
        first = _first(block, order)
        for tag, _, _, value in _entries(block, order, first):
            if tag == _GPS:
                (at,) = struct.unpack(order + "I", value)
                words += [GPS] if any(entry[0] in _PLACE for entry in _entries(block, order, at)) else []
        second = first + 2 + 12 * _count(block, order, first)
        if second + 4 <= len(block):
            (at,) = struct.unpack_from(order + "I", block, second)
            words += ["thumbnail"] if at and any(e[0] == _THUMBNAIL for e in _entries(block, order, at)) else []
    return tuple(words)


def told_by_xmp(xmp: bytes) -> tuple[str, ...]:
    """The kinds of metadata in an XMP text."""
    place = b"GPSLatitude" in xmp or b"GPSLongitude" in xmp
    small = b"xmpGImg:image" in xmp
    return ("XMP", *([GPS] if place else []), *(["thumbnail"] if small else []))


def bare(block: bytes) -> bytes:
    """A block without its prefix, which some writers write twice."""
    while block.startswith(PREFIX):
        block = block[len(PREFIX) :]
    return block


def _order(block: bytes) -> str:
    """The byte order of a block; '' if it is not an EXIF block."""
    return {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4], "") if len(block) >= 14 else ""


def _first(block: bytes, order: str) -> int:
    (at,) = struct.unpack_from(order + "I", block, 4)
    return int(at)


def _count(block: bytes, order: str, at: int) -> int:
    return int(struct.unpack_from(order + "H", block, at)[0]) if at + 2 <= len(block) else 0


def _entries(block: bytes, order: str, at: int) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, type, count and the four value bytes of each entry of a directory, up to its end or that of the block."""
    entries = block[at + 2 : at + 2 + 12 * _count(block, order, at)]
    yield from struct.iter_unpack(order + "HHI4s", entries[: len(entries) // 12 * 12])
