"""One shard: decode, check and write its examples, one Parquet file per row of the source. Runs in a worker process."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from med_mat import annotations, image, schema
from med_mat.build.plan import Shard
from med_mat.build.record import Placed, record, rows_served
from med_mat.catalog import Row
from med_mat.example import Box, Example
from med_mat.errors import BuildError, LabelError, ReadError
from med_mat.qa import Questioner

#: A row group is closed at this many records, or when its pixels reach this size: small enough for random reads.
ROW_GROUP_RECORDS = 64
ROW_GROUP_BYTES = 32 * 2**20

_UNMARKED = annotations.Annotations(None, (), ())

OnError = Literal["raise", "skip"]
Check = Literal["header", "decode"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all shards of one source share."""

    root: Path
    out: Path
    rows: tuple[Row, ...]
    license: str
    questioner: Questioner
    check: Check
    on_error: OnError


@dataclass(frozen=True, slots=True)
class Skip:
    """One record that was found and not written."""

    id: str
    path: str
    reason: str


@dataclass(slots=True)
class Result:
    """What became of a shard; stored as its marker, so that a later run knows that it is done."""

    name: str
    inputs: str
    examples: int = 0
    found: int = 0  # records
    written: int = 0
    skipped: list[Skip] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)  # what was done to annotations -> how often
    lost: dict[str, int] = field(default_factory=dict)  # image file -> how many of its examples gave no record
    files: dict[str, int] = field(default_factory=dict)  # Parquet file below the output folder -> bytes

    def to_json(self) -> str:
        """As the text of a marker."""
        skipped = [[skip.id, skip.path, skip.reason] for skip in self.skipped]
        facts = {
            name: getattr(self, name) for name in ("name", "inputs", "examples", "found", "written", "lost", "files")
        }
        return json.dumps({**facts, "skipped": skipped}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """From the text of a marker."""
        facts = json.loads(text)
        return cls(**{**facts, "skipped": [Skip(*entry) for entry in facts["skipped"]]})


def marker_path(out: Path, shard: Shard) -> Path:
    """Where the marker of a shard lies."""
    return out / ".build" / shard.source / f"{shard.name}.json"


def finished(out: Path, shard: Shard) -> Result | None:
    """The result of an earlier run, if that run had the same inputs and its files are still whole."""
    try:
        result = Result.from_json(marker_path(out, shard).read_text("utf-8"))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if result.inputs != shard.inputs:
        return None
    for name, size in result.files.items():
        path = out / name
        if not path.is_file() or path.stat().st_size != size:
            return None
    return result


def write_shard(shard: Shard, setting: Setting) -> Result:
    """Write the shard's Parquet files and then its marker.

    Raises:
        ReadError, LabelError: a bad example, where ``on_error`` is "raise".
        BuildError: the output cannot be written.
    """
    result = Result(shard.name, shard.inputs)
    cache = image.FileCache()
    files = {row.number: _ShardFile(setting.out, shard, row) for row in setting.rows}
    try:
        for example, placed in shard.examples:
            result.examples += 1
            before = result.written
            for outcome in _outcomes(example, placed, setting, cache, result.notes):
                result.found += 1
                if isinstance(outcome, Skip):
                    if setting.on_error == "raise":
                        raise ReadError(f"{outcome.reason} ('skip' for on_error notes it in the ledger and goes on)")
                    result.skipped.append(outcome)
                else:
                    files[outcome["row"]].add(outcome)
                    result.written += 1
            if result.written == before:
                path = str(example.path)
                result.lost[path] = result.lost.get(path, 0) + 1
        for file in files.values():
            file.close(result)
        write_atomically(marker_path(setting.out, shard), result.to_json().encode())
    except OSError as error:
        raise BuildError(
            f"Cannot write shard {shard.name} of {shard.source!r} below {setting.out}: {error.strerror or error}. "
            "Free some space or mend the disk, then run the same command: finished shards are kept."
        ) from error
    finally:
        for file in files.values():
            file.abandon()
    return result


def _outcomes(
    example: Example, placed: Placed, setting: Setting, cache: image.FileCache, notes: dict[str, int]
) -> Iterator[dict[str, Any] | Skip]:
    """The record of each row that the example serves, or why there is none."""

    def skip(row: Row, reason: object) -> Skip:
        return Skip(f"{row.source}/{row.number}/{example.name}", str(example.path), str(reason))

    served = rows_served(example, setting.rows)
    if not served:
        yield skip(setting.rows[0], "it serves none of its source's rows: no label, boxes or masks")
        return
    try:
        stored = image.read(setting.root, example.pixels, mat=served[0].mat, check=setting.check, cache=cache)
        masks = annotations.render(setting.root, example.masks, stored, cache)
        boxes = None if example.boxes is None else _place(example.boxes, stored, notes)
    except ReadError as error:
        yield from (skip(row, error) for row in served)
        return
    drawn = [row for row in setting.rows if row.kind in ("boxes", "masks")] or setting.rows
    for row in served:
        annotated = row in drawn
        try:
            yield record(
                example,
                row,
                placed,
                stored,
                masks if annotated else _UNMARKED,
                boxes if annotated else (),
                setting.license,
                setting.questioner,
            )
        except LabelError as error:
            yield skip(row, error)


def _place(boxes: Sequence[Box], stored: image.Stored, notes: dict[str, int]) -> tuple[Box, ...]:
    placed = annotations.place(boxes, stored)
    for note, count in (
        ("boxes clipped to the image", placed.clipped),
        ("boxes without area left out", placed.dropped),
    ):
        if count:
            notes[note] = notes.get(note, 0) + count
    return placed.boxes


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def temporary_path(path: Path) -> Path:
    """A name beside ``path`` that no other process uses."""
    return path.with_name(f"{path.name}.{os.getpid()}.tmp")


class _ShardFile:
    """The Parquet file of one row: opened at the first record, so that no empty file is left."""

    def __init__(self, out: Path, shard: Shard, row: Row) -> None:
        self._name = f"data/{shard.source}/{row.number:03d}/{shard.name}.parquet"
        self._path = out / self._name
        self._temporary = temporary_path(self._path)
        self._schema = schema.record_schema()
        self._columns: dict[str, list[Any]] = {name: [] for name in self._schema.names}
        self._pixels = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            self._columns[name].append(value)
        self._pixels += len(values["image"]["bytes"])
        if len(self._columns["id"]) >= ROW_GROUP_RECORDS or self._pixels >= ROW_GROUP_BYTES:
            self._flush()

    def close(self, result: Result) -> None:
        self._flush()
        if self._writer is None:
            self._path.unlink(missing_ok=True)  # an earlier run with other inputs may have left one
            return
        self._writer.close()
        self._writer = None
        with self._temporary.open("rb") as file:
            os.fsync(file.fileno())
        self._temporary.replace(self._path)
        result.files[self._name] = self._path.stat().st_size

    def abandon(self) -> None:
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError:  # the disk is full: the file goes anyway
                pass
            self._writer = None
        self._temporary.unlink(missing_ok=True)

    def _flush(self) -> None:
        if not self._columns["id"]:
            return
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = open_writer(self._temporary, self._schema)
        arrays = [_array(self._columns[field.name], field.type) for field in self._schema]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._columns = {name: [] for name in self._schema.names}
        self._pixels = 0


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_struct(kind) and values[0] is not None:
        # pictures: built from their two columns, since a list of dicts is slow for megabytes
        if all(value is not None for value in values):
            return pa.StructArray.from_arrays(
                [pa.array([value[field.name] for value in values], field.type) for field in kind], fields=list(kind)
            )
    return pa.array(values, kind)


def open_writer(path: Path, arrow_schema: pa.Schema) -> pq.ParquetWriter:
    """A Parquet writer for records: pixels uncompressed, the rest zstd, statistics on all but pixels, a page index."""
    leaves = _leaves(arrow_schema)
    pixels = {leaf for leaf in leaves if leaf.split(".")[0] in schema.PIXEL_COLUMNS}
    return pq.ParquetWriter(
        path,
        arrow_schema,
        compression={leaf: "none" if leaf in pixels else "zstd" for leaf in leaves},
        use_dictionary=[leaf for leaf in leaves if leaf not in pixels and leaf not in ("id", "sha256", "pixel_hash")],
        write_statistics=[name for name in (*schema.TAG_COLUMNS, "id", "label") if name in arrow_schema.names],
        write_page_index=True,
    )


def _leaves(arrow_schema: pa.Schema) -> list[str]:
    """The column paths as Parquet names them: ``boxes.list.element.xmin``."""

    def walk(name: str, kind: pa.DataType) -> list[str]:
        if pa.types.is_list(kind):
            return walk(f"{name}.list.element", kind.value_type)
        if pa.types.is_struct(kind):
            return [leaf for field in kind for leaf in walk(f"{name}.{field.name}", field.type)]
        return [name]

    return [leaf for field in arrow_schema for leaf in walk(field.name, field.type)]


def count_reasons(skips: Sequence[Skip]) -> dict[str, int]:
    """How often each reason occurs, with the names of files taken out of it, the commonest first."""
    counts = Counter(skip.reason.replace(skip.path, "…").replace(skip.path.rsplit("/", 1)[-1], "…") for skip in skips)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
