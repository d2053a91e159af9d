"""DICOM headers that contradict their pixels: the pixels win, and a note says so.

Another note reports a header that states that the pixels may identify a person.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from med_mat.imaging import jpegs

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from med_mat.imaging.windowing import Array

_STARTS = (b"\xff\xd8", b"\xff\x4f\xff\x51")  # of a JPEG or JPEG-LS frame, of a JPEG 2000 one
_OUTSIDE = 0.05  # the share of pixels outside the color space above which YBR is wrong
_GRAY = 0.5  # the share of gray pixels above which RGB is YBR


def bits(values: Array, dataset: Dataset, padding: tuple[float, float] | None) -> tuple[Array, int, str]:
    """The values within BitsStored and HighBit, how many bits they have, and a note if the header is wrong.

    By the standard, the other bits are not pixels (they contain overlays), but some writers declare too few bits. Then
    the declared bits are the remainder of a larger number: they jump where the others change, and look like noise.

    Args:
        values: (rows, columns) or (rows, columns, 3), integers as stored.
        dataset: The header.
        padding: The range of padding values, lowest first.
    """
    width, signed = 8 * values.dtype.itemsize, values.dtype.kind == "i"
    stored = int(dataset.get("BitsStored") or width)
    low, high = int(values.min()), int(values.max())
    if stored >= width or (-(2 ** (stored - 1)) if signed else 0) <= low <= high < 2 ** (stored - signed):
        return values, stored, ""
    beside = np.zeros(values.shape, np.bool_)
    if padding is not None:
        beside = (values >= padding[0]) & (values <= padding[1])
    shift = min(max(int(dataset.get("HighBit") or stored - 1) + 1 - stored, 0), width - stored)
    declared = np.right_shift(np.left_shift(values, width - stored - shift), width - stored)
    declared = np.where(beside, values, declared)
    if shift or not _remainder(declared.astype(np.int64), values.astype(np.int64), beside):
        return declared, stored, ""
    needed = max(high.bit_length(), (-1 - low).bit_length() if low < 0 else 0) + signed
    return values, needed, f"BitsStored is {stored}, its values have {needed} bits"


def _remainder(part: Array, whole: Array, beside: Array) -> bool:
    """Whether some bits of the values are not an image of their own, but the remainder of the whole values."""
    measured = ~(beside[:, 1:] | beside[:, :-1])
    steps, others, beyond = (np.abs(np.diff(values, axis=1))[measured] for values in (part, whole, whole - part))
    across = beyond > 0  # where the omitted bits change
    if others[across].sum() < steps[across].sum():
        return True
    # of very few bits no jump is larger than a step of the whole values; overlays leave two values, or four
    many = len(np.unique(whole - part)) > 4
    return many and _roughness(part, steps) > 2 * _roughness(whole, others)


def _roughness(values: Array, steps: Array) -> float:
    """The mean step to the next column divided by that to a distant one: near 1 in noise, near 0 in an image."""
    far = np.abs(values - np.roll(values, (values.shape[0] // 3, values.shape[1] // 2), axis=(0, 1))).mean()
    return float(steps.mean() / far) if steps.size and far else 0.0


#: Element -> the value that is noted, and its meaning.
_PERSONS = {
    "BurnedInAnnotation": ("YES", "text may be burned into its pixels, such as a name"),
    "RecognizableVisualFeatures": ("YES", "a person may be recognised by its pixels"),
    "PatientIdentityRemoved": ("NO", "the patient's identity was not removed from it"),
}


def persons(dataset: Dataset) -> tuple[str, ...]:
    """Notes on what the header says about identifiable persons; the pixels themselves are not examined."""
    return tuple(
        f"its header says that {words} ({name} {value})"
        for name, (value, words) in _PERSONS.items()
        if str(dataset.get(name) or "").strip().upper() == value
    )


def length(dataset: Dataset, frames: int) -> tuple[str, str]:
    """Why uncompressed pixels do not match the header, or a note on frames that it does not count; else ""."""
    from pydicom.pixels.utils import get_expected_length

    expected = get_expected_length(dataset)
    held, one = len(dataset.PixelData), max(expected // frames, 1)
    line = max(one // max(int(dataset.Rows), int(dataset.Columns)), 2)  # a row or a column, whichever is the shorter
    if held + 1 < expected:
        if frames > 1:
            return f"NumberOfFrames is {frames}, its pixels hold {held // one}", ""
        return f"its header declares {expected} bytes of pixels, it holds {held}", ""
    beyond = held - expected
    if beyond < line:  # padded by a few bytes
        return "", ""
    if beyond >= one and beyond % one < line:
        return "", f"NumberOfFrames is {frames}, its pixels hold {held // one}"
    if not any(dataset.PixelData[expected:]):  # padded with zeros, or a black border below a wrong number of columns
        return "", f"its pixels end with {beyond} bytes of zeros that its header does not count"
    return f"its header declares {expected} bytes of pixels, it holds {held}: Rows or Columns may be wrong", ""


def fragments(dataset: Dataset, frames: int) -> str:
    """A note if the number of compressed frames differs from the header; else ""."""
    from pydicom.encaps import generate_fragments

    starts = [fragment[:4] for fragment in generate_fragments(dataset.PixelData)]
    # the first fragment is the offset table
    held = sum(start.startswith(_STARTS) for start in starts)
    return f"NumberOfFrames is {frames}, its pixels hold {held}" if held and held != frames else ""


def size(frame: bytes) -> tuple[int, int] | None:
    """Width and height in the header of a compressed frame; None if its format has none."""
    if frame.startswith(_STARTS[1]):
        right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
        return right - left, bottom - top
    return jpegs.size(frame)


def run_length(frame: bytes) -> int:
    """The decompressed size of a frame of run-length data, in bytes."""
    at, end, held = 64, len(frame), 0  # after the segment table
    while at < end:
        count = frame[at]
        at += 2 if count > 128 else count + 2 if count < 128 else 1
        held += 257 - count if count > 128 else count + 1 if count < 128 else 0
    return held


def color(values: Array, photometric: str, as_rgb: Any) -> tuple[Array, str]:
    """Uncompressed colors as RGB, and a note if they contradict the header.

    Args:
        values: (rows, columns, 3) of uint8, as stored.
        photometric: the photometric interpretation.
        as_rgb: converts YBR to RGB.
    """
    sample = values[:: max(values.shape[0] // 256, 1), :: max(values.shape[1] // 256, 1)].astype(np.float32)
    first, second, third = sample[..., 0], sample[..., 1] - 128, sample[..., 2] - 128
    if photometric.startswith("YBR"):
        shown = np.stack([first + 1.402 * third, first - 0.344 * second - 0.714 * third, first + 1.772 * second])
        outside = ((shown < -16) | (shown > 271)).any(axis=0).mean()
        if outside > _OUTSIDE:
            return values, f"its photometric interpretation is {photometric}, its colours are RGB"
        return as_rgb(values), ""
    gray = (abs(second) <= 2) & (abs(third) <= 2)
    if gray.mean() > _GRAY and first.std() > 16:
        return as_rgb(values), f"its photometric interpretation is {photometric}, its colours are YBR_FULL"
    return values, ""
