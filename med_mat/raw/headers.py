"""What a file is, by its first bytes; and what a PNG or JPEG header says, without decoding (microseconds per file)."""

from __future__ import annotations

import struct
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

Kind = Literal["JPEG", "PNG", "GIF", "WEBP", "DICOM", "other"]

#: As Pillow's own limit against decompression bombs.
MAX_PIXELS = 2 * (1024**3 // 4 // 3)

_TAIL = 1024  # bytes at the end in which the end marker is looked for: some writers append a little
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BROWSER_SOF = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; all Huffman coded


class Header(NamedTuple):
    """Size and kind of a PNG or JPEG."""

    width: int
    height: int
    orientation: int  # EXIF, 1 where none is given
    showable: bool  # a browser shows it as it is, in 8 bit
    complete: bool  # the end marker is where it belongs; else only decoding can tell
    note: str = ""  # why it is not showable


def sniff(data: bytes, path: PurePosixPath) -> Kind:
    """The kind of a file by its content; the name counts only for a DICOM file without preamble."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data[128:132] == b"DICM":
        return "DICOM"
    if data.startswith((b"BM", b"II*\0", b"MM\0*", b"<", b"version https://git-lfs")):
        return "other"
    # without preamble: by name, or a first element of group 2 or 8 in little endian
    if path.suffix.lower() in (".dcm", ".dicom") or (data[:2] in (b"\x02\0", b"\x08\0") and data[3:4] == b"\0"):
        return "DICOM"
    return "other"


def foreign(data: bytes) -> str:
    """What a file that is no image is instead, in words, or ''."""
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page, not an image: download it again"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not an image: fetch it with `git lfs pull`"
    if start.startswith(b"pk\x03\x04"):
        return "a ZIP archive, not an image: unpack it"
    if start.startswith((b"<?xml", b"<svg")):
        return "XML, not an image"
    if data[:2] == b"\x1f\x8b" or data[344:348] in (b"n+1\0", b"ni1\0") or data[4:8] in (b"n+2\0", b"ni2\0"):
        return "a volume or a gzip archive, not an image: name a Slice of a NIfTI file"
    return ""


def png(data: bytes) -> Header:
    """From the IHDR chunk, the chunks before the pixels, and the tail; ValueError where it is malformed."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ValueError("its PNG header is cut short")
    width, height, depth = struct.unpack_from(">IIB", data, 16)
    orientation = 1
    at = 33
    while (kind := data[at + 4 : at + 8]) != b"IDAT":
        if kind in (b"IEND", b""):
            break
        length = int.from_bytes(data[at : at + 4], "big")
        if kind == b"eXIf":
            orientation = _tiff_orientation(data[at + 8 : at + 8 + length])
        at += length + 12
    if orientation == 1 and (found := data.rfind(b"eXIf", max(33, len(data) - 4 * _TAIL))) > 0:  # after the pixels
        length = int.from_bytes(data[found - 4 : found], "big")
        orientation = _tiff_orientation(data[found + 4 : found + 4 + length])
    complete = data.rfind(b"IEND\xaeB`\x82", max(33, len(data) - _TAIL)) > 0
    return Header(width, height, orientation, depth <= 8, complete, "" if depth <= 8 else f"{depth} bit")


def jpeg(data: bytes) -> Header:
    """From the segments up to the frame header, and the tail; ValueError where it is malformed."""
    orientation = 0
    xmp = 1
    adobe = -1
    at = 2
    end = len(data)
    while at + 4 <= end:
        if data[at] != 0xFF:
            raise ValueError("its JPEG header is damaged")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            at += 2
            continue
        length = data[at + 2] << 8 | data[at + 3]
        if marker in _SOF:
            if at + 10 > end:
                break
            depth, height, width, components = struct.unpack_from(">BHHB", data, at + 4)
            note = _why_not_showable(marker, depth, components, adobe)
            complete = data.rfind(b"\xff\xd9", max(at, end - _TAIL)) > 0
            return Header(width, height, orientation or xmp, not note, complete, note)
        if marker == 0xE1:
            segment = data[at + 4 : at + 2 + length]
            if segment.startswith(b"Exif\0\0"):
                orientation = orientation or _tiff_orientation(segment[6:], 0)
            elif b"tiff:Orientation" in segment:
                xmp = _xmp_orientation(segment)
        elif marker == 0xEE and data[at + 4 : at + 9] == b"Adobe" and length >= 14:
            adobe = data[at + 15]
        elif marker in (0xD9, 0xDA):
            break
        at += 2 + length
    raise ValueError("its JPEG header is cut short")


def _why_not_showable(marker: int, depth: int, components: int, adobe: int) -> str:
    if depth != 8:
        return f"{depth} bit"
    if components == 4:
        return "YCCK" if adobe == 2 else "CMYK"
    if components not in (1, 3):
        return f"{components} components"
    return "" if marker in _BROWSER_SOF else "lossless or arithmetic coding"


def _tiff_orientation(block: bytes, default: int = 1) -> int:
    """Tag 0x0112 of the first directory of an EXIF block."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 14:
        return default
    (offset,) = struct.unpack_from(order + "I", block, 4)
    if offset + 2 > len(block):
        return default
    (count,) = struct.unpack_from(order + "H", block, offset)
    entries = block[offset + 2 : offset + 2 + 12 * count]
    for tag, kind, number, value in struct.iter_unpack(order + "HHIH2x", entries[: len(entries) // 12 * 12]):
        if tag == 0x0112:
            return value if kind == 3 and number == 1 and 1 <= value <= 8 else default
    return default


def _xmp_orientation(segment: bytes) -> int:
    """Pillow, and so ``datasets``, honours this one too where EXIF says nothing."""
    after = segment.split(b"tiff:Orientation", 1)[1].lstrip(b'=">')[:1]
    return int(after) if after in (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8") else 1
