"""The forms of findings, as values from 0 to 1 in a square of coordinates from -1 to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from med_mat.raw.miniature.look import Finding

    Array = NDArray[Any]

_SHARP = 9.0  # how steep edges are


def soft(values: Array) -> Array:
    """1 where values are positive, 0 where they are negative, with a soft edge."""
    import numpy as np

    return np.asarray(1 / (1 + np.exp(-np.clip(_SHARP * values, -30, 30))))


def drawn(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    """A finding, 0 to 1, of the shape of the coordinates.

    Args:
        finding: what to draw.
        x: coordinates to the right, -1 to 1 in the square of the finding.
        y: coordinates down.
        random: generator for the positions of parts.
    """
    import numpy as np

    form = np.asarray(_FORMS[finding.form](finding, x, y, random))
    return np.asarray(np.clip(form * _texture(finding, x, y), 0, 1))


def _texture(finding: Finding, x: Array, y: Array) -> Array:
    import numpy as np

    match finding.variant.texture:
        case "striped":
            return np.asarray(0.75 + 0.25 * np.sin(10 * (x + y)))
        case "dotted":
            return np.asarray(0.75 + 0.25 * np.sin(9 * x) * np.sin(9 * y))
        case _:
            return np.ones_like(x)


def _tumor(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    """A star with a dark core, and small stars beside it."""
    import numpy as np

    def star(x: Array, y: Array, turn: float) -> Array:
        r, angle = np.hypot(x, y), np.arctan2(y, x)
        edge = 0.62 + 0.26 * np.cos(finding.variant.lobes * angle + turn)
        return np.asarray(soft(2 * (edge - r)) - 0.85 * np.exp(-((r / 0.24) ** 2)))

    values = star(x, y, random.uniform(0, 6.3))
    for _ in range(finding.variant.satellites):
        angle = random.uniform(0, 6.3)
        values = np.maximum(values, star(*_at(x, y, angle, 1.05, 0.35), angle))
    return values


def _benign(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    """A smooth oval with a bright rim."""
    import numpy as np

    r = np.hypot(x / 0.85, y / 0.6)
    values = 0.4 * soft(1 - r) + 0.6 * np.exp(-(((r - 0.95) / 0.13) ** 2))
    for _ in range(finding.variant.satellites):
        a, b = _at(x, y, random.uniform(0, 6.3), 1.1, 0.3)
        values = np.maximum(values, 0.8 * soft(1 - np.hypot(a, b)))
    return np.asarray(values)


def _patches(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    """Hazy patches."""
    return _spots(x, y, random.uniform(-0.8, 0.8, (finding.variant.lobes + 2, 2)), 0.24)


def _grains(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    """Small sharp grains."""
    return 1.6 * _spots(x, y, random.uniform(-0.7, 0.7, (finding.variant.lobes, 2)), 0.1)


def _dots(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    """As many dots as the grade, in rows."""
    import numpy as np

    side = max(2, int(np.ceil(np.sqrt(finding.count))))
    cells = random.permutation(side * side)[: finding.count]
    at = (np.column_stack(np.divmod(cells, side)) + 0.5) / side * 2 - 1
    return 1.3 * _spots(x, y, at, 0.42 / side)


def _crack(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    """A zigzag line."""
    import numpy as np

    zigzag = 0.3 * np.arcsin(np.sin(finding.variant.lobes * x + random.uniform(0, 6.3)))
    return np.asarray(soft(3 * (0.14 - abs(y - zigzag))) * soft(1 - abs(x)))


def _crescent(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    import numpy as np

    return np.asarray(soft(2 * (0.9 - np.hypot(x, y))) * soft(2 * (np.hypot(x - 0.45, y) - 0.75)))


def _ring(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    import numpy as np

    return np.asarray(np.exp(-(((np.hypot(x, y) - 0.65) / 0.16) ** 2)))


def _cross(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    import numpy as np

    arms = np.minimum(abs(x), abs(y))
    return soft(2 * (0.2 - arms)) * soft(2 * (0.85 - np.maximum(abs(x), abs(y))))


def _bars(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    import numpy as np

    return soft(0.5 * np.sin(8 * y)) * soft(2 * (0.85 - np.hypot(x, y)))


def _triangle(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    import numpy as np

    return soft(2 * (0.55 - np.maximum(y, abs(x) * 0.87 - y / 2)))


def _checkers(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    import numpy as np

    return soft(0.6 * np.sin(6 * x) * np.sin(6 * y)) * soft(2 * (0.85 - np.maximum(abs(x), abs(y))))


def _disk(finding: Finding, x: Array, y: Array, random: np.random.Generator) -> Array:
    import numpy as np

    return soft(2 * (0.75 - np.hypot(x, y)))


def _spots(x: Array, y: Array, centers: Array, radius: float) -> Array:
    import numpy as np

    values = np.zeros_like(x)
    for across, down in centers:
        values = np.maximum(values, np.exp(-((x - across) ** 2 + (y - down) ** 2) / radius**2))
    return values


def _at(x: Array, y: Array, angle: float, far: float, scale: float) -> tuple[Array, Array]:
    """Coordinates of a smaller square beside this one."""
    import numpy as np

    return (x - far * np.cos(angle)) / scale, (y - far * np.sin(angle)) / scale


_FORMS = {
    "tumor": _tumor,
    "benign": _benign,
    "patches": _patches,
    "grains": _grains,
    "dots": _dots,
    "crack": _crack,
    "crescent": _crescent,
    "ring": _ring,
    "cross": _cross,
    "bars": _bars,
    "triangle": _triangle,
    "checkers": _checkers,
    "disk": _disk,
}
