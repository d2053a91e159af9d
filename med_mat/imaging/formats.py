"""What a file is, by its first bytes."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

Kind = Literal["JPEG", "PNG", "GIF", "WEBP", "DICOM", "other"]


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
