"""The canvas of figures: coordinates are inches from the top left corner, so that fixed-size text fits.

Matplotlib is imported only when a figure is drawn.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from med_mat.errors import MissingExtraError
from med_mat.plot.style import Theme, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@contextlib.contextmanager
def settings() -> Iterator[None]:
    """Matplotlib's default settings and a few of ours while a figure is drawn, whatever the user has set.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib import style
    except ImportError as error:
        raise MissingExtraError("Drawing figures needs the package matplotlib: pip install 'med-mat[plot]'.") from error
    ours = {
        "font.family": ["sans-serif"],
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],  # the first comes with matplotlib
        "svg.fonttype": "none",
        "svg.hashsalt": "med-mat",
        "text.parse_math": False,
        "savefig.facecolor": "auto",
    }
    with style.context(["default", ours]), warnings.catch_warnings():
        # an SVG viewer falls back to fonts with the character; a PNG shows a box instead
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def blank(width: float, height: float, title: str, summary: str, look: Theme) -> tuple[Figure, Axes]:
    """A figure of a size in inches, and its axes in inches, with two lines of text at its top."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor=look.paper)
    text = one_line(title, int(width * 9.5))
    figure.set_label(f"{text}: {summary}")  # becomes the title in the file, for screen readers
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    write(axes, 0.15, 0.26, text, look.ink, 12, weight="bold")
    write(axes, 0.15, 0.5, summary, look.quiet, 8.5)
    return figure, axes


def write(axes: Axes, x: float, y: float, text: str, color: str, size: float, **options: Any) -> None:
    """Text of a size in points, vertically centered at ``y``."""
    axes.text(x, y, text, color=color, fontsize=size, va="center_baseline", **options)


def box(
    axes: Axes,
    x: float,
    y: float,
    width: float,
    height: float,
    fill: str | None,
    edge: str = "none",
    linewidth: float = 1,
) -> None:
    """A rectangle from its top left corner; ``fill`` None is transparent."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), width, height, facecolor=fill or "none", edgecolor=edge, linewidth=linewidth))
