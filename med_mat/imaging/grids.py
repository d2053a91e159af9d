"""Checks whether a mask volume has the same voxel grid as its image volume."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from med_mat.errors import ReadError

if TYPE_CHECKING:
    from med_mat.imaging.windowing import Array

#: Default affines that libraries write: NIfTI's identity, and ITK's in the same coordinates.
_DEFAULTS = (np.eye(4), np.diag([-1.0, -1, 1, 1]))
_APART = 0.5  # of the smallest side of a voxel: corners closer than that count as the same
_NOTE = "masks whose file does not say where they lie, laid as their image is"


@dataclass(frozen=True, slots=True)
class Grid:
    """The voxel grid of a volume in patient coordinates."""

    stored: tuple[int, int, int]  # voxels along the stored axes
    axes: tuple[int, int, int]  # RAS+ axis -> stored axis
    flips: tuple[bool, bool, bool]  # by RAS+ axis
    oriented: bool  # whether the file states its orientation
    affine: Array  # stored voxel -> RAS+ millimeters, (4, 4)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along the RAS+ axes."""
        a, b, c = (self.stored[axis] for axis in self.axes)
        return a, b, c


def laid(mask: Grid, image: Grid, name: str, notes: list[str]) -> Grid:
    """The mask with the axes of the image, or with its own if both files agree.

    A mask without an orientation is read in the voxel order of the image. A mask whose affine is a default, or whose
    origin is 0, was written without a position: it is accepted if its axes have the directions of the image's, since it
    then does not matter whether its writer kept that order or reoriented it to RAS+. Otherwise the order is unknown.

    Raises:
        ReadError: The mask has another grid.
    """
    same_order = mask.stored == image.stored
    if mask.oriented and image.oriented:
        if mask.shape == image.shape and _distance(mask, image) <= _APART * _smallest(image.affine):
            return mask
        unplaced = _unplaced(mask.affine) or _unplaced(image.affine)
        fits = same_order and unplaced and (mask.axes, mask.flips) == (image.axes, image.flips)
    else:
        fits = same_order
    if not fits:
        raise ReadError(
            f"{name}: its voxels are not those of its image: {_words(mask)}, and the image has {_words(image)}. Where "
            "they only are in the image's order, give the mask the affine of the image."
        )
    if not np.array_equal(mask.affine, image.affine):
        notes.append(_NOTE)
    return replace(mask, axes=image.axes, flips=image.flips)


def _distance(mask: Grid, image: Grid) -> float:
    """The largest distance between corresponding corners of two volumes of the same RAS+ shape, in millimeters."""
    corners = itertools.product(*((0, length - 1) for length in image.shape))
    return max(float(np.linalg.norm(_place(mask, corner) - _place(image, corner))) for corner in corners)


def _place(grid: Grid, voxel: tuple[int, ...]) -> Array:
    """The position of a voxel, indexed along the RAS+ axes, in patient coordinates."""
    stored = np.ones(4)
    for axis, index in enumerate(voxel):
        stored[grid.axes[axis]] = grid.shape[axis] - 1 - index if grid.flips[axis] else index
    return np.asarray((grid.affine @ stored)[:3])


def _smallest(affine: Array) -> float:
    return float(np.linalg.norm(affine[:3, :3], axis=0).min())


def _unplaced(affine: Array) -> bool:
    return not affine[:3, 3].any() or any(np.array_equal(affine, default) for default in _DEFAULTS)


def _words(grid: Grid) -> str:
    """Shape, voxel size, directions and origin of a grid, in words."""
    if not grid.oriented:
        return f"{' x '.join(map(str, grid.stored))} without an orientation"
    letters = [""] * 3
    for axis, (stored, flip) in enumerate(zip(grid.axes, grid.flips, strict=True)):
        letters[stored] = ("LPI" if flip else "RAS")[axis]
    sides = np.linalg.norm(grid.affine[:3, :3], axis=0)
    origin = ", ".join(f"{number:.4g}" for number in grid.affine[:3, 3])
    return (
        f"{' x '.join(map(str, grid.stored))} of {' x '.join(f'{side:.4g}' for side in sides)} mm, "
        f"{''.join(letters)} from ({origin})"
    )
