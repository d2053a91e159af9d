"""Shared by the two sources with the radiographs of Kermany et al.: identifies the child by the file name."""

from __future__ import annotations

import re

from med_mat.raw import folded

_NAMES = re.compile(r"(NORMAL2-IM|IM|person)-?(\d+)[-_]|(?:NORMAL|BACTERIA|VIRUS)-(\d+)-", re.IGNORECASE)


def patient_of(stem: str, part: str) -> str | None:
    """The child of a radiograph of Kermany et al., by either family of its names; None for any other name.

    ``NORMAL-1003233-0001`` and its like hold an id. ``person12_virus_46``, ``IM-0115-0001`` and
    ``NORMAL2-IM-0666-0001`` hold a number of a series that starts again in each part of the split.
    """
    matched = _NAMES.match(stem)
    if matched is None:
        return None
    series, number, identifier = matched.groups()
    return str(identifier) if identifier else f"{part} {folded(series)} {number}"
