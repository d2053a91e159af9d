"""``SHA256SUMS``: the sha256 of every file of a Med-MAT, to detect files that were damaged or modified.

It has the format of the program sha256sum: ``sha256sum -c SHA256SUMS`` checks a Med-MAT too. Its last line is a comment
with the sha256 of the lines above, to check the list itself. A published Med-MAT contains such a list too.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from med_mat.building.store import FOLDERS, is_ours
from med_mat.errors import BuildError
from med_mat.files import relative, sha256, suspect
from med_mat.progress import Bar
from med_mat.shell import printable
from med_mat.storage.location import JOURNAL, SUMS, anew

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of checking the files of a Med-MAT."""

    where: str
    files: int  # number of files in the list
    bytes: int  # total size of the files that were read
    damaged: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()  # named like files of a build, but not in the list
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether every file is unchanged, and there are no others."""
        return not (self.damaged or self.missing or self.extra)

    def to_data(self) -> dict[str, Any]:
        """The result as plain data for JSON."""
        return {**asdict(self), "ok": self.ok}

    def __str__(self) -> str:
        """The result as lines for the terminal."""
        verdict = "whole" if self.ok else "NOT as it was written"
        lines = [f"{printable(self.where)}: {verdict} ({self.files:,} files, {self.bytes / 1e6:,.1f} MB read)"]
        lines += [f"  note         {self.note}"] if self.note else []
        for word, names in (("damaged", self.damaged), ("missing", self.missing), ("extra", self.extra)):
            lines += [f"  {word:<12} {len(names):,}"] if names else []
            lines += [f"    {printable(name)}" for name in names[:_SHOWN]]
            lines += [f"    and {len(names) - _SHOWN:,} more (--json has all)"] if len(names) > _SHOWN else []
        return "\n".join(lines if self.ok else [*lines, anew(Path(self.where))])


def to_bytes(sums: Mapping[str, str]) -> bytes:
    """The content of ``SHA256SUMS`` for the given files: name relative to the Med-MAT -> sha256."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())).encode()
    return lines + f"# {hashlib.sha256(lines).hexdigest()} is the sha256 of the lines above.\n".encode()


def read(folder: Path) -> dict[str, str]:
    """Read the list of a Med-MAT: name -> sha256.

    Raises:
        BuildError: there is no list, or it is damaged.
    """
    try:
        data = (folder / SUMS).read_bytes()
    except FileNotFoundError:
        raise BuildError(
            f"{folder.absolute()} has no {SUMS}, with which 'med-mat build' ends: it is no Med-MAT, or an unfinished "
            "one. Name a Med-MAT, or run the same 'med-mat build' again."
        ) from None
    except OSError as error:
        raise BuildError(f"{folder / SUMS} cannot be read: {error.strerror or error}.") from error
    lines = data.decode("utf-8", "replace").splitlines()
    pairs = [match.groups() for line in lines if (match := _LINE.fullmatch(line))]
    sums = {name: digest for digest, name in pairs}
    if to_bytes(sums) != data:
        raise BuildError(f"{folder / SUMS} is damaged. {anew(folder)}")
    return sums


def check(folder: Path, *, jobs: int = 1, progress: bool = False) -> Checked:
    """Read every file of a Med-MAT, and compare its hash with the list.

    A damaged file gets a new change time, so that the next build checks it instead of trusting it.

    Args:
        folder: the folder of the Med-MAT.
        jobs: number of threads.
        progress: whether to show a progress bar.

    Raises:
        BuildError: there is no list of its files.
    """
    where = str(folder)
    try:
        sums = read(folder)
    except BuildError:
        if not (folder / SUMS).is_file():
            raise
        return Checked(where, 0, 0, damaged=(SUMS,), note="without the list of files the others cannot be checked")
    notes = []
    if (folder / JOURNAL).exists():
        notes.append("a build is putting its files in place, or was stopped while it did")
    if not (folder / ".build").is_dir():
        notes.append("without .build, by which a build goes on: it is not looked for")
        sums = {name: digest for name, digest in sums.items() if not name.startswith(".build/")}
    sizes = {name: _size(folder / name) for name in sums}
    missing = tuple(name for name, size in sizes.items() if size is None)
    there = {name: size for name, size in sizes.items() if size is not None}
    damaged = []
    with Bar(sum(there.values()), desc=folder.name, unit="B", shown=progress) as bar:
        for name, right in _right(folder, {name: sums[name] for name in there}, jobs):
            bar.update(there[name])
            if not right:
                damaged.append(name)
                suspect(folder / name)
    lying = (path.relative_to(folder).as_posix() for top in FOLDERS for path in (folder / top).rglob("*"))
    extra = sorted(name for name in lying if name not in sums and is_ours(name) and (folder / name).is_file())
    return Checked(where, len(sums), sum(there.values()), tuple(damaged), missing, tuple(extra), note="; ".join(notes))


def prove(folder: Path, sums: Mapping[str, str], names: Collection[str]) -> None:
    """Verify the hashes of some files of a Med-MAT.

    Args:
        folder: the folder of the Med-MAT.
        sums: name -> sha256.
        names: the files to verify.

    Raises:
        BuildError: files are missing, damaged, or not in the list; the message names them.
    """
    listed = {name: sums[name] for name in names if name in sums}
    wrong = [name for name, right in _right(folder, listed, os.cpu_count() or 1) if not right]
    for name in wrong:
        suspect(folder / name)
    wrong += [name for name in names if name not in sums]
    if wrong:
        more = f" and {len(wrong) - _SHOWN:,} more" if len(wrong) > _SHOWN else ""
        raise BuildError(
            f"{folder.absolute()} is not as it was written: {', '.join(wrong[:_SHOWN])}{more} differ from {SUMS}. "
            f"{anew(folder)}"
        )


def beside(source: str) -> tuple[str, ...]:
    """The files of a source in a build, apart from its chunks."""
    return f"ledger/{source}.json", f"files/{source}.parquet", f".build/{source}/hashed"


def check_others(folder: Path, sources: Collection[str]) -> None:
    """Verify the files of sources that a build does not rebuild, apart from their chunks.

    Raises:
        BuildError: files are damaged; the message names them.
    """
    try:
        sums = read(folder)
    except BuildError as error:
        raise BuildError(
            f"{folder.absolute()} also contains {', '.join(sources)}, and their files cannot be verified: "
            f"{SUMS} is missing or damaged. Name these sources in the same build."
        ) from error
    for source in sources:
        listed = {name: sums[name] for name in beside(source) if name in sums}
        wrong = [name for name, right in _right(folder, listed, 1) if not right]
        if wrong:
            raise BuildError(
                f"{folder.absolute()} also contains {source}, of which {', '.join(wrong)} was changed or damaged. Name "
                f"{source} in the same build: it is rebuilt."
            )


def _right(folder: Path, sums: Mapping[str, str], jobs: int) -> Iterator[tuple[str, bool]]:
    """Each file, and whether its hash matches."""

    def right(name: str) -> bool:
        try:
            return sha256(folder / relative(name)) == sums[name]
        except (OSError, ValueError):
            return False

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        try:
            yield from zip(sums, pool.map(right, sums), strict=True)
        except BaseException:  # interrupted: do not read the remaining files first
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def of_files(places: Mapping[str, Path]) -> dict[str, str]:
    """The sha256 of files, given as name -> path: name -> sha256."""
    return {name: sha256(path) for name, path in places.items()}
