"""The label distribution."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from med_mat.errors import PlotError
from med_mat.plot.canvas import blank, box, settings, write
from med_mat.plot.style import counted, one_line, theme_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST_TEXT = 44  # characters
_LONGEST_BAR = 4.4  # inches


def label_balance(
    counts: Mapping[str, int],
    *,
    against: Mapping[str, int] | None = None,
    limit: int = 30,
    title: str = "Records per label",
    sides: tuple[str, str] = ("train", "test"),
    theme: str = "light",
) -> Figure:
    """A bar per label, the most frequent first; with ``against`` two bars, each the label's share of its side.

    Args:
        counts: Number of records per label.
        against: The same for another side.
        limit: Maximum number of labels; the others are summarized in a line below.
        title: Title of the figure.
        sides: Names of ``counts`` and ``against``.
        theme: "light" or "dark".

    Raises:
        PlotError: Nothing to plot, a limit below 1, or an unknown theme.
        MissingExtraError: matplotlib is not installed.
    """
    look = theme_of(theme)
    given = [counts] if against is None else [counts, against]
    if limit < 1:
        raise PlotError("A picture of labels needs a limit of at least 1.")
    sums = {label: sum(side.get(label, 0) for side in given) for label in itertools.chain(*given)}
    ranked = sorted((label for label in sums if sums[label]), key=lambda label: (-sums[label], label))
    if not ranked:
        raise PlotError("There is no label to draw: choose records that have labels.")
    shown, rest = ranked[:limit], ranked[limit:]
    two = len(given) == 2
    names = [one_line(name, 12) for name in sides]
    totals = [sum(side.values()) for side in given]
    times = [counted(total, "time") for total in totals]
    given_to = [f"{time} in {name}" for time, name in zip(times, names, strict=True)] if two else times
    summary = f"{counted(len(ranked), 'label')}, given {' and '.join(given_to)}"
    scales = [max(total, 1) for total in totals] if two else [1]
    longest = max(side.get(label, 0) / scale for side, scale in zip(given, scales, strict=True) for label in shown)
    texts = [one_line(label, _LONGEST_TEXT) for label in shown]
    step, thickness, top = (0.37, 0.14, 1.0) if two else (0.27, 0.18, 0.75)
    left, bottom = 0.3 + 0.072 * max(map(len, texts)), top + step * len(shown)
    width, height = max(left + _LONGEST_BAR + 0.7, 6.6), bottom + (0.4 if rest else 0.15)
    with settings():
        figure, axes = blank(width, height, title, summary, look)
        if two:
            for x, name, color in zip((0.15, 1.3), names, look.sides, strict=True):
                box(axes, x, 0.7, 0.2, 0.14, color)
                write(axes, x + 0.27, 0.77, name, look.ink, 8.5)
            write(axes, 2.5, 0.77, "bars: share of all labels given on that side; numbers: records", look.quiet, 8.5)
        axes.plot([left, left], [top - 0.03, bottom], color=look.line, linewidth=1)
        for line, (label, text) in enumerate(zip(shown, texts, strict=True)):
            y = top + step * (line + 0.5)
            write(axes, left - 0.1, y, text, look.ink, 8.5, ha="right")
            for number, (side, scale) in enumerate(zip(given, scales, strict=True)):
                count, middle = side.get(label, 0), y + (number - (len(given) - 1) / 2) * (thickness + 0.02)
                length = _LONGEST_BAR * count / scale / longest
                box(axes, left, middle - thickness / 2, length, thickness, look.sides[number])
                write(axes, left + length + 0.07, middle, f"{count:,}", look.ink, 7.5)
        if rest:
            more = f"… and {counted(len(rest), 'more label')}, given {counted(sum(sums[one] for one in rest), 'time')}"
            write(axes, left, bottom + 0.2, more, look.quiet, 8.5)
    return figure
