"""Copies a finished Med-MAT to object storage: what is there already stays, and its manifest goes last.

What arrived is noted beside the build, so a copy that was killed goes on, and one of a build with a few new files sends
these only. Without its manifest nobody opens a Med-MAT, so nobody reads half of one.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from med_mat.building import sums
from med_mat.errors import BuildError, FolderNotFoundError
from med_mat.files import sha256, write_atomically
from med_mat.mounts import stores
from med_mat.mounts.urls import URLPath
from med_mat.progress import Bar
from med_mat.storage.location import INDEX, MANIFEST, SUMS

_LAST = ("README.md", INDEX, SUMS, MANIFEST)


class Mirrored(NamedTuple):
    """What a copy did."""

    sent: int  # files
    size: int  # bytes of these
    kept: int  # files that were there already
    removed: int  # files of an earlier build


def mirror(folder: Path, where: URLPath, *, progress: bool = False) -> Mirrored:
    """Copies a finished Med-MAT to an address; the build's own state is not copied.

    Args:
        folder: The Med-MAT.
        where: The address: empty, or with an earlier copy.
        progress: Whether to show a progress bar.

    Raises:
        BuildError: There is no finished Med-MAT, or the address contains something else.
        RemoteError: The address cannot be read or written, or what arrived is not what was sent.
    """
    wanted = {**sums.read(folder), SUMS: sha256(folder / SUMS)}
    note = folder / ".build" / "mirror.json"
    there = _there(where)
    known = _known(note, where)
    strange = sorted(there.keys() - wanted.keys() - known.keys())
    if strange:
        raise BuildError(
            f"{where} contains files that are not of a copy of {folder.absolute()}, such as {strange[0]!r}: choose an "
            "empty place."
        )
    whole = {name for name, digest in wanted.items() if name in there and known.get(name) == [digest, *there[name]]}
    gone = sorted(there.keys() - wanted.keys())
    if len(whole) == len(wanted) and not gone:
        return Mirrored(0, 0, len(wanted), 0)
    if MANIFEST in there:
        stores.remove(where / MANIFEST)
        whole.discard(MANIFEST)
    order = sorted(wanted.keys() - whole - {*_LAST}) + [name for name in _LAST if name in wanted and name not in whole]
    size = 0
    total = sum((folder / name).stat().st_size for name in order)
    with Bar(total, desc=f"sending to {where}", unit="B", shown=progress) as bar:
        for name in order:
            path = folder / name
            entry = stores.sent(path, where / name)
            known[name] = [wanted[name], *entry]
            write_atomically(note, json.dumps({"to": str(where), "files": known}).encode())
            size += path.stat().st_size
            bar.update(path.stat().st_size)
    for name in gone:
        stores.remove(where / name)
    return Mirrored(len(order), size, len(whole), len(gone))


def _there(where: URLPath) -> dict[str, stores.Entry]:
    with suppress(FolderNotFoundError):
        return stores.listed(where).files
    return {}


def _known(note: Path, where: URLPath) -> dict[str, list[object]]:
    """What earlier copies sent there: name -> sha256, and the facts of the file there."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        kept = json.loads(note.read_text("utf-8"))
        if kept["to"] == str(where):
            return dict(kept["files"])
    return {}
