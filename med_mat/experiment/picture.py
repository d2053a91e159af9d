"""A report as a picture: for each target the accuracies of its arms, and beside them the differences between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from med_mat.errors import PlotError
from med_mat.experiment.definition import BASELINE_PLUS, UNTRAINED
from med_mat.experiment.report import ArmFigures, Report, StudyFigures
from med_mat.plot.canvas import blank, settings, write
from med_mat.plot.style import PALETTE, Theme, counted, one_line, theme_of
from med_mat.score.paired import Arm, Difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEFT, _PANEL, _GAP = 2.9, 3.6, 0.6  # inches: names, each panel, between the panels
_LINE, _TARGET = 0.22, 0.34  # inches: an arm, and what a target has above its arms
_TOP = 1.25
_MOST = 60  # targets
_RIGHT = 0.4  # inches: beside the panels
_TITLE = 8.3  # characters of the title per inch
_SHAPES = "os^vDP"  # of the controls
#: Of the arms, the first with the strongest contrast; safe for color-blind readers.
_COLORS = (PALETTE[6], PALETTE[0], PALETTE[2], PALETTE[5], PALETTE[1], PALETTE[4])


def picture(report: Report, *, theme: str = "light") -> Figure:
    """Accuracies with their intervals on the left, differences on the right; controls are open gray marks.

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
    widest = max(_differences(shown), default=0.0)
    spread = max(math.ceil(10 * widest), 1) / 10
    shapes = {name: _SHAPES[number % len(_SHAPES)] for number, name in enumerate(report.controls)}
    width = _LEFT + 2 * _PANEL + _GAP + _RIGHT
    made_up = " on SYNTHETIC images" if report.synthetic else ""
    title = one_line(f"Compositional generalization with the engine {report.engine}{made_up}", int(width * _TITLE))
    with settings():
        figure, axes = blank(width, bottom + 0.65, title, _summary(report), look)
        published = any(arm.published is not None for study in shown for arm in study.arms)
        _legend(axes, colors, shapes, published, look)
        first, second = _LEFT, _LEFT + _PANEL + _GAP
        for tick in range(0, 101, 25):
            _rule(axes, first + _PANEL * tick / 100, bottom, f"{tick} %", look)
        for part in (-1, 0, 1):
            points = f"{100 * part * spread:+.0f}".replace("-", "−") if part else "0"
            _rule(axes, second + _PANEL * (part + 1) / 2, bottom, points, look)
        write(axes, first + _PANEL / 2, bottom + 0.45, "accuracy", look.quiet, 8.5, ha="center")
        write(axes, second + _PANEL / 2, bottom + 0.45, _compared(shown), look.quiet, 8.5, ha="center")
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
                _marks(axes, arm, middle, first, second, spread, colors[arm.arm], shapes, look)
            y += _TARGET + height
    return figure


def _summary(report: Report) -> str:
    """The line below the title."""
    seeds = f"seed{'' if len(report.seeds) == 1 else 's'} {', '.join(map(str, report.seeds))}"
    caution = "; synthetic images say nothing about medicine" if report.synthetic else ""
    return f"{counted(len(report.studies), 'target')}, {seeds}; bars: 95 % intervals over groups{caution}"


def _compared(studies: Sequence[StudyFigures]) -> str:
    """What the differences are to."""
    references = {arm.reference for study in studies for arm in study.arms if arm.own.difference is not None}
    if len(references) != 1:
        return "difference to the arm compared with, points"
    name = one_line(next(iter(references)), 24)
    return f"difference to {name}{' (Baseline+)' if name == BASELINE_PLUS else ''}, points"


def _marks(
    axes: Axes,
    arm: ArmFigures,
    y: float,
    first: float,
    second: float,
    spread: float,
    color: str,
    shapes: Mapping[str, str],
    look: Theme,
) -> None:
    """The marks of an arm in both panels."""
    for name, control in arm.controls.items():
        _open(axes, first + _PANEL * control.accuracy.mean, y, shapes[name], look)
        if control.difference is not None:
            _open(axes, second + _PANEL * _place(control.difference.difference, spread), y, shapes[name], look)
    own = arm.own.accuracy
    _bar(axes, [first + _PANEL * end for end in _ends(own)], first + _PANEL * own.mean, y, color)
    if arm.published is not None:
        x = first + _PANEL * arm.published
        axes.plot([x], [y], marker="d", markersize=5, color=look.ink, linestyle="none")
    if arm.own.difference is not None:
        one = arm.own.difference
        ends = [second + _PANEL * _place(end, spread) for end in _ends(one)]
        _bar(axes, ends, second + _PANEL * _place(one.difference, spread), y, color)


def _place(value: float, spread: float) -> float:
    return (value / spread + 1) / 2


def _bar(axes: Axes, ends: Sequence[float], value: float, y: float, color: str) -> None:
    axes.plot(ends, [y] * len(ends), color=color, linewidth=2.2, solid_capstyle="butt", alpha=0.55)
    axes.plot([value], [y], marker="o", markersize=5.5, color=color, linestyle="none")


def _open(axes: Axes, x: float, y: float, shape: str, look: Theme) -> None:
    axes.plot(
        [x], [y], marker=shape, markersize=4.5, markerfacecolor="none", markeredgecolor=look.quiet, linestyle="none"
    )


def _rule(axes: Axes, x: float, bottom: float, text: str, look: Theme) -> None:
    axes.plot([x, x], [_TOP, bottom], color=look.line, linewidth=1, zorder=0)
    write(axes, x, bottom + 0.2, text, look.quiet, 8, ha="center")


def _legend(axes: Axes, colors: Mapping[str, str], shapes: Mapping[str, str], published: bool, look: Theme) -> None:
    x = 0.2
    for name, color in colors.items():
        axes.plot([x], [0.85], marker="o", markersize=5.5, color=color, linestyle="none")
        write(axes, x + 0.12, 0.85, one_line(name, 24), look.ink, 8.5)
        x += 0.4 + 0.075 * min(len(name), 24)
    if shapes:
        write(axes, x, 0.85, "controls:", look.ink, 8.5)
        x += 0.75
    for name, shape in shapes.items():
        _open(axes, x, 0.85, shape, look)
        write(axes, x + 0.12, 0.85, one_line(name, 24), look.ink, 8.5)
        x += 0.4 + 0.075 * min(len(name), 24)
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


def _ends(one: Arm | Difference | None) -> tuple[float, ...]:
    """The ends of an interval, if there is one."""
    return () if one is None or one.low is None or one.high is None else (one.low, one.high)


def _differences(studies: Sequence[StudyFigures]) -> Iterator[float]:
    """How far from zero the marks of the right panel reach."""
    for study in studies:
        for arm in study.arms:
            yield from (abs(end) for end in _ends(arm.own.difference))
            yield from (abs(one.difference.difference) for one in arm.controls.values() if one.difference is not None)
