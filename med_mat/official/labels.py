"""Splits upstream's captions into labels. They are joined by ", ", which some labels contain themselves."""

from __future__ import annotations

from collections.abc import Iterable

from med_mat.catalog import Row

_SEPARATOR = ", "


def known_labels(rows: Iterable[Row]) -> frozenset[str]:
    """The publisher's and our names for the labels of some rows, in lower case."""
    return frozenset(name.casefold() for row in rows for name in (*row.labels, *row.labels.values()))


def split_labels(caption: str, known: frozenset[str], *, several: bool) -> list[str]:
    """The labels of a caption: from the left, the longest known label, or else the text up to the next separator.

    Args:
        caption: E.g. ``Media haze, optic disc pallor``.
        known: Known labels in lower case (:func:`known_labels`).
        several: Whether a caption of the row may contain several labels.
    """
    if not several:
        return [caption]
    parts = caption.split(_SEPARATOR)
    longest = 1 + max((name.count(_SEPARATOR) for name in known), default=0)
    found: list[str] = []
    while parts:
        lengths = range(min(longest, len(parts)), 1, -1)
        taken = next((n for n in lengths if _SEPARATOR.join(parts[:n]).casefold() in known), 1)
        found.append(_SEPARATOR.join(parts[:taken]))
        del parts[:taken]
    return found
