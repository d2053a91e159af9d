"""Lists the content of a folder of sources that no source uses: folders that match no layout, links and archives."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from med_mat.building.ledger import is_image
from med_mat.building.words import counted
from med_mat.layouts.archives import is_archive
from med_mat.layouts.listing import Parts, Tree
from med_mat.mounts.folder import mounted
from med_mat.shell import printable, quote

_NAMED = 5  # maximum number of names of each kind; the largest folders first


@dataclass(slots=True)
class Unread:
    """The content that no source uses, as paths relative to the folder of sources."""

    folders: dict[str, tuple[int, int]] = field(default_factory=dict)  # folder -> number of images, number of files
    links: list[str] = field(default_factory=list)  # to folders, which are not followed
    archives: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)  # folders that cannot be opened


def unread(top: Path, roots: Mapping[str, PurePath], read: Collection[PurePath] = ()) -> Unread:
    """The content of a folder of sources that belongs to no recognized source.

    Args:
        top: the folder of sources.
        roots: source -> its root folder. All of ``top/<source>`` belongs to the source, even outside its root.
        read: archives that are read in place.
    """
    top = top.absolute()
    known = set()
    for name, root in roots.items():
        if root.is_relative_to(top):
            parts = root.relative_to(top).parts
            known.add(parts[:1] if parts and parts[0].lower() == name.lower() else parts)
    found, tree = Unread(), Tree(mounted(top))
    if () not in known:
        _look(tree, (), known, found)
    found.archives = [name for name in found.archives if top / name not in read]
    return found


def sentences(top: Path, found: Unread) -> list[str]:
    """Sentences that describe it, each on one line."""
    doctor = f"see med-mat doctor {quote(str(top))}"
    told = []
    if found.folders:
        by_size = sorted(found.folders, key=lambda one: (*(-number for number in found.folders[one]), one))
        told.append(f"not recognized: {_some([_sized(one, *found.folders[one]) for one in by_size])}; {doctor}")
    if found.links:
        told.append(f"links to folders, not followed: {_some(found.links)}; name them as SOURCE=FOLDER")
    if found.archives:
        told.append(
            f"archives, not read: {_some(found.archives)}; either what they hold lies there unpacked, or no source "
            f"fits; {doctor}"
        )
    if found.closed:
        told.append(f"folders that cannot be opened: {_some(found.closed)}; change their permissions")
    return [printable(one) for one in told]


def _look(tree: Tree, parts: Parts, known: set[Parts], found: Unread) -> None:
    """Search the top folder, or a folder that contains recognized sources."""
    if not parts:
        found.archives += filter(is_archive, tree[parts].files)
        found.links += _links(Path(tree.top), known)
    for name in tree[parts].folders:
        inner = (*parts, name)
        if inner in known:
            continue
        if any(one[: len(inner)] == inner for one in known):
            _look(tree, inner, known, found)
            continue
        if not os.access(tree.top.joinpath(*inner), os.R_OK | os.X_OK):
            found.closed.append("/".join(inner))
            continue
        files = list(_files(tree, inner))
        found.archives += filter(is_archive, files)
        others = [file for file in files if not is_archive(file)]
        if others:
            found.folders["/".join(inner)] = (sum(map(is_image, others)), len(others))


def _files(tree: Tree, parts: Parts) -> Iterator[str]:
    yield from ("/".join((*parts, name)) for name in tree[parts].files)
    for name in tree[parts].folders:
        yield from _files(tree, (*parts, name))


def _links(top: Path, known: set[Parts]) -> list[str]:
    names = {parts[0] for parts in known}
    return sorted(one.name for one in top.iterdir() if one.is_symlink() and one.is_dir() and one.name not in names)


def _sized(name: str, images: int, files: int) -> str:
    return f"{name} ({counted(images, 'image') if images else counted(files, 'file')})"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
