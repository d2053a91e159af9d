"""NIfTI and Analyze volumes, one slice at a time, in radiological convention."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from med_mat import limits
from med_mat.errors import ReadError
from med_mat.example import Slice
from med_mat.files import sha256
from med_mat.imaging import grids
from med_mat.imaging.opened import FileCache, inside, sentence
from med_mat.imaging.windowing import Array, Plane

_BLOCK = 1 << 20
_COMPRESSED = (".gz", ".bz2", ".zst")
_MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 0.001}
_SAME = 0.01  # how far two sizes of a voxel may differ that mean the same
SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")


@dataclass(frozen=True, slots=True)
class Volume:
    """An opened volume: a view of its stored values, and how its axes lie in the patient."""

    data: Any  # anything that slices like an array, three or four axes, as stored
    slope: float
    inter: float
    axes: tuple[int, int, int]  # RAS+ axis -> stored axis
    flips: tuple[bool, bool, bool]  # by RAS+ axis
    oriented: bool  # whether the file says how its axes lie
    affine: Array  # stored voxel -> RAS+ millimetres, (4, 4)
    zooms: tuple[float, float, float] | None  # millimetres per voxel along the stored axes; None: not known
    sha256: str
    minimum: float  # over a few slices: whether they are Hounsfield units
    odd: tuple[str, ...] = ()  # what may be wrong with it

    @property
    def shape(self) -> tuple[int, int, int]:
        """In RAS+ orientation."""
        a, b, c = (int(self.data.shape[axis]) for axis in self.axes)
        return a, b, c

    @property
    def volumes(self) -> int:
        """The length of the fourth axis."""
        return int(self.data.shape[3]) if len(self.data.shape) > 3 else 1

    def plane(self, axis: int, index: int, volume: int = 0) -> Array:
        """The real values of one slice of the RAS+ volume, shown in radiological convention."""
        stored_axis = self.axes[axis]
        where: list[Any] = [slice(None)] * 3
        where[stored_axis] = self.shape[axis] - 1 - index if self.flips[axis] else index
        if len(self.data.shape) > 3:
            where.append(volume)
        plane = np.asarray(self.data[tuple(where)])
        if plane.dtype.fields:
            plane = np.stack([plane[name] for name in plane.dtype.names[:3]], axis=-1)  # type: ignore[index]
        first, second = (other for other in range(3) if other != axis)
        if self.axes[first] > self.axes[second]:
            plane = plane.swapaxes(0, 1)
        # shown: x to the left and y or z upwards, each the reverse of its RAS+ direction
        if not self.flips[first]:
            plane = plane[::-1]
        if not self.flips[second]:
            plane = plane[:, ::-1]
        plane = plane.swapaxes(0, 1)
        if (self.slope, self.inter) != (1.0, 0.0):
            plane = plane.astype(np.float64) * self.slope + self.inter
        return np.ascontiguousarray(plane.astype(plane.dtype.newbyteorder("="), copy=False))


def open_volume(root: Path, reference: Slice, cache: FileCache) -> Volume:
    """The volume that a slice lies in, opened or from the cache."""
    name = reference.path.as_posix()
    path = inside(root, reference.path)
    try:
        return cache.get(path, lambda path: _open(path, name))
    except ReadError:
        raise
    except Exception as error:
        # the messages of nibabel and of the system hold this machine's folders
        reason = getattr(error, "strerror", None) or sentence(error).replace(str(path), path.name)
        raise ReadError(f"{name}: cannot be read as a NIfTI or Analyze volume ({reason}).") from error


def plane(
    root: Path, reference: Slice, cache: FileCache, on: Volume | None = None, notes: list[str] | None = None
) -> tuple[Plane, Volume]:
    """One slice, and the volume that it lies in.

    Args:
        root: the raw folder.
        reference: the slice.
        cache: of opened volumes.
        on: the volume of the image, where the slice is a mask: both must lie on one grid.
        notes: where it is said that a mask was laid as its image is.

    Raises:
        ReadError: the volume cannot be read, has no such slice, or lies on another grid than the image.
    """
    name = reference.path.as_posix()
    volume = open_volume(root, reference, cache)
    if on is not None and volume is not on:
        volume = grids.laid(volume, on, name, [] if notes is None else notes)
    axis, index = reference.axis, reference.index
    if axis not in (0, 1, 2):
        raise ReadError(f"{name}: axis {axis} does not exist; a Slice counts along axis 0, 1 or 2.")
    if not 0 <= index < volume.shape[axis]:
        raise ReadError(f"{name}: there is no slice {index} along axis {axis}; it has {volume.shape[axis]}.")
    if not 0 <= reference.volume < volume.volumes:
        raise ReadError(f"{name}: there is no volume {reference.volume}; it has {volume.volumes}.")
    try:
        values = volume.plane(axis, index, reference.volume)
    except Exception as error:
        raise ReadError(f"{name}: slice {index} of axis {axis} cannot be read ({sentence(error)}).") from error
    note = f"slice {index} of axis {axis}" + (f", volume {reference.volume}" if volume.volumes > 1 else "")
    told = [note, "radiological orientation" if volume.oriented else "the file gives no orientation"]
    bits = 8 if values.dtype == np.uint8 else 16
    plane = Plane(values, told, bits=bits, hounsfield=volume.minimum < -200, odd=volume.odd)
    if volume.zooms is not None:
        across, down = (volume.zooms[volume.axes[other]] for other in range(3) if other != axis)
        plane.spacing = across, down
    return plane, volume


def _open(path: Path, name: str) -> tuple[Volume, int]:
    import nibabel
    from nibabel.analyze import AnalyzeImage
    from nibabel.arrayproxy import ArrayProxy

    facts = path.stat()
    limits.file(name, facts)
    if facts.st_size == 0:
        raise ReadError(f"{name}: the file is empty.")
    image: Any = nibabel.load(path)
    proxy = image.dataobj
    if not isinstance(image, AnalyzeImage) or not isinstance(proxy, ArrayProxy):
        raise ReadError(f"{name}: is a {type(image).__name__}; only NIfTI and Analyze volumes are read.")
    shape = _shape(proxy.shape, name)
    dtype = np.dtype(proxy.dtype)
    if dtype.kind not in "iufV" or (dtype.kind == "V" and not dtype.fields):
        raise ReadError(f"{name}: its voxels are {dtype}, which is not a picture.")
    for first, second in itertools.combinations(shape[:3], 2):
        limits.pixels(name, first, second)
    data, size, odd = _data(image, proxy, shape, dtype, name)
    slope, inter = float(proxy.slope), float(proxy.inter)
    if dtype.fields or not np.isfinite([slope, inter]).all():
        slope, inter = 1.0, 0.0
    axes, flips, oriented = orientation(image)
    affine = np.asarray(image.affine, dtype=np.float64)
    zooms = _zooms(image.header, affine, oriented=oriented)
    minimum = 0.0 if dtype.fields else _minimum(data, shape) * slope + inter
    return Volume(data, slope, inter, axes, flips, oriented, affine, zooms, sha256(path), minimum, odd), size


def _shape(declared: tuple[int, ...], name: str) -> tuple[int, ...]:
    shape = tuple(int(n) for n in declared)
    if any(n < 1 for n in shape) or len(shape) < 2 or any(n != 1 for n in shape[4:]):
        raise ReadError(f"{name}: its shape is {shape}; a volume has three axes, or four.")
    return (*shape, 1)[:3] if len(shape) == 2 else shape[:4]


def _data(
    image: Any, proxy: Any, shape: tuple[int, ...], dtype: np.dtype[Any], name: str
) -> tuple[Any, int, tuple[str, ...]]:
    """The stored values: mapped where they lie plain on disk, else decompressed once; their size in memory; notes.

    Large ones are decompressed to a file that goes with them, and mapped too: an image and its mask, of which slices
    are asked in turns, need not both fit into memory.
    """
    holder = image.file_map["image"]
    pixels = Path(holder.filename)
    length = int(np.prod(shape, dtype=object)) * dtype.itemsize
    offset = int(proxy.offset)
    packed = pixels.suffix.lower() in _COMPRESSED
    found: Any = b""
    if not packed:
        held = pixels.stat().st_size - offset
        limits.file(name, pixels.stat())
    else:
        limits.unpacked(name, length)
        with holder.get_prepare_fileobj("rb") as file:
            file.seek(offset)
            found = file.read(length) if length <= limits.LARGE else limits.spooled(name, _Part(file, length))
            held = len(found) if isinstance(found, bytes) else found.seek(0, os.SEEK_END)
            # to the end, where the checksum is, or to where there is too much
            while held - length < length // shape[2] and (block := file.read(_BLOCK)):
                held += len(block)
    if held < length:
        raise ReadError(f"{name}: truncated: {max(held, 0)} bytes of voxels where {length} belong.")
    if held - length >= length // shape[2]:
        more = "at least " if packed else ""
        raise ReadError(f"{name}: its header declares {length} bytes of voxels, and it holds {more}{held}.")
    odd = (f"its file goes on beyond its voxels, by {held - length} bytes",) if held > length else ()
    if not packed:
        return np.memmap(pixels, dtype, "r", offset, shape, "F"), 0, odd
    if isinstance(found, bytes):
        return np.ndarray(shape, dtype, found, order="F"), length, odd
    return np.memmap(found, dtype, "r", 0, shape, "F"), 0, odd


class _Part:
    """The next bytes of a stream, so many of them."""

    def __init__(self, file: Any, length: int) -> None:
        self._file, self._left = file, length

    def read(self, size: int) -> bytes:
        """The next ones, none at the end."""
        found: bytes = self._file.read(min(size, self._left))
        self._left -= len(found)
        return found


def orientation(image: Any) -> tuple[tuple[int, int, int], tuple[bool, bool, bool], bool]:
    """Of each RAS+ axis: the stored axis that is closest to it, and whether it runs the other way."""
    import nibabel.orientations

    header = image.header
    codes = [int(header[code]) for code in ("qform_code", "sform_code") if code in header]
    affine = np.asarray(image.affine, dtype=np.float64)
    io_orientation: Any = nibabel.orientations.io_orientation
    with np.errstate(all="ignore"):  # numbers that are too large to be squared
        rows = io_orientation(affine) if np.isfinite(affine).all() else np.full((3, 2), np.nan)
    if np.isnan(rows).any():
        return (0, 1, 2), (False, False, False), False
    axes, flips = [0, 0, 0], [False, False, False]
    for stored, (axis, direction) in enumerate(rows[:3]):
        axes[int(axis)], flips[int(axis)] = stored, bool(direction < 0)
    return (axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]), any(codes)


def _zooms(header: Any, affine: Array, *, oriented: bool) -> tuple[float, float, float] | None:
    """Millimetres per voxel along the stored axes; None where the file gives no unit, or contradicts itself."""
    if "xyzt_units" in header:
        unit = _MILLIMETRES.get(str(header.get_xyzt_units()[0]), 0.0)
    else:  # Analyze names the unit in letters
        unit = _MILLIMETRES.get(bytes(header["vox_units"].item()).rstrip(b"\0 ").decode("latin-1"), 0.0)
    zooms = np.array((*header.get_zooms()[:3], 0.0, 0.0)[:3], dtype=np.float64)
    if oriented and not np.allclose(np.linalg.norm(affine[:3, :3], axis=0), zooms, rtol=_SAME, atol=0):
        return None
    zooms = zooms * unit
    if not (np.isfinite(zooms).all() and (zooms > 0).all()):
        return None
    x, y, z = (float(zoom) for zoom in zooms)
    return x, y, z


def _minimum(data: Any, shape: tuple[int, ...]) -> float:
    """The least stored value of three slices."""
    lowest = []
    for depth in (0, shape[2] // 2, shape[2] - 1):
        where = (slice(None), slice(None), depth, *(0,) * (len(shape) - 3))
        part = np.asarray(data[where], dtype=np.float64)
        lowest += [float(part[np.isfinite(part)].min())] if np.isfinite(part).any() else []
    return min(lowest, default=0.0)
