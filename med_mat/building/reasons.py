"""Groups the reasons for skips: reasons that differ only in file names or numbers count as one."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from med_mat import formats

#: The start of a reason that begins with a file: its path, and the frame or slice in it.
_BEGINS = re.compile(r"^[^:]*\.\w+(?:#[^: ]*)?: ")
_WORD = r"(?<![^\s'\"(])[^\s'\"(]"  # anchored at its first character, so that a long text is scanned once
_FILE = re.compile(rf"{_WORD}*…")
#: Characters kept at the beginning and at the end of a reason: it may quote a table cell of any length.
_HEAD, _TAIL = 600, 200


def brief(reason: str) -> str:
    """A reason with the middle removed if it is too long."""
    left_out = len(reason) - _HEAD - _TAIL
    return reason if left_out <= _TAIL else f"{reason[:_HEAD]} … [{left_out:,} characters] … {reason[-_TAIL:]}"


def grouped(said: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Reason -> the names that have it, in their original order; the most frequent reason first.

    If all texts of a reason are the same, the key is that text, without the file at its beginning; otherwise the key is
    their common form, with ``…`` for files and ``#`` for numbers.

    Args:
        said: pairs of a path or id and the text of its reason.
    """
    names: dict[str, list[str]] = {}
    texts: dict[str, set[str]] = {}
    for name, reason in said:
        text = _BEGINS.sub("", reason.removeprefix(f"{name}: "))
        general = _general(name, text)
        names.setdefault(general, []).append(name)
        texts.setdefault(general, set()).add(text)
    found: dict[str, list[str]] = {}
    for general, some in names.items():
        key = texts[general].pop() if len(texts[general]) == 1 else general
        found.setdefault(key, []).extend(some)
    return {key: found[key] for key in sorted(found, key=lambda one: (-len(found[one]), one))}


def _general(name: str, text: str) -> str:
    own = PurePosixPath(name)
    for word in (name, own.name, f"'{own.stem}'"):
        text = text.replace(word, "…") if word else text
    text = _FILE.sub("…", _image().sub("…", text))
    return re.sub(r"\d+", "#", text)


@functools.cache
def _image() -> re.Pattern[str]:
    """A pattern that matches the name of an image file."""
    suffixes = sorted(formats.image_suffixes(), key=len, reverse=True)
    return re.compile(rf"{_WORD}+(?:{'|'.join(map(re.escape, suffixes))})\b", re.I)
