"""A report as a plot: for each target the accuracies of its arms, and beside them their differences from Baseline+."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from med_mat.errors import PlotError
from med_mat.experiment.definition import UNTRAINED
from med_mat.experiment.report import ArmFigures, Report, StudyFigures
from med_mat.experiment.statistics import Interval
from med_mat.plot.canvas import blank, settings, write
from med_mat.plot.style import PALETTE, Theme, one_line, theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEFT, _PANEL, _GAP = 2.9, 3.6, 0.6  # inches: names, each panel, between the panels
_LINE, _TARGET = 0.22, 0.34  # inches: an arm, and what a target has above its arms
_TOP = 1.25
_MOST = 60  # targets
#: Of the arms, the first with the strongest contrast; safe for color-blind readers.
_COLORS = (PALETTE[6], PALETTE[0], PALETTE[2], PALETTE[5], PALETTE[1], PALETTE[4])


def picture(report: Report, *, theme: str = "light") -> Figure:
    """Accuracies with their intervals on the left, differences on the right; controls are open gray circles.

    Args:
        report: The report.
        theme: "light" or "dark".

    Raises:
        PlotError: The report has no figures yet, or an unknown theme.
        MissingExtraError: matplotlib is not installed.
    """
    look = theme_of(theme)
    if not report.studies:
        raise PlotError("There is nothing to draw: no arm has figures yet.")
    shown = report.studies[:_MOST]
    colors = _colors(shown, look)
    lines = sum(len(study.arms) for study in shown)
    bottom = _TOP + len(shown) * _TARGET + lines * _LINE
    widest = max(abs(end) for one in _differences(shown) for end in (one.low, one.high))
    spread = max(math.ceil(10 * widest), 1) / 10
    summary = (
        f"{len(report.studies)} targets, seeds {', '.join(map(str, report.seeds))}; bars: 95 % intervals over groups"
    )
    with settings():
        figure, axes = blank(_LEFT + 2 * _PANEL + _GAP + 0.4, bottom + 0.65, report.title, summary, look)
        published = any(arm.published is not None for study in shown for arm in study.arms)
        _legend(axes, colors, bool(report.controls), published, look)
        first, second = _LEFT, _LEFT + _PANEL + _GAP
        for tick in range(0, 101, 25):
            _rule(axes, first + _PANEL * tick / 100, bottom, f"{tick} %", look)
        for part in (-1, 0, 1):
            _rule(axes, second + _PANEL * (part + 1) / 2, bottom, f"{100 * part * spread:+.0f}" if part else "0", look)
        write(axes, first + _PANEL / 2, bottom + 0.45, "accuracy", look.quiet, 8.5, ha="center")
        write(axes, second + _PANEL / 2, bottom + 0.45, "difference to Baseline+, points", look.quiet, 8.5, ha="center")
        y = _TOP
        for study in shown:
            write(axes, 0.15, y + _TARGET / 2, one_line(study.target, 60), look.ink, 9.5, weight="bold")
            height = _LINE * len(study.arms)
            if study.chance is not None:
                x = first + _PANEL * study.chance
                axes.plot([x, x], [y + _TARGET, y + _TARGET + height], color=look.quiet, linewidth=1, linestyle=":")
            for number, arm in enumerate(study.arms):
                middle = y + _TARGET + (number + 0.5) * _LINE
                label = f"{arm.arm} ({arm.train:,})" if arm.train else arm.arm
                write(axes, first - 0.15, middle, one_line(label, 34), look.ink, 8.5, ha="right")
                _marks(axes, arm, middle, first, second, spread, colors[arm.arm], look)
            y += _TARGET + height
    return figure


def _marks(
    axes: Axes, arm: ArmFigures, y: float, first: float, second: float, spread: float, color: str, look: Theme
) -> None:
    """The marks of an arm in both panels."""
    for control in arm.controls.values():
        _ring(axes, first + _PANEL * control.accuracy.value, y, look)
        if control.difference is not None:
            _ring(axes, second + _PANEL * _place(control.difference.value, spread), y, look)
    own = arm.own.accuracy
    _bar(axes, first + _PANEL * own.low, first + _PANEL * own.high, first + _PANEL * own.value, y, color)
    if arm.published is not None:
        x = first + _PANEL * arm.published
        axes.plot([x], [y], marker="d", markersize=5, color=look.ink, linestyle="none")
    if arm.own.difference is not None:
        one = arm.own.difference
        low, high, value = (second + _PANEL * _place(end, spread) for end in (one.low, one.high, one.value))
        _bar(axes, low, high, value, y, color)


def _place(value: float, spread: float) -> float:
    return (value / spread + 1) / 2


def _bar(axes: Axes, low: float, high: float, value: float, y: float, color: str) -> None:
    axes.plot([low, high], [y, y], color=color, linewidth=2.2, solid_capstyle="butt", alpha=0.55)
    axes.plot([value], [y], marker="o", markersize=5.5, color=color, linestyle="none")


def _ring(axes: Axes, x: float, y: float, look: Theme) -> None:
    axes.plot(
        [x], [y], marker="o", markersize=4.5, markerfacecolor="none", markeredgecolor=look.quiet, linestyle="none"
    )


def _rule(axes: Axes, x: float, bottom: float, text: str, look: Theme) -> None:
    axes.plot([x, x], [_TOP, bottom], color=look.line, linewidth=1, zorder=0)
    write(axes, x, bottom + 0.2, text, look.quiet, 8, ha="center")


def _legend(axes: Axes, colors: dict[str, str], controls: bool, published: bool, look: Theme) -> None:
    x = 0.2
    for name, color in colors.items():
        axes.plot([x], [0.85], marker="o", markersize=5.5, color=color, linestyle="none")
        write(axes, x + 0.12, 0.85, one_line(name, 24), look.ink, 8.5)
        x += 0.4 + 0.075 * min(len(name), 24)
    if controls:
        _ring(axes, x, 0.85, look)
        write(axes, x + 0.12, 0.85, "controls", look.ink, 8.5)
        x += 1.0
    if published:
        axes.plot([x], [0.85], marker="d", markersize=5, color=look.ink, linestyle="none")
        write(axes, x + 0.12, 0.85, "paper", look.ink, 8.5)
        x += 0.8
    axes.plot([x, x + 0.2], [0.85, 0.85], color=look.quiet, linewidth=1, linestyle=":")
    write(axes, x + 0.28, 0.85, "chance", look.ink, 8.5)


def _colors(studies: Sequence[StudyFigures], look: Theme) -> dict[str, str]:
    """A color for each arm; that of the untrained one is quiet."""
    names = dict.fromkeys(arm.arm for study in studies for arm in study.arms)
    trained = [name for name in names if name != UNTRAINED]
    trained.sort(key=lambda name: name != "related")  # has the strongest color
    colors = {name: _COLORS[number % len(_COLORS)] for number, name in enumerate(trained)}
    return {name: colors.get(name, look.quiet) for name in names}


def _differences(studies: Sequence[StudyFigures]) -> list[Interval]:
    found = [arm.own.difference for study in studies for arm in study.arms if arm.own.difference is not None]
    return found or [Interval(0.0, 0.0, 0.0)]
