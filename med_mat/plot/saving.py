"""A figure as bytes, and as a file: the same figure gives the same bytes."""

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
    """Write a figure as ``.svg`` (its text stays text) or ``.png``, or a contact sheet as ``.png``.

    The same figure gives the same bytes. An interrupted write leaves no partial file.

    Raises:
        PlotError: Another extension.
        WriteError: The file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    write_atomically(path, encoded(drawn, check_suffix(path, sheet=isinstance(drawn, Image.Image))))


def encoded(drawn: Figure | Image.Image, suffix: str) -> bytes:
    """The bytes that :func:`save` writes, for an extension as returned by :func:`check_suffix`."""
    buffer = io.BytesIO()
    if isinstance(drawn, Image.Image):
        drawn.save(buffer, "PNG", optimize=True)
    else:
        # metadata that name the program, its version or the time would make the bytes differ
        nothing = {"Creator": None, "Date": None} if suffix == ".svg" else {"Software": None}
        metadata = {"Title": str(drawn.get_label()), **nothing}
        with settings():
            drawn.savefig(buffer, format=suffix[1:], dpi=_DPI, metadata=metadata)
    return buffer.getvalue()


def check_suffix(path: Path, *, sheet: bool) -> str:
    """The extension of a figure's file, in lower case.

    Raises:
        PlotError: Not .svg or .png; or, for a contact sheet, not .png.
    """
    suffix = path.suffix.lower()
    if sheet and suffix != ".png":
        raise PlotError(f"{path}: a contact sheet is saved as .png.")
    if suffix not in (".svg", ".png"):
        raise PlotError(f"{path}: a figure is saved as .svg or .png.")
    return suffix
