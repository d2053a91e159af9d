"""One look at a folder: what it holds, and what of it has been told apart so far."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from posixpath import splitext

from med_mat import formats
from med_mat.catalog import Catalog, Layout, Source
from med_mat.doctor.finding import Finding
from med_mat.layouts.listing import Parts, Tree, known, levels
from med_mat.layouts.matching import Candidates, branches, literal
from med_mat.raw.folder import RawFolder
from med_mat.storage.raw_files import FileIndex

DEPTH = 8  # how far below the folder to look


@dataclass
class Visit:
    """What is known of a folder. A folder inside it is told by the parts of its path."""

    raw: RawFolder  # as it was scanned
    paths: Sequence[str]  # the files to look at, sorted
    catalog: Catalog
    indexes: dict[str, FileIndex]  # of earlier builds, by source
    tables: bool  # read label tables
    claimed: dict[Parts, list[Finding]] = field(default_factory=dict)
    closed: set[Parts] = field(default_factory=set)  # below these nothing is looked for
    packed: set[Parts] = field(default_factory=set)  # in these lie archives

    @property
    def top(self) -> Path:
        """The folder."""
        return self.raw.root

    @cached_property
    def tree(self) -> Tree:
        """The names in it."""
        return self.listed(self.top, self.paths)

    @cached_property
    def candidates(self) -> Candidates:
        """All layouts."""
        return Candidates.of(self.catalog.values())

    @cached_property
    def _spelled(self) -> frozenset[str]:
        """File names, in lower case, that a layout spells out."""
        patterns = (pattern for source in self.catalog.values() for one in source.layouts for pattern in one.patterns)
        names = (branch[-1] for pattern in patterns for branch in branches(pattern) if branch)
        return frozenset(name.lower() for name in names if literal(name))

    def listed(self, top: Path, paths: Sequence[str]) -> Tree:
        """The tree of some files, in which no name is lost that a layout spells out."""
        return known(top, paths, self._spelled)

    def place(self, parts: Parts) -> Path:
        """Where a folder lies."""
        return self.top.joinpath(*parts)

    def inside(self, parts: Parts) -> Sequence[str]:
        """The files below a folder."""
        start = "".join(f"{part}/" for part in parts)
        return self.paths[bisect_left(self.paths, start) : bisect_left(self.paths, start + chr(0x10FFFF))]

    def folders(self, start: Parts = (), depth: int = DEPTH) -> Iterator[Parts]:
        """The folders from one down, level by level, without what lies below those that are closed by then."""
        for level in levels(self.tree, depth, self.closed, start):
            yield from (parts for parts in level if parts not in self.closed)

    def claim(self, parts: Parts, finding: Finding) -> None:
        """Note what a folder is. What lies below it is its own, but for the top folder, which may hold others."""
        self.claimed.setdefault(parts, []).append(finding)
        if parts:
            self.closed.add(parts)

    def findings(self) -> Iterator[Finding]:
        """What was claimed, in that order."""
        for some in self.claimed.values():
            yield from some

    def spells(self, name: str) -> bool:
        """Whether a layout of a source that was found spells out the name of a file: another copy of a table."""
        names = {one.source for one in self.findings() if one.state == "found"}
        patterns = (one for source in names for layout in self.catalog[source].layouts for one in layout.patterns)
        return any(name.lower() == branch[-1].lower() for pattern in patterns for branch in branches(pattern) if branch)

    def found(self, name: str) -> Finding | None:
        """Where a source was found first."""
        return next((one for one in self.findings() if one.source == name and one.state == "found"), None)


def images_in(paths: Sequence[str]) -> int:
    """How many files are images, by their names."""
    suffixes = formats.picture_suffixes()
    return sum(splitext(path)[1].lower() in suffixes for path in paths)


def images_of(source: Source, layout: Layout | None = None) -> int | None:
    """How many images of a source, or of an edition of it, give a record, by its card."""
    if layout is not None and layout.images is not None:
        return layout.images
    number = source.counts.get("images")
    return number - source.counts.get("unread", 0) if isinstance(number, int) else None
