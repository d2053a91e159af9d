"""Strips JPEG files: parses the segments up to the end marker and keeps those needed for display."""

from __future__ import annotations

import struct
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from med_mat.imaging.containers import Clean, Edits, Header, exif, icc

if TYPE_CHECKING:
    from med_mat.imaging.windowing import Array

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BROWSER_SOF = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; all Huffman coded
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDD})  # DHT, DAC, DQT, DRI
_SOI, _EOI, _SOS, _DNL, _COM = 0xD8, 0xD9, 0xDA, 0xDC, 0xFE
_XMP = (b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0")
_ICC = b"ICC_PROFILE\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_WINDOW = 1 << 16  # bytes searched at once: they and the results fit in the processor's cache


#: The second byte of a marker; its start, including fill bytes; the start of its body; its end.
Segment = tuple[int, int, int, int]


class Parts(NamedTuple):
    """A file up to its first scan."""

    header: Header
    segments: list[Segment]
    scan: Segment | None  # the header of the first scan; None if it cannot be reached
    exif: bytes  # all EXIF blocks in a row, as Pillow joins them


def parts(data: bytes) -> Parts:
    """Parse the segments up to the first scan.

    Raises:
        ValueError: There is no frame header, or a segment before it is damaged.
    """
    segments: list[Segment] = []
    scan: Segment | None = None
    frame: tuple[int, int, int, int, int] | None = None  # marker, depth, height, width, components
    block, xmp, adobe = b"", b"", -1
    at = 2
    while (found := _segment(data, at)) is not None:
        marker, _, body, end = found
        if marker == _SOS:
            scan = found
            break
        if marker == _EOI:
            break
        segments.append(found)
        if marker in _SOF and frame is None:
            if body + 6 > len(data):
                break
            frame = (marker, *struct.unpack_from(">BHHB", data, body))
        elif marker == 0xE1:
            segment = data[body:end]
            if segment.startswith(exif.PREFIX):
                block += segment[len(exif.PREFIX) :]
            elif segment.startswith(_XMP[0]):
                xmp = segment
        elif marker == 0xEE and end - body >= 12 and data.startswith(b"Adobe", body):
            adobe = data[body + 11]
        at = end
    if frame is None:
        damaged = at < len(data) and data[at] != 0xFF
        raise ValueError("its JPEG header is damaged" if damaged else "its JPEG header is cut short")
    marker, depth, height, width, components = frame
    note = _why_not_showable(marker, depth, components, adobe)
    return Parts(Header(width, height, exif.orientation(block, xmp), not note, note), segments, scan, block)


def clean(data: bytes, found: Parts) -> Clean:
    """A file reduced to what is needed for display.

    Raises:
        ValueError: Its segments cannot be parsed; the message says why.
    """
    if found.scan is None:
        raise ValueError("its segments end before its pixels begin")
    edits = Edits()
    profiled = _profile(data, found.segments)
    turned = _placed(data, found)
    frames = jfif = 0
    for number, segment in enumerate(found.segments):
        marker, start, body, end = segment
        if end > len(data):
            raise ValueError(f"its segment {marker:02X} is cut short")
        if marker in _TABLES:
            continue
        if marker in _SOF:
            frames += 1
            if frames > 1:
                raise ValueError("it has two frame headers")
        elif number == turned:
            exif_segment = data[body:end]
            if not exif.is_minimal(exif_segment[len(exif.PREFIX) :], found.header.orientation):
                minimal = exif.PREFIX + exif.minimal(found.header.orientation)
                edits.drop(start, end, _kinds(marker, exif_segment), _packed(0xE1, minimal))
        elif marker == 0xE0 and data.startswith(b"JFIF\0", body) and end - body >= 14 and not jfif:
            jfif = 1
            if end - body > 14 or data[body + 12 : body + 14] != b"\0\0":
                edits.drop(start, end, ("thumbnail",), _packed(0xE0, data[body : body + 12] + b"\0\0"))
        elif marker == 0xEE and data.startswith(b"Adobe", body) and end - body >= 12:
            if end - body > 12:
                edits.drop(start, end, ("other data",), _packed(0xEE, data[body : body + 12]))
        elif not (profiled and marker == 0xE2 and data.startswith(_ICC, body)):
            edits.drop(start, end, _kinds(marker, data[body:end]))
    return _scans(data, found.scan, edits)


def _scans(data: bytes, scan: Segment, edits: Edits) -> Clean:
    """Parse the scans, and drop what is between and after them."""
    marks = _marks(data, scan[3])
    segment: Segment | None = scan
    while segment is not None:
        marker, start, body, end = segment
        if end > len(data):
            raise ValueError(f"its segment {marker:02X} is cut short")
        if marker == _EOI:
            if end < len(data):
                more = data.startswith(b"\xff\xd8\xff", end)
                edits.drop(end, len(data), ("further images" if more else "data after the image",))
            return edits.result(data, complete=True)
        if marker == _SOS:
            place = bisect_left(marks, end)
            end = marks[place] if place < len(marks) else len(data)
        elif not (marker in _TABLES or (marker == _DNL and end - body == 2)):
            edits.drop(start, end, _kinds(marker, data[body:end]))
        segment = _segment(data, end)
        if segment is None and end < len(data):
            raise ValueError("bytes that belong to no segment follow its pixels")
    return edits.result(data, complete=False)


def _segment(data: bytes, start: int) -> Segment | None:
    """The segment that begins at ``start``; None if there is none, or if the file ends before its length."""
    at, size = start, len(data)
    while at + 1 < size and data[at] == data[at + 1] == 0xFF:  # fill bytes
        at += 1
    if at + 1 >= size or data[at] != 0xFF:
        return None
    marker = data[at + 1]
    if marker == _EOI or marker == 0x01 or 0xD0 <= marker <= _SOI:  # no length follows
        return marker, start, at + 2, at + 2
    if at + 4 > size:
        return None
    length = data[at + 2] << 8 | data[at + 3]
    return marker, start, at + 4, at + 2 + max(length, 2)


def _marks(data: bytes, start: int) -> list[int]:
    """The positions of markers from ``start`` on: in entropy-coded data, FF is followed by 00 or by RST0 to RST7."""
    values = np.frombuffer(data, np.uint8)
    marks: list[int] = []
    for at in range(start, len(data) - 1, _WINDOW):
        end = min(at + _WINDOW, len(data) - 1)
        found = values[at:end] == 0xFF
        numbers = found.view(np.uint8)
        np.minimum(numbers, values[at + 1 : end + 1], out=numbers)  # and the next byte is not 0
        first = int(found.argmax())
        if found[first]:
            places: Array = np.flatnonzero(found[first:]) + (at + first)
            following = values[places + 1]
            marks += places[((following & 0xF8) != 0xD0) & (following != 0xFF)].tolist()
    return marks


def _packed(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + (len(body) + 2).to_bytes(2, "big") + body


def _placed(data: bytes, found: Parts) -> int:
    """The index of the segment that the orientation replaces; -1 if the image is upright."""
    tells = [
        number
        for number, (marker, _, body, _) in enumerate(found.segments)
        if marker == 0xE1 and data.startswith((exif.PREFIX, _XMP[0]), body)
    ]
    for number in tells:
        _, _, body, end = found.segments[number]
        block = data[body:end]
        if block.startswith(exif.PREFIX) and exif.is_minimal(block[len(exif.PREFIX) :], found.header.orientation):
            return number
    return tells[0] if tells and found.header.orientation != 1 else -1


def _profile(data: bytes, segments: list[Segment]) -> bool:
    """Whether the pieces form one complete color profile."""
    pieces = sorted(
        data[body + len(_ICC) : end]
        for marker, _, body, end in segments
        if marker == 0xE2 and data.startswith(_ICC, body)
    )
    numbered = all(piece[:2] == bytes([number, len(pieces)]) for number, piece in enumerate(pieces, 1))
    return bool(pieces) and len(pieces) < 256 and numbered and icc.is_profile(b"".join(piece[2:] for piece in pieces))


def _kinds(marker: int, body: bytes) -> tuple[str, ...]:
    """The kinds of content of a segment that does not affect the display.

    Raises:
        ValueError: The segment must not simply be removed.
    """
    if marker == _COM:
        return ("comment",)
    if not 0xE0 <= marker <= 0xEF:
        raise ValueError(f"its marker {marker:02X} belongs elsewhere, or nowhere")
    if marker == 0xE0 and body.startswith((b"JFIF", b"JFXX")):
        return ("thumbnail",)
    if marker == 0xE1 and body.startswith(exif.PREFIX):
        return exif.told(body)
    if marker == 0xE1 and body.startswith(_XMP):
        return exif.told_by_xmp(body)
    if marker == 0xE2 and body.startswith(b"MPF\0"):
        return ("further images",)
    if marker == 0xED and body.startswith(_PHOTOSHOP):
        iptc = b"8BIM\x04\x04" in body
        small = b"8BIM\x04\x09" in body or b"8BIM\x04\x0c" in body
        return (
            *(["IPTC"] if iptc else []),
            *(["thumbnail"] if small else []),
            *([] if iptc or small else ["other data"]),
        )
    return ("other data",)


def _why_not_showable(marker: int, depth: int, components: int, adobe: int) -> str:
    if depth != 8:
        return f"{depth} bit"
    if components == 4:
        return "YCCK" if adobe == 2 else "CMYK"
    if components not in (1, 3):
        return f"{components} components"
    return "" if marker in _BROWSER_SOF else "lossless or arithmetic coding"
