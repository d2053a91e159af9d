"""One shard: decode, check and write its examples, one Parquet file per row of the source.

A worker process writes under temporary names (:func:`write_shard`); the process that runs the build flushes the files
to the disk, renames them and writes the marker of the shard (:func:`commit`), while the workers go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from med_mat import image
from med_mat.annotations import NOTHING, place, render
from med_mat.build.plan import Shard
from med_mat.build.record import Placed, record, rows_served
from med_mat.catalog import Row
from med_mat.errors import BuildError, LabelError, ReadError
from med_mat.example import Box, Example
from med_mat.qa import Questioner
from med_mat.schema import PIXEL_COLUMNS, TAG_COLUMNS, record_schema

#: A row group is closed at this many records, or when its pixels reach this size: small enough for random reads.
ROW_GROUP_RECORDS = 100
ROW_GROUP_BYTES = 32 * 2**20

OnError = Literal["raise", "skip"]
Check = Literal["header", "decode"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all shards of one source share."""

    root: Path
    out: Path
    rows: tuple[Row, ...]
    license_id: str
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
    temporary: dict[str, str] = field(default_factory=dict)  # the same files -> what they are called until committed

    def to_json(self) -> str:
        """As the text of a marker."""
        skipped = [[skip.id, skip.path, skip.reason] for skip in self.skipped]
        facts = {
            name: getattr(self, name)
            for name in ("name", "inputs", "examples", "found", "written", "notes", "lost", "files")
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
    """Write the shard's Parquet files, under temporary names.

    Raises:
        ReadError: a bad example, where ``on_error`` is "raise".
        BuildError: the output cannot be written.
    """
    result = Result(shard.name, shard.inputs)
    cache = image.FileCache()
    files = {row.number: _ShardFile(setting.out, shard, row) for row in setting.rows}
    try:
        # while its files change the shard is not done, whatever its inputs were or will be
        marker_path(setting.out, shard).unlink(missing_ok=True)
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
    except OSError as error:
        raise _unwritable(shard, setting.out, error) from error
    finally:
        for file in files.values():
            file.abandon()
    return result


def commit(shard: Shard, result: Result, out: Path) -> Result:
    """Make a written shard last: flush and rename its files, then write its marker.

    Raises:
        BuildError: the disk does not take it.
    """
    try:
        for name, temporary in result.temporary.items():
            with Path(temporary).open("rb") as file:
                os.fsync(file.fileno())
            Path(temporary).replace(out / name)
        write_atomically(marker_path(out, shard), result.to_json().encode())
    except OSError as error:
        raise _unwritable(shard, out, error) from error
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
    except ReadError as error:
        yield from (skip(row, error) for row in served)
        return
    drawn = [row for row in setting.rows if row.kind in ("boxes", "masks")] or setting.rows
    masks, boxes, fault = NOTHING, None, None
    try:
        masks = render(setting.root, example.masks, stored, cache)
        boxes = None if example.boxes is None else _place(example.boxes, stored, notes)
    except ReadError as error:  # a row that needs no annotations keeps its record
        fault = error
    for row in served:
        annotated = row in drawn
        if annotated and fault is not None:
            yield skip(row, fault)
            continue
        try:
            yield record(
                example,
                row,
                placed,
                stored,
                masks if annotated else NOTHING,
                boxes if annotated else (),
                setting.license_id,
                setting.questioner,
            )
        except LabelError as error:
            yield skip(row, error)


def _unwritable(shard: Shard, out: Path, error: OSError) -> BuildError:
    return BuildError(
        f"Cannot write shard {shard.name} of {shard.source!r} below {out}: {error.strerror or error}. "
        "Free some space or mend the disk, then run the same command: finished shards are kept."
    )


def _place(boxes: Sequence[Box], stored: image.Stored, notes: dict[str, int]) -> tuple[Box, ...]:
    placed = place(boxes, stored)
    for note, count in (
        ("boxes clipped to the image", placed.clipped),
        ("boxes without area left out", placed.dropped),
    ):
        if count:
            notes[note] = notes.get(note, 0) + count
    return placed


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Have the system write out what it holds of a file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def temporary_path(path: Path) -> Path:
    """A name beside ``path`` that no other process uses."""
    return path.with_name(f"{path.name}.{os.getpid()}.tmp")


def index_part(name: str) -> str:
    """Where the columns without pixels of a data file lie, for the index: ``data/busi/048/train-00000.parquet`` -> …"""
    _, source, row, file = name.split("/")
    return f".build/{source}/{row}-{file}"


class _ShardFile:
    """The Parquet file of one row, and its part of the index: opened at the first record, so that none is empty."""

    def __init__(self, out: Path, shard: Shard, row: Row) -> None:
        self._out = out
        self._name = f"data/{shard.source}/{row.number:03d}/{shard.name}.parquet"
        self._temporary = temporary_path(out / self._name)
        self._records: list[dict[str, Any]] = []
        self._pixels = 0
        self._writer: pq.ParquetWriter | None = None
        self._index: list[pa.RecordBatch] = []

    def add(self, values: dict[str, Any]) -> None:
        self._records.append(values)
        self._pixels += len(values["image"]["bytes"])
        if len(self._records) >= ROW_GROUP_RECORDS or self._pixels >= ROW_GROUP_BYTES:
            self._flush()

    def close(self, result: Result) -> None:
        self._flush()
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        part = index_part(self._name)
        temporary = temporary_path(self._out / part)
        temporary.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_batches(self._index), temporary, compression="zstd", write_statistics=False)
        for name, path in ((self._name, self._temporary), (part, temporary)):
            result.files[name] = path.stat().st_size
            result.temporary[name] = str(path)

    def abandon(self) -> None:
        """Drop what was begun and not closed."""
        if self._writer is not None:
            with contextlib.suppress(OSError):  # the disk may be full: the file goes anyway
                self._writer.close()
            self._writer = None
            self._temporary.unlink(missing_ok=True)

    def _flush(self) -> None:
        if not self._records:
            return
        schema = record_schema()
        if self._writer is None:
            self._temporary.parent.mkdir(parents=True, exist_ok=True)
            self._writer = open_writer(self._temporary, schema)
        arrays = [_array([record[field.name] for record in self._records], field.type) for field in schema]
        batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
        self._writer.write_batch(batch)
        self._index.append(batch.select([name for name in schema.names if name not in PIXEL_COLUMNS]))
        self._records = []
        self._pixels = 0


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_struct(kind) and None not in values:
        # pictures: built from their two columns, since a list of dicts is slow for megabytes
        return pa.StructArray.from_arrays(
            [pa.array([value[field.name] for value in values], field.type) for field in kind], fields=list(kind)
        )
    return pa.array(values, kind)


def open_writer(path: Path, arrow_schema: pa.Schema, *, text_codec: str = "snappy") -> pq.ParquetWriter:
    """A Parquet writer for records: pixels uncompressed, statistics on the tags, a page index.

    In shards the columns beside the pixels come in small pages, for which zstd is slow and hardly better than snappy.
    """
    leaves = _leaves(arrow_schema)
    pixels = {leaf for leaf in leaves if leaf.split(".")[0] in PIXEL_COLUMNS}
    return pq.ParquetWriter(
        path,
        arrow_schema,
        compression={leaf: "none" if leaf in pixels else text_codec for leaf in leaves},
        use_dictionary=[leaf for leaf in leaves if leaf not in pixels and leaf not in ("id", "sha256", "pixel_hash")],
        write_statistics=[name for name in (*TAG_COLUMNS, "id", "label") if name in arrow_schema.names],
        write_page_index=True,
        write_batch_size=16,  # of large values: the encoder's buffer then stays in the processor's cache
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
    """How often each reason occurs, the commonest first: without the file that it begins with, and without numbers."""
    counts = Counter(re.sub(r"\d+", "#", re.sub(r"^[^:]*\.\w+: ", "", skip.reason)) for skip in skips)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
