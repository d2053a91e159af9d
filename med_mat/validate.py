"""Compares raw files with an index of them: names and sizes, hashes, or by decoding every image."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal, TypeVar, cast

import pyarrow as pa
import pyarrow.compute as pc

from med_mat.catalog import load
from med_mat.differences import Validation, absent, compare, differences
from med_mat.errors import LayoutError, MedMATError, ReadError, UnknownSourceError, UsageError
from med_mat.layouts import packed
from med_mat.layouts.listing import Tree
from med_mat.marker import Marker, marker_path
from med_mat.mounts.choice import mount_of
from med_mat.progress import Bar
from med_mat.raw.folder import RawFolder
from med_mat.raw.patterns import is_hidden
from med_mat.storage.raw_files import FileIndex, index_of, read_indexes, write_index

Level = Literal["quick", "hash", "decode"]
T = TypeVar("T")

_SAMPLE = 200
_CHUNK = 256


def validate(
    folder: Path | str,
    index: FileIndex,
    *,
    level: Level = "quick",
    jobs: int = 1,
    progress: bool = False,
    state: Path | None = None,
    write: Path | None = None,
) -> Validation:
    """Compare the raw files of one source with its index.

    Args:
        folder: the folder that has them, at any depth, or the archive; archives in a folder are read in place.
        index: the expected files.
        level: "quick" compares names and sizes; "hash" also the sha256 of all files for which the index has one;
            "decode" also decodes every image and mask.
        jobs: number of threads.
        progress: whether to show a bar.
        state: the file that records which files have been hashed, so that a killed run can resume; None: in the user's
            cache.
        write: a folder to write the index of the files found to, with the sha256 of all from level "hash" on.

    Raises:
        LayoutError: there is no such folder, or it has none of the files.
        ReadError: the index was published without file names.
    """
    if not index.named:
        raise ReadError(
            f"The index of {index.source!r} was published without file names, so files cannot be found by name. "
            "'med-mat attach' compares their content, and 'med-mat build' writes an index with names."
        )
    raw = _found(RawFolder(mount_of(folder)), index)
    roles: dict[str, str] = {}
    expected: dict[str, str] = {}
    if level != "quick" or write is not None:  # not for names and sizes alone: they are many
        columns = index.files.to_pydict()
        roles = dict(zip(columns["path"], columns["role"], strict=True))
        expected = dict(zip(columns["path"], columns["sha256"], strict=True))
    digests: dict[str, str] = {}
    bad: dict[str, str] = {}
    note = ""
    if level != "quick":
        wanted = [path for path in raw.files if (write and not is_hidden(path)) or expected.get(path)]
        digests, resumed = _hash(index.source, raw, wanted, bad, jobs, progress, state)
        note = f"{resumed:,} files were hashed by an earlier, interrupted run" if resumed else ""
    here = index_of(index.source, raw, digests, roles)
    diff = differences(index.files, here.files)
    decoded = 0
    if level == "decode":
        pictures = [path for path in raw.files if roles.get(path) in ("image", "mask") and path not in bad]
        decoded = len(pictures)
        bad |= _decode(index.source, raw, pictures, roles, jobs, progress)
    if write is not None:
        write_index(write, FileIndex(index.source, raw.variant or index.variant, here.files))
    hashed = sum(bool(expected.get(path)) for path in digests)
    return Validation(
        index.source, str(raw.root), level, len(index.files), diff.missing, diff.extra, diff.altered, diff.moved,
        dict(sorted(bad.items())), hashed, decoded, note,
    )  # fmt: skip


def run(
    folders: Mapping[str, Path | None],
    root: Path | None,
    against: Path | None,
    other: tuple[Path, Path] | None = None,
    *,
    level: Level = "quick",
    write: Path | None = None,
    jobs: int = 1,
    progress: bool = False,
) -> tuple[Validation, ...]:
    """Compare the raw files of several sources with their indexes, or two sets of indexes.

    Args:
        folders: source -> its folder, or None for "below ``root``"; empty: every source of ``against``.
        root: a folder of sources, each as ``root/<source>`` or under any name.
        against: a Med-MAT, a folder of index files, or one such file.
        other: two of these, to compare with each other instead of raw files.
        level: see :func:`validate`.
        write: see :func:`validate`.
        jobs: threads.
        progress: whether to show a bar.

    Raises:
        LayoutError, ReadError, UnknownSourceError: what is named is not there, or is no index.
        UsageError: arguments that do not go together.
    """
    if other:
        if folders or root or against or write:
            raise UsageError("--compare takes two indexes, and neither raw folders, nor --against, nor --write.")
        return compare(read_indexes(other[0]), read_indexes(other[1]))
    if root is None and (not folders or None in folders.values()):
        raise UsageError("Where do the raw files lie? Write SOURCE=FOLDER, or give the folder of sources (--raw).")
    if against is None:
        raise UsageError("Compare with what? Name a Med-MAT or one of its index files (--against).")
    indexes = read_indexes(against)
    for name in folders:
        if name not in indexes:
            raise UnknownSourceError(f"{against.absolute()} has no index of {name!r}, only of {', '.join(indexes)}.")
    found = []
    for name in folders or indexes:
        folder = folders.get(name)
        place = folder or _below(cast(Path, root), name)
        try:
            found.append(validate(place, indexes[name], level=level, jobs=jobs, progress=progress, write=write))
        except LayoutError as error:
            if folder is not None:
                raise
            found.append(absent(indexes[name], place, str(error)))
    return tuple(found)


def _below(root: Path, name: str) -> Path:
    return root / name if (root / name).is_dir() else root


def _found(raw: RawFolder, index: FileIndex) -> RawFolder:
    """The folder that the paths of the index are relative to, unpacked or in archives."""
    try:
        return _aligned(raw, index)
    except LayoutError:
        for group in packed.sources(Tree(raw.mount), load(), quiet=True):
            if group.source.name == index.source:
                return _aligned(group.raw, index)
        raise


def _aligned(raw: RawFolder, index: FileIndex) -> RawFolder:
    """The subfolder that the paths of the index are relative to."""
    # tables and notices have the same names in many sources, images do not
    images = index.files.filter(pc.is_in(index.files["role"], value_set=pa.array(["image", "mask"])))
    paths: list[str] = (images if len(images) else index.files)["path"].to_pylist()
    sample = paths[:: max(1, len(paths) // _SAMPLE)]
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for path in sample:
        by_name[posixpath.basename(path)].append(path)
    votes: Counter[str] = Counter()
    if sum(path in raw.files for path in sample) > len(sample) / 2:
        return raw
    for path in raw.files:
        for wanted in by_name.get(path.rpartition("/")[2], ()):
            if path == wanted:
                votes[""] += 1
            elif path.endswith("/" + wanted):
                votes[path[: -len(wanted) - 1]] += 1
    if not votes or max(votes.values()) < len(sample) / 50:
        raise LayoutError(
            f"{raw.root} has none, or hardly any, of the files of {index.source!r} that the index lists, such as "
            f"{sample[0]!r}. Name the folder that has them."
            if sample
            else f"The index of {index.source!r} lists no files."
        )
    best = max(votes.values())
    return raw.below(min((where for where, count in votes.items() if count == best), key=lambda one: (len(one), one)))


def _hash(
    source: str,
    raw: RawFolder,
    paths: Sequence[str],
    bad: dict[str, str],
    jobs: int,
    progress: bool,
    state: Path | None,
) -> tuple[dict[str, str], int]:
    """The sha256 of files, and how many come from an earlier run; unreadable files are added to ``bad``."""
    facts = raw.files
    total = sum(facts[path].size for path in paths)
    found: dict[str, str] = {}

    def hashed(path: str) -> str | ReadError:
        try:
            return raw.file(path).sha256()
        except OSError as error:
            return ReadError(f"{path}: cannot be read ({error.strerror or error}).")
        except ReadError as error:
            return error

    with (
        Marker(state or marker_path(source, raw), raw) as marker,
        Bar(total, desc=source, unit="B", shown=progress) as bar,
    ):
        for path in paths:
            if path in marker.done:
                found[path] = marker.done[path]
                bar.update(facts[path].size)
        rest = [path for path in paths if path not in found]
        known = len(found)
        for path, digest in _in_threads(hashed, rest, jobs):
            bar.update(facts[path].size)
            if isinstance(digest, str):
                found[path] = digest
                marker.add(path, facts[path], digest)
            else:
                bad[path] = str(digest)
    return found, known


def _decode(
    source: str, raw: RawFolder, paths: Sequence[str], roles: Mapping[str, str | None], jobs: int, progress: bool
) -> dict[str, str]:
    from med_mat.imaging.decoding import verify

    def decoded(path: str) -> str:
        try:
            verify(raw.mount, PurePosixPath(path), mask=roles[path] == "mask")
        except MedMATError as error:
            return str(error)
        return ""

    found = {}
    with Bar(len(paths), desc=source, unit="img", shown=progress) as bar:
        for path, reason in _in_threads(decoded, paths, jobs):
            bar.update()
            if reason:
                found[path] = reason
    return found


def _in_threads(work: Callable[[str], T], paths: Sequence[str], jobs: int) -> Iterator[tuple[str, T]]:
    """Each path with its result; a bounded number of paths is in work at a time."""
    remaining = iter(paths)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        try:
            while some := list(islice(remaining, _CHUNK)):
                yield from zip(some, pool.map(work, some), strict=True)
        except BaseException:  # interrupted: do not finish what is queued
            pool.shutdown(wait=False, cancel_futures=True)
            raise
