"""Checks that files named like images are images: a few of each kind are opened."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from posixpath import splitext

from med_mat import formats
from med_mat.errors import MedMATError
from med_mat.imaging.containers import jpeg, png
from med_mat.raw.folder import RawFolder
from med_mat.raw.refusals import cannot_read

_KINDS = 200  # the most kinds that are checked: folders and ways of naming, numbers aside
_TRIED = 3  # files of each kind; one bad file among sound ones is left to the build
_NUMBERED = re.compile(r"[a-z0-9]*\d[a-z0-9]*", re.IGNORECASE)  # what differs in names of one kind
_HEAD = 1 << 16  # bytes that hold the header of nearly every file
_DECODED = 64 << 20  # bytes; a larger file is not decoded to see what is wrong with it
_TILES = ((273, 279), (324, 325))  # tags of a TIFF: where its strips or tiles lie, and how long they are


def wrong(raw: RawFolder, paths: Sequence[str]) -> Iterator[str]:
    """For the first kind of image of which no sampled file can be read, a sentence that says why.

    Args:
        raw: the folder of a source.
        paths: the files in it.
    """
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        if splitext(path)[1].lower() in formats.picture_suffixes():
            alike[_NUMBERED.sub("0", path)].append(path)
    for kind in sorted(alike)[:_KINDS]:
        tried = alike[kind][:_TRIED]
        found = [_what(raw, path, closely=len(tried) == _TRIED) for path in tried]
        if all(found):
            yield f"{found[0]}; others may be the same"
            return


def _what(raw: RawFolder, path: str, *, closely: bool) -> str:
    """What is wrong with a file that has an image suffix; "" where nothing is.

    Args:
        raw: the folder of its source.
        path: of the file, below that folder.
        closely: also report damaged images, not only files of another kind.
    """
    try:
        full = raw.file(path)
        with full.open() as file:
            head, size = file.read(_HEAD), full.stat().st_size
    except OSError as error:
        return cannot_read(raw.root / path, error).rstrip(".")
    except MedMATError:
        return ""  # the scan reports it
    if not size:
        return f"{path} is empty: download it again"
    told = formats.foreign(head)
    if told:
        return f"{path} is {told}"
    return _refusal(raw, path, size) if closely and not _plausible(raw, path, head, size) else ""


#: What a whole file ends with, and in how many of its last bytes: some writers append a little.
_END = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
_TAIL = 1024


def _plausible(raw: RawFolder, path: str, head: bytes, size: int) -> bool:
    """Whether its header can be read and describes no more than the file holds. Nothing is decoded."""
    kind = formats.sniff(head, path)
    try:
        if kind in ("JPEG", "PNG"):
            with raw.file(path).open() as file:
                file.seek(max(size - _HEAD, len(head)))
                tail = file.read() or head
            (jpeg if kind == "JPEG" else png).parts(head)
            return _END[kind] in tail[-_TAIL:]
        if kind == "DICOM":
            return head[128:132] == b"DICM"
        if head.startswith(b"BM"):
            return int.from_bytes(head[2:6], "little") <= size
        return _whole(raw, path, size)
    except Exception:  # Pillow raises anything on a broken header
        return False


def _whole(raw: RawFolder, path: str, size: int) -> bool:
    """Whether Pillow opens a file; the strips or tiles of a TIFF must lie within it."""
    from med_mat.imaging import opened

    with raw.file(path).open() as file, opened.file(file, path) as picture:
        tags = getattr(picture, "tag_v2", {})
        for offsets, counts in _TILES:
            ends = [at + length for at, length in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=True)]
            if ends and max(ends) > size:
                return False
    return True


def _refusal(raw: RawFolder, path: str, size: int) -> str:
    """Why a file cannot be read, by reading it; "" where it can, after all."""
    if size > _DECODED:
        return f"{path} seems to be damaged: download it again"
    from med_mat.imaging import decoding

    try:
        decoding.read(raw.mount, PurePosixPath(path), mat=None, cache=decoding.FileCache())
    except MedMATError as error:
        return f"{str(error).rstrip('.')}: download it again"
    return ""
