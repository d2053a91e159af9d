"""Names of files, and what they tell."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeVar

T = TypeVar("T")


def composed(text: str) -> str:
    """The text in the normal form NFC. macOS takes accents apart (NFD) where other systems leave them composed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """What texts share that differ in case or normal form alone: what order and random choice hang on."""
    return composed(text).casefold()


def respelled(names: Iterable[str], like: Iterable[str]) -> dict[str, str]:
    """Each name -> the one of ``like`` that is meant by it, where that is sure.

    The name itself comes first, then the only one that differs from it in normal form alone, then the only one that
    differs in case too. A name is given to one name alone: where several are alike on either side, none is guessed.
    """
    left, open_names = dict.fromkeys(like), dict.fromkeys(names)
    found: dict[str, str] = {}
    for form in (str, composed, folded):
        wanted, there = _by_form(open_names, form), _by_form(left, form)
        for key in wanted.keys() & there.keys():
            if len(wanted[key]) == len(there[key]) == 1:
                (name,), (other,) = wanted[key], there[key]
                found[name] = other
        for name, other in found.items():
            open_names.pop(name, None)
            left.pop(other, None)
        if not open_names or not left:
            break
    return found


def _by_form(names: Iterable[str], form: Callable[[str], str]) -> dict[str, list[str]]:
    by_form: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        by_form[form(name)].append(name)
    return by_form


def aligned(facts: Mapping[str, T], names: Iterable[str]) -> dict[str, T]:
    """Facts by name, under the names that ``names`` has for them (see :func:`respelled`); the others as they are."""
    meant = respelled(facts, names)
    return {meant.get(name, name): fact for name, fact in facts.items()}


def spelling(patterns: str | Sequence[str]) -> Callable[[PurePosixPath], PurePosixPath]:
    """What writes a path as patterns do: in NFC, and folders that a pattern spells out in the pattern's own case.

    ``spelling("{train,test}/glioma/*")`` makes ``train/glioma/Tr_1.jpg`` of ``TRAIN/Glioma/Tr_1.jpg``. The name of the
    file keeps its case.
    """
    import bracex

    spelled: dict[str, str] = {}
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        for one in bracex.expand(pattern, limit=0):
            for part in one.split("/"):
                if not set(part) & set("*?\\"):
                    spelled.setdefault(folded(part), composed(part))

    @functools.lru_cache(maxsize=1024)
    def written_folder(folder: str) -> str:
        return "/".join(spelled.get(folded(part), composed(part)) for part in folder.split("/"))

    def written(path: PurePosixPath) -> PurePosixPath:
        text = str(path)
        folder, slash, name = text.rpartition("/")
        new = f"{written_folder(folder)}{slash}{composed(name)}"
        return path if new == text else PurePosixPath(new)

    return written


def natural(path: PurePosixPath | str) -> tuple[tuple[str, int], ...]:
    """A sort key by which numbers count as such, whatever the case: ``slice2`` comes before ``Slice10``."""
    parts = re.findall(r"(\D*)(\d*)", folded(str(path)))
    return tuple((text, int(digits or -1)) for text, digits in parts if text or digits)


def in_stem(pattern: str) -> Callable[[PurePosixPath], str | None]:
    """What tells the beginning of a path's stem that a regular expression matches, or None where it does not.

    Case is ignored: what is told is in lower case.
    """
    match = re.compile(pattern, re.IGNORECASE).match

    def found(path: PurePosixPath) -> str | None:
        matched = match(path.stem)
        return folded(matched[0]) if matched else None

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
