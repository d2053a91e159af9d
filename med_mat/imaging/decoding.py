"""Decodes a reference to pixels into the image that a record stores, or into the values of a mask.

Only this module looks up the decoder of a file in :mod:`med_mat.formats`. Images that browsers can display keep their
compressed image data byte for byte, in a container stripped of everything that does not affect the display
(:mod:`med_mat.imaging.containers`). All others become 8-bit PNGs.
"""

from __future__ import annotations

import importlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from med_mat import formats, limits
from med_mat.errors import ReadError, RemoteError
from med_mat.example import Frame, Pixels, Region, Slice
from med_mat.imaging import opened
from med_mat.imaging.open_file import Check, FileCache, OpenFile, RawFile, Want, raw_file
from med_mat.imaging.opened import sentence
from med_mat.imaging.stored import Stored, png_bytes
from med_mat.limits import Status
from med_mat.mounts.base import Mount
from med_mat.mounts.folder import mounted

if TYPE_CHECKING:
    from med_mat.imaging.windowing import Array
    from med_mat.selection import MAT

__all__ = ["Check", "FileCache", "Stored", "open_file", "png_bytes", "read", "values", "verify"]

#: Maximum bytes of an image in a record: Arrow counts the bytes of a row group, which has several images, in 32 bits.
MOST_STORED = 2_000_000_000


def read(place: Path | Mount, pixels: Pixels, *, mat: MAT | None, check: Check = "decode", cache: FileCache) -> Stored:
    """The stored image of one reference.

    Args:
        place: The raw folder that the reference is relative to.
        pixels: A file, or a frame, slice or region of one.
        mat: The record's triplet, which determines the window of a CT.
        check: "header" parses the container of a passed-through file to its end; "decode" also decodes its pixels.
        cache: Keeps opened volumes and multi-frame files between calls.

    Raises:
        ReadError: The image cannot be read; the message is one sentence that names the path.
    """
    with opened.pillow():
        stored = open_file(place, pixels, cache).stored(pixels, mat, check)
    if stored.pixel_hash is not None:
        cache.used.add("look")
    if len(stored.data) > MOST_STORED:
        raise ReadError(
            f"{path_of(pixels)}: is {limits.told(len(stored.data))} as {stored.format}, more than the "
            f"{limits.told(MOST_STORED)} that a record holds."
        )
    return stored


def values(
    place: Path | Mount,
    pixels: Pixels,
    cache: FileCache,
    *,
    want: Want,
    on: Stored | None = None,
    notes: list[str] | None = None,
) -> Array:
    """The values of a mask as stored in its file: EXIF orientation is ignored, and nothing is windowed.

    Args:
        place: The raw folder that the reference is relative to.
        pixels: A file, or a frame, slice or region of one.
        cache: Keeps opened volumes and multi-frame files between calls.
        want: "gray" is one number per pixel, colors converted to luminance; "index" is the same, but colors must be
            gray and a palette gives its indices, unless it is a palette of grays; "color" is (rows, columns, 3) of
            uint8; "channels" is everything: (rows, columns) of any number type, or (rows, columns, 2 to 4) of uint8,
            alpha last.
        on: The image that the mask belongs to; if both are slices of volumes, their grids must match.
        notes: Receives notes on how the mask was read if its file does not determine it.

    Raises:
        ReadError: The mask cannot be read, or does not have the requested kind of values.
    """
    name = str(path_of(pixels))
    with opened.pillow():
        file = open_file(place, pixels, cache)
        if on is not None and on.volume is not None:
            file = file.aligned(on.volume, [] if notes is None else notes)
        found = file.values(pixels, want)
    if want == "color":
        if found.ndim == 2:
            if found.dtype != np.uint8:
                raise ReadError(f"{name}: a mask of colors is expected, and it holds {found.dtype} numbers.")
            found = np.repeat(found[..., None], 3, axis=2)
        return found[..., :3]
    if found.ndim == 2 or want == "channels":
        return found
    red, green, blue = found[..., 0], found[..., 1], found[..., 2]
    if want == "index":
        if not (np.array_equal(red, green) and np.array_equal(red, blue)):
            raise ReadError(f"{name}: its colors are not gray: a ColorMap reads colors, a LabelMap numbers.")
        return red
    return np.asarray(Image.fromarray(np.ascontiguousarray(found[..., :3]).astype(np.uint8)).convert("L"))


def verify(place: Path | Mount, path: PurePosixPath, *, mask: bool = False) -> None:
    """Decode every frame and slice of a file as a build would.

    Args:
        place: The raw folder.
        path: Path of the file, relative to it.
        mask: Whether it is read as a mask.

    Raises:
        ReadError: The file cannot be decoded.
    """
    cache = FileCache()
    with opened.pillow():
        mount = mounted(place)
        head = _raw(mount, path, _facts(mount, path), cache, whole=False).head
        decoder = formats.recognized(head, path) or formats.PICTURE
        some: tuple[Pixels, ...] = (path, Frame(path, 0), Slice(path, 0), Region(path, 0, 0, 1, 1))
        file = open_file(mount, next(one for one in some if isinstance(one, decoder.reads)), cache)
        for reference in file.references():
            if mask:
                file.values(reference, "gray")
            else:
                file.stored(reference, None, "decode")


def open_file(place: Path | Mount, reference: Pixels, cache: FileCache) -> OpenFile:
    """Opens the file of a reference with its decoder; files with several images are kept in the cache.

    Raises:
        ReadError: The file is missing or too large, or no decoder reads its format for such a reference.
    """
    path, mount = path_of(reference), mounted(place)
    facts = _facts(mount, path)
    if isinstance(reference, PurePosixPath):
        return _opened(mount, path, reference, facts, cache)
    return cache.get(f"{mount.root}/{path}", facts, lambda: _opened(mount, path, reference, facts, cache))


def path_of(reference: Pixels) -> PurePosixPath:
    """The path of a reference's file."""
    return reference if isinstance(reference, PurePosixPath) else reference.path


def _facts(mount: Mount, path: PurePosixPath) -> Status:
    opened.check_inside(path)
    try:
        facts = mount.stat(path)  # before opening, since opening a pipe would block
    except (OSError, ValueError) as error:
        raise _cannot_be_opened(path, error) from error
    limits.file(path, facts)
    return facts


def _raw(mount: Mount, path: PurePosixPath, facts: Status, cache: FileCache, *, whole: bool) -> RawFile:
    try:
        return raw_file(mount, path, facts, cache.used, whole=whole)
    except OSError as error:
        raise _cannot_be_opened(path, error) from error


def _opened(mount: Mount, path: PurePosixPath, reference: Pixels, facts: Status, cache: FileCache) -> OpenFile:
    whole = not isinstance(reference, Slice | Region)
    raw = _raw(mount, path, facts, cache, whole=whole)
    decoder = formats.decoder_of(raw.head, path, reference)
    if decoder is None:
        raise ReadError(
            f"{path}: no decoder reads a {type(reference).__name__} of it. Install the package that adds one, by an "
            f"entry point of the group {formats.PLUGINS!r}."
        )
    if decoder is not formats.PICTURE:  # which records itself what it needed
        cache.used.add(decoder.name)
    try:
        file: OpenFile = importlib.import_module(decoder.module).open_file(raw)
        raw.copies.keep_for(file)
    except (ReadError, RemoteError):
        raw.copies.remove()
        raise
    except Exception as error:
        raw.copies.remove()
        reason = getattr(error, "strerror", None) or sentence(error)
        raise ReadError(f"{path}: cannot be read as {decoder.name} ({reason}).") from error
    return file


def _cannot_be_opened(path: PurePosixPath, error: OSError | ValueError) -> ReadError:
    return ReadError(f"{path}: cannot be opened ({getattr(error, 'strerror', None) or sentence(error)}).")
