"""HTML for notebooks: everything is escaped, nothing is loaded from elsewhere, colors follow the page's own."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

_CELL = "padding:2px 8px;text-align:left;border-bottom:1px solid rgba(128,128,128,.35)"


def text(value: object) -> str:
    """A value as text of an HTML page."""
    return html.escape(str(value), quote=True)


def block(title: object, *parts: str) -> str:
    """A titled block.

    Args:
        title: Text, to be escaped.
        parts: HTML.
    """
    return f"<div><strong>{text(title)}</strong>{''.join(parts)}</div>"


def paragraph(value: object) -> str:
    """A paragraph of text."""
    return f"<p style='margin:4px 0'>{text(value)}</p>"


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table of texts, the first line its header; empty if there are no rows."""
    body = "".join(f"<tr>{''.join(_cell(one) for one in row)}</tr>" for row in rows)
    names = "".join(f"<th style='{_CELL}'>{text(name)}</th>" for name in head)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>" if body else ""


def heat(corner: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[int]]]) -> str:
    """A table of counts, each shaded by its logarithm; zeros are left blank.

    Args:
        corner: What rows and columns are.
        columns: Names of the columns.
        rows: Name of each row, and its counts.
    """
    most = max((count for _, counts in rows for count in counts), default=0)
    names = "".join(f"<th style='{_CELL}'>{text(name)}</th>" for name in (corner, *columns))
    body = "".join(
        f"<tr><th style='{_CELL}'>{text(name)}</th>{''.join(_shaded(count, most) for count in counts)}</tr>"
        for name, counts in rows
    )
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    return f"<td style='{_CELL}'>{text(value)}</td>"


def _shaded(count: int, most: int) -> str:
    if not count:
        return f"<td style='{_CELL}'></td>"
    share = count.bit_length() / max(most.bit_length(), 1)
    return f"<td style='{_CELL};background:rgba(0,114,178,{0.1 + 0.35 * share:.2f})'>{count:,}</td>"
