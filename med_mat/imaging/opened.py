"""What all decoders share: the cache of opened files, paths inside the raw folder, Pillow's errors as sentences."""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from med_mat import limits
from med_mat.errors import ReadError
from med_mat.imaging import formats

if TYPE_CHECKING:
    from med_mat.imaging.windowing import Array

IN_MEMORY_BYTES = 1 << 30

_TURNS = {  # EXIF orientation -> what shows the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

T = TypeVar("T")


class FileCache:
    """The last files opened whole (volumes, multi-frame files), bounded in bytes; one per worker, not shared.

    An image and its masks are often slices of two or three volumes, so it holds more than one where they are small. The
    last one stays whatever its size.

    ``used`` gathers the decoders that were asked for pixels (names in ``med_mat.imaging.decoding.DECODERS``).
    """

    def __init__(self, limit: int = IN_MEMORY_BYTES) -> None:
        self.limit = limit
        self.used: set[str] = set()
        self._entries: OrderedDict[tuple[str, int, int], tuple[Any, int]] = OrderedDict()

    def get(self, path: Path, opened: Callable[[Path], tuple[T, int]]) -> T:
        """What ``opened`` makes of the file, with its size in memory; made again only where the file changed."""
        facts = path.stat()
        key = (str(path), facts.st_size, facts.st_mtime_ns)
        if key in self._entries:
            self._entries.move_to_end(key)
            value: T = self._entries[key][0]
            return value
        while self._entries and sum(size for _, size in self._entries.values()) > self.limit // 2:
            self._entries.popitem(last=False)  # before the new one is opened, so that both need not fit
        value, size = opened(path)
        self._entries[key] = (value, size)
        while len(self._entries) > 1 and (
            len(self._entries) > 8 or sum(size for _, size in self._entries.values()) > self.limit
        ):
            self._entries.popitem(last=False)
        return value


def inside(root: Path, path: PurePosixPath) -> Path:
    """Where a reference lies; one that leads out of the raw folder is refused."""
    check_inside(path)
    return Path(root, path)


def check_inside(path: PurePosixPath) -> None:
    """Refuse a reference that leads out of the raw folder."""
    if path.is_absolute() or ".." in path.parts:
        raise ReadError(f"{path}: leads out of the raw folder.")


def sentence(error: object) -> str:
    """The message of an exception, or a text out of a file, on one line and without a final stop."""
    printable = "".join(character if character.isprintable() else " " for character in str(error))
    text = " ".join(printable.split()) or type(error).__name__
    return (text if len(text) <= 240 else text[:239] + "…").rstrip(".")


def picture(data: bytes, name: object, *, file: io.BytesIO | None = None, otherwise: str = "") -> Image.Image:
    """A file that Pillow knows, opened and not yet decoded.

    Args:
        data: its bytes.
        name: what it is called in errors.
        file: hands out these bytes, where it matters which are read.
        otherwise: what it is where Pillow does not know it.

    Raises:
        ReadError: it is no image, or none of a sane size.
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
    """Whether a file that begins so may be of a format that Pillow reads."""
    Image.init()
    return any(accept is not None and accept(head[:16]) for _, accept in Image.OPEN.values())


def unknown(data: bytes, name: object, otherwise: str = "") -> ReadError:
    """That a file is no image."""
    what = otherwise or formats.foreign(data)
    return ReadError(f"{name}: is {what}." if what else f"{name}: is no image of a known format.")


_using = threading.Lock()
_users: list[ExitStack] = []  # those within, of all threads; what the first one changed is undone by the last one


@contextmanager
def pillow() -> Iterator[None]:
    """Pillow with the limit of :mod:`med_mat.limits` in place of its own, which is that of a screen.

    It refuses what is twice as large as its limit: so it stops at frames whose size no one knows before they are
    decoded. Of what it warns nobody is to hear: what is too large or damaged is refused in a sentence, all else is
    read.
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
    """That Pillow found more pixels than are allowed, in its own words."""
    size = re.search(r"\((\d+) pixels\)", str(error))
    try:
        limits.many_pixels(name, f"{int(size[1]):,}" if size else "too many", int(size[1]) if size else 1 << 62)
    except ReadError as refused:
        return refused
    return ReadError(f"{name}: cannot be opened as an image ({sentence(error)}).")


@contextmanager
def file(path: Path, name: object) -> Iterator[Image.Image]:
    """A file that Pillow knows, of which only the header is read.

    Raises:
        ReadError: it is no image.
    """
    try:
        with pillow(), Image.open(path) as picture:
            yield picture
    except UnidentifiedImageError:
        raise ReadError(f"{name}: is no image of a known format.") from None


def loaded(opened: Image.Image, name: object) -> Image.Image:
    """The same picture, decoded.

    Raises:
        ReadError: its decoder gives up.
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
    """Go to a frame of an opened picture; how many frames there are.

    Raises:
        ReadError: it has no such frame, or cannot go there.
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
    """That a file has no such frame."""
    return ReadError(f"{name}: there is no frame {index}; it has {count}.")


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """A picture turned as its EXIF orientation says."""
    return image if orientation == 1 else image.transpose(_TURNS[orientation])


def native(content: Image.Image | Array) -> Array:
    """The numbers of a picture, in this machine's order of bytes."""
    found = np.asarray(content)
    return found.astype(found.dtype.newbyteorder("="), copy=False)
