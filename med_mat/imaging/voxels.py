"""Reads the voxels of a volume: memory-mapped if uncompressed, otherwise decompressed once, within the limits."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from med_mat import limits
from med_mat.errors import ReadError
from med_mat.limits import Unpacking

_BLOCK = 1 << 20


class Voxels(NamedTuple):
    """The stored values of a volume."""

    data: Any  # array-like of the declared shape; the first axis varies fastest in the file
    size: int  # bytes of memory
    odd: tuple[str, ...]  # possible defects of the file


def checked_shape(declared: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Checks that a shape has three or four axes and is within the limits.

    Raises:
        ReadError: The shape has another number of axes, an empty axis, or too many pixels in a slice.
    """
    shape = tuple(int(length) for length in declared)
    if any(length < 1 for length in shape) or len(shape) < 2 or any(length != 1 for length in shape[4:]):
        raise ReadError(f"{name}: its shape is {shape}; a volume has three axes, or four.")
    shape = (*shape, 1)[:3] if len(shape) == 2 else shape[:4]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        limits.pixels(name, shape[first], shape[second])
    return shape


def read(
    name: str,
    file: Path,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    *,
    offset: int = 0,
    unpacked: Callable[[], AbstractContextManager[Unpacking]] | None = None,
) -> Voxels:
    """The voxels of a file.

    A large compressed file is decompressed to a temporary file, which is memory-mapped too: an image and its mask,
    whose slices are read in turn, need not both fit into memory.

    Args:
        name: Name of the volume for errors.
        file: The file that contains the voxels.
        dtype: Data type of a voxel.
        shape: Shape of the volume; the third axis is the slowest one, the fourth, if any, counts volumes.
        offset: Offset of the voxels in an uncompressed file, in bytes.
        unpacked: Opens the stream of decompressed voxels; None: they are not compressed.

    Raises:
        ReadError: There are too few or too many bytes, or more than the limits allow.
    """
    length = int(np.prod(shape, dtype=object)) * dtype.itemsize
    slack = length // shape[2]  # a slice: with more extra bytes, the declaration is wrong
    if unpacked is None:
        facts = file.stat()
        limits.file(name, facts)
        held = facts.st_size - offset
        odd = _measured(name, length, held, slack)
        return Voxels(np.memmap(file, dtype, "r", offset, shape, "F"), 0, odd)
    limits.unpacked(name, length)
    found: bytes | IO[bytes]
    with unpacked() as stream:
        if length <= limits.LARGE:
            found = _read(stream, length)
            held = len(found)
        else:
            found = limits.spooled(name, _Part(stream, length))
            held = found.seek(0, os.SEEK_END)
        # to the end, where the checksum is, or until there is too much
        while held - length < slack and (block := stream.read(_BLOCK)):
            held += len(block)
    odd = _measured(name, length, held, slack, at_least=True)
    if isinstance(found, bytes):
        return Voxels(np.ndarray(shape, dtype, found, order="F"), length, odd)
    return Voxels(np.memmap(found, dtype, "r", 0, shape, "F"), 0, odd)


def _measured(name: str, length: int, held: int, slack: int, *, at_least: bool = False) -> tuple[str, ...]:
    """Refuses voxels of another length than declared; returns a note if they are slightly longer."""
    if held < length:
        raise ReadError(f"{name}: truncated: {max(held, 0)} bytes of voxels where {length} belong.")
    if held - length >= slack:
        more = "at least " if at_least else ""
        raise ReadError(f"{name}: its header declares {length} bytes of voxels, and it holds {more}{held}.")
    return (f"its file goes on beyond its voxels, by {held - length} bytes",) if held > length else ()


def _read(stream: Unpacking, length: int) -> bytes:
    """Reads ``length`` bytes from a stream that may return fewer at a time."""
    blocks = []
    while length and (block := stream.read(length)):
        blocks.append(block)
        length -= len(block)
    return b"".join(blocks)


class _Part:
    """The next ``length`` bytes of a stream."""

    def __init__(self, stream: Unpacking, length: int) -> None:
        self._stream, self._left = stream, length

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""
        found = self._stream.read(min(size, self._left))
        self._left -= len(found)
        return found
