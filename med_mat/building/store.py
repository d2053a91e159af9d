"""The files of a build on disk: the current Med-MAT, and next to it the new one until it is complete.

New files are staged below ``.build/next`` under their final names. The switch (:func:`switch`) writes a journal of its
steps, moves the files into place, the manifest last, and removes files that the new Med-MAT does not have; a switch
that was killed is completed by the next build (:func:`resume`). A build that fails leaves the old Med-MAT intact.

A marker is written after the files of its chunk, so a file that was modified later has a later change time than its
marker, and is hashed again before it is kept (:meth:`Store.is_whole`). Bit rot changes no time: ``med-mat validate
--out`` and ``med-mat push`` read every byte.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from med_mat.errors import BuildError
from med_mat.files import is_temporary, relative, sha256, suspect, write_atomically
from med_mat.storage.location import JOURNAL, MANIFEST

log = logging.getLogger(__name__)

#: The folders that contain files of a build, apart from those at its top level.
FOLDERS = ("data", ".build", "ledger", "files", "cards")


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of a build."""

    out: Path

    @property
    def next(self) -> Path:
        """The folder in which new files are staged."""
        return self.out / ".build" / "next"

    def path(self, name: str) -> Path:
        """The current path of a file of the next Med-MAT."""
        waiting = self.next / name
        return waiting if waiting.is_file() else self.out / name

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read columns of a Parquet file of the next Med-MAT; None: all columns.

        Raises:
            BuildError: the file is damaged.
        """
        with self.reading(name):
            return pq.read_table(self.path(name), columns=None if columns is None else list(columns))

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Turn errors while reading a file of the next Med-MAT into a BuildError, and have the next build check it.

        Raises:
            BuildError: the file is damaged.
        """
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            suspect(self.path(name))
            raise BuildError(
                f"{self.path(name)} is damaged ({error}). Run the same command again: it is rebuilt."
            ) from error

    def touched(self, name: str, since: int) -> bool | None:
        """Whether a file of the next Med-MAT may have changed since a time, in ns; None if it does not exist."""
        try:
            facts = self.path(name).stat()
        except OSError:
            return None
        return max(facts.st_mtime_ns, facts.st_ctime_ns) >= since

    def is_whole(self, name: str, size: int, digest: str, *, read: bool) -> bool:
        """Whether a file of the next Med-MAT has this size and, with ``read``, this sha256."""
        try:
            path = self.path(name)
            return path.stat().st_size == size and (not read or sha256(path) == digest)
        except OSError:
            return False


@contextmanager
def locked(out: Path) -> Iterator[Store]:
    """The store of a build, for one process at a time; temporary files are removed after an error.

    Raises:
        BuildError: another build uses the folder, or it cannot be written.
    """
    import filelock

    try:
        with filelock.FileLock(out / ".build" / "lock", timeout=0):
            store = Store(out)
            try:
                yield store
            except BaseException:  # leave no temporary files on a full disk, or after an interruption
                sweep(store)
                raise
    except filelock.Timeout:
        raise BuildError(
            f"Another build is writing to {out.absolute()}. Wait for it to finish, or choose another folder."
        ) from None
    except OSError as error:
        raise BuildError(f"Cannot write to {out.absolute()}: {error.strerror or error}.") from error


def switch(store: Store, kept: Collection[str]) -> None:
    """Replace the current Med-MAT by the next one.

    Args:
        store: the files of the build.
        kept: all files of the next Med-MAT, staged or already in place. Other staged files are dropped; other files of
            a build below ``data``, ``.build``, ``ledger``, ``files`` and ``cards`` are removed.
    """
    kept = frozenset(kept)
    waiting = [path.relative_to(store.next).as_posix() for path in sorted(store.next.rglob("*")) if path.is_file()]
    moves = [name for name in waiting if name in kept or "/" not in name]
    moves.sort(key=lambda name: (name == MANIFEST, "/" not in name, name.endswith(".json"), name))
    ours = [store.out / folder for folder in FOLDERS]
    lying = (path for folder in ours for path in sorted(folder.rglob("*")) if path.is_file())
    stale = [
        name
        for name in (path.relative_to(store.out).as_posix() for path in lying)
        if name not in kept and is_ours(name)
    ]
    write_atomically(store.out / JOURNAL, (json.dumps({"moves": moves, "removes": stale}) + "\n").encode())
    resume(store)


def resume(store: Store) -> None:
    """Complete an interrupted switch, if there is one.

    If its journal is damaged, nothing is moved: the build determines from the markers which chunks are complete.
    """
    try:
        journal = json.loads((store.out / JOURNAL).read_text("utf-8"))
        moves, removes = list(map(str, journal["moves"])), list(map(str, journal["removes"]))
    except FileNotFoundError:
        return
    except (OSError, ValueError, LookupError, TypeError) as error:
        log.warning("%s is damaged (%s): what it speaks of is looked at again", store.out / JOURNAL, error)
        (store.out / JOURNAL).unlink(missing_ok=True)
        return
    for name in moves:
        if _is_below(name) and (store.next / name).is_file():
            (store.out / name).parent.mkdir(parents=True, exist_ok=True)
            (store.next / name).replace(store.out / name)
    for name in removes:
        if _is_below(name) and is_ours(name):
            (store.out / name).unlink(missing_ok=True)
    _remove_empty(store.out / "data", removes)
    shutil.rmtree(store.next, ignore_errors=True)
    (store.out / JOURNAL).unlink(missing_ok=True)


def clear(store: Store, sources: Collection[str]) -> None:
    """Remove staged files of a killed run that this run cannot use. The caller must have the lock of the build.

    Args:
        store: the files of the build.
        sources: the sources of this run, whose finished chunks are kept.
    """
    sweep(store)
    for top in store.next.glob("*"):
        if top.name not in ("data", ".build"):  # they are written again
            shutil.rmtree(top) if top.is_dir() else top.unlink()
    for folder in (*store.next.glob("data/*"), *store.next.glob(".build/*")):
        if folder.name not in sources:
            drop(store, folder.name)


def drop(store: Store, source: str) -> None:
    """Remove all staged files of a source, finished or not."""
    for folder in (store.next / "data" / source, store.next / ".build" / source):
        if folder.is_dir():
            shutil.rmtree(folder)
    (store.next / "files" / f"{source}.parquet").unlink(missing_ok=True)


def sweep(store: Store) -> None:
    """Remove temporary files that were not finished. The caller must have the lock of the build."""
    for stray in (*store.next.rglob(".*.tmp"), *store.next.parent.glob(".*.tmp")):
        if is_temporary(stray.name) and stray.is_dir():
            shutil.rmtree(stray, ignore_errors=True)
        elif is_temporary(stray.name):
            stray.unlink(missing_ok=True)


def is_ours(name: str) -> bool:
    """Whether a file in the folders of a build has a name that builds write: all others belong to the user."""
    parts = name.split("/")
    if parts[0] == "data":
        return len(parts) == 4 and parts[3].endswith(".parquet")
    if parts[0] == ".build":
        return len(parts) == 3 and parts[1] != "next"
    if parts[0] not in FOLDERS:
        return False
    return len(parts) == 2 and parts[1].endswith((".json", ".parquet", ".md"))


def _is_below(name: str) -> bool:
    """Whether a name from the journal stays inside the folder of the build."""
    try:
        return relative(name).as_posix() == name
    except ValueError:
        return False


def _remove_empty(top: Path, removed: Iterable[str]) -> None:
    """Remove the folders of removed data files that are now empty."""
    for folder in {top.parent / name.rpartition("/")[0] for name in removed if name.startswith("data/")}:
        for one in (folder, folder.parent):
            if one != top and one.is_dir() and not any(one.iterdir()):
                one.rmdir()
