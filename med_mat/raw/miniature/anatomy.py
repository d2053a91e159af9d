"""Areas as shapes: how dense the tissue is at each pixel, and where a finding may lie.

Coordinates run from -1 to 1 in the body's own frame, which is shifted, scaled and turned for each image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from med_mat.raw.miniature.forms import soft

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]


class Anatomy(NamedTuple):
    """Two arrays of the shape of the coordinates."""

    density: Array  # 0 to 1
    inside: Array  # 0 to 1: where a finding may lie


def anatomy(area: str, x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    """The anatomy of an area; a plain surface for an area that is not one of the package.

    Args:
        area: such as "Brain".
        x: coordinates to the right, -1 to 1 in the body's frame.
        y: coordinates down.
        random: generator for what differs from image to image.
    """
    return _AREAS.get(area, _plain)(x, y, random)


def ellipse(x: Array, y: Array, across: float, down: float, wide: float, tall: float) -> Array:
    """1 inside, 0 outside, with a soft edge."""
    import numpy as np

    return soft(2 * (1 - np.hypot((x - across) / wide, (y - down) / tall)))


def _pair(x: Array, y: Array, away: float, wide: float, tall: float) -> Array:
    """Two ellipses, left and right."""
    return ellipse(abs(x), y, away, 0, wide, tall)


def _plain(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    import numpy as np

    lines = np.sin(18 * (x * np.cos(turn := random.uniform(0, 3.1)) + y * np.sin(turn)))
    return Anatomy(0.5 + 0.03 * lines, ellipse(x, y, 0, 0, 0.7, 0.7))


def _brain(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    inner = ellipse(x, y, 0, 0, 0.7, 0.82)
    density = 0.95 * ellipse(x, y, 0, 0, 0.8, 0.93) - 0.5 * inner
    return Anatomy(density - 0.22 * _pair(x, y, 0.15, 0.09, random.uniform(0.2, 0.32)), inner)


def _lung(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    lungs = _pair(x, y, 0.42, random.uniform(0.3, 0.36), random.uniform(0.55, 0.68))
    density = 0.6 * ellipse(x, y, 0, 0, 0.95, 0.85) - 0.42 * lungs
    return Anatomy(density + 0.25 * ellipse(x, y, 0, 0.6, 0.1, 0.12), lungs)


def _chest(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    import numpy as np

    body, lungs = ellipse(x, y, 0, 0.1, 0.95, 1.1), _pair(x, y, 0.42, 0.32, 0.7)
    heart = ellipse(x, y, random.uniform(0.08, 0.18), 0.25, 0.32, 0.36)
    ribs = 0.06 * np.sin(15 * (y + 0.2 * abs(x)))
    density = body * (0.55 + ribs) - 0.32 * lungs + 0.25 * heart + 0.2 * soft(3 * (0.08 - abs(x)))
    return Anatomy(density, lungs)


def _breast(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    breast = ellipse(x, y, -1, 0, random.uniform(1.4, 1.7), 0.92)
    return Anatomy(breast * (0.35 + 0.15 * ellipse(x, y, -0.4, 0, 0.6, 0.5)), breast * soft(2 * (x + 0.8)))


def _bones(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    import numpy as np

    wide = 0.2 + 0.16 * np.exp(-(((abs(y) - 0.12) / 0.2) ** 2))
    bones = soft(3 * (wide - abs(x))) * soft(4 * (abs(y) - random.uniform(0.04, 0.08)))
    return Anatomy(0.22 * soft(2 * (0.62 - abs(x))) + 0.5 * bones, bones)


def _kidney(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    kidneys = _pair(x, y, 0.45, 0.27, random.uniform(0.42, 0.55))
    hilum = _pair(x, y, 0.27, 0.12, 0.18)
    return Anatomy(0.25 * ellipse(x, y, 0, 0, 0.97, 0.85) + 0.35 * kidneys - 0.25 * hilum, kidneys)


def _liver(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    liver = ellipse(x, y, -0.25, -0.1, random.uniform(0.6, 0.7), 0.55) * soft(2 * (0.45 - y - 0.5 * x))
    return Anatomy(
        0.28 * ellipse(x, y, 0, 0, 0.97, 0.82) + 0.32 * liver + 0.3 * ellipse(x, y, 0, 0.6, 0.12, 0.12), liver
    )


def _fundus(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    import numpy as np

    density = 0.5 + 0.4 * ellipse(x, y, side := random.choice((-0.45, 0.45)), 0, 0.14, 0.16)
    for bend in random.uniform(0.25, 0.7, 4) * (1, 1, -1, -1):
        path = bend * np.sqrt(abs(x - side) + 1e-3)
        density = density - 0.2 * np.exp(-(((y - path) / 0.035) ** 2))
    return Anatomy(np.asarray(density), ellipse(x, y, 0, 0, 0.65, 0.65))


def _retina(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    import numpy as np

    line = y - 0.12 * np.cos(random.uniform(2, 4) * x) + 0.08
    density = np.full_like(line, 0.12)
    for at, value in ((-0.3, 0.55), (-0.14, 0.3), (0.02, 0.4), (0.2, 0.75)):
        density = density + value * np.exp(-(((line - at) / 0.075) ** 2))
    return Anatomy(density, soft(2 * (0.38 - abs(line))))


def _intestine(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    import numpy as np

    r, angle = np.hypot(x, y), np.arctan2(y, x)
    folds = 0.1 * np.cos(random.uniform(11, 15) * r + 2 * np.sin(angle))
    return Anatomy(0.55 - 0.42 * np.exp(-((r / 0.32) ** 2)) + folds, soft(2 * (r - 0.35)) * soft(2 * (0.8 - r)))


def _bladder(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    wall, lumen = ellipse(x, y, 0, 0, 0.85, 0.78), ellipse(x, y, 0, 0, 0.66, random.uniform(0.5, 0.6))
    return Anatomy(0.35 + 0.3 * wall - 0.2 * lumen, wall)


def _cervix(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    cervix = ellipse(x, y, 0, 0, 0.75, 0.7)
    return Anatomy(0.35 + 0.25 * cervix - 0.4 * ellipse(x, y, 0, 0, random.uniform(0.15, 0.28), 0.06), cervix)


def _mouth(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    import numpy as np

    arch = y - 0.35 * x**2 + 0.1
    teeth = soft(2 * (0.3 - abs(arch))) * soft(1.5 * (np.cos(random.uniform(11, 14) * x) + 0.7))
    return Anatomy(0.4 + 0.42 * teeth, soft(2 * (0.6 - abs(arch))) * soft(2 * (0.8 - abs(x))))


def _cell(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    import numpy as np

    density = np.full_like(x, 0.12)
    for across, down in random.uniform(-0.95, 0.95, (12, 2)):
        radius = random.uniform(0.14, 0.22)
        body = ellipse(x, y, across, down, radius, radius * random.uniform(0.8, 1.2))
        density = np.maximum(density, 0.4 * body + 0.18 * ellipse(x, y, across, down, radius / 2, radius / 2))
    return Anatomy(density, ellipse(x, y, 0, 0, 0.75, 0.75))


def _thyroid(x: Array, y: Array, random: np.random.Generator) -> Anatomy:
    lobes = _pair(x, y, 0.36, random.uniform(0.22, 0.28), 0.45)
    return Anatomy(
        0.3 + 0.3 * lobes + 0.12 * ellipse(x, y, 0, -0.1, 0.3, 0.1) - 0.2 * ellipse(x, y, 0, 0.3, 0.2, 0.2), lobes
    )


_AREAS: Mapping[str, Callable[[Array, Array, np.random.Generator], Anatomy]] = MappingProxyType(
    {
        "Bladder": _bladder,
        "Bones": _bones,
        "Brain": _brain,
        "Breast": _breast,
        "Cell": _cell,
        "Cervix": _cervix,
        "Chest": _chest,
        "Fundus": _fundus,
        "Intestine": _intestine,
        "Kidney": _kidney,
        "Liver": _liver,
        "Lung": _lung,
        "Mouth": _mouth,
        "Retina": _retina,
        "Skin": _plain,
        "Thyroid": _thyroid,
    }
)
