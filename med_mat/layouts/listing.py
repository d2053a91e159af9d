"""Trees of file and folder names, listed from disk on demand or built from known paths."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Set
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import NamedTuple

from med_mat import formats
from med_mat.mounts.base import Mount
from med_mat.mounts.members import kind
from med_mat.raw.patterns import is_hidden

_SAMPLE = 60
_OTHER_IMAGES = (".gz", ".hdr", ".raw", ".npy", ".svs")

Parts = tuple[str, ...]  # parts of a folder's path, relative to the top of its tree


class Listing(NamedTuple):
    """The names of the files and folders in a folder."""

    files: tuple[str, ...]
    folders: tuple[str, ...]

    @property
    def lowered(self) -> frozenset[str]:
        """All names in lower case."""
        return frozenset(name.lower() for name in (*self.files, *self.folders))


@dataclass
class Tree:
    """A folder whose subfolders are listed when first asked for.

    Hidden files, links to folders and unreadable entries are left out.
    """

    mount: Mount
    sample: bool = False  # keep only a sample of the images in each folder
    listings: dict[Parts, Listing] = field(default_factory=dict)

    def __getitem__(self, parts: Parts) -> Listing:
        listing = self.listings.get(parts)
        if listing is None:
            listing = self.listings[parts] = self._list(parts)
        return listing

    @property
    def top(self) -> PurePath:
        """What messages call the folder."""
        return self.mount.root

    def place(self, parts: Parts) -> PurePath:
        """What messages call a subfolder."""
        return self.top.joinpath(*parts)

    def _list(self, parts: Parts) -> Listing:
        names = self.mount.names("/".join(parts))
        files = [name for name in names.files if not is_hidden(name + "/")]
        folders = tuple(name for name in names.folders if not is_hidden(name + "/"))
        return Listing(tuple(sampled(files)) if self.sample else tuple(files), folders)


class _Known(Tree):
    """A tree that is already listed."""

    def _list(self, parts: Parts) -> Listing:
        return Listing((), ())


def known(mount: Mount, paths: Iterable[str], spelled: Collection[str] = ()) -> Tree:
    """The tree of the given files; if a folder has many images, only a sample is kept.

    Args:
        mount: The folder that the paths are relative to.
        paths: The files.
        spelled: File names in lower case that sampling keeps.
    """
    files: defaultdict[str, list[str]] = defaultdict(list)
    folders: defaultdict[str, set[str]] = defaultdict(set)
    for path in paths:
        where, _, name = path.rpartition("/")
        files[where].append(name)
    for where in list(files):
        while where:
            above, _, name = where.rpartition("/")
            if name in folders[above]:
                break
            folders[above].add(name)
            where = above
    tree = _Known(mount)
    for where in sorted(files.keys() | folders.keys()):
        names = files.get(where, [])
        kept = sampled(names)
        if len(kept) < len(names):
            kept = sorted({*kept, *(name for name in names if name.lower() in spelled)})
        parts = tuple(where.split("/")) if where else ()
        tree.listings[parts] = Listing(tuple(kept), tuple(sorted(folders.get(where, ()))))
    return tree


def levels(tree: Tree, depth: int, claimed: Set[Parts] = frozenset(), start: Parts = ()) -> Iterator[list[Parts]]:
    """The subfolders of a tree, level by level, without those that are claimed when their level is reached."""
    level = [start]
    for _ in range(depth + 1):
        yield level
        level = [
            (*parts, name)
            for parts in level
            if parts not in claimed
            for name in tree[parts].folders
            if (*parts, name) not in claimed
        ]
        if not level:
            return


def sampled(names: list[str]) -> list[str]:
    """All names that are not images, and a few images of each suffix and naming scheme."""
    if len(names) <= _SAMPLE:
        return names
    kept = []
    images: dict[str, list[str]] = {}
    suffixes = frozenset((*formats.image_suffixes(), *_OTHER_IMAGES, ""))
    for name in names:
        suffix = posixpath.splitext(name)[1].lower()
        if suffix in suffixes and not kind(name):
            images.setdefault(suffix, []).append(name)
        else:
            kept.append(name)
    for alike in images.values():
        step = max(1, len(alike) // (_SAMPLE // 2))
        some = dict.fromkeys(alike[::step])
        shapes: dict[str, str] = {}
        for name in alike:
            shapes.setdefault(re.sub(r"\d+", "0", name), name)
            if len(shapes) >= _SAMPLE:
                break
        kept += dict.fromkeys([*some, *shapes.values()])
    return sorted(kept)
