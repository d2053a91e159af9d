"""Converts planes of numbers to 8-bit images by a window, a lookup table or percentiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med_mat.selection import MAT

Array = NDArray[Any]

#: Center and width in Hounsfield units by area, as commonly used
#: (radiopaedia.org/articles/windowing-ct: lungs W 1500 L -600, brain W 80 L 40, abdominal soft tissue W 400 L 40).
CT_WINDOWS: dict[str, tuple[float, float]] = {
    "Lung": (-600, 1500),
    "Brain": (40, 80),
    "Kidney": (40, 400),
    "Liver": (40, 400),
}
CT_WINDOW = (40, 400)  # soft tissue: every other area

PERCENTILES = (0.5, 99.5)
_LEAST_MEASURED = 0.01  # share of an image: if less would remain, its padding values count as measurements
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Window:
    """A window stated by a file (DICOM PS3.3 C.11.2)."""

    center: float
    width: float
    function: str = "LINEAR"  # LINEAR_EXACT, SIGMOID

    def __call__(self, real: Array) -> Array:
        """Real values -> 0 to 1."""
        if self.function == "SIGMOID":
            return np.asarray(1 / (1 + np.exp(np.clip(-4 * (real - self.center) / self.width, -700, 700))))
        if self.function == "LINEAR_EXACT":
            return np.clip((real - self.center) / self.width + 0.5, 0, 1)
        return np.clip((real - (self.center - 0.5)) / max(self.width - 1, 1e-6) + 0.5, 0, 1)

    def __str__(self) -> str:
        return f"window of the file {self.center:g}/{self.width:g}"


def _same(stored: Array) -> Array:
    return stored


@dataclass(slots=True)
class Plane:
    """One image as stored in its file. Color of uint8 is displayed unchanged; all else may be of any number type."""

    values: Array  # (rows, columns) or (rows, columns, 3): colors share one window
    notes: list[str] = field(default_factory=list)
    bits: int = 16  # bits per value; 8 or fewer are kept unchanged unless a window says otherwise
    real: Callable[[Array], Array] = _same  # stored -> real values (rescale, modality lookup table)
    shown: Callable[[Array], Array] | None = None  # real values -> 0 to 1, as the file wants them displayed
    hounsfield: bool | None = None  # None: decided by the values
    inverted: str = ""  # what declares the smallest value white; "" if the largest is
    padding: tuple[float, float] | None = None  # range of stored values that are not measurements, first to last
    spacing: tuple[float, float] | None = None  # millimeters per pixel along x and y; None: unknown
    odd: tuple[str, ...] = ()  # possible defects


def ct_window(mat: MAT | None) -> tuple[float, float] | None:
    """The default window of a triplet; None if it is not CT."""
    return CT_WINDOWS.get(mat.area, CT_WINDOW) if mat is not None and mat.modality == "CT" else None


def to_8_bit(plane: Plane, mat: MAT | None) -> tuple[NDArray[np.uint8], list[str]]:
    """The image in 8 bits, and notes on the conversion."""
    values = plane.values
    if values.ndim == 3 and values.dtype == np.uint8:
        return values, plane.notes
    counts: Array | None = None
    domain = values
    low = 0
    if values.dtype.kind in "iu" and values.size:
        # every step below maps single values, so it is done once for each value that can occur
        low, high = int(values.min()), int(values.max())
        if high - low < max(values.size, 256) and high - low < 1 << 17:
            domain = np.arange(low, high + 1)
            counts = np.zeros(len(domain), np.int64)
            for block in _blocks(values):
                counts += np.bincount(block - low, minlength=len(domain))
    real = np.asarray(plane.real(domain), dtype=np.float64)
    share, note = _share(plane, mat, domain, real, counts)
    if plane.inverted:
        share = 1 - share
    shades = np.rint(share * 255).astype(np.uint8)
    if counts is not None:
        shades = np.concatenate([shades[block - low] for block in _blocks(values)]).reshape(values.shape)
    notes = [*plane.notes, *([note] if note else []), *([f"{plane.inverted} inverted"] if plane.inverted else [])]
    return np.ascontiguousarray(shades), notes


def _blocks(values: Array) -> Iterator[Array]:
    """The values in order, as int64, in blocks: counting and lookup would convert all of them at once."""
    flat = values.reshape(-1)
    return (flat[start : start + _BLOCK].astype(np.int64) for start in range(0, flat.size, _BLOCK))


def _share(plane: Plane, mat: MAT | None, domain: Array, real: Array, counts: Array | None) -> tuple[Array, str]:
    """The brightness of each value, from 0 to 1."""
    window = ct_window(mat)
    if window is not None and (float(np.nanmin(real)) < -200 if plane.hounsfield is None else plane.hounsfield):
        center, width = window
        return np.nan_to_num(np.clip((real - center) / width + 0.5, 0, 1)), f"window {center:g}/{width:g}"
    if plane.shown is not None:
        share = np.nan_to_num(plane.shown(real))
        between = (share > 0) & (share < 1)
        used = float(counts[between].sum() / counts.sum()) if counts is not None else float(between.mean())
        if plane.bits <= 8 or used >= 1e-3 or np.nanmin(real) == np.nanmax(real):
            same = plane.bits == 8 and bool(np.abs(share * 255 - domain).max() < 0.5)
            return share, "" if same else str(plane.shown)
        # a window in units other than those of the values leaves only black and white
    if plane.bits <= 8:
        top = 2**plane.bits - 1
        return np.clip(domain / top, 0, 1), "" if plane.bits == 8 else f"{plane.bits} bit to 8 bit"
    low, high = _percentiles(plane, domain, real, counts)
    scale = 1 / (high - low) if high > low else 0.0
    share = np.nan_to_num(np.clip((real - low) * scale, 0, 1))
    return share, f"percentiles {PERCENTILES[0]:g} to {PERCENTILES[1]:g} ({low:g} to {high:g})"


def _percentiles(plane: Plane, domain: Array, real: Array, counts: Array | None) -> tuple[float, float]:
    keep = np.isfinite(real)
    if plane.padding is not None:
        measured = keep & ((domain < plane.padding[0]) | (domain > plane.padding[1]))
        share = measured.mean() if counts is None else counts[measured].sum() / counts.sum()
        keep = measured if share > _LEAST_MEASURED else keep  # an image that is nearly all padding is implausible
    kept = real[keep]
    if not kept.size:
        return 0.0, 0.0
    if counts is None:
        low, high = (float(x) for x in np.percentile(kept, PERCENTILES, method="inverted_cdf"))
        least, most = float(kept.min()), float(kept.max())
    else:
        weights = counts[keep]
        order = np.argsort(kept, kind="stable")
        kept, total = kept[order], np.cumsum(weights[order])
        low, high = (float(kept[np.searchsorted(total, total[-1] * p / 100)]) for p in PERCENTILES)
        there = kept[weights[order] > 0]
        least, most = (float(there[0]), float(there[-1])) if there.size else (0.0, 0.0)
    return (low, high) if high > low else (least, most)
