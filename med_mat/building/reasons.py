"""Why things were left out: what differs only in the file that it names, or in its numbers, is one reason."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from med_mat import formats

#: A reason that begins with the file: its path, and the frame or slice in it.
_BEGINS = re.compile(r"^[^:]*\.\w+(?:#[^: ]*)?: ")
_WORD = r"(?<![^\s'\"(])[^\s'\"(]"  # from its first character on, so that a long text is looked through once
_FILE = re.compile(rf"{_WORD}*…")
#: Characters of a reason at its beginning and its end: it may quote a cell of any length.
_HEAD, _TAIL = 600, 200


def brief(reason: str) -> str:
    """A reason without the middle of what it quotes at length."""
    left_out = len(reason) - _HEAD - _TAIL
    return reason if left_out <= _TAIL else f"{reason[:_HEAD]} … [{left_out:,} characters] … {reason[-_TAIL:]}"


def grouped(said: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Reason -> the names that have it, in the order they came; the commonest reason first.

    Where all of a reason's texts are the same, that text is its key, without the file that it begins with; else what
    they have in common, with ``…`` for files and ``#`` for numbers.

    Args:
        said: the path or id of each thing, with the text of its reason.
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
    """The name of an image."""
    suffixes = sorted(formats.image_suffixes(), key=len, reverse=True)
    return re.compile(rf"{_WORD}+(?:{'|'.join(map(re.escape, suffixes))})\b", re.I)
