"""Writes the Parquet files of a build, and defines their names."""

from __future__ import annotations

import contextlib
import hashlib
import io
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from med_mat.files import temporary_path
from med_mat.schema import FIELDS, PIXEL_COLUMNS, PRIVATE_FIELDS, record_schema
from med_mat.storage.parquet import open_writer, parquet_bytes

#: A row group is closed at this number of records or bytes of pixels: small enough for random reads.
ROW_GROUP_RECORDS = 64
ROW_GROUP_BYTES = 32 * 2**20
#: The maximum size of a row group in bytes, even with very large images: Arrow's binary offsets have 32 bits.
ROW_GROUP_MOST = 2_000_000_000
#: Bytes that are hashed and written at once: the encoder writes each column's pages apart, and most are tiny.
_WRITE_BYTES = 256 * 2**10
#: What is collected by column; images are collected as bytes.
_COLLECTED = tuple((name, kind) for name, kind in (*FIELDS, *PRIVATE_FIELDS) if name != "image")
_values = itemgetter(*(name for name, _ in _COLLECTED))


def data_file(source: str, row: int, split: str, chunk: str, digest: str) -> str:
    """The path of a data file relative to the folder of the build; it contains a hash of the content."""
    return f"data/{source}/{row:03d}/{split}-{chunk}-{digest[:8]}.parquet"


def index_part(name: str) -> str:
    """The file with all columns of a data file but pixels: ``data/busi/048/train-….parquet`` -> ``.build/busi/…``"""
    _, source, row, file = name.split("/")
    return f".build/{source}/{row}-{file}"


class RecordFile:
    """The Parquet file of the records of one row and split of a chunk, and its part of the index.

    Its name contains a hash of its content, and is known only after :meth:`close`.

    Args:
        folder: the folder in which new files of a build are staged.
        source: the name of the source.
        row: the number of the row.
        split: "train", "validation", "test" or "withheld".
        chunk: the name of the chunk.
    """

    def __init__(self, folder: Path, source: str, row: int, split: str, chunk: str) -> None:
        self._folder = folder
        self._place = (source, row, split, chunk)
        self._temporary = temporary_path(folder / data_file(source, row, split, chunk, "new"))
        self._columns: tuple[list[Any], ...] = tuple([] for _ in _COLLECTED)
        self._pixels = _Pixels()
        self._file: _Hashed | None = None
        self._sink: pa.NativeFile | None = None
        self._writer: pq.ParquetWriter | None = None
        self._index: list[pa.RecordBatch] = []

    def add(self, values: dict[str, Any]) -> None:
        """Add one record, with a value for every column of the schema and every private column."""
        if self._pixels.size + len(values["image"]["bytes"]) > ROW_GROUP_MOST:
            self._flush()
        self._pixels.add(values["image"])
        for column, value in zip(self._columns, _values(values), strict=True):  # by record, while it is in the cache
            column.append(value)
        if self._pixels.count >= ROW_GROUP_RECORDS or self._pixels.size >= ROW_GROUP_BYTES:
            self._flush()

    def close(self) -> dict[str, tuple[Path, str]]:
        """Finish the files.

        Returns:
            Path of each file relative to the folder -> its temporary path and its sha256.
        """
        self._flush()
        if self._writer is None or self._sink is None or self._file is None:
            return {}
        self._writer.close()
        self._writer = None
        self._sink.flush()
        name = data_file(*self._place, self._file.digest.hexdigest())
        part = index_part(name)
        temporary = temporary_path(self._folder / part)
        temporary.parent.mkdir(parents=True, exist_ok=True)
        index = parquet_bytes(pa.Table.from_batches(self._index))
        temporary.write_bytes(index)
        self._sink.close()
        return {
            name: (self._temporary, self._file.digest.hexdigest()),
            part: (temporary, hashlib.sha256(index).hexdigest()),
        }

    def abandon(self) -> None:
        """Remove a file that was not closed."""
        if self._file is not None and not self._file.closed:
            for opened in (self._writer, self._sink, self._file):
                with contextlib.suppress(OSError):  # the disk may be full: the file is removed anyway
                    if opened is not None:
                        opened.close()
            self._writer = None
            self._temporary.unlink(missing_ok=True)
            part = index_part(data_file(*self._place, self._file.digest.hexdigest()))
            temporary_path(self._folder / part).unlink(missing_ok=True)

    def _flush(self) -> None:
        if not self._pixels.count:
            return
        schema = record_schema()
        if self._writer is None:
            self._temporary.parent.mkdir(parents=True, exist_ok=True)
            self._file = _Hashed(self._temporary)
            self._sink = pa.BufferedOutputStream(pa.PythonFile(self._file, mode="w"), _WRITE_BYTES)
            self._writer = open_writer(self._sink, schema)
        columns = {name: pa.array(column, kind) for (name, kind), column in zip(_COLLECTED, self._columns, strict=True)}
        index = [name for name in columns if name not in PIXEL_COLUMNS]
        self._index.append(pa.RecordBatch.from_arrays([columns[name] for name in index], index))
        columns["image"] = self._pixels.array(schema.field("image").type)
        batch = pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
        self._writer.write_batch(batch)
        for column in self._columns:
            column.clear()
        self._pixels.clear()


class _Hashed(io.RawIOBase):
    """A file that computes the sha256 of its content while it is written."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("wb", buffering=0)
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):  # an unbuffered write may be partial
            done += self._file.write(view[done:]) or 0
        self.digest.update(view)
        return done

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


class _Pixels:
    """The encoded images of one row group, collected in a buffer that is reused for the next."""

    def __init__(self) -> None:
        self.size = 0
        self._buffer = bytearray()
        self._ends = [0]
        self._paths: list[str] = []

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self._paths)

    def add(self, image: dict[str, Any]) -> None:
        """Copy one image into the buffer, and release its bytes."""
        data = image.pop("bytes")
        start, self.size = self.size, self.size + len(data)
        if self.size > len(self._buffer):
            self._buffer.extend(bytes(max(self.size, len(self._buffer) * 5 // 4) - len(self._buffer)))
        self._buffer[start : self.size] = data
        self._ends.append(self.size)
        self._paths.append(image["path"])

    def array(self, kind: pa.StructType) -> pa.StructArray:
        """The column "image", as a view of the buffer: valid until :meth:`clear`."""
        ends = pa.py_buffer(np.array(self._ends, dtype=np.int32))
        data = pa.Array.from_buffers(pa.binary(), len(self._paths), [None, ends, pa.py_buffer(self._buffer)])
        return pa.StructArray.from_arrays([data, pa.array(self._paths, pa.string())], fields=list(kind))

    def clear(self) -> None:
        """Discard the images; the buffer is kept."""
        self.size = 0
        self._ends = [0]
        self._paths = []
