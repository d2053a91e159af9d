"""Merges parts: builds of some sources each, made by tasks that know nothing of each other, into one Med-MAT.

The files of the parts are verified and linked (or copied) into the output; then groups, splits, index, card and
manifest are made over all of them. The result has the bytes of one build of all sources.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from med_mat import __version__, schema
from med_mat.building import sums
from med_mat.building.chunk import Result
from med_mat.building.finish import finish
from med_mat.building.folders import claim
from med_mat.building.options import Options
from med_mat.building.settle import why
from med_mat.building.store import Store, clear, locked, resume
from med_mat.catalog import Catalog, load
from med_mat.errors import BuildError
from med_mat.files import replacing
from med_mat.progress import Bar
from med_mat.storage.location import MANIFEST


@dataclass(frozen=True, slots=True)
class Merged:
    """The outcome of a merge."""

    out: Path
    sources: Mapping[str, Path]  # source -> the part that it came from
    total: int  # records in the whole Med-MAT
    withheld: int
    moved: int  # chunks whose records changed splits


@dataclass(frozen=True, slots=True)
class _Part:
    folder: Path
    sums: Mapping[str, str]  # file -> sha256
    sources: Mapping[str, Mapping[str, Any]]  # as in the manifest

    def files(self, source: str) -> list[str]:
        """The files of a source that a merge takes."""
        starts = (f"data/{source}/", f".build/{source}/")
        return [name for name in self.sums if name.startswith(starts) or name in sums.beside(source)]


def merge(
    parts: Sequence[Path | str],
    out: Path | str,
    *,
    jobs: int | None = None,
    allow_fewer: bool = False,
    catalog: Catalog | None = None,
    progress: bool = False,
) -> Merged:
    """Merge builds of some sources each into the Med-MAT in the folder ``out``, which may exist already.

    A run that was killed is resumed by the same call. The parts are only read.

    Args:
        parts: folders that ``build`` wrote, with their ``.build``. A source that is alike in several is taken once.
        out: the folder of the merged Med-MAT. Sources that it contains already stay; those of a part are replaced.
        jobs: number of processes for chunks whose records change splits.
        allow_fewer: whether records of the existing Med-MAT may be lost.
        catalog: the sources' cards.
        progress: whether to show progress bars.

    Raises:
        BuildError: a part is unfinished, damaged, or of another version; two parts differ in a source, in code or in
            libraries; the output cannot be written.
    """
    catalog, out = catalog or load(), Path(out)
    known = [_read(Path(folder), catalog) for folder in parts]
    if not known:
        raise BuildError("There is nothing to merge: name the folders that 'med-mat build' wrote.")
    chosen = _chosen(known)
    for part in known:
        if part.folder.resolve() == out.resolve():
            raise BuildError(f"{part.folder} is a part and the output as well: choose another folder for the output.")
    claim(out, [])
    with locked(out) as store:
        resume(store)
        clear(store, chosen)
        results, ledgers = {}, {}
        with Bar(len(chosen), desc="merge", unit="source", shown=progress) as bar:
            for source, part in chosen.items():
                _bring(part, source, store)
                bar.update()
        for source in sorted(chosen, key=list(catalog).index):
            results[source] = list(_results(store, source))
            ledgers[source] = json.loads((store.next / "ledger" / f"{source}.json").read_text("utf-8"))
        _check_versions({source: (chosen[source], results[source]) for source in results})
        options = Options(jobs=jobs, allow_fewer=allow_fewer)
        settled, _, moved = finish(store, options, catalog, ledgers, results, progress=progress)
    origin = {source: part.folder for source, part in chosen.items()}
    return Merged(out, origin, len(settled.order), sum(why(settled.withheld).values()), moved)


def _read(folder: Path, catalog: Catalog) -> _Part:
    """A part, its version checked."""
    if not (folder / MANIFEST).is_file() or not (folder / ".build").is_dir():
        state = "is an unfinished build" if (folder / ".build").is_dir() else "is no build with its folder .build"
        raise BuildError(f"{folder.absolute()} {state}: run the 'med-mat build' of this part to its end, then merge.")
    known = sums.read(folder)
    sums.prove(folder, known, [MANIFEST])
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    if manifest.get("schema") != schema.VERSION or manifest.get("med_mat") != __version__:
        raise BuildError(
            f"{folder.absolute()} was built by Med-MAT {manifest.get('med_mat')} with schema {manifest.get('schema')}; "
            f"this is {__version__} with schema {schema.VERSION}. Build this part again with this version."
        )
    strange = [name for name in manifest["sources"] if name not in catalog]
    if strange:
        raise BuildError(f"{folder.absolute()} contains {strange[0]!r}, of which no card is installed here.")
    return _Part(folder, known, manifest["sources"])


def _chosen(parts: Sequence[_Part]) -> dict[str, _Part]:
    """Source -> the part that it is taken from.

    Raises:
        BuildError: two parts differ in a source, or were built with different options.
    """
    chosen: dict[str, _Part] = {}
    options: dict[str, tuple[Any, _Part]] = {}
    for part in parts:
        for source, facts in part.sources.items():
            first = chosen.setdefault(source, part)
            if first.sources[source] != facts or not _alike(first, part, source):
                raise BuildError(
                    f"{first.folder.absolute()} and {part.folder.absolute()} both contain {source!r}, and differ: "
                    "leave out the one that is not meant."
                )
            given = {"--check": facts["checked"], **({} if facts["seed"] is None else {"--seed": facts["seed"]})}
            for name, value in given.items():
                before, where = options.setdefault(name, (value, part))
                if before != value:
                    raise BuildError(
                        f"{where.folder.absolute()} was built with {name} {before}, and {part.folder.absolute()} with "
                        f"{name} {value}: build one of them again with the options of the other."
                    )
    return chosen


def _alike(one: _Part, other: _Part, source: str) -> bool:
    """Whether two parts have the same ledger and raw files of a source; its records may differ in their sides alone."""
    return one is other or all(
        one.sums.get(name) == other.sums.get(name) for name in sums.beside(source) if not name.endswith("/hashed")
    )


def _bring(part: _Part, source: str, store: Store) -> None:
    """Verify the files of a source, and link or copy them to where the next Med-MAT is staged.

    Raises:
        BuildError: one is damaged.
    """
    names = part.files(source)
    sums.prove(part.folder, part.sums, names)
    for name in names:
        target = store.next / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        if name.startswith("data/"):  # never written again under this name, so a link is as good as a copy
            with suppress(OSError):
                os.link(part.folder / name, target)
                continue
        with replacing(target, tidy=False) as temporary:
            shutil.copyfile(part.folder / name, temporary)


def _results(store: Store, source: str) -> Iterator[Result]:
    """The chunks of a source that were brought."""
    for path in sorted((store.next / ".build" / source).glob("*.json")):
        try:
            yield Result.from_json(path.read_text("utf-8"))
        except ValueError as error:
            raise BuildError(
                f"The marker {path.name} of {source!r} is damaged: {error}. Build this part again."
            ) from error


def _check_versions(taken: Mapping[str, tuple[_Part, Sequence[Result]]]) -> None:
    """Refuse parts whose records depend on different code or libraries."""
    seen: dict[str, tuple[str, _Part]] = {}
    for part, results in taken.values():
        for result in results:
            for name, version in (*result.code.items(), *result.libraries.items()):
                first, where = seen.setdefault(name, (version, part))
                if first != version:
                    raise BuildError(
                        f"{where.folder.absolute()} and {part.folder.absolute()} were built with different versions of "
                        f"{name} ({first} and {version}): build one of them again where the other was built."
                    )
