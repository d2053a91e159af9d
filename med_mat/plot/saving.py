"""A picture as bytes, and as a file: the same picture gives the same bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from med_mat.errors import PlotError
from med_mat.files import write_atomically
from med_mat.plot.canvas import settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 150


def save(drawn: Figure | Image.Image, path: Path) -> None:
    """Write a picture: a figure as ``.svg`` (its text stays text) or ``.png``, a contact sheet as ``.png``.

    The same picture gives the same bytes; the file is whole or not there.

    Raises:
        PlotError: another suffix.
        WriteError: the system does not take it.
        MissingExtraError: matplotlib is not installed.
    """
    write_atomically(path, encoded(drawn, check_suffix(path, sheet=isinstance(drawn, Image.Image))))


def encoded(drawn: Figure | Image.Image, suffix: str) -> bytes:
    """What :func:`save` writes, by a suffix of :func:`check_suffix`."""
    buffer = io.BytesIO()
    if isinstance(drawn, Image.Image):
        drawn.save(buffer, "PNG", optimize=True)
    else:
        # what names the program, its version or the hour would make bytes differ
        nothing = {"Creator": None, "Date": None} if suffix == ".svg" else {"Software": None}
        metadata = {"Title": str(drawn.get_label()), **nothing}
        with settings():
            drawn.savefig(buffer, format=suffix[1:], dpi=_DPI, metadata=metadata)
    return buffer.getvalue()


def check_suffix(path: Path, *, sheet: bool) -> str:
    """The suffix of a picture's file, in lower case.

    Raises:
        PlotError: a figure is to be something else than SVG or PNG, or a contact sheet than PNG.
    """
    suffix = path.suffix.lower()
    if sheet and suffix != ".png":
        raise PlotError(f"{path}: a contact sheet is made of pixels, and written as .png.")
    if suffix not in (".svg", ".png"):
        raise PlotError(f"{path}: a figure is written as .svg or .png.")
    return suffix
