"""The folders of a build: the raw folders that it reads, and the output folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from med_mat.building.loader import examples_of, has_loader
from med_mat.catalog import Catalog, load
from med_mat.errors import BuildError, LayoutError, UsageError
from med_mat.files import holds
from med_mat.layouts.locating import locate, recognize
from med_mat.mounts.base import Mount
from med_mat.mounts.choice import Place, mount_of
from med_mat.raw.folder import RawFolder
from med_mat.storage.location import MANIFEST

log = logging.getLogger(__name__)


def find(
    folders: Mapping[str, Place | None], root: Place | None, catalog: Catalog | None = None, *, follow: bool = True
) -> dict[str, RawFolder]:
    """The raw folders to build from.

    Args:
        folders: source name -> its folder, archive or address, or None for "below ``root``". Empty: everything
            recognized below ``root``.
        root: the folder of sources, each as ``root/<source>`` or in a folder of any name with a layout that matches;
            or its address.
        catalog: the sources' cards.
        follow: whether symbolic links to files may point outside the folder of a source.

    Raises:
        UnknownSourceError: a name is not in the catalog.
        LayoutError: a folder does not match the layout of its source, or nothing is recognized.
        UsageError: no folder is given.
        RemoteError: an address cannot be read.
    """
    catalog = catalog or load()
    if not folders:
        if root is None:
            raise UsageError(
                "Nothing to build: name a source and its folder (busi=/data/BUSI), or a folder of sources."
            )
        top = mount_of(root, follow=follow)
        known = recognize(top, catalog, examples_of, follow=follow)
        for name in [name for name in known if not has_loader(catalog[name])]:
            log.warning("%s is recognized in %s, but has no loader yet: left out", name, known.pop(name).root)
        if not known:
            raise LayoutError(
                f"No source of Med-MAT is recognized below {top.root}. 'med-mat sources' lists what is known, "
                "'med-mat show SOURCE' prints the layout that is expected."
            )
        return dict(sorted(known.items(), key=lambda item: list(catalog).index(item[0])))
    found: dict[str, RawFolder] = {}
    common = mount_of(root, follow=follow) if root is not None and None in folders.values() else None
    for name, folder in folders.items():
        place: Place | Mount | None = folder
        source = catalog[name]
        if place is None:
            if common is None:
                raise UsageError(
                    f"No folder is given for {name!r}: write {name}=FOLDER, or name the folder of sources (--raw)."
                )
            place = common.below(name) if common.is_folder(name) or common.is_file(name) else common
        found[name] = locate(source, place, examples_of(source), catalog, follow=follow)
    return found


def check_apart(out: Path, raw: Iterable[Path]) -> None:
    """Refuse an output inside a raw folder, or a raw folder inside the output, after resolving links.

    Raises:
        BuildError: one is inside the other, or they are the same.
    """
    for folder in raw:
        if holds(folder, out):
            raise BuildError(
                f"The output {out.absolute()} is inside the raw folder {folder}, where every file is accounted "
                "for: choose a folder outside of it."
            )
        if holds(out, folder):
            raise BuildError(
                f"The raw folder {folder} is inside the output {out.absolute()}, where builds replace files: "
                "choose another folder for the output."
            )


def claim(out: Path, raw: Iterable[RawFolder]) -> None:
    """Create the output folder, or refuse one that contains something else or is inside a raw folder.

    Raises:
        BuildError: the folder is refused, or cannot be created.
    """
    check_apart(out, [place for folder in raw for place in folder.mount.places])
    if out.exists() and not out.is_dir():
        raise BuildError(f"{out.absolute()} is a file: choose a folder for the output.")
    strange = out.is_dir() and any(out.iterdir()) and not (out / ".build").is_dir()
    if strange and (out / MANIFEST).is_file():
        raise BuildError(
            f"{out.absolute()} contains a Med-MAT without its folder .build: published, or its .build was "
            "removed. It can be opened as it is, but no build can continue there: choose an empty or new folder for "
            "the output."
        )
    if strange:
        raise BuildError(f"{out.absolute()} contains files that are not a Med-MAT build. Choose a new or empty folder.")
    try:
        (out / ".build").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(f"Cannot create the folder {out.absolute()}: {error.strerror or error}.") from error
