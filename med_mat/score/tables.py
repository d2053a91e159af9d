"""Tables of figures as Markdown, LaTeX and CSV, and files of results."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol, get_args

from med_mat import markdown
from med_mat.errors import ScoreError
from med_mat.files import write_atomically

Format = Literal["markdown", "latex", "csv"]
_SUFFIXES: Mapping[str, Format] = MappingProxyType({".md": "markdown", ".tex": "latex", ".csv": "csv"})
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


class Tabular(Protocol):
    """What has a table and plain data."""

    def table(self, form: Format = "markdown") -> str:
        """Its table."""

    def to_data(self) -> dict[str, Any]:
        """Its plain data."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], form: Format) -> str:
    """A table.

    Args:
        head: Names of the columns.
        rows: Cells as text, a sequence per row.
        form: "markdown"; "latex", a ``tabular`` for the package booktabs; or "csv".

    Raises:
        ScoreError: Another form.
    """
    if form == "markdown":
        return markdown.table(head, [[markdown.escape(cell) for cell in row] for row in rows]) + "\n"
    if form == "latex":
        body = [" & ".join(map(latex, row)) + r" \\" for row in rows]
        top = " & ".join(map(latex, head)) + r" \\"
        lines = [rf"\begin{{tabular}}{{{'l' * len(head)}}}", r"\toprule", top, r"\midrule", *body, r"\bottomrule"]
        return "\n".join([*lines, r"\end{tabular}", ""])
    if form == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([head, *rows])
        return text.getvalue()
    raise ScoreError(f"A table is {', '.join(get_args(Format))}, not {form!r}.")


def latex(text: str) -> str:
    """Text that LaTeX shows as it stands."""
    return "".join(_LATEX.get(char, char) for char in " ".join(text.split()))


def save(made: Tabular, path: Path) -> None:
    """Write a result or a comparison: its data as ``.json``, or its table as ``.md``, ``.tex`` or ``.csv``.

    Raises:
        ScoreError: Another extension.
        WriteError: The file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix == ".json":
        text = json.dumps(made.to_data(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    elif suffix in _SUFFIXES:
        text = made.table(_SUFFIXES[suffix])
    else:
        raise ScoreError(f"{path}: results are saved as .json, {', '.join(_SUFFIXES)}; plots as .svg or .png.")
    write_atomically(path, text.encode())
