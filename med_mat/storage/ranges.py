"""Reads columns of a row group of a Parquet file on the Hub, with few range requests."""

from __future__ import annotations

import mmap
from collections.abc import Collection
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from med_mat.errors import HubError
from med_mat.storage.errors import hub_errors

#: Columns with a gap of at most this many bytes between them are downloaded in one request.
_GAP = 64_000


def read_row_group(file: IO[bytes], parquet: pq.ParquetFile, group: int, columns: Collection[str]) -> pa.Table:
    """Read columns of one row group; none means all.

    The bytes are downloaded in this thread and stored at their offsets in a memory map of the file's size, of which the
    system allocates only the pages that are written. pyarrow's own method (``pre_buffer``) leaves threads that use a
    Python file, and a script that ends at that moment is aborted (apache/arrow issue 45214).

    Raises:
        HubError: the bytes cannot be downloaded, or the file is damaged.
    """
    name = getattr(file, "path", "a Parquet file")
    size = file.seek(0, 2)
    pages = mmap.mmap(-1, size)
    for start, end in _spans(parquet.metadata.row_group(group), columns):
        if not 0 <= start < end <= size:
            raise HubError(f"{name} is damaged: its row group {group} would lie outside of it. Push it again.")
        with hub_errors(str(name)):
            file.seek(start)
            found = file.read(end - start)
        if len(found) != end - start:
            raise HubError(f"{name} arrived incomplete: run the same command again.")
        pages[start:end] = found
    with pq.ParquetFile(pa.BufferReader(pa.py_buffer(pages)), metadata=parquet.metadata) as whole:
        return whole.read_row_group(group, columns=list(columns) or None)


def _spans(group: pq.RowGroupMetaData, columns: Collection[str]) -> list[tuple[int, int]]:
    """The start and end of the bytes of these columns, in order; adjacent ones are merged."""
    spans: list[tuple[int, int]] = []
    for chunk in map(group.column, range(group.num_columns)):
        if columns and chunk.path_in_schema.partition(".")[0] not in columns:
            continue
        start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
        end = start + chunk.total_compressed_size
        if spans and 0 <= start - spans[-1][1] <= _GAP:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((start, end))
    return spans
