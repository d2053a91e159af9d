"""The state of one diagnosis: what a folder holds, and which parts of it are already identified."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from posixpath import splitext
from typing import cast

from med_mat import formats
from med_mat.catalog import Catalog, Layout, Source
from med_mat.doctor.finding import Finding
from med_mat.layouts.listing import Parts, Tree, known, levels
from med_mat.layouts.matching import Candidates, branches, literal
from med_mat.mounts.base import Mount
from med_mat.raw.folder import RawFolder
from med_mat.storage.raw_files import FileIndex

DEPTH = 8  # levels below the folder that are searched


@dataclass
class Scan:
    """What is known of a folder. Folders inside it are identified by the parts of their path."""

    raw: RawFolder  # as it was scanned
    paths: Sequence[str]  # the files to look at, sorted
    catalog: Catalog
    indexes: dict[str, FileIndex]  # of earlier builds, by source
    tables: bool  # read label tables
    claimed: dict[Parts, list[Finding]] = field(default_factory=dict)
    closed: set[Parts] = field(default_factory=set)  # nothing is searched below these
    packed: set[Parts] = field(default_factory=set)  # folders that hold archives
    read: set[str] = field(default_factory=set)  # archives of sources that are read in place

    @property
    def top(self) -> Path:
        """The folder; an address if it is not on this machine, of which nothing but its name is used."""
        return cast(Path, self.raw.root)

    @cached_property
    def tree(self) -> Tree:
        """The names of its files and folders."""
        return self.listed(self.raw.mount, self.paths)

    @cached_property
    def candidates(self) -> Candidates:
        """All layouts."""
        return Candidates.of(self.catalog.values())

    @cached_property
    def _spelled(self) -> frozenset[str]:
        """Literal file names of all layouts, in lower case."""
        patterns = (pattern for source in self.catalog.values() for one in source.layouts for pattern in one.patterns)
        names = (branch[-1] for pattern in patterns for branch in branches(pattern) if branch)
        return frozenset(name.lower() for name in names if literal(name))

    def listed(self, mount: Mount, paths: Sequence[str]) -> Tree:
        """The tree of some files. Sampling keeps every name that a layout spells out."""
        return known(mount, paths, self._spelled)

    def place(self, parts: Parts) -> Path:
        """The path of a folder."""
        return self.top.joinpath(*parts)

    def inside(self, parts: Parts) -> Sequence[str]:
        """The files below a folder."""
        start = "".join(f"{part}/" for part in parts)
        return self.paths[bisect_left(self.paths, start) : bisect_left(self.paths, start + chr(0x10FFFF))]

    def folders(self, start: Parts = (), depth: int = DEPTH) -> Iterator[Parts]:
        """The folders below one, level by level, except those below a folder that is closed by then."""
        for level in levels(self.tree, depth, self.closed, start):
            yield from (parts for parts in level if parts not in self.closed)

    def claim(self, parts: Parts, finding: Finding) -> None:
        """Notes what a folder is. Its content belongs to it, except for the top folder, which may hold others."""
        self.claimed.setdefault(parts, []).append(finding)
        if parts:
            self.closed.add(parts)

    def findings(self) -> Iterator[Finding]:
        """All findings, in the order in which they were claimed."""
        for some in self.claimed.values():
            yield from some

    def spells(self, name: str) -> bool:
        """Whether a file has a literal name of a source that was found: another copy of its table."""
        names = {one.source for one in self.findings() if one.state == "found"}
        patterns = (one for source in names for layout in self.catalog[source].layouts for one in layout.patterns)
        return any(name.lower() == branch[-1].lower() for pattern in patterns for branch in branches(pattern) if branch)

    def found(self, name: str) -> Finding | None:
        """The first finding of a source."""
        return next((one for one in self.findings() if one.source == name and one.state == "found"), None)


def images_in(paths: Sequence[str]) -> int:
    """The number of files with an image suffix."""
    suffixes = formats.picture_suffixes()
    return sum(splitext(path)[1].lower() in suffixes for path in paths)


def images_of(source: Source, layout: Layout | None = None) -> int | None:
    """The number of images that give a record, by the card; of an edition where the layout states it."""
    if layout is not None and layout.images is not None:
        return layout.images
    number = source.counts.get("images")
    return number - source.counts.get("unread", 0) if isinstance(number, int) else None
