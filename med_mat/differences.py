"""Compares lists of raw files, with the differences as data and as text."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from med_mat.nameless import nameless_files
from med_mat.raw.folder import RawFolder
from med_mat.shell import printable
from med_mat.storage.raw_files import FileIndex, index_of

_SHOWN = 5  # files of each kind that the text lists


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences between a list of files and a recorded one."""

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()  # different size, or different sha256 if both are known
    moved: tuple[tuple[str, str], ...] = ()  # recorded path, present path of the same file; neither missing nor extra


@dataclass(frozen=True, slots=True)
class Validation:
    """The result for one source."""

    source: str
    where: str
    level: str
    files: int  # number of files in the index
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    undecodable: dict[str, str] = field(default_factory=dict)  # path -> reason; unreadable files too
    hashed: int = 0  # files whose sha256 was compared
    decoded: int = 0
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.extra or self.altered or self.moved or self.undecodable)


def differences(recorded: pa.Table, here: pa.Table) -> Differences:
    """Compare two tables of files (path, bytes, sha256, role; see :mod:`med_mat.storage.raw_files`)."""
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
    """The files of a folder as a table, without hashes."""
    return index_of("", raw, {}, {}).files


def compare(recorded: Mapping[str, FileIndex], other: Mapping[str, FileIndex]) -> tuple[Validation, ...]:
    """Compare two sets of indexes, without raw files."""
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


def absent(index: FileIndex, where: Path, note: str) -> Validation:
    """The result for a source of which no file was found."""
    paths = tuple(index.files["path"].to_pylist())
    return Validation(index.source, str(where), "quick", len(paths), missing=paths, note=note)


def to_json(found: Sequence[Validation]) -> list[dict[str, Any]]:
    """The results as JSON data."""
    return [{**asdict(one), "ok": one.ok} for one in found]


def to_text(found: Sequence[Validation]) -> str:
    """The results as text."""
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


def _moved(lost: pa.Table, new: pa.Table) -> tuple[tuple[str, str], ...]:
    """Pairs of a missing and an extra file that are the same, by sha256 or otherwise by name and size."""
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
