"""Opens images with Pillow under our limits, keeps paths inside the raw folder, and words errors as sentences."""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from med_mat import formats, limits
from med_mat.errors import ReadError
from med_mat.files import outside

if TYPE_CHECKING:
    from med_mat.imaging.windowing import Array

_TRANSPOSES = {  # EXIF orientation -> the transposition that displays the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def check_inside(path: PurePosixPath) -> None:
    """Refuse a reference that leads out of the raw folder."""
    if outside(path):
        raise ReadError(f"{path}: leads out of the raw folder.")


def sentence(error: object) -> str:
    """The message of an exception, or a text from a file, on one line and without a final period."""
    printable = "".join(character if character.isprintable() else " " for character in str(error))
    text = " ".join(printable.split()) or type(error).__name__
    return (text if len(text) <= 240 else text[:239] + "…").rstrip(".")


def picture(data: bytes, name: object, *, file: io.BytesIO | None = None, otherwise: str = "") -> Image.Image:
    """Opens a file in a format of Pillow without decoding it.

    Args:
        data: The file's bytes.
        name: Name for errors.
        file: Stream of these bytes, to track which of them are read.
        otherwise: Description of the file if Pillow does not recognize it.

    Raises:
        ReadError: The file is not an image, or its size is not plausible.
    """
    try:
        with pillow():
            found = Image.open(file or io.BytesIO(data))
    except UnidentifiedImageError:
        raise unknown(data, name, otherwise) from None
    except Image.DecompressionBombError as error:
        raise _too_many(name, error) from error
    except Exception as error:
        raise ReadError(f"{name}: cannot be opened as an image ({sentence(error)}).") from error
    limits.pixels(name, *found.size)
    return found


def known(head: bytes) -> bool:
    """Whether a file with these first bytes may be in a format that Pillow reads."""
    Image.init()
    return any(accept is not None and accept(head[:16]) for _, accept in Image.OPEN.values())


def unknown(data: bytes, name: object, otherwise: str = "") -> ReadError:
    """The error for a file that is not an image, or not of a kind that a path or frame can refer to."""
    what, decoder = otherwise, formats.recognized(data, PurePosixPath(str(name)))
    if not what and decoder is not None and PurePosixPath not in decoder.reads:
        what = f"a {decoder.name} file: name a {' or a '.join(one.__name__ for one in decoder.reads)} of it"
    what = what or formats.foreign(data)
    return ReadError(f"{name}: is {what}." if what else f"{name}: is no image of a known format.")


_using = threading.Lock()
_users: list[ExitStack] = []  # nesting depth over all threads: the last one out undoes what the first one in changed


@contextmanager
def pillow() -> Iterator[None]:
    """Context manager that replaces Pillow's own pixel limit with that of :mod:`med_mat.limits`.

    Pillow refuses images of twice its limit, so it stops at frames whose size is unknown until they are decoded. Its
    warnings are silenced: images that are too large or damaged are refused with an error of ours, all others are read.
    """
    with _using:
        if not _users:
            _users.append(ExitStack())
            _users[0].enter_context(warnings.catch_warnings())
            _users[0].callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            warnings.filterwarnings("ignore", module=r"PIL\.")
        else:
            _users.append(_users[0])
        if Image.MAX_IMAGE_PIXELS is not None:
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, limits.allowance().most // limits.PIXEL_BYTES)
    try:
        yield
    finally:
        with _using:
            last = _users.pop()
            if not _users:
                last.close()


def _too_many(name: object, error: Exception) -> ReadError:
    """The error for more pixels than allowed, in Pillow's words."""
    size = re.search(r"\((\d+) pixels\)", str(error))
    try:
        limits.many_pixels(name, f"{int(size[1]):,}" if size else "too many", int(size[1]) if size else 1 << 62)
    except ReadError as refused:
        return refused
    return ReadError(f"{name}: cannot be opened as an image ({sentence(error)}).")


@contextmanager
def file(file: IO[bytes], name: object) -> Iterator[Image.Image]:
    """Opens a file in a format of Pillow; only the header is read.

    Raises:
        ReadError: The file is not an image.
    """
    try:
        with pillow(), Image.open(file) as picture:
            yield picture
    except UnidentifiedImageError:
        raise ReadError(f"{name}: is no image of a known format.") from None


def loaded(opened: Image.Image, name: object) -> Image.Image:
    """The same image, decoded.

    Raises:
        ReadError: The image cannot be decoded.
    """
    try:
        with pillow():
            opened.load()
    except Image.DecompressionBombError as error:
        raise _too_many(name, error) from error
    except Exception as error:
        raise ReadError(f"{name}: the {opened.format} cannot be decoded ({sentence(error)}).") from error
    return opened


def sought(opened: Image.Image, index: int, name: object) -> int:
    """Seeks to a frame of an opened image; returns the number of frames.

    Raises:
        ReadError: There is no such frame, or it cannot be reached.
    """
    try:
        with pillow():
            count = int(getattr(opened, "n_frames", 1))
            if index and index < count:
                opened.seek(index)
        if index and index < count:
            limits.pixels(name, *opened.size)
    except ReadError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_many(name, error) from error
    except Exception as error:
        raise ReadError(f"{name}: the {opened.format} cannot be read ({sentence(error)}).") from error
    if not 0 <= index < count:
        raise no_frame(name, index, count)
    return count


def no_frame(name: object, index: int, count: int) -> ReadError:
    """The error for a frame that a file does not have."""
    return ReadError(f"{name}: there is no frame {index}; it has {count}.")


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """An image rotated and flipped according to its EXIF orientation."""
    return image if orientation == 1 else image.transpose(_TRANSPOSES[orientation])


def native(content: Image.Image | Array) -> Array:
    """The values of an image, in native byte order."""
    found = np.asarray(content)
    return found.astype(found.dtype.newbyteorder("="), copy=False)
