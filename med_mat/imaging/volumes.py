"""Reads volumes of any format slice by slice, in radiological convention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from med_mat.errors import ReadError
from med_mat.example import Pixels, Slice
from med_mat.imaging import grids
from med_mat.imaging.open_file import Check, OpenFile, PlaneFile
from med_mat.imaging.opened import sentence
from med_mat.imaging.stored import Stored, from_plane
from med_mat.imaging.windowing import Array, Plane

if TYPE_CHECKING:
    from med_mat.selection import MAT

#: Millimeters per unit, by its name in headers.
MILLIMETERS = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "meter": 1000.0, "um": 0.001, "micron": 0.001, "µm": 0.001}
#: LPS coordinates, in which DICOM, NRRD and MetaImage place voxels, to RAS+, in which NIfTI does.
LPS_TO_RAS = np.diag([-1.0, -1, 1, 1])


@dataclass(frozen=True, slots=True)
class Volume(PlaneFile):
    """An opened volume: a view of its stored values, and its orientation in the patient."""

    name: str
    sha256: str
    size: int  # bytes of memory; 0 if the voxels are memory-mapped
    data: Any  # array-like, three or four axes, as stored
    slope: float
    inter: float
    axes: tuple[int, int, int]  # RAS+ axis -> stored axis
    flips: tuple[bool, bool, bool]  # by RAS+ axis
    oriented: bool  # whether the file states its orientation
    affine: Array  # stored voxel -> RAS+ millimeters, (4, 4)
    zooms: tuple[float, float, float] | None  # millimeters per voxel along the stored axes; None: unknown
    minimum: float  # over a few slices, to tell whether they are Hounsfield units
    odd: tuple[str, ...] = ()  # possible defects

    @property
    def grid(self) -> grids.Grid:
        """Its voxel grid."""
        a, b, c = (int(length) for length in self.data.shape[:3])
        return grids.Grid((a, b, c), self.axes, self.flips, self.oriented, self.affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Its shape in RAS+ orientation."""
        return self.grid.shape

    @property
    def volumes(self) -> int:
        """The length of the fourth axis."""
        return int(self.data.shape[3]) if len(self.data.shape) > 3 else 1

    def slice(self, axis: int, index: int, volume: int = 0) -> Array:
        """The real values of one slice of the RAS+ volume, in radiological convention."""
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
        # displayed: x to the left and y or z upwards, each the reverse of its RAS+ direction
        if not self.flips[first]:
            plane = plane[::-1]
        if not self.flips[second]:
            plane = plane[:, ::-1]
        plane = plane.swapaxes(0, 1)
        if (self.slope, self.inter) != (1.0, 0.0):
            plane = plane.astype(np.float64) * self.slope + self.inter
        return np.ascontiguousarray(plane.astype(plane.dtype.newbyteorder("="), copy=False))

    def references(self) -> Iterator[Pixels]:
        """Its axial slices, volume by volume."""
        path = PurePosixPath(self.name)
        for volume in range(self.volumes):
            for index in range(self.shape[2]):
                yield Slice(path, index, volume=volume)

    def plane(self, reference: Pixels) -> Plane:
        """The real values of a slice, with its display transformation."""
        if not isinstance(reference, Slice):
            raise ReadError(f"{self.name}: is a volume: name a Slice of it.")
        axis, index, volume = reference.axis, reference.index, reference.volume
        if axis not in (0, 1, 2):
            raise ReadError(f"{self.name}: axis {axis} does not exist; a Slice counts along axis 0, 1 or 2.")
        if not 0 <= index < self.shape[axis]:
            raise ReadError(f"{self.name}: there is no slice {index} along axis {axis}; it has {self.shape[axis]}.")
        if not 0 <= volume < self.volumes:
            raise ReadError(f"{self.name}: there is no volume {volume}; it has {self.volumes}.")
        try:
            values = self.slice(axis, index, volume)
        except Exception as error:
            raise ReadError(f"{self.name}: slice {index} of axis {axis} cannot be read ({sentence(error)}).") from error
        note = f"slice {index} of axis {axis}" + (f", volume {volume}" if self.volumes > 1 else "")
        notes = [note, "radiological orientation" if self.oriented else "the file gives no orientation"]
        bits = 8 if values.dtype == np.uint8 else 16
        plane = Plane(values, notes, bits=bits, hounsfield=self.minimum < -200, odd=self.odd)
        if self.zooms is not None:
            across, down = (self.zooms[self.axes[other]] for other in range(3) if other != axis)
            plane.spacing = across, down
        return plane

    def stored(self, reference: Pixels, mat: MAT | None, check: Check) -> Stored:
        """A slice as PNG."""
        return from_plane(self.plane(reference), mat, self.sha256, self.name, ["volume to PNG"], self)

    def aligned(self, image: OpenFile, notes: list[str]) -> OpenFile:
        """This mask on the grid of its image."""
        if not isinstance(image, Volume) or image is self:
            return self
        grid = grids.laid(self.grid, image.grid, self.name, notes)
        return replace(self, axes=grid.axes, flips=grid.flips)


def axes_of(affine: Array) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]] | None:
    """For each RAS+ axis, the closest stored axis and whether it is reversed.

    Args:
        affine: Stored voxel -> RAS+ millimeters, (4, 4).

    Returns:
        None if the affine leaves the direction of an axis undefined.
    """
    import nibabel.orientations

    io_orientation: Any = nibabel.orientations.io_orientation
    with np.errstate(all="ignore"):  # numbers too large to be squared
        rows = io_orientation(affine) if np.isfinite(affine).all() else np.full((3, 2), np.nan)
    if np.isnan(rows).any():
        return None
    axes, flips = [0, 0, 0], [False, False, False]
    for stored, (axis, direction) in enumerate(rows[:3]):
        axes[int(axis)], flips[int(axis)] = stored, bool(direction < 0)
    return (axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2])


def lengths(zooms: Sequence[float], unit: float) -> tuple[float, float, float] | None:
    """The sides of a voxel in millimeters; None if they are not three positive numbers."""
    sides = np.array((*zooms, 0.0, 0.0)[:3], dtype=np.float64) * unit
    if not (np.isfinite(sides).all() and (sides > 0).all()):
        return None
    x, y, z = (float(side) for side in sides)
    return x, y, z


def lowest(data: Any) -> float:
    """The smallest stored value in three slices."""
    found = []
    shape = data.shape
    for depth in (0, shape[2] // 2, shape[2] - 1):
        where = (slice(None), slice(None), depth, *(0,) * (len(shape) - 3))
        part = np.asarray(data[where], dtype=np.float64)
        found += [float(part[np.isfinite(part)].min())] if np.isfinite(part).any() else []
    return min(found, default=0.0)
