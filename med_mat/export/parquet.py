"""Parquet files that ``load_dataset`` reads, with the stored bytes of images, in shards and with bounded memory."""

from __future__ import annotations

import json
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from med_mat.export.job import Job, Row
from med_mat.storage.parquet import leaf_paths

#: Bytes of images after which a row group is written, and after which a new file is begun.
_GROUP, _FILE = 32 << 20, 500 << 20
_MOST_ROWS = 128

IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def feature(kind: pa.DataType) -> Any:
    """The ``datasets`` feature of an Arrow type, as plain data."""
    if kind == IMAGES:
        return {"feature": {"_type": "Image"}, "_type": "List"}
    if pa.types.is_list(kind):
        return {"feature": feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {kind.field(i).name: feature(kind.field(i).type) for i in range(kind.num_fields)}
    return {"dtype": str(kind), "_type": "Value"}


class Shards:
    """The files ``PART/00000.parquet``, ``PART/00001.parquet``, … of one part. Use it in a ``with`` block.

    Args:
        job: The export.
        part: A part of it.
        columns: Name and type of each column.
    """

    def __init__(self, job: Job, part: str, columns: dict[str, pa.DataType]) -> None:
        features = {name: feature(kind) for name, kind in columns.items()}
        about = {"huggingface": json.dumps({"info": {"features": features}})}
        self._schema = pa.schema(list(columns.items()), metadata=about)
        leaf = "images.list.element.bytes"
        text = [one for one in leaf_paths(self._schema) if one != leaf]
        self._codec = {leaf: "none", **dict.fromkeys(text, "zstd")}
        self._job, self._part = job, part
        self._number, self._waiting, self._rows, self._written = 0, 0, list[dict[str, Any]](), 0
        self._stack = ExitStack()
        self._writer: pq.ParquetWriter | None = None

    def add(self, row: Row, values: dict[str, Any]) -> None:
        """Add a record.

        Args:
            row: The record.
            values: Of each column.
        """
        self._job.placed(row, self._path)
        self._rows.append(values)
        self._waiting += len(row.image.bytes)
        if self._waiting >= _GROUP or len(self._rows) >= _MOST_ROWS:
            self._flush()
            if self._written >= _FILE:
                self._stack.close()
                self._number, self._written, self._writer = self._number + 1, 0, None

    @property
    def _path(self) -> str:
        return f"{self._part}/{self._number:05d}.parquet"

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            file = self._stack.enter_context(self._job.out.open(self._path))
            self._writer = self._stack.enter_context(
                pq.ParquetWriter(file, self._schema, compression=self._codec, use_dictionary=False)
            )
        table = pa.Table.from_pylist(self._rows, schema=self._schema)
        self._writer.write_table(table, row_group_size=len(table))
        self._written += self._waiting
        self._rows, self._waiting = [], 0

    def __enter__(self) -> Shards:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        except BaseException as failed:
            self._stack.__exit__(type(failed), failed, failed.__traceback__)
            raise
        self._stack.__exit__(kind, error, trace)


def card(job: Job, note: str) -> str:
    """``README.md``, by which ``load_dataset(folder)`` knows the parts.

    Args:
        job: The export.
        note: What it is, in Markdown.
    """
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for part in job.parts:
        lines += [f"  - split: {part}", f"    path: {part}/*.parquet"]
    return "\n".join(
        [*lines, "---", "", note, "", "Terms of the sources: LICENSES.md. What is inside: export.json.", ""]
    )
