"""Where the files of a build lie: the Med-MAT as it is, and beside it the next one until it is whole.

New files wait below ``.build/next`` under the names that they will have. The switch (:func:`switch`) writes down what
it is going to do, moves them to their places, the manifest last, and removes what the new Med-MAT does not have; a
switch that was killed is finished by the next build (:func:`resume`). A build that fails leaves the old Med-MAT whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from med_mat.building.writer import write_atomically
from med_mat.errors import BuildError
from med_mat.location import JOURNAL, MANIFEST


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of a build."""

    out: Path

    @property
    def next(self) -> Path:
        """Where new files wait."""
        return self.out / ".build" / "next"

    def path(self, name: str) -> Path:
        """Where a file of the next Med-MAT lies now."""
        waiting = self.next / name
        return waiting if waiting.is_file() else self.out / name

    def size(self, name: str) -> int | None:
        """Bytes of a file of the next Med-MAT; None where it is not there."""
        try:
            return self.path(name).stat().st_size
        except OSError:
            return None


def switch(store: Store, kept: Collection[str]) -> None:
    """Make the next Med-MAT the one that readers find.

    Args:
        store: of the build.
        kept: every file that the next Med-MAT has below ``data``, ``.build``, ``ledger``, ``files`` and ``cards``,
            wherever it lies now. What else waits is dropped; what else lies there is removed.
    """
    kept = frozenset(kept)
    waiting = [path.relative_to(store.next).as_posix() for path in sorted(store.next.rglob("*")) if path.is_file()]
    moves = [name for name in waiting if name in kept or "/" not in name]
    moves.sort(key=lambda name: (name == MANIFEST, "/" not in name, name))
    ours = [store.out / folder for folder in ("data", ".build", "ledger", "files", "cards")]
    lying = (path for folder in ours for path in sorted(folder.rglob("*")) if path.is_file())
    stale = [
        name
        for name in (path.relative_to(store.out).as_posix() for path in lying)
        if name not in kept and _is_ours(name)
    ]
    write_atomically(store.out / JOURNAL, (json.dumps({"moves": moves, "removes": stale}) + "\n").encode())
    resume(store)


def resume(store: Store) -> None:
    """Do what is left of a switch, if there is one.

    Raises:
        BuildError: what it wrote down cannot be read.
    """
    try:
        journal = json.loads((store.out / JOURNAL).read_text("utf-8"))
        moves, removes = list(map(str, journal["moves"])), list(map(str, journal["removes"]))
    except FileNotFoundError:
        return
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BuildError(f"{store.out / JOURNAL} cannot be read ({error}): build into another folder.") from error
    for name in moves:
        if (store.next / name).is_file():
            (store.out / name).parent.mkdir(parents=True, exist_ok=True)
            (store.next / name).replace(store.out / name)
    for name in removes:
        (store.out / name).unlink(missing_ok=True)
    _remove_empty(store.out / "data", removes)
    shutil.rmtree(store.next, ignore_errors=True)
    (store.out / JOURNAL).unlink(missing_ok=True)


def clear(store: Store, sources: Collection[str]) -> None:
    """Remove what a run that was killed left waiting and this one cannot use; nobody else writes while it has the lock.

    Args:
        store: of the build.
        sources: those of this run: what was finished of them is kept.
    """
    sweep(store)
    for folder in (*store.next.glob("data/*"), *store.next.glob(".build/*")):
        if folder.name not in sources:
            shutil.rmtree(folder)


def sweep(store: Store) -> None:
    """Remove the files that were begun and not finished; nobody else writes while the build has the lock."""
    journal = store.out / JOURNAL
    for stray in (*store.next.rglob(".*.tmp"), *journal.parent.glob(f".{journal.name}.*.tmp")):
        stray.unlink(missing_ok=True)


def _is_ours(name: str) -> bool:
    """Whether a file below our folders is one that builds write: what else lies there is a user's."""
    parts = name.split("/")
    if parts[0] == "data":
        return len(parts) == 4 and parts[3].endswith(".parquet")
    if parts[0] == ".build":
        return len(parts) == 3 and parts[1] != "next"
    return len(parts) == 2 and parts[1].endswith((".json", ".parquet", ".md"))


def _remove_empty(top: Path, removed: Iterable[str]) -> None:
    """Remove the folders of removed data files that hold nothing any more."""
    for folder in {top.parent / name.rpartition("/")[0] for name in removed if name.startswith("data/")}:
        for one in (folder, folder.parent):
            if one != top and one.is_dir() and not any(one.iterdir()):
                one.rmdir()
