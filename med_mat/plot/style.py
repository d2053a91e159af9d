"""Colors and wording of figures and contact sheets, and the font of the latter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import ImageColor, ImageFont

from med_mat import strict
from med_mat.errors import PlotError

#: Okabe and Ito's colors without black, in the order in which labels get them.
PALETTE = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2")


@dataclass(frozen=True, slots=True)
class Theme:
    """The colors of a background and of the text and shapes on it."""

    paper: str
    ink: str
    quiet: str  # less important text
    line: str
    accent: str  # the target, and elements shared with it
    tint: str  # the same, behind text
    counts: tuple[
        float, float
    ]  # color map positions for few and for many records; the latter contrasts with the background
    sides: tuple[str, str]


_THEMES: Mapping[str, Theme] = MappingProxyType(
    {
        "light": Theme(
            "#FFFFFF", "#1F2328", "#59636E", "#D8DEE4", "#B54A00", "#FBE9DD", (0.1, 1.0), ("#0072B2", "#E69F00")
        ),
        "dark": Theme(
            "#0D1117", "#E6EDF3", "#9198A1", "#30363D", "#FF9A55", "#3A2413", (1.0, 0.15), ("#56B4E9", "#E69F00")
        ),
    }
)


def theme_of(name: str) -> Theme:
    """A theme by its name.

    Raises:
        PlotError: There is no theme of that name.
    """
    return strict.named(name, _THEMES, "theme", error=PlotError)


def ink_on(fill: str) -> str:
    """Black or white, whichever has more contrast with a color (relative luminance of WCAG 2.1)."""
    channels = np.array(ImageColor.getrgb(fill)[:3]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "#000000" if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else "#FFFFFF"


def one_line(text: str, longest: int) -> str:
    """A text on one line, without control characters, and truncated to a length."""
    kept = "".join(char if char.isprintable() else " " for char in text[: 8 * longest])
    line = " ".join(kept.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def counted(number: int, what: str) -> str:
    """``1 record``, ``2,000 records``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def font() -> ImageFont.FreeTypeFont:
    """Pillow's built-in font for contact sheets, so that they do not depend on installed fonts.

    Raises:
        PlotError: Pillow was built without FreeType.
    """
    own = ImageFont.load_default(12)
    if not isinstance(own, ImageFont.FreeTypeFont):
        raise PlotError(
            "This Pillow was built without FreeType, and cannot write text: pip install --force-reinstall pillow."
        )
    return own
