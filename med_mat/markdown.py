"""Markdown as the pages of a build need it: text that is shown as it stands, tables and lists."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence


def escape(text: str) -> str:
    """Text that Markdown shows as it stands, on one line: no markup, no HTML, no new table cell."""
    return re.sub(r"([\\`*_|<>\[\]&])", r"\\\1", " ".join(text.split()))


def table(head: Sequence[str], rows: Iterable[Iterable[str | int | None]], *, right: Collection[str] = ()) -> str:
    """A table.

    Args:
        head: the names of the columns.
        rows: the cells, one sequence per row. Texts are Markdown; a number gets thousands separators; 0 and None are
            left blank.
        right: the names of the columns that are aligned to the right.
    """
    first, *others = (f"| {' | '.join(map(_cell, line))} |" for line in (head, *rows))
    ruler = f"|{'|'.join('---:' if name in right else '---' for name in head)}|"
    return "\n".join([first, ruler, *others])


def bullets(lines: Iterable[str]) -> str:
    """A list with one item per line."""
    return "\n".join(f"- {line}" for line in lines)


def details(summary: str, body: str) -> str:
    """A section that is folded until the reader opens it.

    Args:
        summary: the line that is always shown; plain text.
        body: Markdown.
    """
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def _cell(value: str | int | None) -> str:
    return value if isinstance(value, str) else f"{value:,}" if value else ""
