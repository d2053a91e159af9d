"""Strips GIF files: parses the blocks up to the trailer and keeps those needed for display."""

from __future__ import annotations

from med_mat.imaging.containers import Clean, Edits, icc

_TRAILER, _EXTENSION, _IMAGE = 0x3B, 0x21, 0x2C
_CONTROL, _COMMENT, _TEXT, _APPLICATION = 0xF9, 0xFE, 0x01, 0xFF
_ICC, _XMP = b"ICCRGBG1012", b"XMP DataXMP"


def clean(data: bytes) -> Clean:
    """A file with a still image, reduced to what is needed for display.

    Raises:
        ValueError: Its blocks cannot be parsed; the message says why.
    """
    edits = Edits()
    images = 0
    try:
        at = 13 + _palette(data[10])
        while at < len(data):
            start = at
            if data[at] == _TRAILER:
                if at + 1 < len(data):
                    edits.drop(at + 1, len(data), ("data after the image",))
                return _one(edits.result(data, complete=True), images)
            if data[at] == _IMAGE:
                at = _end(data, at + 11 + _palette(data[at + 9]))
                images += 1
            elif data[at] == _EXTENSION:
                at = _end(data, at + 2)
                kind = _kind(data, start, at, late=bool(images))
                if kind:
                    edits.drop(start, at, (kind,))
            else:
                raise ValueError("its blocks are damaged")
    except IndexError:
        raise ValueError("it is cut short") from None
    return _one(edits.result(data, complete=False), images)


def _one(found: Clean, images: int) -> Clean:
    if images != 1:
        raise ValueError(f"it has {images} pictures")
    return found


def _palette(flags: int) -> int:
    """The size of a color table in bytes, from its flags."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _end(data: bytes, at: int) -> int:
    """The end of the sub-blocks that begin at ``at``."""
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _kind(data: bytes, start: int, end: int, *, late: bool) -> str:
    """The kind of an extension that does not affect the display; '' if it does."""
    label, length = data[start + 1], data[start + 2]
    body = data[start + 3 : start + 3 + length]
    if label == _CONTROL and end - start == 8 and length == 4 and not late:
        return ""
    if label == _APPLICATION and length == 11 and body == _ICC and icc.is_profile(_joined(data, start + 14)):
        return ""
    if label == _APPLICATION and body == _XMP:
        return "XMP"
    return {_COMMENT: "comment", _TEXT: "text"}.get(label, "other data")


def _joined(data: bytes, at: int) -> bytes:
    """The content of sub-blocks."""
    pieces = []
    while data[at]:
        pieces.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(pieces)
