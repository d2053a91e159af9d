"""Finds sources on disk by the layouts of their cards, and explains why one is not found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from med_mat.catalog import Layout, Source
from med_mat.errors import FolderNotFoundError, LayoutError
from med_mat.layouts import packed
from med_mat.layouts.listing import Parts, Tree, levels
from med_mat.layouts.matching import Candidates, fits, fitting, lacking, matches, weight
from med_mat.mounts.base import Mount
from med_mat.mounts.choice import Place, mount_of
from med_mat.mounts.folder import FolderMount, mounted
from med_mat.raw.folder import RawFolder
from med_mat.taxonomy import closest

log = logging.getLogger(__name__)

LEVELS = 4  # a source's root may lie this many levels below the given folder
_FAR = 8  # levels that are searched for a suggestion
_TRIED = 200  # folders of a level that are tried

#: A loader's ``examples``.
Reader = Callable[[RawFolder], Iterable[Any]]


def locate(
    source: Source,
    folder: Place | str | Mount,
    reader: Reader | None = None,
    catalog: Mapping[str, Source] | None = None,
    *,
    follow: bool = True,
    archives: bool = True,
) -> RawFolder:
    """Finds the root of a source in a folder or up to four levels below it: the shallowest folder that fits a layout.

    Args:
        source: The source to find.
        folder: The folder or the archive to search.
        reader: The loader's ``examples``. If given, an incomplete copy is accepted: if no layout fits, the first folder
            in which the loader finds any image is used, and a warning says what is missing there.
        catalog: All sources; a folder that fits the layout of another source is not used.
        follow: Whether links may lead out of the folder.
        archives: Whether archives in the folder are read in place if nothing unpacked fits.

    Raises:
        LayoutError: No folder fits; the message says what was expected, what was found, and what to do.
    """
    mount = mount_of(folder, follow=follow)
    if not mount.is_folder(""):
        raise FolderNotFoundError(_no_folder(source, mount.root))
    tree, others = Tree(mount), dict[PurePath, str]()
    if found := _fitting(source, tree):
        return found
    for group in packed.sources(tree, {**(catalog or {}), source.name: source}, own=True) if archives else ():
        if group.source.name == source.name:
            return group.raw
    trees = list(packed.trees(tree)) if archives else []
    for one in trees:
        if found := _fitting(source, one):
            return found
    for one in (tree, *trees) if reader else ():
        if reader and (found := _readable(source, one, reader, catalog or {}, others)):
            return found
    hints = [f"{place} is laid out as {name}." for place, name in others.items()]
    raise LayoutError(" ".join([_misfit(source, tree), *hints[:1]]))


def _fitting(source: Source, tree: Tree) -> RawFolder | None:
    """The shallowest folder that fits a layout of a source."""
    for level in levels(tree, LEVELS):
        for layout in source.layouts:
            for parts in level:
                if fits(tree, parts, layout):
                    return RawFolder(tree.mount.below("/".join(parts)), layout.variant)
    return None


def has_all_parts(source: Source, raw: RawFolder) -> bool:
    """Whether all parts of a folder's layout are present; further downloads may add missing ones."""
    layout = next(one for one in source.layouts if one.variant == raw.variant)
    return all(matches(Tree(raw.mount), (), part) for part in layout.parts)


def _readable(
    source: Source, tree: Tree, reader: Reader, catalog: Mapping[str, Source], others: dict[PurePath, str]
) -> RawFolder | None:
    """The first folder in which a loader finds any image, with the most complete layout.

    Folders that fit the layout of another source are skipped and noted in ``others``.
    """
    whole = RawFolder(tree.mount)
    candidates = Candidates.of(catalog.values())
    foreign: set[Parts] = set()
    for level in levels(tree, LEVELS, foreign):
        for parts in level[:_TRIED]:
            chosen = candidates.best(tree, parts)
            if chosen:
                foreign.add(parts)
                others[tree.place(parts)] = " or ".join(sorted(chosen))
                continue
            lacks = {layout.variant: lacking(tree, parts, layout) for layout in source.layouts}
            for variant in sorted(lacks, key=lambda one: weight(lacks[one])):
                if _finds(reader, whole.below("/".join(parts), variant)):
                    missing = ", ".join(lacks[variant])
                    log.warning("%s lacks %s of %s: what is there is read", tree.place(parts), missing, source.name)
                    return RawFolder(tree.mount.below("/".join(parts)), variant)
    return None


def _finds(reader: Reader, raw: RawFolder) -> bool:
    try:
        return any(True for _ in reader(raw))
    except Exception:  # a loader expects a complete folder
        return False


def recognize(
    folder: Place | str | Mount,
    catalog: Mapping[str, Source],
    readers: Callable[[Source], Reader] | None = None,
    *,
    follow: bool = True,
) -> dict[str, RawFolder]:
    """Finds all sources below a folder or in an archive, each at its shallowest location, in the catalog's order.

    ``folder/<source>`` comes first (that folder may be a link), then any folder that fits a layout. A folder that fits
    several sources belongs to the one with the most specific layout; on a tie it belongs to none, with a warning.
    Images are sampled by the form of their names, so that large folders are fast.

    Args:
        folder: The folder to search.
        catalog: The sources to look for.
        readers: Returns the loader of a source, for :func:`locate` if a folder has the source's name.
        follow: Whether links may lead out of the folder.

    Raises:
        LayoutError: The folder does not exist.
    """
    mount = mount_of(folder, follow=follow)
    if not mount.is_folder(""):
        raise LayoutError(
            f"{mount.root} is not a folder. Name the folder in which the sources lie, each in a folder of its own."
        )
    tree = Tree(mount, sample=True)
    found: dict[str, RawFolder] = {}
    claimed: set[Parts] = set()
    entries = {name.lower(): name for name in sorted(mount.names("").folders, reverse=True)}
    for name, source in catalog.items():
        own = name if mount.is_folder(name) else entries.get(name.lower(), name)  # the first may be a link
        if mount.is_folder(own):
            try:
                found[name] = locate(source, mount.below(own), readers(source) if readers else None, catalog)
                claimed.add((own,))
            except LayoutError as error:
                log.warning("%s", error)
    candidates = Candidates.of([source for name, source in catalog.items() if name not in found])
    for level in levels(tree, LEVELS + 1, claimed):
        for parts in level:
            chosen = candidates.best(tree, parts, without=found)
            if len(chosen) == 1:
                ((name, layout),) = chosen.items()
                first = fitting(tree, parts, catalog[name].layouts) or layout  # as for a folder that is named
                found[name] = RawFolder(mount.below("/".join(parts)), first.variant)
                if parts:
                    claimed.add(parts)
            elif chosen:
                log.warning(
                    "%s may be any of %s: it fits the layouts of all. Call it %s, or name source and folder.",
                    tree.place(parts),
                    ", ".join(sorted(chosen)),
                    " or ".join(str(tree.top / name) for name in sorted(chosen)),
                )
    if () not in claimed and not any(raw.mount == mount for raw in found.values()):
        for group in packed.sources(tree, catalog, claimed, found):
            found[group.source.name] = group.raw
    return {name: found[name] for name in catalog if name in found}


# ---- what is wrong


def _no_folder(source: Source, place: PurePath) -> str:
    if not isinstance(place, Path):
        return f"{place} does not exist, and so {source.title} ({source.name}) cannot be read from it."
    top = place
    if top.is_file():
        return f"{top} is a file: name the folder or the archive that holds {source.title} ({source.name})."
    if top.parent.is_dir():
        near = closest(top.name, sorted(one.name for one in top.parent.iterdir()), 3, cutoff=0.6)
        hint = f" In {top.parent} lies {', '.join(map(repr, near))}: is it meant?" if near else ""
    else:
        hint = f" Nor does {top.parent} exist."
    return f"{top} does not exist, and so {source.title} ({source.name}) cannot be read from it.{hint}"


def _misfit(source: Source, tree: Tree) -> str:
    expected = "; or ".join(layout.words for layout in source.layouts)
    return " ".join(
        (
            f"{tree.top} is not laid out as {source.title} ({source.name}) is published.",
            f"Expected there, or up to {LEVELS} levels below: {expected or 'nothing yet: its card names no layout'}.",
            _hint(source, tree),
            f"'med-mat show {source.name}' prints the whole layout.",
        )
    )


def _hint(source: Source, tree: Tree) -> str:
    listing, top = tree[()], tree.top
    archives = packed.archives(tree)
    if not listing.files and not listing.folders:
        return "The folder is empty (hidden files aside): download the source and unpack it there."
    # "**" would search the whole tree
    shallow = [one for one in source.layouts if not any("**" in pattern for pattern in (*one.files, *one.parts))]
    for parent in list(top.parents)[: LEVELS - 1] if isinstance(tree.mount, FolderMount) else ():
        above = Tree(mounted(Path(parent)))
        if parent != Path(parent.anchor) and any(fits(above, (), layout) for layout in shallow):
            return f"This looks like {_count(len(top.relative_to(parent).parts))} too deep: pass {parent}."
    deeper = list(levels(tree, _FAR))[LEVELS + 1 :]
    for level in deeper:
        for parts in level:
            if any(fits(tree, parts, layout) for layout in source.layouts):
                return f"This looks like {_count(len(parts))} too high: pass {tree.place(parts)}."
    if archives:
        return " ".join(packed.tell(tree, archives))
    near = _nearest(source, tree)
    if near is not None:
        parts, layout, missing = near
        return (
            f"{tree.place(parts)} nearly fits (layout {layout.variant}): it lacks {', '.join(missing)}. "
            f"Is the download complete{', and of an edition that is read' if layout.edition else ''}?"
        )
    names = [*(f"{name}/" for name in listing.folders), *listing.files]
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"There lies: {', '.join(map(repr, names[:8]))}{more}. Is it another source, or another edition of it?"


def _count(depth: int) -> str:
    return "one level" if depth == 1 else f"{depth} levels"


def _nearest(source: Source, tree: Tree) -> tuple[Parts, Layout, list[str]] | None:
    """The folder and layout with the largest share of patterns present; None if none is."""
    best: tuple[float, Parts, Layout, list[str]] | None = None
    for level in levels(tree, LEVELS):
        for parts in level[:2000]:
            for layout in source.layouts:
                needed = (*layout.files, *layout.parts)
                missing = [pattern for pattern in needed if not matches(tree, parts, pattern)]
                share = 1 - len(missing) / max(len(needed), 1)
                if share > (best[0] if best else 0):
                    best = (share, parts, layout, missing)
    return best[1:] if best else None
