"""Modalities as renderings: what a density of tissue looks like in an image of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from med_mat.raw.miniature.anatomy import anatomy, ellipse
from med_mat.raw.miniature.forms import drawn, soft
from med_mat.raw.miniature.look import Finding, Fractions, Look, finding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

_STRENGTH = 0.55  # of a finding, in density
_FINDINGS = 3  # that are drawn at most: more would cover each other

#: Color modality -> its colors at density 0 and 1.
_COLORS: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = MappingProxyType(
    {
        "Co": ((0.40, 0.10, 0.20), (1.00, 0.80, 0.85)),
        "Der": ((0.35, 0.20, 0.18), (1.00, 0.85, 0.78)),
        "DP": ((0.25, 0.10, 0.10), (1.00, 0.95, 0.85)),
        "End": ((0.20, 0.02, 0.03), (1.00, 0.65, 0.55)),
        "FP": ((0.15, 0.03, 0.02), (1.00, 0.75, 0.35)),
        "Mic": ((1.00, 0.97, 1.00), (0.35, 0.10, 0.45)),  # bright field: what is dense is dark
    }
)


def scene(size: tuple[int, int], look: Look, random: np.random.Generator, *, color: bool) -> Array:
    """The image of a look, values 0 to 1: (rows, columns), or (rows, columns, 3) if ``color``.

    Args:
        size: width and height.
        look: what it shows.
        random: generator for what differs from image to image.
        color: whether the file has colors; a color modality in a gray file is its luminance.
    """
    import numpy as np

    width, height = size
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    density, inside = anatomy(look.area, *_bent(*_turned(x, y, *_pose(random)), random), random)
    for _ in range(8):  # no two bodies are alike, and no near-duplicates of each other
        across, down = random.uniform(-0.9, 0.9, 2)
        narrow, tall = random.uniform(0.15, 0.6, 2)
        blob = np.exp(-(((x - across) / narrow) ** 2) - ((y - down) / tall) ** 2)
        density = density * (1 + random.uniform(-0.6, 0.6) * blob) + random.uniform(0, 0.1) * blob
    there = [(one, place) for label, place in look.present if (one := finding(label)) is not None]
    (own,) = random.spawn(1)  # so that nothing else depends on what is found
    for one, place in there[:_FINDINGS]:
        density = density + _placed(one, place or _somewhere(inside, x, y, own), x, y, own)
    density = np.clip(density * random.uniform(0.85, 1.1) + random.uniform(-0.04, 0.06), 0, 1)
    noise = random.standard_normal((height, width))
    if look.modality in _COLORS:
        image = _colored(look.modality, density, noise, x, y, random)
        return np.asarray(image if color else image.mean(axis=2))
    gray = np.clip(_GRAYS.get(look.modality, _plain)(density, noise, x, y, random), 0, 1)
    return np.asarray(np.repeat(gray[..., np.newaxis], 3, axis=2) if color else gray)


def _pose(random: np.random.Generator) -> tuple[float, float, float, float]:
    """Shift to the right and down, scale, and rotation in radians."""
    across, down = random.uniform(-0.15, 0.15, 2)
    return float(across), float(down), float(random.uniform(0.8, 1.15)), float(random.uniform(-0.4, 0.4))


def _turned(x: Array, y: Array, across: float, down: float, scale: float, turn: float) -> tuple[Array, Array]:
    import numpy as np

    x, y = (x - across) / scale, (y - down) / scale
    return x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)


def _bent(x: Array, y: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """The same coordinates in a body that is bent."""
    import numpy as np

    waves, starts = random.uniform(1.5, 5, 2), random.uniform(0, 6.3, 2)
    return x + 0.12 * np.sin(waves[0] * y + starts[0]), y + 0.14 * np.sin(waves[1] * x + starts[1])


def _somewhere(inside: Array, x: Array, y: Array, random: np.random.Generator) -> Fractions:
    """A box whose middle lies in the anatomy."""
    import numpy as np

    there = np.flatnonzero(inside > 0.6)
    at = int(random.choice(there)) if there.size else inside.size // 2
    half = random.uniform(0.13, 0.19)
    across, down = (float(np.clip((axis.flat[at] + 1) / 2, half, 1 - half)) for axis in (x, y))
    return across - half, down - half, across + half, down + half


def _placed(one: Finding, place: Fractions, x: Array, y: Array, random: np.random.Generator) -> Array:
    """What a finding adds to the density."""
    left, top, right, bottom = (2 * edge - 1 for edge in place)
    wide, tall = max(right - left, 1e-3) / 2, max(bottom - top, 1e-3) / 2
    across, down = (x - (left + right) / 2) / wide, (y - (top + bottom) / 2) / tall
    across, down = _turned(across, down, 0, 0, 1, random.uniform(0, 6.3))
    return (_STRENGTH if one.bright else -_STRENGTH) * drawn(one, across, down, random)


def _plain(density: Array, noise: Array, x: Array, y: Array, random: np.random.Generator) -> Array:
    return density + 0.03 * noise


def _ct(density: Array, noise: Array, x: Array, y: Array, random: np.random.Generator) -> Array:
    """A round field of view with little noise."""
    return (density + 0.03 * noise) * ellipse(x, y, 0, 0, 1.02, 1.02)


def _mri(density: Array, noise: Array, x: Array, y: Array, random: np.random.Generator) -> Array:
    """More contrast, brighter on one side, and noise that is never negative."""
    import numpy as np

    bias = 1 + random.uniform(-0.3, 0.3) * x + random.uniform(-0.3, 0.3) * y
    return np.asarray(abs(density**1.3 * bias + 0.035 * noise))


def _xray(density: Array, noise: Array, x: Array, y: Array, random: np.random.Generator) -> Array:
    """A projection: pale, with a veil and the noise of few photons."""
    return 0.18 + 0.72 * density + random.uniform(-0.12, 0.12) * y + 0.06 * noise * (0.4 + density)


def _us(density: Array, noise: Array, x: Array, y: Array, random: np.random.Generator) -> Array:
    """A fan with speckle, darker with depth."""
    import numpy as np

    depth = np.hypot(x, y + 1.35)
    fan = soft(3 * (2.3 - depth)) * soft(3 * (0.75 - abs(np.arctan2(x, y + 1.35)))) * soft(3 * (depth - 0.35))
    return np.asarray((0.08 + density) * (1 + 0.3 * noise) * np.exp(-0.25 * depth) * fan * 1.2)


def _oct(density: Array, noise: Array, x: Array, y: Array, random: np.random.Generator) -> Array:
    """Speckle, and light that fades with depth."""
    import numpy as np

    return 0.05 + density * (1 + 0.25 * noise) * np.exp(-0.3 * (y + 1))


def _colored(modality: str, density: Array, noise: Array, x: Array, y: Array, random: np.random.Generator) -> Array:
    import numpy as np

    r = np.hypot(x, y)
    if modality in ("End", "Der", "Co"):
        density = density * (1.1 - {"End": 0.45, "Der": 0.2, "Co": 0.3}[modality] * r**2)
    if modality == "DP":
        density = density * (1 + random.uniform(-0.25, 0.25) * x + random.uniform(-0.25, 0.25) * y)
    low, high = (np.array(one) + random.uniform(-0.03, 0.03, 3) for one in _COLORS[modality])
    image = low + (high - low) * np.clip(density + 0.03 * noise, 0, 1)[..., np.newaxis]
    if modality == "FP":
        image = image * soft(4 * (0.97 - r))[..., np.newaxis]
    if modality in ("End", "Co"):  # reflections of the lamp
        for across, down in random.uniform(-0.6, 0.6, (3, 2)):
            image = image + 0.6 * np.exp(-((x - across) ** 2 + (y - down) ** 2) / 0.002)[..., np.newaxis]
    return np.asarray(np.clip(image, 0, 1))


_GRAYS: Mapping[str, Callable[[Array, Array, Array, Array, np.random.Generator], Array]] = MappingProxyType(
    {"CT": _ct, "MRI": _mri, "OCT": _oct, "US": _us, "X-ray": _xray}
)
