"""A pixel reference -> the bytes that a record stores, and a note of what was done to the pixels.

What a browser shows keeps its compressed image data byte for byte, in a container that holds nothing but what shows the
picture (:mod:`med_mat.imaging.containers`). Everything else becomes a PNG of 8 bit.
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from med_mat import limits
from med_mat.errors import ReadError
from med_mat.example import Frame, Pixels, Slice
from med_mat.imaging import containers, formats, opened
from med_mat.imaging.containers import jpeg, png
from med_mat.imaging.hashing import Look, look
from med_mat.imaging.opened import FileCache, sentence

if TYPE_CHECKING:
    from med_mat.imaging.containers import Clean
    from med_mat.imaging.volumes import Volume
    from med_mat.imaging.windowing import Array, Plane
    from med_mat.selection import MAT

__all__ = ["DECODERS", "Check", "FileCache", "Stored", "png_bytes", "read", "values"]

Check = Literal["header", "decode"]

#: How zlib packs new PNGs. After PNG's filters a radiograph, a photograph of tissue or a mask holds runs and hardly any
#: repetition: looking for runs alone (Z_RLE) makes files as small as level 6 (0.86 to 1.01 of them over six real
#: sources) in a quarter of its time, and smaller ones than level 4 in half of its time.
PNG_PACKING: Mapping[str, int] = {"compress_level": 6, "compress_type": zlib.Z_RLE}

#: Bytes of an image that a record can hold: Arrow counts those of a row group in 32 bit, and other images lie beside.
MOST_STORED = 2_000_000_000

#: Decoder, or what else stands between files and records -> the modules that nothing else needs: they are imported
#: where it is asked for, and ``FileCache.used`` tells which were. A PNG that is stored as it was published asks for
#: none: what its pixels are is beyond doubt.
DECODERS: Mapping[str, tuple[str, ...]] = {
    "look": (),  # hashes of decoded pixels
    "mask": (),  # a label map, encoded
    "JPEG": ("med_mat.imaging.jpegs",),
    "picture": (
        *("med_mat.imaging.pictures", "med_mat.imaging.tiffs", "med_mat.imaging.tiff_tags", "med_mat.imaging.jpegs"),
        *("med_mat.imaging.containers.webp", "med_mat.imaging.containers.gif"),
    ),
    "window": ("med_mat.imaging.windowing",),
    "DICOM": (
        "med_mat.imaging.dicom",
        "med_mat.imaging.dicom_doubts",
        "med_mat.imaging.dicom_file",
        "med_mat.imaging.jpegs",
        "med_mat.imaging.windowing",
    ),
    "compressed DICOM": (),
    "volume": ("med_mat.imaging.volumes", "med_mat.imaging.grids", "med_mat.imaging.windowing"),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """An image as a record holds it. ``width`` and ``height`` are those displayed, with EXIF orientation applied."""

    data: bytes
    format: Literal["PNG", "JPEG", "WEBP", "GIF"]
    width: int
    height: int
    transform: str  # "none", or what was done, joined by "; "
    sha256: str  # of the raw file
    pixel_hash: str | None  # of the decoded pixels; None where the bytes were passed through undecoded
    perceptual_hash: str | None  # of what it looks like; None as pixel_hash is, and where it has no structure
    descriptor: bytes | None  # finds copies that are turned, shifted or zoomed; None as perceptual_hash is
    thumbnail: bytes | None  # against which such copies are checked; None as perceptual_hash is
    raw_width: int  # before EXIF orientation: boxes and masks are given there
    raw_height: int
    orientation: int = 1  # EXIF, 1 to 8
    spacing: tuple[float, float] | None = None  # millimetres per pixel along x and y of the displayed image
    notes: tuple[str, ...] = ()  # what may be wrong with its pixels, for the ledger
    encoded: bool = True  # by this library, as PNG; else its compressed image data are the publisher's
    removed: tuple[str, ...] = ()  # of containers.KINDS: what the publisher's file held beside its picture
    volume: Volume | None = None  # that it is a slice of: its masks must lie on the same grid


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file in memory; one of several frames is kept between these."""

    data: bytes  # empty where there is a dataset, which holds them
    sha256: str
    dataset: Any  # a parsed DICOM file, None for other kinds
    size: int  # in memory


def read(root: Path, pixels: Pixels, *, mat: MAT | None, check: Check = "decode", cache: FileCache) -> Stored:
    """The stored image of one reference.

    Args:
        root: the raw folder that the reference is relative to.
        pixels: a file, a frame or a slice.
        mat: the triplet of the record; it chooses the window of a CT.
        check: "header" follows the container of a file that is passed through to its end, "decode" decodes it too.
        cache: holds opened volumes and multi-frame files between calls.

    Raises:
        ReadError: one sentence that names the path and says what is wrong.
    """
    with opened.pillow():
        stored = _read(root, pixels, mat, check, cache)
    if len(stored.data) > MOST_STORED:
        raise ReadError(
            f"{pixels if isinstance(pixels, PurePosixPath) else pixels.path}: is {limits.told(len(stored.data))} as "
            f"{stored.format}, more than the {limits.told(MOST_STORED)} that a record holds."
        )
    return stored


def _read(root: Path, pixels: Pixels, mat: MAT | None, check: Check, cache: FileCache) -> Stored:
    if isinstance(pixels, Slice):
        return _read_slice(root, pixels, mat, cache)
    index: int | None = None
    if isinstance(pixels, Frame):
        path, index = pixels.path, pixels.index
        held = _kept_open(root, path, cache)
    else:
        path = pixels
        held = _open(root, path, cache)
    data, sha256 = held.data, held.sha256
    if held.dataset is not None:
        return _read_dataset(held.dataset, index, mat, sha256, path, cache)
    kind = formats.sniff(data, path)
    if kind == "JPEG" or kind == "PNG":
        if index:
            raise opened.no_frame(path, index, 1)
        return _read_web(data, kind, path, mat, check, sha256, cache)
    return _read_picture(data, index, mat, sha256, path, cache)


def values(
    root: Path,
    pixels: Pixels,
    cache: FileCache,
    *,
    want: Literal["grey", "index", "color", "channels"],
    on: Stored | None = None,
    notes: list[str] | None = None,
) -> Array:
    """The values of a mask, as its file has them: EXIF orientation ignored, nothing windowed.

    ``on`` is the image that it marks: where both are slices of volumes, they must lie on one grid. ``notes`` gathers
    how a mask was read where its file does not say it.

    ``want``: "grey" is one number per pixel, colours turned to luminance; "index" is the same, but colours must be grey
    and a palette gives its numbers, unless it is a palette of greys; "color" is (rows, columns, 3) of uint8; "channels"
    is all that there is: (rows, columns) of any number type, or (rows, columns, 2 to 4) of uint8, alpha last.
    """
    with opened.pillow():
        return _values(root, pixels, cache, want, on, notes)


def _values(
    root: Path,
    pixels: Pixels,
    cache: FileCache,
    want: Literal["grey", "index", "color", "channels"],
    on: Stored | None,
    notes: list[str] | None,
) -> Array:
    name = str(pixels if isinstance(pixels, PurePosixPath) else pixels.path)
    if isinstance(pixels, Slice):
        from med_mat.imaging import volumes

        cache.used.add("volume")
        found = volumes.plane(root, pixels, cache, None if on is None else on.volume, notes)[0].values
    else:
        path, index = (pixels.path, pixels.index) if isinstance(pixels, Frame) else (pixels, None)
        held = _kept_open(root, path, cache) if isinstance(pixels, Frame) else _open(root, path, cache)
        if held.dataset is None:
            content = _content(held.data, path, index, cache)
            found = _matrix(content, want) if isinstance(content, Image.Image) else content
        else:
            from med_mat.imaging import dicom

            cache.used.update(dicom.decoders(held.dataset))
            found = dicom.stored_values(held.dataset, index or 0, name)
    if want == "color":
        if found.ndim == 2:
            if found.dtype != np.uint8:
                raise ReadError(f"{name}: a mask of colours is expected, and it holds {found.dtype} numbers.")
            found = np.repeat(found[..., None], 3, axis=2)
        return found[..., :3]
    if found.ndim == 2 or want == "channels":
        return found
    red, green, blue = found[..., 0], found[..., 1], found[..., 2]
    if want == "index":
        if not (np.array_equal(red, green) and np.array_equal(red, blue)):
            raise ReadError(f"{name}: its colours are not grey: a ColorMap reads colours, a LabelMap numbers.")
        return red
    return np.asarray(Image.fromarray(np.ascontiguousarray(found[..., :3]).astype(np.uint8)).convert("L"))


def png_bytes(picture: Image.Image) -> bytes:
    """A picture as PNG, the same bytes each time."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **PNG_PACKING)
    return buffer.getvalue()


def _open(root: Path, path: PurePosixPath, cache: FileCache) -> _Opened:
    """A file, read whole; of one that is large, and no image by its first bytes, nothing else is read."""
    try:
        opened.check_inside(path)
        # no pathlib, no buffer: this is the inner loop of a build
        name = f"{root}/{path}"
        facts = os.stat(name)  # noqa: PTH116 - before it is opened, for a pipe would wait for its other end
        limits.file(path, facts)
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123
            if facts.st_size > limits.LARGE:
                kind = formats.sniff(head := file.read(1 << 12), path)
                file.seek(0)
                if kind == "DICOM":
                    return _open_dicom(file, path, facts.st_size, cache)
                if kind == "other" and not opened.known(head):
                    raise opened.unknown(head, path)
            data = file.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or sentence(error)
        raise ReadError(f"{path}: cannot be opened ({reason}).") from error
    if not data:
        raise ReadError(f"{path}: the file is empty.")
    if formats.sniff(data, path) == "DICOM":
        return _open_dicom(io.BytesIO(data), path, len(data), cache)
    return _Opened(data, hashlib.sha256(data).hexdigest(), None, len(data))


def _open_dicom(file: IO[bytes] | io.FileIO, path: PurePosixPath, size: int, cache: FileCache) -> _Opened:
    from med_mat.imaging import dicom

    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    file.seek(0)
    cache.used.add("DICOM")
    dataset = dicom.open_dataset(file, str(path))
    return _Opened(b"", digest.hexdigest(), dataset, size)


def _kept_open(root: Path, path: PurePosixPath, cache: FileCache) -> _Opened:
    def made(_: Path) -> tuple[_Opened, int]:
        found = _open(root, path, cache)
        return found, found.size

    try:
        return cache.get(opened.inside(root, path), made)
    except OSError as error:
        raise ReadError(f"{path}: cannot be opened ({error.strerror}).") from error


def _parts(data: bytes, kind: Literal["JPEG", "PNG"], path: PurePosixPath) -> jpeg.Parts | png.Parts:
    """The container of a JPEG or PNG, and what its header says."""
    try:
        found = jpeg.parts(data) if kind == "JPEG" else png.parts(data)
    except (ValueError, IndexError) as error:
        raise ReadError(f"{path}: {sentence(error)}.") from error
    width, height = found.header.width, found.header.height
    limits.pixels(path, width, height)
    return found


def _web(
    data: bytes, kind: Literal["JPEG", "PNG"], path: PurePosixPath, cache: FileCache
) -> tuple[Image.Image, tuple[str, ...]]:
    """A JPEG or PNG of 8 bit, decoded, and what may be wrong with it."""
    odd: tuple[str, ...] = ()
    try:
        if kind == "PNG":
            return opened.loaded(opened.picture(data, path), path), odd
        from med_mat.imaging import jpegs

        cache.used.add("JPEG")
        picture, odd = jpegs.decoded(data, path)
    except ReadError:
        cache.used.add("picture")  # another version of Pillow may decode it
        raise
    if odd:
        cache.used.add("picture")
    return picture, odd


def _read_web(
    data: bytes,
    kind: Literal["JPEG", "PNG"],
    path: PurePosixPath,
    mat: MAT | None,
    check: Check,
    sha256: str,
    cache: FileCache,
) -> Stored:
    """A JPEG or PNG: its image data are passed through where a browser shows it."""
    found = _parts(data, kind, path)
    raw_width, raw_height, orientation, showable, why = found.header
    if not showable:
        return _read_picture(data, None, mat, sha256, path, cache, why)
    try:
        clean = jpeg.clean(data, found) if isinstance(found, jpeg.Parts) else png.clean(data, found)
    except ValueError as error:
        return _read_picture(data, None, mat, sha256, path, cache, fault=sentence(error))
    width, height = (raw_width, raw_height) if orientation < 5 else (raw_height, raw_width)
    known = Look()
    if check == "decode" or not clean.complete:
        picture, odd = _web(clean.data, kind, path, cache)
        if odd:  # bytes that nothing shows lie within its image data
            return _read_picture(data, None, mat, sha256, path, cache, fault=odd[0])
        cache.used.add("look")
        known = look(opened.upright(picture, orientation))
    return _passed(clean, kind, width, height, sha256, known, raw_width, raw_height, orientation)


def _passed(
    clean: Clean,
    kind: Literal["PNG", "JPEG", "WEBP", "GIF"],
    width: int,
    height: int,
    sha256: str,
    known: Look,
    raw_width: int,
    raw_height: int,
    orientation: int,
) -> Stored:
    """A file whose image data are passed through."""
    turned = "" if orientation == 1 else f"exif orientation {orientation}, shown upright"
    transform = "; ".join(filter(None, (turned, containers.told(clean.removed)))) or "none"
    return Stored(
        clean.data, kind, width, height, transform, sha256, *known, raw_width, raw_height, orientation,
        encoded=False, removed=clean.removed,
    )  # fmt: skip


def _read_picture(
    data: bytes,
    index: int | None,
    mat: MAT | None,
    sha256: str,
    path: PurePosixPath,
    cache: FileCache,
    why: str = "",
    fault: str = "",
) -> Stored:
    """Whatever Pillow reads: the image data of WEBP and still GIF are passed through, all else becomes PNG.

    ``fault`` says why its container is not to be passed through.
    """
    from med_mat.imaging import pictures
    from med_mat.imaging.containers import gif, webp

    cache.used.update(("picture", "look"))
    found = pictures.picture(data, index, path)
    raw_width, raw_height = found.size
    turned = found.orientation
    if found.frames == 1 and found.kind in ("WEBP", "GIF") and isinstance(found.content, Image.Image):
        try:
            kind: Literal["WEBP", "GIF"] = "WEBP" if found.kind == "WEBP" else "GIF"
            clean = webp.clean(data, turned) if kind == "WEBP" else gif.clean(data)
            shown = found.content if clean.data is data else opened.loaded(opened.picture(clean.data, path), path)
            picture = opened.upright(shown, turned)
            return _passed(clean, kind, *picture.size, sha256, look(picture), raw_width, raw_height, turned)
        except ValueError as error:
            fault = sentence(error)
    if pictures.deep(found):
        cache.used.add("window")
    picture, change = pictures.shown(found, mat, path, why)
    notes = [
        *([f"{found.kind} to PNG"] if found.kind != "PNG" else []),
        *([f"encoded as PNG, not passed on as published: {fault}"] if fault else []),
        *found.notes,
        *([f"frame {found.frame} of {found.frames}"] if index is not None or found.frames > 1 else []),
        *([f"exif orientation {turned} applied"] if turned != 1 else []),
        *change,
    ]
    return Stored(png_bytes(picture), "PNG", picture.width, picture.height, "; ".join(notes), sha256, *look(picture),
                  raw_width, raw_height, turned, notes=found.odd)  # fmt: skip


def _content(data: bytes, path: PurePosixPath, index: int | None, cache: FileCache) -> Image.Image | Array:
    """A mask as Pillow reads it, or as numbers where it has no mode for them."""
    kind = formats.sniff(data, path)
    if (kind == "JPEG" or kind == "PNG") and not index and _parts(data, kind, path).header.showable:
        return _web(data, kind, path, cache)[0]
    from med_mat.imaging import pictures

    cache.used.add("picture")
    return pictures.numbers(pictures.picture(data, index, path))


def _read_dataset(
    dataset: Any, index: int | None, mat: MAT | None, sha256: str, path: PurePosixPath, cache: FileCache
) -> Stored:
    from med_mat.imaging import dicom

    cache.used.update((*dicom.decoders(dataset), "look"))
    count = dicom.frames(dataset)
    plane = dicom.frame(dataset, index or 0, str(path))
    notes = ["DICOM to PNG", *([f"frame {index or 0} of {count}"] if index is not None or count > 1 else [])]
    return _from_plane(plane, mat, sha256, str(path), notes)


def _read_slice(root: Path, reference: Slice, mat: MAT | None, cache: FileCache) -> Stored:
    from med_mat.imaging import volumes

    cache.used.update(("volume", "look"))
    plane, volume = volumes.plane(root, reference, cache)
    return _from_plane(plane, mat, volume.sha256, str(reference.path), ["volume to PNG"], volume)


def _from_plane(
    plane: Plane, mat: MAT | None, sha256: str, name: str, notes: list[str], volume: Volume | None = None
) -> Stored:
    from med_mat.imaging.windowing import to_8_bit

    try:
        with np.errstate(all="ignore"):
            shades, more = to_8_bit(plane, mat)
    except Exception as error:  # the file's own tables are applied here
        raise ReadError(f"{name}: its values cannot be shown as its header says ({sentence(error)}).") from error
    picture = Image.fromarray(shades)
    width, height = picture.size
    transform = "; ".join([*notes, *more])
    return Stored(
        png_bytes(picture), "PNG", width, height, transform, sha256, *look(picture), width, height,
        spacing=plane.spacing, notes=plane.odd, volume=volume,
    )  # fmt: skip


def _matrix(picture: Image.Image, want: str) -> Array:
    """A decoded mask as numbers or as RGB; alpha is ignored but where channels are wanted."""
    if want == "channels" and (picture.mode in ("LA", "RGBA", "PA") or "transparency" in picture.info):
        return np.asarray(picture if picture.mode == "LA" else picture.convert("RGBA"))
    if want == "channels" and picture.mode == "P":
        shown = np.asarray(picture.convert("RGB"))
        # a palette of one colour shows nothing of what its numbers mark
        return np.asarray(picture) if (shown == shown[0, 0]).all() else shown
    if picture.mode == "P" and want == "index":
        colors = np.asarray(picture.convert("RGB"))
        grey = bool((colors == colors[..., :1]).all())
        return colors[..., 0] if grey else np.asarray(picture)
    if picture.mode in ("1", "LA"):
        return np.asarray(picture.convert("L"))
    if picture.mode == "L" or picture.mode in ("F", "I") or picture.mode.startswith("I;16"):
        return opened.native(picture)
    return np.asarray(picture.convert("RGB"))
