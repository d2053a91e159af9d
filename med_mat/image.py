"""A pixel reference -> the bytes that a record stores, and a note of what was done to the pixels.

What a browser shows is stored byte for byte. Everything else becomes a PNG of 8 bit.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from med_mat.errors import ReadError
from med_mat.example import Frame, Pixels, Slice
from med_mat.leakage.fingerprint import canonical, perceptual_hash, pixel_hash
from med_mat.raw import dicom, headers, volumes
from med_mat.raw.planes import Array, Plane, to_8_bit
from med_mat.raw.volumes import FileCache, sentence
from med_mat.taxonomy import MAT

__all__ = ["Check", "FileCache", "Stored", "png_bytes", "read", "values"]

Check = Literal["header", "decode"]

#: zlib level of new PNGs: on radiographs and fundus photographs 4 is within 5 % of the size of 9; 6 takes three times
#: as long for 2 %, and 3 saves a tenth of the time for 10 % more bytes.
PNG_LEVEL = 4

_ORIENTATION = 0x0112  # EXIF tag
_WEB_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")


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
    raw_width: int  # before EXIF orientation: boxes and masks are given there
    raw_height: int
    orientation: int = 1  # EXIF, 1 to 8
    spacing: tuple[float, float] | None = None  # millimetres per pixel along x and y of the displayed image
    decoder: str = ""  # which of imaging's decoders made it: the code that a build's fingerprint asks for
    thumbnail: bytes | None = None  # for the geometric check of near-duplicates; None as perceptual_hash is


@dataclass(frozen=True, slots=True)
class _Opened:
    """A multi-frame file kept in memory between its frames."""

    data: bytes
    sha256: str
    dataset: Any  # a parsed DICOM file, None for other kinds


def read(root: Path, pixels: Pixels, *, mat: MAT | None, check: Check = "decode", cache: FileCache) -> Stored:
    """The stored image of one reference.

    Args:
        root: the raw folder that the reference is relative to.
        pixels: a file, a frame or a slice.
        mat: the triplet of the record; it chooses the window of a CT.
        check: "header" looks at the header and the end of a file that is passed through, "decode" decodes it.
        cache: holds opened volumes and multi-frame files between calls.

    Raises:
        ReadError: one sentence that names the path and says what is wrong.
    """
    if isinstance(pixels, Slice):
        plane, sha256 = volumes.plane(root, pixels, cache)
        return _from_plane(plane, mat, sha256, str(pixels.path), ["volume to PNG"])
    if isinstance(pixels, Frame):
        return _read_frame(root, pixels, mat, check, cache)
    data = _bytes(root, pixels)
    sha256 = hashlib.sha256(data).hexdigest()
    kind = headers.sniff(data, pixels)
    if kind == "JPEG" or kind == "PNG":
        return _read_web(data, kind, pixels, mat, check, sha256)
    if kind == "DICOM":
        return _from_dataset(dicom.open_dataset(data, str(pixels)), None, mat, sha256, str(pixels))
    return _read_picture(_open_picture(data, pixels), None, data, mat, sha256, str(pixels))


def values(
    root: Path, pixels: Pixels, cache: FileCache, *, want: Literal["grey", "index", "color", "channels"]
) -> Array:
    """The values of a mask, as its file has them: EXIF orientation ignored, nothing windowed.

    ``want``: "grey" is one number per pixel, colours turned to luminance; "index" is the same, but colours must be grey
    and a palette gives its numbers, unless it is a palette of greys; "color" is (rows, columns, 3) of uint8; "channels"
    is all that there is: (rows, columns) of any number type, or (rows, columns, 2 to 4) of uint8, alpha last.
    """
    name = str(pixels if isinstance(pixels, PurePosixPath) else pixels.path)
    if isinstance(pixels, Slice):
        found = volumes.plane(root, pixels, cache)[0].values
    else:
        path, index = (pixels.path, pixels.index) if isinstance(pixels, Frame) else (pixels, 0)
        if isinstance(pixels, Frame):
            opened = _opened(root, path, cache)
            data, dataset = opened.data, opened.dataset
        else:
            data = _bytes(root, path)
            dataset = _dataset(data, path)
        if dataset is None:
            found = _matrix(_decoded(_open_picture(data, path), name, index), want)
        else:
            found = dicom.stored_values(dataset, index, name)
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
    picture.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


def _bytes(root: Path, path: PurePosixPath) -> bytes:
    try:
        volumes.check_inside(path)
        # no pathlib, no buffer: this is the inner loop of a build
        with open(f"{root}/{path}", "rb", buffering=0) as file:  # noqa: PTH123
            data = file.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or sentence(error)
        raise ReadError(f"{path}: cannot be opened ({reason}).") from error
    if not data:
        raise ReadError(f"{path}: the file is empty.")
    return data


def _read_web(
    data: bytes, kind: Literal["JPEG", "PNG"], path: PurePosixPath, mat: MAT | None, check: Check, sha256: str
) -> Stored:
    """A JPEG or PNG: passed through where a browser shows it."""
    try:
        header = headers.jpeg(data) if kind == "JPEG" else headers.png(data)
    except (ValueError, IndexError) as error:
        raise ReadError(f"{path}: {sentence(error)}.") from error
    raw_width, raw_height, orientation, showable, complete, note = header
    if min(raw_width, raw_height) < 1 or raw_width * raw_height > headers.MAX_PIXELS:
        raise ReadError(f"{path}: its header declares {raw_width} x {raw_height} pixels; it is damaged.")
    width, height = (raw_width, raw_height) if orientation < 5 else (raw_height, raw_width)
    if not showable:
        return _read_picture(_open_picture(data, path), None, data, mat, sha256, str(path), note)
    hashes: tuple[str | None, str | None] = (None, None)
    if check == "decode" or not complete:
        picture = _decoded(_open_picture(data, path), str(path))
        hashes = _fingerprints(_upright(picture, orientation))
    transform = "none" if orientation == 1 else f"exif orientation {orientation}, shown upright"
    return Stored(
        data, kind, width, height, transform, sha256, *hashes, raw_width, raw_height, orientation
    )  # fmt: skip


def _read_frame(root: Path, reference: Frame, mat: MAT | None, check: Check, cache: FileCache) -> Stored:
    name = str(reference.path)
    opened = _opened(root, reference.path, cache)
    if opened.dataset is not None:
        return _from_dataset(opened.dataset, reference.index, mat, opened.sha256, name)
    if headers.sniff(opened.data, reference.path) in ("JPEG", "PNG"):
        if reference.index:
            raise ReadError(f"{name}: there is no frame {reference.index}; it has one.")
        return read(root, reference.path, mat=mat, check=check, cache=cache)
    picture = _open_picture(opened.data, reference.path)
    return _read_picture(picture, reference.index, opened.data, mat, opened.sha256, name)


def _opened(root: Path, path: PurePosixPath, cache: FileCache) -> _Opened:
    def opened(_: Path) -> tuple[_Opened, int]:
        data = _bytes(root, path)
        dataset = _dataset(data, path)
        return _Opened(data, hashlib.sha256(data).hexdigest(), dataset), len(data) * (1 if dataset is None else 2)

    try:
        return cache.get(volumes.inside(root, path), opened)
    except OSError as error:
        raise ReadError(f"{path}: cannot be opened ({error.strerror}).") from error


def _dataset(data: bytes, path: PurePosixPath) -> Any:
    """A parsed DICOM file; None for other kinds."""
    return dicom.open_dataset(data, str(path)) if headers.sniff(data, path) == "DICOM" else None


def _open_picture(data: bytes, path: PurePosixPath) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        what = headers.foreign(data)
        raise ReadError(f"{path}: is {what}." if what else f"{path}: is no image of a known format.") from None
    except Image.DecompressionBombError as error:
        raise ReadError(f"{path}: its header declares more pixels than any image has ({sentence(error)}).") from error
    except Exception as error:
        raise ReadError(f"{path}: cannot be opened as an image ({sentence(error)}).") from error


def _seek(picture: Image.Image, index: int, name: str) -> int:
    """Go to a frame; how many there are."""
    count = int(getattr(picture, "n_frames", 1))
    if not 0 <= index < count:
        raise ReadError(f"{name}: there is no frame {index}; it has {count}.")
    if index:
        picture.seek(index)
    return count


def _decoded(picture: Image.Image, name: str, index: int = 0) -> Image.Image:
    """Decoded, at the frame ``index``, or where it is (0)."""
    try:
        if index:
            _seek(picture, index, name)
        picture.load()
    except ReadError:
        raise
    except Exception as error:
        reason = sentence(error)
        raise ReadError(f"{name}: the {picture.format} cannot be decoded ({reason}).") from error
    return picture


def _read_picture(
    picture: Image.Image, index: int | None, data: bytes, mat: MAT | None, sha256: str, name: str, note: str = ""
) -> Stored:
    """Whatever Pillow reads: WEBP and still GIF are passed through, all else becomes PNG."""
    kind = str(picture.format)
    try:
        count = _seek(picture, index or 0, name)
        orientation = int(picture.getexif().get(_ORIENTATION, 1))
    except ReadError:
        raise
    except Exception as error:
        raise ReadError(f"{name}: the {kind} cannot be read ({sentence(error)}).") from error
    orientation = orientation if 1 <= orientation <= 8 else 1
    picture = _decoded(picture, name)
    raw_width, raw_height = picture.size
    try:
        if kind == "TIFF":  # Pillow has turned it upright already
            raw_width, raw_height = (raw_width, raw_height) if orientation < 5 else (raw_height, raw_width)
        else:
            picture = _upright(picture, orientation)
        if count == 1 and (kind == "WEBP" or kind == "GIF"):
            turned = "none" if orientation == 1 else f"exif orientation {orientation}, shown upright"
            return Stored(data, "WEBP" if kind == "WEBP" else "GIF", *picture.size, turned, sha256,
                          *_fingerprints(picture), raw_width, raw_height, orientation)  # fmt: skip
        notes = [f"{kind} to PNG"] if kind != "PNG" else []
        if index is not None or count > 1:
            notes.append(f"frame {index or 0} of {count}")
        if orientation != 1:
            notes.append(f"exif orientation {orientation} applied")
        web, change = _for_the_web(picture, mat, note)
        encoded = png_bytes(web)
    except Exception as error:
        raise ReadError(f"{name}: the {kind} of mode {picture.mode} cannot become PNG ({sentence(error)}).") from error
    return Stored(encoded, "PNG", *web.size, "; ".join([*notes, *change]), sha256, *_fingerprints(web),
                  raw_width, raw_height, orientation)  # fmt: skip


def _for_the_web(picture: Image.Image, mat: MAT | None, note: str) -> tuple[Image.Image, list[str]]:
    """In a mode that an 8 bit PNG has, and what that took."""
    if picture.mode in _WEB_MODES:
        # neither EXIF nor gamma nor text: the pixels alone, so that nothing turns them once more
        picture.info = {key: value for key, value in picture.info.items() if key == "transparency"}
        return picture, [f"{note} to 8 bit"] if note else []
    if picture.mode in ("F", "I") or picture.mode.startswith("I;16"):
        depth = {"F": "float", "I": "32 bit"}.get(picture.mode, "16 bit")
        shades, more = to_8_bit(Plane(_numbers(picture)), mat)
        return Image.fromarray(shades), [", ".join([depth, *more]) + " to 8 bit"]
    converted = picture.convert("RGB")
    converted.info = {}
    return converted, [f"{note or picture.mode} to RGB"]


def _from_dataset(dataset: Any, index: int | None, mat: MAT | None, sha256: str, name: str) -> Stored:
    count = dicom.frames(dataset)
    plane = dicom.frame(dataset, index or 0, name)
    notes = ["DICOM to PNG", *([f"frame {index or 0} of {count}"] if index is not None or count > 1 else [])]
    return _from_plane(plane, mat, sha256, name, notes)


def _from_plane(plane: Plane, mat: MAT | None, sha256: str, name: str, notes: list[str]) -> Stored:
    try:
        with np.errstate(all="ignore"):
            shades, more = to_8_bit(plane, mat)
    except Exception as error:  # the file's own tables are applied here
        raise ReadError(f"{name}: its values cannot be shown as its header says ({sentence(error)}).") from error
    picture = Image.fromarray(shades)
    width, height = picture.size
    transform = "; ".join([*notes, *more])
    return Stored(
        png_bytes(picture), "PNG", width, height, transform, sha256, *_fingerprints(picture), width, height
    )  # fmt: skip


def _numbers(picture: Image.Image) -> Array:
    found = np.asarray(picture)
    return found.astype(found.dtype.newbyteorder("="), copy=False)


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
        return _numbers(picture)
    return np.asarray(picture.convert("RGB"))


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    return picture if orientation == 1 else ImageOps.exif_transpose(picture)


def _fingerprints(picture: Image.Image) -> tuple[str, str | None]:
    """``pixel_hash`` and ``perceptual_hash`` of a decoded picture, upright."""
    picture = canonical(picture)
    return pixel_hash(picture), perceptual_hash(picture)
