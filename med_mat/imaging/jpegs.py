"""Detects JPEG files that are incomplete or have extra data: libjpeg silently fills missing parts with gray.

A decoder that runs out of data continues with empty blocks, which become 128 in every channel. So an image whose last
corner is such a gray is decoded again with other bytes appended to its data: if that changes a pixel, the decoder had
read beyond the end. A progressive image would be blurred, not gray, so it is always decoded twice.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from med_mat.errors import ReadError
from med_mat.imaging import opened

if TYPE_CHECKING:
    from med_mat.imaging.windowing import Array

_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}  # F7: JPEG-LS
_READ = _FRAMES | {0xDA, 0xDD}
_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # in entropy-coded data FF is followed by 00 or by RST0 to RST7
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
#: Bytes for a decoder that reads beyond the end: no marker, and no pattern that decodes to nothing.
_BEYOND = bytes((index * 197 + 89) % 251 for index in range(1024))
_GRAY = range(126, 131)  # 128, apart from color conversion


class _Scan(NamedTuple):
    components: tuple[int, ...]
    first: int  # coefficients, first to last
    last: int
    low: int  # the number of low bits still missing after this scan
    start: int  # of its data
    end: int


@dataclass(slots=True)
class _Frame:
    kind: int = 0  # the last byte of its SOF marker
    width: int = 0
    height: int = 0
    components: tuple[int, ...] = ()
    sampling: bytes = b""  # factors of each component, across in the high half and down in the low one
    interval: int = 0  # units from one restart marker to the next; 0: no restart markers
    scans: tuple[_Scan, ...] = ()


def decoded(data: bytes, name: object) -> tuple[Image.Image, tuple[str, ...]]:
    """A decoded JPEG file, and notes on oddities of its data.

    Raises:
        ReadError: The file cannot be decoded, or a part of its pixels is missing.
    """
    frame = _frame(data)
    plain = len(frame.scans) == 1 and frame.kind in _SEQUENTIAL
    file = _Watched(data, _last_byte(data, frame.scans[0])) if plain else io.BytesIO(data)
    picture = opened.loaded(opened.picture(data, name, file=file), name)
    fault = _fault(data, frame, picture, picture)
    if fault:
        raise ReadError(f"{name}: the JPEG is damaged: {fault}.")
    if isinstance(file, _Watched) and not file.reached:
        return picture, ("the JPEG holds data after its last pixel, so a part of it may be damaged",)
    return picture, ()


def missing(data: bytes, pixels: Array) -> str:
    """Which part of the pixels of a JPEG is missing, in words, or ""; ``pixels`` are those of some decoder."""
    return _fault(data, _frame(data), Image.fromarray(pixels), None)


def size(data: bytes) -> tuple[int, int] | None:
    """Width and height in the frame header of a JPEG or JPEG-LS; None if there is none."""
    frame = _frame(data)
    return (frame.width, frame.height) if frame.width and frame.height else None


def _fault(data: bytes, frame: _Frame, shown: Image.Image, plain: Image.Image | None) -> str:
    """Which part is missing: by the markers, else by the pixels; ``plain`` are those that Pillow decodes."""
    if not frame.scans or frame.kind not in (*_SEQUENTIAL, _PROGRESSIVE):
        return ""
    if frame.kind == _PROGRESSIVE:
        if not _refined(frame):
            return "its last scans are missing"
    elif {component for scan in frame.scans for component in scan.components} != set(frame.components):
        return "a scan is missing"
    elif frame.interval and len(frame.scans) == 1:
        held = _RESTART.findall(data, frame.scans[0].start, frame.scans[0].end)
        if len(held) < (_units(frame) - 1) // frame.interval:
            return "a part of its pixels is missing"
        if any(marker[1] != 0xD0 + number % 8 for number, marker in enumerate(held)):
            return "its parts are out of order"
    if frame.kind != _PROGRESSIVE and not _ends_gray(shown):
        return ""
    with opened.pillow():
        whole = Image.open(io.BytesIO(data)) if plain is None else plain
    if _reads_on(data[: frame.scans[-1].end].rstrip(b"\xff"), whole):
        return "its data end before its last pixel"
    return ""


def _reads_on(data: bytes, picture: Image.Image) -> bool:
    """Whether a decoder reads beyond the end of the data: what follows then changes the pixels."""
    try:
        with opened.pillow():
            return Image.open(io.BytesIO(data + _BEYOND + _END)).tobytes() != picture.tobytes()
    except OSError:  # the appended bytes are not JPEG data, but were read as such
        return True


class _Watched(io.BytesIO):
    """A file that records whether anything from ``last`` on was read."""

    def __init__(self, data: bytes, last: int) -> None:
        super().__init__(data)
        self.last = last
        self.reached = False

    def read(self, size: int | None = -1, /) -> bytes:
        at = self.tell()
        if at >= self.last:
            self.reached = True
        elif size is None or size < 0 or at + size > self.last:
            size = self.last - at
        return super().read(size)


def _frame(data: bytes) -> _Frame:
    """The frame and the scans of a file; no scans if its segments cannot be parsed."""
    frame = _Frame()
    scans: list[_Scan] = []
    at, end = 2, len(data)
    while at + 4 <= end and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8:  # fill byte, or a marker without a length
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            break
        length = data[at + 2] << 8 | data[at + 3]
        body = data[at + 4 : at + 2 + length] if marker in _READ else b""
        if marker in _FRAMES and len(body) > 6 and len(body) >= 6 + 3 * body[5]:
            frame.kind = marker
            frame.height, frame.width = body[1] << 8 | body[2], body[3] << 8 | body[4]
            frame.components = tuple(body[6 : 6 + 3 * body[5] : 3])
            frame.sampling = body[7 : 6 + 3 * body[5] : 3]
        elif marker == 0xDD and len(body) >= 2:
            frame.interval = body[0] << 8 | body[1]
        elif marker == 0xDA and body and len(body) >= 4 + 2 * body[0]:
            start, count = at + 2 + length, body[0]
            found = _MARKER.search(data, start) if frame.kind == _PROGRESSIVE or count < len(frame.components) else None
            stop = found.start() if found else data.find(_END, start)
            stop = end if stop < 0 else stop
            scans.append(
                _Scan(tuple(body[1 : 1 + 2 * count : 2]), body[1 + 2 * count], body[2 + 2 * count],
                      body[3 + 2 * count] & 15, start, stop)
            )  # fmt: skip
            if not found:
                break
            length = stop - at - 2
        at += 2 + length
    frame.scans = tuple(scans)
    return frame


def _units(frame: _Frame) -> int:
    """How many units a scan of all components has; of a single component a unit is one block of it."""
    several = frame.sampling if len(frame.sampling) > 1 else b"\x11"
    across, down = max(factors >> 4 for factors in several), max(factors & 15 for factors in several)
    return -(-frame.width // (8 * max(across, 1))) * -(-frame.height // (8 * max(down, 1)))


def _refined(frame: _Frame) -> bool:
    """Whether the scans of a progressive image contain every coefficient of every component to its last bit."""
    left = {(component, number): 99 for component in frame.components for number in range(64)}
    for scan in frame.scans:
        for component in scan.components:
            left.update({(component, number): scan.low for number in range(scan.first, min(scan.last, 63) + 1)})
    return not any(left.values())


def _last_byte(data: bytes, scan: _Scan) -> int:
    """The position of the last byte of a scan, without padding."""
    return max(scan.start, scan.start + len(data[scan.start : scan.end].rstrip(b"\0\xff")) - 1)


def _ends_gray(picture: Image.Image) -> bool:
    """Whether the last corner of an image is the gray of an empty block; the corner is within the last block."""
    width, height = picture.size
    last = picture.getpixel((width - 1, height - 1))
    if not all(value in _GRAY for value in (last if isinstance(last, tuple) else (last,))):
        return False
    wide, high = max(((width - 1) % 8 + 1) // 2, 1), max(((height - 1) % 8 + 1) // 2, 1)
    corner = np.asarray(picture.crop((width - wide, height - high, width, height)))
    return bool(((corner >= _GRAY.start) & (corner < _GRAY.stop)).all())
