"""Text headers that describe voxels in the same file or in a file that they name, as in NRRD and MetaImage.

Both are read here and not by ``pynrrd`` or SimpleITK: these open whatever path a header names, wherever it leads, and
decompress without a limit.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Literal

import numpy as np

from med_mat import limits
from med_mat.errors import ReadError
from med_mat.files import relative, sha256
from med_mat.imaging.open_file import RawFile
from med_mat.imaging.opened import sentence
from med_mat.imaging.windowing import Array
from med_mat.limits import Unpacking

Packing = Literal["raw", "gzip", "bzip2", "zlib"]

_MOST_HEADER = 1 << 20  # maximum bytes: a header contains numbers and a few words


def lines(raw: RawFile, ends: Callable[[str], bool]) -> tuple[list[str], int]:
    """The lines of a header and its end position in the file, after the line for which ``ends`` is true.

    Raises:
        ReadError: The header exceeds the maximum length.
    """
    found = []
    with raw.stream() as file:
        while file.tell() < _MOST_HEADER and (line := file.readline(_MOST_HEADER)):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            found.append(text)
            if ends(text):
                break
        else:
            if file.tell() >= _MOST_HEADER:
                raise ReadError(f"{raw.path}: its header does not end within {limits.told(_MOST_HEADER)}.")
        return found, file.tell()


@contextmanager
def header(name: str, form: str) -> Iterator[None]:
    """Within it, whatever a header's values raise is a ReadError that names the file and the format."""
    try:
        yield
    except ReadError:
        raise
    except (ValueError, OverflowError, ArithmeticError) as error:
        raise ReadError(f"{name}: its {form} header cannot be used ({sentence(error)}).") from error


def beside(raw: RawFile, named: str) -> Path:
    """The file that a header names, which must be in the header's folder or below it.

    Raises:
        ReadError: The file is outside that folder, missing or too large.
    """
    try:
        path = raw.path.parent / relative(named, backslashes=True)
    except ValueError as error:
        raise ReadError(
            f"{raw.path}: its voxels are to lie in {sentence(named)!r}, which {error}; they must lie in its own folder."
        ) from None
    try:
        limits.file(path, raw.mount.stat(path))
        return raw.copies.local(path)
    except OSError as error:
        raise ReadError(
            f"{raw.path}: its voxels are to lie in {PurePosixPath(path)}, which cannot be read ({error.strerror})."
        ) from error


def digest(raw: RawFile, voxels: Path) -> str:
    """The sha256 of a raw file; if its voxels are in another file, of both concatenated."""
    if voxels == raw.full:
        return sha256(voxels)
    both = hashlib.sha256()
    for path in (raw.full, voxels):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                both.update(block)
    return both.hexdigest()


def unpacking(file: Path, offset: int, packing: Packing) -> Callable[[], AbstractContextManager[Unpacking]] | None:
    """A function that opens the compressed stream from ``offset`` on; None if the voxels are not compressed."""
    if packing == "raw":
        return None

    @contextmanager
    def opened() -> Iterator[Unpacking]:
        with file.open("rb") as packed:
            packed.seek(offset)
            if packing == "gzip":
                yield gzip.GzipFile(fileobj=packed)
            elif packing == "bzip2":
                yield bz2.BZ2File(packed)
            else:
                yield _Inflating(packed)

    return opened


class _Inflating:
    """A zlib stream, or a gzip stream, which some writers use instead."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed, self._inflate = packed, zlib.decompressobj(32 + zlib.MAX_WBITS)

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        found = b""
        while not found and not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._packed.read(1 << 20)
            found = self._inflate.decompress(packed, size)
            if not packed and not found:
                break
        return found


def affine_of(directions: Array, origin: Sequence[float]) -> Array:
    """The affine (4, 4) of a volume from its axis directions (columns, millimeters) and the origin of its voxels."""
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = directions, origin
    return affine


def numbers(text: str) -> list[float]:
    """The numbers of a field, separated by blanks.

    Raises:
        ValueError: One of them is not a number.
    """
    return [float(word) for word in text.split()]
