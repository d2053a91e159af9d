"""Sources in archives: which archives of a folder belong together, and where their members are placed.

An archive may be meant to be unpacked "here" or into a folder of its name; layouts tell which. Several archives of one
source (``images_001.tar.gz`` … ``images_012.tar.gz``) are placed together, beside the files of their folder.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import PurePath
from typing import NamedTuple

from med_mat.catalog import Layout, Source
from med_mat.errors import ArchiveError, MedMATError
from med_mat.layouts.listing import Parts, Tree, levels
from med_mat.layouts.matching import Candidates, fitting
from med_mat.mounts.archives import ArchiveMount, alone, check, placed
from med_mat.mounts.base import Mount
from med_mat.mounts.members import kind, stem
from med_mat.raw.folder import RawFolder

log = logging.getLogger(__name__)

_DEEP = 2  # levels below a folder whose archives are read as part of it
_LEVELS = 4  # levels below an archive's root that a source's root may lie
_FOLDERS = 200  # the most folders of a level that are searched for archives

#: Says something by a format and its values, as loggers do.
Warn = Callable[..., object]


class Group(NamedTuple):
    """Archives that are read together, and the source that they contain."""

    source: Source
    layout: Layout
    mount: ArchiveMount  # its root is that of the source
    archives: tuple[str, ...]  # their paths below the folder that was searched

    @property
    def raw(self) -> RawFolder:
        """The raw folder of the source."""
        return RawFolder(self.mount, self.layout.variant)


def archives(tree: Tree) -> list[str]:
    """The archives in a folder and up to two levels below, which are read in place if nothing else fits."""
    if isinstance(tree.mount, ArchiveMount):
        return []  # archives in archives are not read in place
    places = (parts for level in levels(tree, _DEEP) for parts in level[:_FOLDERS])
    return ["/".join((*parts, name)) for parts in places for name in tree[parts].files if kind(name)]


def trees(tree: Tree) -> Iterator[Tree]:
    """The folder with its archives in place: unpacked here, in folders of their names, and each archive by itself."""
    names = _readable(tree.mount, archives(tree), log.debug)
    if names:
        for where in (_here, stem):
            yield Tree(_together(tree.mount, names, where), tree.sample)
        for name in names if len(names) > 1 else ():
            yield Tree(alone(tree.mount, name), tree.sample)


def sources(
    tree: Tree,
    catalog: Mapping[str, Source],
    claimed: Set[Parts] = frozenset(),
    known: Iterable[str] = (),
    *,
    own: bool = False,
    quiet: bool = False,
) -> Iterator[Group]:
    """The sources in archives of a folder, outside of folders that are claimed, and other than those already known.

    Args:
        tree: The folder.
        catalog: The sources to look for.
        claimed: Folders that are not searched.
        known: Names of sources that are found elsewhere.
        own: The folder is that of one source, so files beside its archives belong to it.
        quiet: Do not warn of archives that cannot be read, or contain what is found elsewhere.
    """
    warn = log.debug if quiet else log.warning
    if isinstance(tree.mount, ArchiveMount):
        return
    known = set(known)
    candidates = Candidates.of([source for name, source in catalog.items() if name not in known])
    for level in levels(tree, _LEVELS, claimed):
        for parts in level[:_FOLDERS]:
            names = ["/".join((*parts, name)) for name in tree[parts].files if kind(name)]
            for group in _of_folder(tree, parts, names, candidates, own or bool(parts), warn) if names else ():
                if group.source.name in known:
                    warn(
                        "%s contains %s too, which is already found elsewhere: left out",
                        group.mount.root,
                        group.source.name,
                    )
                    continue
                known.add(group.source.name)
                yield group


def tell(tree: Tree, names: Sequence[str]) -> Iterator[str]:
    """Sentences on archives that were read in place and contain nothing that fits."""
    sound, inner = [], list[str]()
    for name in names:
        try:
            one = alone(tree.mount, name)
            inner += [path for path in one.scan().files if kind(path)]
            sound.append(tree.top / name)
        except (MedMATError, OSError) as error:
            yield str(error)
    if sound:
        some = ", ".join(map(str, sound[:3])) + (f" and {len(sound) - 3} more" if len(sound) > 3 else "")
        yield f"{some} {'were' if len(sound) > 1 else 'was'} looked into as well, and nothing there fits."
    if inner:
        yield f"Archives inside archives, such as {inner[0]!r}, are not read in place: unpack the outer ones."


def _of_folder(
    tree: Tree, parts: Parts, names: Sequence[str], candidates: Candidates, own: bool, warn: Warn
) -> Iterator[Group]:
    """The sources in the archives of one folder."""
    groups: defaultdict[str, list[Group]] = defaultdict(list)
    names = _readable(tree.mount, names, warn)
    for name in names:
        one = _best(tree, alone(tree.mount, name), candidates, (name,), warn)
        if one is not None:
            groups[one.source.name].append(one)
    known = {name for found in groups.values() for one in found for name in one.archives}
    rest = [name for name in names if name not in known]
    if own and len(groups) == 1 and not rest:
        whole = _overlaid(tree, parts, names, candidates, groups, warn)
        if whole is not None:
            yield whole
            return
    if rest:
        whole = _overlaid(tree, parts, rest, candidates, (), warn)
        if whole is not None and whole.source.name not in groups:
            yield whole
        elif len(groups) == 1:  # they may be further parts of the one source
            whole = _overlaid(tree, parts, names, candidates, groups, warn)
            if whole is not None:
                yield whole
                return
    for found in groups.values():
        if len(found) == 1:
            yield found[0]
            continue
        several = [name for one in found for name in one.archives]
        whole = _overlaid(tree, parts, several, candidates, groups, warn)
        if whole is None:
            warn(
                "%s each contain %s, and do not fit together: only the first is read",
                ", ".join(str(tree.top / name) for name in several),
                found[0].source.name,
            )
        yield whole or found[0]


def _overlaid(
    tree: Tree,
    parts: Parts,
    names: Sequence[str],
    candidates: Candidates,
    allowed: Collection[str],
    warn: Warn,
) -> Group | None:
    """Archives placed together, if they fit one source, which must be in ``allowed`` if that names any."""
    folder = "/".join(parts)
    for where in (_here, stem):
        one = _best(tree, _together(tree.mount, names, where).below(folder), candidates, tuple(names), warn)
        if one is not None and (not allowed or one.source.name in allowed):
            return one
    return None


def _best(tree: Tree, mount: ArchiveMount, candidates: Candidates, names: tuple[str, ...], warn: Warn) -> Group | None:
    """The source that fits a mount at its shallowest folder; None if none does, or several do equally well."""
    inner = Tree(mount, tree.sample)
    for level in levels(inner, _LEVELS):
        for parts in level:
            chosen = candidates.best(inner, parts)
            if len(chosen) > 1:
                warn(
                    "%s may be any of %s: it fits the layouts of all. Name source and archive.",
                    inner.place(parts),
                    ", ".join(sorted(chosen)),
                )
                return None
            for name in chosen:
                source = candidates.sources[name]
                layout = fitting(inner, parts, source.layouts) or chosen[name]
                return Group(source, layout, mount.below("/".join(parts)), names)
    return None


def _together(base: Mount, names: Sequence[str], where: Callable[[str], str]) -> ArchiveMount:
    return ArchiveMount(base, tuple(placed(base, name, where(name)) for name in names))


def _here(name: str) -> str:
    return str(PurePath(name).parent).removeprefix(".")


def _readable(base: Mount, names: Iterable[str], warn: Warn) -> list[str]:
    """The archives that can be read; the others are warned of."""
    found = []
    for name in names:
        try:
            check(base, placed(base, name, ""))
            found.append(name)
        except (MedMATError, OSError) as error:
            warn("%s", error if isinstance(error, MedMATError) else ArchiveError(f"{base.root / name}: {error}"))
    return found
