"""A copy of the raw files against the index of another: names and sizes, hashes, or every image decoded."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Any, Literal, TypeVar, cast

import pyarrow as pa
import pyarrow.compute as pc

from med_mat.building.files import FileIndex, index_of, read_indexes, write_index
from med_mat.errors import LayoutError, MedMATError, ReadError, UnknownSourceError, UsageError
from med_mat.files import sha256
from med_mat.nameless import nameless_files
from med_mat.progress import Bar
from med_mat.raw.folder import FileFacts, RawFolder, is_hidden
from med_mat.shell import printable

Level = Literal["quick", "hash", "decode"]
T = TypeVar("T")

_SAMPLE = 200
_CHUNK = 256
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Differences:
    """How one list of files differs from another that was recorded."""

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()  # another size, or another sha256 where both are known
    moved: tuple[tuple[str, str], ...] = ()  # recorded -> where the same file lies now; neither missing nor extra


@dataclass(frozen=True, slots=True)
class Validation:
    """What became of one source."""

    source: str
    where: str
    level: str
    files: int  # in the index
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    undecodable: dict[str, str] = field(default_factory=dict)  # path -> reason; also what cannot be read at all
    hashed: int = 0  # files whose sha256 was compared
    decoded: int = 0
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.extra or self.altered or self.moved or self.undecodable)


def differences(recorded: pa.Table, here: pa.Table) -> Differences:
    """Compare two tables of files (path, bytes, sha256, role; see :mod:`med_mat.building.files`)."""
    a, b = recorded.combine_chunks(), here.combine_chunks()
    at = pc.index_in(a["path"], value_set=b["path"])
    both = pc.is_valid(at)
    lost = a.filter(pc.invert(both))
    new = b.filter(pc.is_null(pc.index_in(b["path"], value_set=a["path"])))
    left, right = a.filter(both), b.take(at.filter(both))
    other_size = pc.not_equal(left["bytes"], right["bytes"])
    other_bytes = pc.fill_null(pc.not_equal(left["sha256"], right["sha256"]), False)
    altered = left["path"].filter(pc.or_(other_size, other_bytes)).to_pylist()
    moved = _moved(lost, new)
    gone, come = dict(moved), {new for _, new in moved}
    return Differences(
        tuple(path for path in lost["path"].to_pylist() if path not in gone),
        tuple(path for path in new["path"].to_pylist() if path not in come),
        tuple(altered),
        moved,
    )


def scanned(raw: RawFolder) -> pa.Table:
    """A folder as a table of files, without hashes."""
    return index_of("", raw, {}, {}).files


def compare(recorded: Mapping[str, FileIndex], other: Mapping[str, FileIndex]) -> tuple[Validation, ...]:
    """Compare the indexes of two people, without any raw file."""
    found = []
    for name in dict.fromkeys([*recorded, *other]):
        if name not in recorded or name not in other:
            missing = name not in other
            index = recorded[name] if missing else other[name]
            paths = tuple(index.files["path"].to_pylist())
            note = f"only the {'first' if missing else 'second'} has this source"
            one = Validation(name, "", "compare", len(paths) if missing else 0, note=note)
            found.append(replace(one, missing=paths) if missing else replace(one, extra=paths))
            continue
        a, b = recorded[name], other[name]
        if not (a.named and b.named):
            a, b = nameless_files(a), nameless_files(b)
        diff = differences(a.files, b.files)
        hashed = _both_hashed(a.files, b.files)
        note = "" if a.variant == b.variant else f"layout {a.variant!r} against {b.variant!r}"
        found.append(
            Validation(
                name, "", "compare", len(a.files), diff.missing, diff.extra, diff.altered, diff.moved,
                hashed=hashed, note=note,
            )
        )  # fmt: skip
    return tuple(found)


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
        folder: holds them, at whatever depth: the paths of the index are looked for in it.
        index: what is expected.
        level: "quick" compares names and sizes; "hash" the sha256 too, of all files of which the index has one;
            "decode" decodes every image and mask besides.
        jobs: threads.
        progress: whether to show a bar.
        state: where it is noted which files have been hashed, so that a run that was killed goes on; None: in the
            user's cache.
        write: a folder that receives the index of the files that lie here, all of them hashed from level "hash" on.

    Raises:
        LayoutError: there is no such folder, or none of the files is in it.
        ReadError: the index has no names.
    """
    if not index.named:
        raise ReadError(
            f"The index of {index.source!r} was published without file names, so that files cannot be looked for by "
            "them: 'med-mat attach' compares their content, and 'med-mat build' writes an index with names."
        )
    raw = _aligned(RawFolder(folder), index)
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
        note = f"{resumed:,} files were hashed by an earlier run that was stopped" if resumed else ""
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
    """What ``med-mat validate`` does.

    Args:
        folders: source -> its folder, or None for "below ``root``"; empty: every source of ``against``.
        root: a folder of sources, each as ``root/<source>`` or under any name.
        against: a Med-MAT, a folder of index files, or one such file.
        other: two of these, which are compared instead of raw files.
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


def absent(index: FileIndex, where: Path, note: str) -> Validation:
    """A source of which nothing was found."""
    paths = tuple(index.files["path"].to_pylist())
    return Validation(index.source, str(where), "quick", len(paths), missing=paths, note=note)


def to_json(found: Sequence[Validation]) -> list[dict[str, Any]]:
    """As plain data."""
    return [{**asdict(one), "ok": one.ok} for one in found]


def to_text(found: Sequence[Validation]) -> str:
    """As lines for people."""
    lines = []
    for one in found:
        did = [f"{one.files:,} files"]
        did += [f"{one.hashed:,} hashes compared"] if one.level != "quick" else ["names and sizes"]
        did += [f"{one.decoded:,} decoded"] if one.decoded else []
        lines.append(f"{one.source}: {'the same' if one.ok else 'differs'} ({', '.join(did)})")
        lines += [f"  where        {printable(one.where)}"] if one.where else []
        lines += [f"  note         {printable(one.note)}"] if one.note else []
        moves = [f"{old} -> {new}" for old, new in one.moved]
        bad = list(one.undecodable.values())
        for word, some in (
            ("missing", one.missing),
            ("extra", one.extra),
            ("altered", one.altered),
            ("moved", moves),
            ("undecodable", bad),
        ):
            lines += [f"  {word:<12} {len(some):,}"] if some else []
            lines += [f"    {printable(text)}" for text in some[:_SHOWN]]
            lines += [f"    and {len(some) - _SHOWN:,} more (--json has all)"] if len(some) > _SHOWN else []
    wrong = sum(not one.ok for one in found)
    lines.append(f"{len(found)} source{'s' if len(found) != 1 else ''}, {wrong} with differences.")
    return "\n".join(lines)


# ---- inside


def _moved(lost: pa.Table, new: pa.Table) -> tuple[tuple[str, str], ...]:
    """Pairs of a missing and an extra file that are the same: by sha256, else by name and size."""
    candidates: defaultdict[object, list[str]] = defaultdict(list)
    digests: dict[str, str | None] = {}
    for entry in _rows(new):
        digests[entry["path"]] = entry["sha256"]
        candidates[entry["sha256"] or entry["path"]].append(entry["path"])
        candidates[posixpath.basename(entry["path"]).lower(), entry["bytes"]].append(entry["path"])
    pairs = []
    taken: set[str] = set()
    for entry in _rows(lost):
        alike = candidates.get(entry["sha256"], []) if entry["sha256"] else []
        by_name = candidates.get((posixpath.basename(entry["path"]).lower(), entry["bytes"]), [])
        alike = alike or [p for p in by_name if not (entry["sha256"] and digests[p] and entry["sha256"] != digests[p])]
        free = [path for path in alike if path not in taken]
        if len(free) == 1 and entry["bytes"]:
            pairs.append((entry["path"], free[0]))
            taken.add(free[0])
    return tuple(pairs)


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()


def _both_hashed(a: pa.Table, b: pa.Table) -> int:
    known = [one["path"].filter(pc.is_valid(one["sha256"])) for one in (a.combine_chunks(), b.combine_chunks())]
    return int(pc.sum(pc.is_in(known[0], value_set=known[1])).as_py() or 0)


def _aligned(raw: RawFolder, index: FileIndex) -> RawFolder:
    """The folder below which the paths of the index hold."""
    # tables and notices are called alike in many sources, images are not
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
            f"{raw.root} holds none, or hardly any, of the files of {index.source!r} that the index names, such as "
            f"{sample[0]!r}. Name the folder in which they lie."
            if sample
            else f"The index of {index.source!r} names no file."
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
    """The sha256 of files, and how many an earlier run knew; what cannot be read goes to ``bad``."""
    facts = raw.files
    total = sum(facts[path].size for path in paths)
    found: dict[str, str] = {}

    def hashed(path: str) -> str | ReadError:
        try:
            return sha256(raw.absolute(path))
        except OSError as error:
            return ReadError(f"{path}: cannot be read ({error.strerror or error}).")
        except ReadError as error:
            return error

    with (
        _Marker(state or _marker_path(source, raw), raw) as marker,
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
            verify(raw.root, PurePosixPath(path), mask=roles[path] == "mask")
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
    """Each path with what became of it, a bounded number at a time."""
    remaining = iter(paths)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        try:
            while some := list(islice(remaining, _CHUNK)):
                yield from zip(some, pool.map(work, some), strict=True)
        except BaseException:  # stopped: do not first finish what was handed out
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _marker_path(source: str, raw: RawFolder) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.blake2b(os.fsencode(os.path.realpath(raw.root)), digest_size=8).hexdigest()
    return cache / "med_mat" / "validate" / f"{source}-{name}.jsonl"


class _Marker:
    """The files that a run has hashed, one per line, until it ends: a run that was killed is gone on with.

    An entry holds only while the file has its size and time. A run that ends removes it, so that the next one reads
    every file anew: what is on a disk can change without its time.
    """

    def __init__(self, path: Path, raw: RawFolder) -> None:
        self._path = path
        self._raw = raw
        self._file: IO[str] | None = None
        self.done: dict[str, str] = {}

    def __enter__(self) -> _Marker:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+", encoding="utf-8", errors="replace", buffering=1)
        except OSError:
            return self  # nowhere to note it: the run starts anew when it is killed
        self._file.seek(0)
        for line in self._file:
            try:
                path, size, time, digest = json.loads(line)
                if self._raw.files.get(path) == FileFacts(size, time):
                    self.done[path] = str(digest)
            except (ValueError, TypeError, RecursionError):
                continue  # cut short when the run was killed, or damaged since
        return self

    def add(self, path: str, facts: FileFacts, digest: str) -> None:
        """Note a file."""
        if self._file is not None:
            try:
                self._file.write(json.dumps([path, facts.size, facts.mtime_ns, digest]) + "\n")
            except OSError:  # a full disk must not end a check that needs no space
                self._file = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            if kind is None:
                self._path.unlink(missing_ok=True)
