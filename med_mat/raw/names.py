"""File names: Unicode normal form, matching across spellings, and extracting facts from names."""

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
    """The text in Unicode normal form NFC. macOS decomposes accents (NFD); other systems leave them composed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """The case-folded NFC form of a text, by which files are sorted and random choices are seeded."""
    return composed(text).casefold()


def respelled(names: Iterable[str], like: Iterable[str]) -> dict[str, str]:
    """Maps each name to the one of ``like`` that it stands for, if that is unambiguous.

    The name itself is preferred, then the only one that differs only in normal form, then the only one that differs in
    case too. The mapping is one-to-one: if several names on either side are alike, none is matched.
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
    """The facts under the spellings of ``names`` (see :func:`respelled`); names without a match are kept."""
    meant = respelled(facts, names)
    return {meant.get(name, name): fact for name, fact in facts.items()}


def spelling(patterns: str | Sequence[str]) -> Callable[[PurePosixPath], PurePosixPath]:
    """Returns a function that spells a path as the patterns do: in NFC, with literal folders in the pattern's case.

    ``spelling("{train,test}/glioma/*")`` turns ``TRAIN/Glioma/Tr_1.jpg`` into ``train/glioma/Tr_1.jpg``. The file name
    keeps its case.
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
    """A natural sort key that ignores case: ``slice2`` comes before ``Slice10``."""
    parts = re.findall(r"(\D*)(\d*)", folded(str(path)))
    return tuple((text, int(digits or -1)) for text, digits in parts if text or digits)


def in_stem(pattern: str) -> Callable[[PurePosixPath], str | None]:
    """Returns a function that extracts the regex match at the start of a file stem, or None.

    Case is ignored; the result is in lower case.
    """
    match = re.compile(pattern, re.IGNORECASE).match

    def found(path: PurePosixPath) -> str | None:
        matched = match(path.stem)
        return folded(matched[0]) if matched else None

    return found


def numbered(kind: str, pattern: str) -> Callable[[PurePosixPath], str | None]:
    """Returns a function that returns ``kind`` and the number in a regex group at the start of a file name.

    ``numbered("case", r"case_(\\d+)_")`` returns "case 6" for ``case_006_pt_1.png`` and ``case_6_pt1.png``, and None
    for other names.
    """
    match = re.compile(pattern, re.IGNORECASE).match

    def found(path: PurePosixPath) -> str | None:
        matched = match(path.name)
        return f"{kind} {int(matched[1])}" if matched else None

    return found
