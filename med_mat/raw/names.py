"""Names of files, and what they tell."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

_KERMANY = re.compile(r"(NORMAL2-IM|IM|person)-?(\d+)[-_]|(?:NORMAL|BACTERIA|VIRUS)-(\d+)-", re.IGNORECASE)


def natural(path: PurePosixPath | str) -> tuple[tuple[str, int], ...]:
    """A sort key by which numbers count as such: ``slice2`` comes before ``slice10``."""
    return tuple((text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", str(path)) if text or digits)


def in_stem(pattern: str) -> Callable[[PurePosixPath], str | None]:
    """What tells the beginning of a path's stem that a regular expression matches, or None where it does not."""
    match = re.compile(pattern).match

    def found(path: PurePosixPath) -> str | None:
        matched = match(path.stem)
        return matched[0] if matched else None

    return found


def numbered(kind: str, pattern: str) -> Callable[[PurePosixPath], str | None]:
    """What tells ``kind`` and the number in the group of a regular expression that begins a path's name.

    ``numbered("case", r"case_(\\d+)_")`` makes "case 6" of ``case_006_pt_1.png`` and of ``case_6_pt1.png``, and None of
    any other name.
    """
    match = re.compile(pattern, re.IGNORECASE).match

    def found(path: PurePosixPath) -> str | None:
        matched = match(path.name)
        return f"{kind} {int(matched[1])}" if matched else None

    return found


def kermany_patient(stem: str, part: str) -> str | None:
    """The child of a radiograph of Kermany et al., by either family of its names; None for any other name.

    ``NORMAL-1003233-0001`` and its like hold an id. ``person12_virus_46``, ``IM-0115-0001`` and
    ``NORMAL2-IM-0666-0001`` hold a number of a series that starts again in each part of the split.
    """
    matched = _KERMANY.match(stem)
    if matched is None:
        return None
    series, number, identifier = matched.groups()
    return str(identifier) if identifier else f"{part} {series} {number}"
