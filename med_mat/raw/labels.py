"""Parses labels from table cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from med_mat.errors import ReadError

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
_STATES: dict[str, bool | None] = {"true": True, "false": False, "": None, "nan": None, "none": None}
_NUMBERS: dict[float, bool | None] = {1.0: True, 0.0: False, -1.0: None}


def as_listed(cell: str, known: Iterable[str]) -> str:
    """The known label that a cell means: itself, or the only one with the same number ("4.0" and "04" mean "4")."""
    known = list(known)
    if cell in known or not _NUMBER.fullmatch(cell):
        return cell
    same = [one for one in known if _NUMBER.fullmatch(one) and float(one) == float(cell)]
    return same[0] if len(same) == 1 else cell


def multi_hot(row: Mapping[str, str], columns: Sequence[str]) -> dict[str, bool | None]:
    """Column -> present (1, true), absent (0, false), or None: unknown (blank, -1, nan).

    Raises:
        ReadError: A column is missing, or a cell contains anything else.
    """
    return {column: _state(row, column) for column in columns}


def joined(cell: str, separator: str, vocabulary: Iterable[str]) -> dict[str, bool | None]:
    """Splits a delimited cell into present and absent labels: one entry for every label of the vocabulary.

    A label that is not in the vocabulary is kept as present: the build checks it against the card.
    """
    words = dict.fromkeys(word for word in map(str.strip, cell.split(separator)) if word)
    found: dict[str, bool | None] = {label: label in words for label in vocabulary}
    return found | dict.fromkeys(words, True)


def one_hot(row: Mapping[str, str], columns: Sequence[str]) -> str | None:
    """The column that is marked in a row, or None if no column is.

    Raises:
        ReadError: Several columns are marked, or a cell is neither marked nor unmarked.
    """
    marked = [column for column, state in multi_hot(row, columns).items() if state]
    if len(marked) > 1:
        raise ReadError(
            f"The columns {', '.join(map(repr, marked))} are all marked, where at most one may be: {_short(row)}."
        )
    return marked[0] if marked else None


def _state(row: Mapping[str, str], column: str) -> bool | None:
    if column not in row:
        raise ReadError(f"The table has no column {column!r}; it has {', '.join(map(repr, row))}.")
    cell = str(row[column]).strip().lower()
    if cell in _STATES:
        return _STATES[cell]
    try:
        return _NUMBERS[float(cell)]
    except (ValueError, KeyError):
        raise ReadError(
            f"Column {column!r} holds {row[column]!r}, where 1, 0, true, false, -1 or a blank is expected: "
            f"{_short(row)}."
        ) from None


def _short(row: Mapping[str, str], length: int = 200) -> str:
    text = ", ".join(f"{name}={cell}" for name, cell in row.items())
    return text if len(text) <= length else text[:length] + "…"
