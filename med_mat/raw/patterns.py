"""Path patterns with ``*``, ``?``, ``**`` and braces, ignoring case and Unicode normal form."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence

from med_mat.errors import ReadError
from med_mat.raw.names import folded

#: One pattern, or several, any of which may match.
Patterns = str | Sequence[str]


def is_hidden(path: str) -> bool:
    """Whether any part of a relative path begins with a dot, or is ``__MACOSX``, which macOS adds to archives."""
    return path.startswith((".", "__MACOSX/")) or "/." in path or "/__MACOSX/" in path


@functools.lru_cache(maxsize=4096)
def matcher(patterns: tuple[str, ...]) -> Callable[[str], re.Match[str] | None]:
    """Returns a function that matches a relative path against several patterns, ignoring case and normal form.

    Raises:
        ReadError: A pattern is malformed.
    """
    from wcmatch import glob

    literal = [re.sub(r"(?<!\\)\[", r"\\[", folded(pattern)) for pattern in patterns]
    flags = glob.BRACE | glob.GLOBSTAR | glob.CASE | glob.FORCEUNIX | glob.DOTGLOB
    try:
        translated, _ = glob.translate(literal, flags=flags)
        # no path here has "." or ".." as a part: without the guards against them a search is several times faster
        regex = (
            "|".join(translated).replace(r"(?!(?:[/]|^)(?:\.{1,2})(?:$|[/]))", "").replace(r"(?!\.{1,2}(?:$|[/]))", "")
        )
        fullmatch = re.compile(regex or r"(?!)").fullmatch
    except Exception as error:  # wcmatch does not export the exception for exceeding its limit
        raise ReadError(f"The pattern {' or '.join(map(repr, patterns))} cannot be used: {error}.") from error
    return lambda path: fullmatch(folded(path))


def as_tuple(patterns: Patterns) -> tuple[str, ...]:
    """The patterns as a tuple, even if there is only one."""
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


def is_like(name: str, pattern: str) -> bool:
    """Whether a name matches a pattern of ``*`` and ``?``. Not compiled to a regex: every image has its own pattern."""
    if "?" in pattern:
        regex = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
        return re.fullmatch(regex, name, re.DOTALL) is not None
    start, *middle = pattern.split("*")
    if not middle:
        return name == start
    *middle, end = middle
    if len(name) < len(start) + len(end) or not name.startswith(start) or not name.endswith(end):
        return False
    position, limit = len(start), len(name) - len(end)
    for part in middle:
        position = name.find(part, position, limit)
        if position < 0:
            return False
        position += len(part)
    return True
