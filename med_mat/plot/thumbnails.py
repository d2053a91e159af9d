"""One record as a square thumbnail: its image with boxes and masks."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from med_mat.imaging.opened import pillow
from med_mat.imaging.windowing import Plane, to_8_bit
from med_mat.plot.style import PALETTE, Theme, font, theme_of


def thumbnail(record: Mapping[str, Any], *, side: int = 192, theme: str = "light") -> Image.Image:
    """One record with its boxes and masks, fitted into a square.

    Args:
        record: A record as returned by :meth:`med_mat.dataset.MedMAT.read`, with its images as bytes.
        side: Side of the square in pixels.
        theme: "light" or "dark".

    Raises:
        PlotError: The theme is unknown.
    """
    return square(record, side, theme_of(theme), colors={})


def square(
    record: Mapping[str, Any],
    side: int,
    look: Theme,
    *,
    colors: dict[str, str],
    boxes: bool = True,
    masks: bool = True,
) -> Image.Image:
    """A thumbnail in the colors of its labels; labels without a color in ``colors`` are assigned one."""
    paper = Image.new("RGB", (side, side), look.line)
    try:
        shown = _decoded(record.get("image"))
        mask = _decoded(record.get("mask")) if masks else None
        missing = "no pixels"
    except Exception as error:  # a decoder may raise anything on damaged bytes
        shown, missing = None, f"cannot be read:\n{type(error).__name__}"
    if shown is None:
        ImageDraw.Draw(paper).text((8, 8), missing, look.ink, font())
        return paper
    scale = min(side / shown.width, side / shown.height)
    size = (max(round(shown.width * scale), 1), max(round(shown.height * scale), 1))
    small = _flat(shown, look).resize(size, Image.Resampling.LANCZOS)
    if mask is not None:
        for label, region in _regions(mask, record.get("mask_legend") or [], size):
            _paint(small, region, _colored(label, colors))
    if boxes:
        factors = size[0] / shown.width, size[1] / shown.height
        for box in record.get("boxes") or []:
            _frame(small, box, factors, _colored(box["label"] or "", colors))
    paper.paste(small, ((side - size[0]) // 2, (side - size[1]) // 2))
    return paper


def _decoded(value: Mapping[str, Any] | None) -> Image.Image | None:
    """The image of a column, upright; None if it has no bytes (a path alone is not followed)."""
    if value is None or value["bytes"] is None:
        return None
    with pillow():
        opened = Image.open(io.BytesIO(value["bytes"]))
    opened.load()
    return ImageOps.exif_transpose(opened)


def _flat(shown: Image.Image, look: Theme) -> Image.Image:
    """As RGB: more than 8 bits are scaled, and transparent pixels show the background."""
    if shown.mode in ("F", "I") or shown.mode.startswith("I;16"):
        values = np.asarray(shown)
        return Image.fromarray(to_8_bit(Plane(values.astype(values.dtype.newbyteorder("="))), None)[0]).convert("RGB")
    if shown.mode in ("LA", "PA", "RGBA") or "transparency" in shown.info:
        clear = shown.convert("RGBA")
        paper = Image.new("RGBA", clear.size, look.paper)
        return Image.alpha_composite(paper, clear).convert("RGB")
    return shown.convert("RGB")


def _regions(
    mask: Image.Image, legend: Iterable[Mapping[str, Any]], size: tuple[int, int]
) -> Iterator[tuple[str, Image.Image]]:
    """Each label of a mask with its region at that size: gray values, 255 where it covers a pixel entirely."""
    values = np.asarray(mask)
    of_label: dict[str, list[int]] = {}
    for entry in legend:
        for label in entry["labels"]:
            of_label.setdefault(label, []).append(entry["value"])
    for label, numbers in of_label.items():
        covered = Image.fromarray(np.isin(values, numbers).astype(np.uint8) * 255)
        if covered.getbbox():
            yield label, covered.resize(size, Image.Resampling.BOX)


def _paint(small: Image.Image, region: Image.Image, color: str) -> None:
    """A region in a translucent color with an opaque outline, in place."""
    small.paste(color, mask=region.point(lambda gray: gray * 3 // 10))
    solid = region.point(lambda gray: 255 if gray >= 64 else 0)  # keeps thin vessels visible
    small.paste(color, mask=ImageChops.subtract(solid, solid.filter(ImageFilter.MinFilter(3))))


def _frame(small: Image.Image, box: Mapping[str, Any], factors: tuple[float, float], color: str) -> None:
    """The edges of a box in a color, with a dark outline that is visible on any image, in place."""
    draw = ImageDraw.Draw(small)
    left, right = sorted(float(np.clip(box[x] * factors[0], 0, small.width)) for x in ("xmin", "xmax"))
    top, bottom = sorted(float(np.clip(box[y] * factors[1], 0, small.height)) for y in ("ymin", "ymax"))
    corners = round(left), round(top), max(round(right) - 1, round(left)), max(round(bottom) - 1, round(top))
    draw.rectangle((corners[0] - 1, corners[1] - 1, corners[2] + 1, corners[3] + 1), outline="#000000")
    draw.rectangle(corners, outline=color, width=2)


def _colored(label: str, colors: dict[str, str]) -> str:
    return colors.setdefault(label, PALETTE[len(colors) % len(PALETTE)])
