"""The figure of a result or of a comparison: a point and an interval for each cell or arm, with chance as a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from med_mat.errors import PlotError
from med_mat.plot.canvas import blank, settings, write
from med_mat.plot.style import Theme, counted, one_line, theme_of
from med_mat.score import Comparison, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 4.4  # inches of the scale
_LONGEST_TEXT = 44  # characters
_STEP = 0.27
_TOP = 1.0


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    value: float
    low: float | None
    high: float | None
    beside: str
    runs: tuple[float, ...] = ()


def scores(shown: Result | Comparison, *, axis: str = "", limit: int = 40, theme: str = "light") -> Figure:
    """Scores with their 95 % intervals, one line each: the arms of a comparison, or the cells of a result.

    Args:
        shown: A result or a comparison.
        axis: Of a result: the axis of the cells, such as "label" (default: all figures, then triplets and labels).
        limit: Maximum number of lines.
        theme: "light" or "dark".

    Raises:
        PlotError: The result has no such axis, or the theme is unknown.
        MissingExtraError: matplotlib is not installed.
    """
    look = theme_of(theme)
    if isinstance(shown, Comparison):
        lines = [
            _Line(arm.name, arm.mean, arm.low, arm.high, counted(len(arm.seeds), "seed"), arm.seeds)
            for arm in shown.arms
        ]
        title, summary = f"{shown.target}: {shown.measure}", counted(shown.records, "question")
        chance = shown.chance
    else:
        lines, chance = _of_result(shown, axis), shown.section.chance
        title, summary = f"{shown.name}: {shown.section.measure}", counted(shown.figure.records, "question")
    rest, lines = len(lines) - limit, lines[:limit]
    texts = [one_line(line.text, _LONGEST_TEXT) for line in lines]
    left, bottom = 0.35 + 0.072 * max(map(len, texts)), _TOP + _STEP * len(lines)
    with settings():
        told = f"{summary}; 95 % intervals over groups{'' if rest <= 0 else f'; {rest} more are not shown'}"
        figure, axes = blank(max(left + _WIDTH + 1.3, 6.6), bottom + 0.55, title, told, look)
        _scale(axes, left, bottom, chance, look)
        for number, (line, text) in enumerate(zip(lines, texts, strict=True)):
            _draw(axes, left, _TOP + _STEP * (number + 0.5), line, text, look)
    return figure


def _of_result(shown: Result, axis: str) -> list[_Line]:
    section = shown.section
    wanted = (axis,) if axis else ("triplet", "label")
    cells = [cell for cell in section.cells if cell.axis in wanted]
    if axis and not cells:
        known = ", ".join(dict.fromkeys(cell.axis for cell in section.cells))
        raise PlotError(f"This result has no axis {axis!r}: {known}.")
    named = [] if axis else list(section.figures.items())
    return [
        _Line(name, one.value, one.low, one.high, f"n={one.records:,}")
        for name, one in (*named, *((cell.value, cell.figure) for cell in cells))
    ]


def _scale(axes: Axes, left: float, bottom: float, chance: float | None, look: Theme) -> None:
    """The scale from 0 to 1, and chance."""
    for step in range(0, 11, 2):
        x = left + _WIDTH * step / 10
        axes.plot([x, x], [_TOP - 0.05, bottom], color=look.line, linewidth=0.8)
        write(axes, x, bottom + 0.14, f"{step / 10:g}", look.quiet, 7.5, ha="center")
    if chance is not None:
        x = left + _WIDTH * chance
        axes.plot([x, x], [_TOP - 0.05, bottom], color=look.accent, linewidth=1.2, linestyle="--")
        write(axes, x, bottom + 0.36, f"chance {chance:.2f}", look.accent, 7.5, ha="center")


def _draw(axes: Axes, left: float, y: float, line: _Line, text: str, look: Theme) -> None:
    """One line: its name, interval, point, and number."""

    def place(value: float) -> float:
        return left + _WIDTH * min(max(value, 0.0), 1.0)

    write(axes, left - 0.12, y, text, look.ink, 8.5, ha="right")
    if line.low is not None and line.high is not None:
        axes.plot([place(line.low), place(line.high)], [y, y], color=look.sides[0], linewidth=2.2)
    if len(line.runs) > 1:
        xs = [place(one) for one in line.runs]
        axes.plot(xs, [y] * len(xs), linestyle="", marker="|", markersize=8, color=look.sides[1])
    axes.plot([place(line.value)], [y], linestyle="", marker="o", markersize=5, color=look.ink)
    write(axes, left + _WIDTH + 0.12, y, f"{line.value:.3f}  {line.beside}", look.quiet, 7.5)
