"""An image descriptor that is nearly invariant to shifts, rotations, flips, inversion and slight scaling.

The magnitude of the spectrum does not change with a shift or an inversion; along the angle of its log-polar form, the
magnitude of a second spectrum does not change with a rotation or a mirror (Casasent and Psaltis 1976). Along the radius
a change of scale is a shift, which changes low-frequency cosines little. Every step is of integers below 2 ** 53, or a
square root or a quotient, which IEEE 754 rounds in one way: all machines get the same bytes.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Rows and columns of the image that is described.
SIDE = 64
#: Length of a descriptor: cosines along the radius times waves around the angle.
WAVES = 8
LENGTH = WAVES * WAVES
_RADII, _ANGLES = 24, 48
_FAR = 28  # no frequency beyond this is sampled
_UNIT = 14_189  # brings the numbers to 64ths: 1024 of the cosines, and 887 of what comes before them
#: The mean of each wave over the radii, averaged over images of all kinds, in 64ths; common to all, it is
#: uninformative.
_MEANS = (116, 96, 82, 74, 65, 60, 54, 50)


def descriptor(shades: Array) -> Array:
    """The descriptor of an image, (LENGTH,) of int8; copies have a small Euclidean distance.

    Args:
        shades: (SIDE, SIDE) of integers from 0 to 255.
    """
    window, waves, right, places, weights, around, along = _tables()
    middle = np.floor(16 * (shades * window).sum() / window.sum())
    seen = (16 * shades - middle) * window
    cosine, sine = (np.floor(wave @ seen / 1024) @ right for wave in waves)
    half = _FAR + 1
    real = np.floor((cosine[:, :half] - sine[:, half:]) / 2**18)
    imaginary = np.floor((cosine[:, half:] + sine[:, :half]) / 2**18)
    spectrum = np.floor(4 * np.sqrt(real * real + imaginary * imaginary))
    polar = (spectrum.reshape(-1).take(places) * weights).sum(axis=0)
    polar = np.floor(4096 * polar / np.maximum(polar.max(axis=1, keepdims=True), 1))
    strength = np.sqrt(np.maximum((polar * polar).sum(axis=1, keepdims=True), 1) / _ANGLES)
    polar = np.floor(1024 * polar / strength)
    real, imaginary = (np.floor(polar @ wave / 64) for wave in around)
    rings = np.floor(np.sqrt(np.sqrt(real * real + imaginary * imaginary)))
    numbers = np.floor(along @ rings / _UNIT)
    numbers[0] -= _MEANS
    return np.asarray(np.clip(numbers, -127, 127).astype(np.int8).reshape(-1))


@functools.cache
def _tables() -> tuple[Array, tuple[Array, Array], Array, Array, Array, tuple[Array, Array], Array]:
    """The constants of a descriptor.

    They are the window; the waves of the spectrum, down and (cosines, then sines; the left half of the spectrum is the
    conjugate of the right one) to the right; its sampling; the waves around the angle; the cosines along the radius.
    """
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    away = np.minimum(np.hypot(rows, columns) / (SIDE / 2), 1)
    window = np.rint(64 * np.cos(np.pi * away / 2) ** 2)
    turns = 2 * np.pi * np.outer(np.arange(-_FAR, _FAR + 1), np.arange(SIDE)) / SIDE
    waves = np.rint(1024 * np.cos(turns)), np.rint(-1024 * np.sin(turns))
    right = np.concatenate([wave[_FAR:] for wave in waves]).T.copy()
    radius = np.exp(np.linspace(np.log(2), np.log(0.85 * SIDE / 2), _RADII))[:, None]
    angle = np.arange(_ANGLES) * np.pi / _ANGLES
    row, column = radius * np.sin(angle), radius * np.cos(angle)
    places, weights = [], []
    for down in (0, 1):
        for beside in (0, 1):
            y, x = np.floor(row).astype(int) + down, np.floor(column).astype(int) + beside
            weights.append(np.rint(64 * (1 - abs(row - y)) * (1 - abs(column - x))))
            y = np.where(x < 0, -y, y)
            places.append((y + _FAR) * (_FAR + 1) + abs(x))
    turns = 2 * np.pi * np.outer(np.arange(_ANGLES), np.arange(1, WAVES + 1)) / _ANGLES
    around = np.rint(1024 * np.cos(turns)), np.rint(1024 * np.sin(turns))
    slow = np.cos(np.pi * np.outer(np.arange(WAVES), 2 * np.arange(_RADII) + 1) / (2 * _RADII))
    slow *= np.sqrt(2 / _RADII)
    slow[0] /= np.sqrt(2)
    return window, waves, right, np.stack(places), np.stack(weights), around, np.rint(1024 * slow)
