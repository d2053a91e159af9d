"""Converts Pillow images to modes of 8-bit PNG; what Pillow would silently narrow or rotate is read as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops

from med_mat.errors import ReadError
from med_mat.imaging import jpegs, opened, tiffs

if TYPE_CHECKING:
    from med_mat.imaging.windowing import Array
    from med_mat.selection import MAT

_ORIENTATION = 0x0112  # EXIF tag
_WEB_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(slots=True)
class Picture:
    """A decoded image, before applying EXIF orientation."""

    kind: str  # Pillow's name for the format
    content: Image.Image | Array  # an array of (rows, columns) or (rows, columns, samples) if Pillow has no mode for it
    frame: int = 0
    frames: int = 1
    orientation: int = 1  # EXIF
    alpha: bool = False  # whether the last sample of an array is alpha
    inverted: str = ""  # what declares the smallest number white, if they are not yet shades
    notes: list[str] = field(default_factory=list)  # how it was read, if not in the usual way
    odd: tuple[str, ...] = ()  # possible defects

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        if isinstance(self.content, Image.Image):
            return self.content.size
        return self.content.shape[1], self.content.shape[0]


def picture(data: bytes, index: int | None, name: object) -> Picture:
    """Decodes one frame of a file; None: the first, which in a TIFF is the first that is not a thumbnail.

    Raises:
        ReadError: Pillow does not recognize or cannot decode the file, or the frame or part of its pixels is missing.
    """
    if data.startswith(_TIFF):
        return _tiff(data, index, name)
    index = index or 0
    if data.startswith(b"\xff\xd8\xff") and not index:
        image, odd = jpegs.decoded(data, name)
        found = Picture(str(image.format), image, frames=opened.sought(image, 0, name), odd=odd)
    else:
        image = opened.picture(data, name)
        found = Picture(str(image.format), image, index, opened.sought(image, index, name))
        deep_ppm = _deep_ppm(data, image)
        if deep_ppm is not None:
            found.content = deep_ppm
        elif found.kind == "PNG" and not index and data[24] == 16 and data[25] in (2, 4, 6):
            found.content, found.alpha = _deep_png(data, name), data[25] != 2
        else:
            opened.loaded(image, name)
            found.notes += _cut_to_8_bit(data, image)
    if deep(found) and "transparency" in image.info:
        found.notes.append("one value that stands for transparent is shown")
    try:
        with opened.pillow():
            orientation = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # an unreadable EXIF block changes no orientation
        orientation = 1
    found.orientation = orientation if 1 <= orientation <= 8 else 1
    return found


def deep(found: Picture) -> bool:
    """Whether it needs a window to become an 8-bit image."""
    content = found.content
    return not isinstance(content, Image.Image) or content.mode in ("F", "I") or content.mode.startswith("I;16")


def shown(found: Picture, mat: MAT | None, name: object, why: str = "") -> tuple[Image.Image, list[str]]:
    """The image upright, in a mode of 8-bit PNG, and notes on the conversion; ``why`` browsers do not show the file.

    Raises:
        ReadError: Its mode cannot be converted.
    """
    try:
        if isinstance(found.content, Image.Image) and not deep(found):
            return _narrow(found.content, found.orientation, why)
        return _windowed(found, mat)
    except Exception as error:
        mode = getattr(found.content, "mode", "numbers")
        reason = opened.sentence(error)
        raise ReadError(f"{name}: the {found.kind} of mode {mode} cannot become PNG ({reason}).") from error


def numbers(found: Picture) -> Image.Image | Array:
    """A mask as stored, without alpha if Pillow has no mode for it: gray or 8-bit color."""
    if isinstance(found.content, Image.Image):
        return found.content
    values = found.content[..., :-1] if found.alpha else found.content
    if values.ndim == 3 and bool((values == values[..., :1]).all()):
        values = values[..., 0]
    if values.ndim == 2 or values.dtype.kind != "u":
        return values
    wide = values.dtype.itemsize > 1 and int(values.max(initial=0)) > 255
    return (values >> (8 * (values.dtype.itemsize - 1)) if wide else values).astype(np.uint8)


def _tiff(data: bytes, index: int | None, name: object) -> Picture:
    page = tiffs.page(data, index, name)
    found = Picture("TIFF", page.content, page.index, page.pages, page.orientation, page.alpha, notes=page.notes)
    if not page.white_is_zero:
        return found
    content = page.content
    if isinstance(content, Image.Image) and content.mode in ("1", "L"):
        found.content = ImageChops.invert(content)
    elif (values := opened.native(content)).dtype.kind == "u":
        inverted = (2**page.bits - 1 - values.astype(np.int64)).astype(values.dtype)
        if page.alpha:
            inverted[..., -1] = values[..., -1]
        found.content = inverted
    else:
        found.inverted = "WhiteIsZero"
        return found
    found.notes.append("WhiteIsZero inverted")
    return found


def _deep_png(data: bytes, name: object) -> Array:
    """A 16-bit PNG as (rows, columns, samples): Pillow returns one byte of each value at a time."""

    def unpacked(raw: str) -> Array:
        image = opened.picture(data, name)
        image.tile = [tile._replace(args=raw) for tile in image.tile]  # type: ignore[attr-defined]
        return np.asarray(opened.loaded(image, name)).astype(np.uint16)

    if data[25] == 4:  # gray and alpha: two bytes each, as four 8-bit channels
        four = unpacked("RGBA")
        return four[..., ::2] << 8 | four[..., 1::2]
    mode = "RGB" if data[25] == 2 else "RGBA"
    return unpacked(f"{mode};16B") << 8 | unpacked(f"{mode};16L")


def _deep_ppm(data: bytes, image: Image.Image) -> Array | None:
    """A binary 16-bit PPM as (rows, columns, 3); else None. Pillow reports a truncated one."""
    if image.format != "PPM" or image.mode != "RGB" or not data.startswith(b"P6"):
        return None
    (tile,) = image.tile  # type: ignore[attr-defined]
    width, height = image.size
    if tile.codec_name != "ppm" or tile.args[1] < 256 or len(data) < tile.offset + 6 * width * height:
        return None
    samples = np.frombuffer(data, ">u2", 3 * width * height, tile.offset)
    return samples.reshape(height, width, 3).astype(np.uint16)


def _cut_to_8_bit(data: bytes, image: Image.Image) -> list[str]:
    """A note if Pillow keeps only the highest 8 bits of the colors of a JPEG 2000 file."""
    if image.format != "JPEG2000" or image.mode not in ("LA", "RGB", "RGBA"):
        return []
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0:
        return []
    bits = (data[at + 42] & 127) + 1
    return [f"{bits} bit colour cut to 8 bit"] if bits > 8 else []


def _narrow(image: Image.Image, orientation: int, why: str) -> tuple[Image.Image, list[str]]:
    """An 8-bit image, upright, in a mode of PNG, and notes on the conversion."""
    info = image.info
    image = opened.upright(image, orientation)
    if image.mode in _WEB_MODES:
        # without EXIF, gamma and text: only the pixels, so that nothing rotates them again
        image.info = {key: value for key, value in info.items() if key == "transparency"}
        return image, [f"{why} to 8 bit"] if why else []
    converted = image.convert("RGB")
    converted.info = {}
    return converted, [f"{why or image.mode} to RGB"]


def _windowed(found: Picture, mat: MAT | None) -> tuple[Image.Image, list[str]]:
    """Windows numbers to shades; all color channels share one window, so that hues do not change."""
    from med_mat.imaging.windowing import Plane, to_8_bit

    values = opened.native(found.content)
    alpha = values[..., -1] if found.alpha else None
    values = values[..., :-1] if found.alpha else values
    values = values[..., 0] if values.shape[2:] == (1,) else values
    colors = values.ndim == 3
    plane = Plane(values, hounsfield=False if colors else None, inverted=found.inverted)
    shades, more = to_8_bit(plane, mat)
    depth = "float" if values.dtype.kind == "f" else f"{8 * values.dtype.itemsize} bit"
    if alpha is not None and alpha.dtype.kind == "u":
        shades = np.dstack([shades, (alpha >> (8 * (alpha.dtype.itemsize - 1))).astype(np.uint8)])
    image = opened.upright(Image.fromarray(shades), found.orientation)
    return image, [", ".join([depth + (" colour" if colors else ""), *more]) + " to 8 bit"]
