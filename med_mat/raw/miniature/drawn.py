"""Synthetic image content: arrays, boxes and shapes derived from a seed text.

What images show, where that is known: :mod:`med_mat.raw.miniature.look`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from med_mat.errors import ReadError
from med_mat.raw.miniature.look import Look
from med_mat.raw.miniature.rendering import scene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

Shape = Literal["ellipse", "rectangle", "ring"]
Color = tuple[int, int, int]
Size = tuple[int, int]  # width, height
Place = tuple[int, int, int, int]  # left, top, right, bottom, in pixels

SIZE: Size = (96, 80)  # default size


def generator(seed: str) -> np.random.Generator:
    """A random generator seeded by a text."""
    import numpy as np

    return np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))


def texture(size: Size, seed: str, *, color: bool, look: Look | None = None) -> NDArray[Any]:
    """Values in 0 to 1, (rows, columns) or (rows, columns, 3).

    Args:
        size: width and height.
        seed: what differs from image to image is derived from it.
        color: whether there are three channels.
        look: what the image shows; None: blobs under a dark rim, with speckle.
    """
    import numpy as np

    random = generator(f"picture {seed}")
    if look is not None:
        return scene(size, look, random, color=color)
    width, height = size
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    drawn = np.full((height, width), random.uniform(0.25, 0.4))
    for _ in range(6):
        across, down = random.uniform(-0.8, 0.8, 2)
        narrow, tall = random.uniform(0.12, 0.6, 2)
        drawn += random.uniform(-0.35, 0.5) * np.exp(-(((x - across) / narrow) ** 2) - ((y - down) / tall) ** 2)
    drawn *= 1 + 0.12 * random.standard_normal((height, width))  # speckle grows with the signal
    drawn *= 1 - 0.45 * np.clip((x**2 + y**2) / 2, 0, 1)
    drawn = np.asarray(np.clip(drawn, 0, 1))
    if not color:
        return drawn
    tint = np.array([0.95, random.uniform(0.45, 0.75), random.uniform(0.4, 0.8)])
    return np.asarray(np.clip(drawn[..., np.newaxis] * tint + 0.12 * random.random(3), 0, 1))


def blank(size: Size, *, color: bool) -> NDArray[Any]:
    """The same, uniformly gray."""
    import numpy as np

    return np.full((size[1], size[0], 3) if color else (size[1], size[0]), 0.5)


def place(size: Size, seed: str) -> Place:
    """The box derived from a seed text, with sides from a quarter to nearly half of the image's."""
    width, height = size
    random = generator(f"place {seed}")
    across, down = (max(1, round(length * random.uniform(0.25, 0.45))) for length in size)
    left = int(random.integers(0, width - across + 1))
    top = int(random.integers(0, height - down + 1))
    return left, top, left + across, top + down


def filled(
    size: Size,
    seed: str,
    *,
    shape: Shape = "ellipse",
    value: int = 255,
    background: int = 0,
    dtype: DTypeLike = "uint8",
    empty: bool = False,
) -> NDArray[Any]:
    """An array (rows, columns) in which one shape, in the box of a seed text, has a value; ``empty`` omits it."""
    import numpy as np

    values = np.full((size[1], size[0]), background, dtype)
    if not empty:
        values[inside(size, place(size, seed), shape)] = value
    return values


def side_by_side(
    size: Size,
    seed: str,
    values: Sequence[int] | Sequence[Color],
    *,
    background: int | Color = 0,
    dtype: DTypeLike = "uint8",
) -> NDArray[Any]:
    """An array (rows, columns), or (rows, columns, 3) for colors, with an ellipse for every value."""
    import numpy as np

    drawn = np.full((size[1], size[0], *np.shape(background)), background, dtype)
    for value, box in zip(values, columns(size, len(values), seed), strict=True):
        drawn[inside(size, box, "ellipse")] = value
    return drawn


def inside(size: Size, box: Place, shape: Shape) -> NDArray[np.bool_]:
    """The pixels covered by a shape that fills a box, (rows, columns) of bool."""
    import numpy as np

    left, top, right, bottom = box
    y, x = np.ogrid[0.5 : size[1], 0.5 : size[0]]
    across = (x - (left + right) / 2) / ((right - left) / 2)
    down = (y - (top + bottom) / 2) / ((bottom - top) / 2)
    if shape == "rectangle":
        return (abs(across) <= 1) & (abs(down) <= 1)
    distance = across**2 + down**2
    full: NDArray[np.bool_] = distance <= 1
    return full & (distance > 0.3) if shape == "ring" else full


def columns(size: Size, count: int, seed: str) -> list[Place]:
    """``count`` boxes side by side."""
    width, height = size
    if count > width:
        raise ReadError(
            f"{count} values do not fit side by side in a picture {width} pixels wide: pass a larger size=…."
        )
    edges = [round(number * width / max(count, 1)) for number in range(count + 1)]
    down = int(generator(f"columns {seed}").integers(0, height // 3 + 1))
    return [(left, down, right, down + max(1, height // 2)) for left, right in pairwise(edges)]
