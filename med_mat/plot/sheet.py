"""The contact sheet: rows of thumbnails, each with its label and id, and a legend of label colors below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from med_mat.errors import PlotError
from med_mat.plot.style import Theme, font, one_line, theme_of
from med_mat.plot.thumbnails import square
from med_mat.tags import Positions

if TYPE_CHECKING:
    import datasets

# pixels
_MARGIN = 10
_LINE = 16


def contact_sheet(
    dataset: datasets.Dataset | datasets.IterableDataset,
    *,
    columns: int = 6,
    limit: int = 24,
    boxes: bool = True,
    masks: bool = True,
    side: int = 192,
    theme: str = "light",
) -> Image.Image:
    """Thumbnails of records with boxes and masks, each with its label and id below.

    Only the records shown are read and decoded. A record whose pixels are missing or unreadable gets an empty tile that
    says so.

    Args:
        dataset: Records of :mod:`med_mat.schema`. Of its columns, these are used if present: image, mask, mask_legend,
            boxes (corners in pixels of the displayed image, EXIF orientation applied), label, labels, id.
        columns: Number of thumbnails per line.
        limit: Maximum number of records: evenly spaced for a ``Dataset``, the first ones for an ``IterableDataset``.
        boxes: Whether to draw boxes.
        masks: Whether to draw masks: a translucent color for each label, with an outline. Colors repeat after seven
            labels; each caption names the labels of its record.
        side: Side of a thumbnail's square in pixels; small images are enlarged.
        theme: "light" or "dark".

    Raises:
        PlotError: There is no record, a size is below 1, or the theme is unknown.
    """
    import datasets

    look = theme_of(theme)
    if min(columns, limit, side) < 1:
        raise PlotError("A contact sheet needs columns, limit and side of at least 1.")
    for name in {"image", "mask"} & set(dataset.column_names or ()):
        dataset = dataset.cast_column(name, datasets.Image(decode=False))  # decoded below, one by one
    wanted = {"image", "mask", "mask_legend", "boxes", "label", "labels", "id"}
    dataset = dataset.select_columns([name for name in dataset.column_names or () if name in wanted])
    if isinstance(dataset, datasets.IterableDataset):
        records = list(dataset.take(limit))
    else:
        records = [dataset[int(position)] for position in spread(np.arange(len(dataset)), limit)]
    if not records:
        raise PlotError("There is no record for a contact sheet: select more records.")
    colors: dict[str, str] = {}
    squares = [square(record, side, look, colors=colors, boxes=boxes, masks=masks) for record in records]
    return _sheet(squares, [_caption(record) for record in records], min(columns, len(records)), colors, look)


def spread(positions: Positions, limit: int) -> Positions:
    """At most ``limit`` of the positions, evenly spaced, including the first and the last."""
    if len(positions) <= limit:
        return positions
    return positions[np.linspace(0, len(positions) - 1, limit).astype(np.int64)]


def _caption(record: Mapping[str, Any]) -> tuple[str, str]:
    """The two lines below a thumbnail."""
    return record.get("label") or ", ".join(record.get("labels") or []) or "(no label)", record.get("id") or ""


def _sheet(
    squares: Sequence[Image.Image],
    captions: Sequence[tuple[str, str]],
    columns: int,
    colors: Mapping[str, str],
    look: Theme,
) -> Image.Image:
    """Lay out thumbnails with their captions, and the legend of label colors below."""
    side = squares[0].width
    step = side + _MARGIN, side + 2 * _LINE + _MARGIN + 6
    width = columns * step[0] + _MARGIN
    own = font()
    entries, x, y = [], _MARGIN, -(-len(squares) // columns) * step[1] + _MARGIN
    for label, color in colors.items():
        text = _fitted(label or "(no label)", min(width - 2 * _MARGIN, 300) - 18, own)
        if x > _MARGIN and x + 18 + own.getlength(text) > width - _MARGIN:
            x, y = _MARGIN, y + _LINE + 2
        entries.append((x, y, color, text))
        x += int(18 + own.getlength(text) + 16)
    sheet = Image.new("RGB", (width, y + (_LINE + _MARGIN if entries else 0)), look.paper)
    draw = ImageDraw.Draw(sheet)
    for number, (shown, (label, name)) in enumerate(zip(squares, captions, strict=True)):
        left, top = _MARGIN + number % columns * step[0], _MARGIN + number // columns * step[1]
        sheet.paste(shown, (left, top))
        draw.text((left, top + side + 4), _fitted(label, side, own), look.ink, own)
        text = _fitted(name, side, own, name.find("/") + 1)  # keeps the source and the end of the path
        draw.text((left, top + side + 4 + _LINE), text, look.quiet, own)
    for x, y, color, text in entries:
        draw.rectangle((x, y + 2, x + 11, y + 13), fill=color, outline=look.quiet)
        draw.text((x + 18, y), text, look.ink, own)
    return sheet


def _fitted(text: str, width: float, own: ImageFont.FreeTypeFont, head: int = -1) -> str:
    """A text truncated to a width in pixels: at its end, or after ``head`` characters."""
    line = one_line(text, 300)
    start, rest = line[: max(head, 0)], line[max(head, 0) :]
    fitted = line
    while rest and own.getlength(fitted) > width:
        rest = rest[:-1] if head < 0 else rest[1:]
        fitted = f"{rest.rstrip()}…" if head < 0 else f"{start}…{rest}"
    return fitted
