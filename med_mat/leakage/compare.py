"""Compares two thumbnails: do they show the same image, one rotated, flipped, shifted, zoomed, inverted or sharpened?

Rotation and flips are estimated from log-polar spectra (Reddy and Chatterji 1996), the shift by cross-correlation, and
the remaining transform (zoom, aspect, shear) by Gauss-Newton steps on an affine map (inverse compositional, Baker and
Matthews 2004). The score is the local correlation of detail: a common outline (two skulls, two round cells) covers
little of an image, so the interior must agree as well.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med_mat.leakage.thumbnails import SIDE

Array = NDArray[Any]

#: The minimum score of the same image or of neighboring slices of one scan.
LEAST_SCORE = 0.68
#: The minimum score of the same image.
COPY_SCORE = 0.85
_RADII, _ANGLES, _FINE = 20, 64, 256
_HYPOTHESES = 2  # angles tried for each of plain and mirrored
_STEPS = (5, 6)  # number of Gauss-Newton steps at half and at full size
_HALF = SIDE // 2
_BATCH = 128
#: Minimum correlations at half size, before and after the steps there; pairs below are rejected. The lowest values of
#: 2,585 detected copies were 0.49 and 0.53.
_HOPELESS, _POOR = 0.45, 0.5


def compare(first: Array, second: Array) -> Array:
    """The similarity of each pair of thumbnails after alignment.

    Args:
        first: (n, SIDE, SIDE) uint8.
        second: (n, SIDE, SIDE) uint8.

    Returns:
        (n,) float32: scores from 0 to 1, rounded to thousandths.
    """
    scores = np.zeros(len(first), np.float32)
    for start in range(0, len(first), _BATCH):
        part = slice(start, start + _BATCH)
        scores[part] = _compare(first[part].astype(np.float32), second[part].astype(np.float32))
    return np.asarray(np.rint(scores * 1000) / np.float32(1000))


def _compare(first: Array, second: Array) -> Array:
    smooth, other = _banded(first), _banded(second)
    small, other_small = _halved(smooth), _halved(other)
    scores = np.zeros(len(first), np.float32)
    maps, coarse = _aligned(_spectra(first), _spectra(second), small, other_small)
    kept = np.flatnonzero(coarse > _HOPELESS)
    if not len(kept):
        return scores
    maps = _refined(small[kept], other_small[kept], maps[kept], _STEPS[0])
    alike = _correlation(small[kept], *_warped(other_small[kept], maps)) > _POOR
    kept, maps = kept[alike], maps[alike]
    if not len(kept):
        return scores
    maps[:, :, 2] *= 2
    maps = _refined(smooth[kept], other[kept], maps, _STEPS[1])
    warped, inside = _warped(second[kept], maps)
    scores[kept] = _agreement(first[kept], warped, inside)
    return scores


def _banded(pictures: Array) -> Array:
    """Band-pass filtered images: without slow changes of brightness, and without noise."""
    from scipy.ndimage import gaussian_filter, uniform_filter

    slow = uniform_filter(uniform_filter(pictures, (0, 13, 13), mode="nearest"), (0, 13, 13), mode="nearest")
    return np.asarray(gaussian_filter(pictures - slow, (0, 1, 1)))


def _halved(pictures: Array) -> Array:
    return np.asarray(pictures.reshape(len(pictures), _HALF, 2, _HALF, 2).mean(axis=(2, 4)))


@functools.cache
def _disc(side: int) -> Array:
    """A round window: 1 at the center, 0 at the edge."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    radius = np.minimum(np.hypot(rows, columns) / (side / 2), 1)
    return np.asarray((np.cos(np.pi * radius / 2) ** 2).astype(np.float32))


@functools.cache
def _sampling() -> Any:
    """Bilinear weights that map the half plane of a spectrum to polar coordinates, as a sparse matrix."""
    from scipy.sparse import coo_array

    radius = np.exp(np.linspace(np.log(2), np.log(26), _RADII))[:, None]
    angle = np.arange(_ANGLES) * np.pi / _ANGLES
    rows, columns = (radius * np.sin(angle)).ravel(), (radius * np.cos(angle)).ravel()
    places, weights = [], []
    for down in (0, 1):
        for right in (0, 1):
            row, column = np.floor(rows).astype(int) + down, np.floor(columns).astype(int) + right
            weights.append((1 - abs(rows - row)) * (1 - abs(columns - column)))
            row = np.where(column < 0, -row, row) % SIDE  # the other half plane is the conjugate
            places.append(row * (SIDE // 2 + 1) + abs(column))
    points = np.tile(np.arange(len(rows)), 4)
    shape = (len(rows), SIDE * (SIDE // 2 + 1))
    return coo_array((np.concatenate(weights).astype(np.float32), (points, np.concatenate(places))), shape).tocsr()


def _spectra(pictures: Array) -> Array:
    """The log-polar spectrum of each image, transformed along the angle: (n, radii, angles // 2 + 1), complex."""
    from scipy.fft import rfft, rfft2

    window = _disc(SIDE)
    middle = (pictures * window).sum(axis=(1, 2)) / window.sum()
    spectrum = np.sqrt(abs(rfft2((pictures - middle[:, None, None]) * window))).reshape(len(pictures), -1)
    polar = (_sampling() @ spectrum.T).T.reshape(-1, _RADII, _ANGLES)
    polar = polar - polar.mean(axis=2, keepdims=True)
    polar /= np.sqrt((polar**2).sum(axis=(1, 2), keepdims=True)) + 1e-6
    return np.asarray(rfft(polar, axis=2))


def _aligned(spectra: Array, others: Array, pictures: Array, second: Array) -> tuple[Array, Array]:
    """The best map of rotation, flip and shift at half size, (n, 2, 3), and its correlation, (n,)."""
    from scipy.fft import irfft2, rfft2

    count = len(pictures)
    window = _disc(_HALF)
    still = pictures * window
    fixed, energy = rfft2(still), (still**2).sum(axis=(1, 2))
    far = np.zeros((_HALF, _HALF), bool)
    far[_HALF // 4 : -_HALF // 4] = far[:, _HALF // 4 : -_HALF // 4] = True  # larger shifts are not considered
    best, maps = np.full(count, -1, np.float32), np.zeros((count, 2, 3), np.float32)
    for mirrored, angles in _angles(spectra, others):
        turn = _similarity(angles, mirrored)
        moved = _warped(second, turn)[0] * window
        moving = rfft2(moved)
        norm = np.sqrt(energy * (moved**2).sum(axis=(1, 2))) + 1e-6
        for half_turn in (False, True):
            # rotated by 180 degrees, an image has the conjugate spectrum, except for a shift of one pixel
            product = fixed * (moving if half_turn else moving.conj())
            surface = abs(irfft2(product, (_HALF, _HALF)))
            if half_turn:
                surface = np.roll(surface, (1, 1), axis=(1, 2))
            surface[:, far] = 0
            place = surface.reshape(count, -1).argmax(axis=1)
            value = surface.reshape(count, -1)[np.arange(count), place] / norm
            shift = np.stack([place % _HALF, place // _HALF], axis=1)
            shift = np.where(shift > _HALF // 2, shift - _HALF, shift).astype(np.float32)
            linear = -turn[:, :, :2] if half_turn else turn[:, :, :2]
            found = np.concatenate([linear, -(linear @ shift[:, :, None])], axis=2)
            better = value > best
            best[better], maps[better] = value[better], found[better]
    return maps, best


def _angles(spectra: Array, others: Array) -> list[tuple[bool, Array]]:
    """The most likely rotations of each pair, plain and mirrored, in radians and modulo 180 degrees."""
    from scipy.fft import irfft

    found = []
    for mirrored in (False, True):
        curve = np.full((len(spectra), _FINE), -np.inf, np.float32)
        for zoom in (-1, 0, 1):  # steps of radius: zoom shifts the spectrum along the radius
            one = spectra[:, max(0, zoom) : _RADII + min(0, zoom)]
            other = others[:, max(0, -zoom) : _RADII + min(0, -zoom)]
            product = (one * (other if mirrored else other.conj())).sum(axis=1)
            curve = np.maximum(curve, irfft(product, _FINE, axis=1))
        rows = np.arange(len(curve))
        for _ in range(_HYPOTHESES):
            peak = curve.argmax(axis=1)
            found.append((mirrored, -peak * np.pi / _FINE))
            for near in range(-12, 13):
                curve[rows, (peak + near) % _FINE] = -np.inf
    return found


def _similarity(angles: Array, mirrored: bool) -> Array:
    cosine, sine = np.cos(angles), np.sin(angles)
    maps = np.zeros((len(angles), 2, 3), np.float32)
    maps[:, 0, 0], maps[:, 0, 1], maps[:, 1, 0], maps[:, 1, 1] = cosine, -sine, sine, cosine
    if mirrored:
        maps[:, 0] *= -1
    return maps


@functools.cache
def _grid(side: int) -> Array:
    """Homogeneous coordinates (column, row, 1) of all pixels from the center: (3, side * side)."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    return np.stack([columns.ravel(), rows.ravel(), np.ones(side * side)]).astype(np.float32)


def _warped(pictures: Array, maps: Array) -> tuple[Array, Array]:
    """Each image resampled through its map, and a mask of the pixels inside the image (float32, 0 or 1)."""
    count, side = len(pictures), pictures.shape[1]
    middle = np.float32((side - 1) / 2)
    at = maps.astype(np.float32) @ _grid(side) + middle
    inside = ((at >= 0) & (at <= side - 1)).all(axis=1)
    np.clip(at, 0, side - 1.001, out=at)
    whole = at.astype(np.int32)
    right, down = (at - whole).transpose(1, 0, 2)
    place = whole[:, 1] * side + whole[:, 0] + (np.arange(count, dtype=np.int32) * side * side)[:, None]
    flat = pictures.reshape(-1)
    above = flat[place]
    above += (flat[place + 1] - above) * right
    below = flat[place + side]
    below += (flat[place + side + 1] - below) * right
    above += (below - above) * down
    return above.reshape(count, side, side), inside.reshape(count, side, side).astype(np.float32)


def _refined(pictures: Array, second: Array, maps: Array, steps: int) -> Array:
    """Maps refined by Gauss-Newton steps that minimize the difference of the images, up to a gain."""
    count, side = len(pictures), pictures.shape[1]
    columns, rows, _ = _grid(side)
    still = pictures.reshape(count, -1)
    down, right = (part.reshape(count, -1) for part in np.gradient(pictures, axis=(1, 2)))
    slopes = np.stack([right * columns, right * rows, right, down * columns, down * rows, down], axis=1)
    normal = slopes @ slopes.transpose(0, 2, 1)
    ridge = 1e-3 * np.trace(normal, axis1=1, axis2=2)[:, None, None] / 6 + 1e-3
    normal += ridge * np.diag([1, 1, 0.01, 1, 1, 0.01]).astype(np.float32)
    solve = np.linalg.inv(normal) @ slopes
    last = np.broadcast_to(np.array([0, 0, 1], np.float32), (count, 1, 3))
    for _ in range(steps):
        warped, inside = _warped(second, maps)
        moved, weight = warped.reshape(count, -1), inside.reshape(count, -1)
        size = weight.sum(axis=1, keepdims=True) + 1e-6
        moved = (moved - (moved * weight).sum(axis=1, keepdims=True) / size) * weight
        centred = (still - (still * weight).sum(axis=1, keepdims=True) / size) * weight
        gain = (moved * centred).sum(axis=1) / ((moved**2).sum(axis=1) + 1e-6)
        step = (solve @ (gain[:, None] * moved - centred)[:, :, None]).reshape(count, 2, 3)
        step[:, :, 2] = np.clip(step[:, :, 2], -2, 2)
        step[:, :, :2] = np.clip(step[:, :, :2], -0.06, 0.06)
        change = np.concatenate([step + np.eye(2, 3, dtype=np.float32), last], axis=1)
        maps = np.concatenate([maps, last], axis=1) @ np.linalg.inv(change)
        maps = maps[:, :2]
    return maps


def _correlation(pictures: Array, second: Array, inside: Array) -> Array:
    """The absolute correlation of whole images over their common area, so that inverted images match too."""
    size = inside.sum(axis=(1, 2), keepdims=True) + 1e-6
    one, other = (
        (part - (part * inside).sum(axis=(1, 2), keepdims=True) / size) * inside for part in (pictures, second)
    )
    norm = np.sqrt((one * one).sum(axis=(1, 2)) * (other * other).sum(axis=(1, 2))) + 1e-6
    return np.asarray(abs((one * other).sum(axis=(1, 2))) / norm)


def _agreement(pictures: Array, second: Array, inside: Array) -> Array:
    """The absolute mean local correlation of detail, over pixels with detail; inverted images match too."""
    from scipy.ndimage import gaussian_filter, uniform_filter

    def around(values: Array) -> Array:
        return np.asarray(uniform_filter(uniform_filter(values, (0, 7, 7), mode="nearest"), (0, 7, 7), mode="nearest"))

    one, other = ((part - gaussian_filter(part, (0, 1.5, 1.5), mode="nearest")) * inside for part in (pictures, second))
    weight = around(inside) + 1e-3
    first, both = around(one) / weight, around(other) / weight
    spread = np.maximum(around(one * one) / weight - first**2, 0)
    other_spread = np.maximum(around(other * other) / weight - both**2, 0)
    shared = around(one * other) / weight - first * both
    correlation = shared / np.sqrt((spread + 0.3) * (other_spread + 0.3))
    counted = inside * (weight > 0.8) * (np.maximum(spread, other_spread) > 0.7)
    size = counted.sum(axis=(1, 2))
    enough = size > 0.15 * SIDE * SIDE
    return np.asarray(np.where(enough, abs((correlation * counted).sum(axis=(1, 2))) / (size + 1e-6), 0))
