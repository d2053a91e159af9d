"""Finds upstream's paths among the files of a source.

Upstream prints ``med-mat/<wrapper folders>/<path inside the source>``. The number of wrapper folders is not stated, so
paths are compared from their end: the file that shares most parts with upstream's path matches, if it is unique.
"""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections.abc import Mapping
from typing import Literal, NamedTuple

from med_mat import formats

#: ``path``: the whole path inside the source matches upstream's. ``renamed folder``: its end matches, and the folder
#: before it does not exist in the source. ``converted``: the same name with another suffix.
How = Literal["path", "renamed folder", "converted", "ambiguous", "missing"]


class Found(NamedTuple):
    """The file of a source that matches upstream's path, and how it matches; or no file, and the reason."""

    path: str | None
    how: How


class Paths:
    """The image files of one source, searchable by the ends of their paths, ignoring case.

    Args:
        roles: Path inside the source -> ``image``, ``mask``, or any other role of the file in the build.
    """

    def __init__(self, roles: Mapping[str, str]) -> None:
        self.roles = roles
        images = [path for path in roles if posixpath.splitext(path)[1].lower() in formats.picture_suffixes()]
        self._names = _Ends({path: path for path in images})
        self._stems = _Ends({path: posixpath.splitext(path)[0] for path in images})
        self._folders = {
            part for folder in {posixpath.dirname(p) for p in images} for part in folder.lower().split("/")
        }

    def find(self, image: str) -> Found:
        """Finds the file that matches upstream's path."""
        path = image.replace("\\", "/").lower()
        named = self._find(self._names, path)
        if named.how != "missing":
            return named
        stem, suffix = posixpath.splitext(path)
        stemmed = self._find(self._stems, stem if suffix in formats.picture_suffixes() else path)
        return Found(stemmed.path, "converted") if stemmed.path is not None else stemmed

    def _find(self, ends: _Ends, path: str) -> Found:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        shared, candidates = ends.longest(parts)
        if len(candidates) > 1 and len({posixpath.dirname(one) for one in candidates}) == 1:
            candidates = [one for one in candidates if self.roles[one] == "image"] or candidates
        if not candidates:
            return Found(None, "missing")
        whole = [one for one in candidates if one.count("/") + 1 == shared]
        before = parts[-shared - 1] if shared < len(parts) else ""
        if before in self._folders and not (whole and shared > 1):
            return Found(None, "missing")  # upstream's folder exists here, but without the file
        candidates = whole or candidates
        if len(candidates) > 1:
            return Found(None, "ambiguous")
        return Found(candidates[0], "path" if whole else "renamed folder")


class _Ends:
    """Paths sorted by their parts from last to first, so that those with a common end are adjacent."""

    def __init__(self, shown: Mapping[str, str]) -> None:
        order = sorted((_turned(text.lower().split("/")), path) for path, text in shown.items())
        self._keys = [key for key, _ in order]
        self._paths = [path for _, path in order]

    def longest(self, parts: list[str]) -> tuple[int, list[str]]:
        """The largest number of final parts shared with any path, and the paths that share that many."""
        for shared in range(len(parts), 0, -1):
            start = _turned(parts[-shared:])
            low = bisect_left(self._keys, start)
            if low < len(self._keys) and self._keys[low].startswith(start):
                high = bisect_left(self._keys, start[:-1] + "\1", low)
                return shared, self._paths[low:high]
        return 0, []


def _turned(parts: list[str]) -> str:
    return "\0".join(reversed(parts)) + "\0"
