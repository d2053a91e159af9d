"""Records in a given order, with bounded memory: row group by row group, shuffled within windows of several."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from med_mat import schema
from med_mat.questions.view import FACTS, View
from med_mat.storage.location import Location, need, reading

#: Bytes of the records that are shuffled at a time.
WINDOW = 256 << 20
#: Rows that become Python objects at a time.
_ROWS = 16
_OPEN_FILES = 32
_IMAGE = "image.bytes"
_COLUMNS = tuple(name for name, _ in schema.FIELDS)


@dataclass(frozen=True, slots=True)
class Piece:
    """Records of one data file. The arrays have one shape, ascending in ``places``."""

    file: str
    places: npt.NDArray[np.int32]  # rows of the file
    at: npt.NDArray[np.int64]  # positions in the index
    keys: npt.NDArray[np.int64]
    rank: npt.NDArray[np.uint64] | None  # the order of the records; None: that of the index


def records(
    location: Location, pieces: Sequence[Piece], view: View | None, window: int = WINDOW
) -> Iterator[tuple[int, dict[str, Any]]]:
    """All columns of records, each with its position in the index.

    Ranked records come in the order of their ranks as far as ``window`` bytes of them allow: row groups are read in the
    order of their lowest rank, and sorted together up to that size.

    Args:
        location: The build.
        pieces: The records.
        view: Makes other questions than those stored.
        window: Bytes.
    """
    with _Files(location) as files:
        blocks = [block for piece in pieces for block in files.blocks(piece)]
        if not blocks or blocks[0][1].rank is None:
            for group, piece in blocks:
                yield from zip(piece.at.tolist(), _rows(files.read(group, piece, view)), strict=True)
            return
        blocks.sort(key=lambda block: int(block[1].rank.min()))  # type: ignore[union-attr]
        tables: list[pa.Table] = []
        held: list[Piece] = []
        size = 0
        for number, (group, piece) in enumerate(blocks, 1):
            tables.append(files.read(group, piece, view))
            held.append(piece)
            size += tables[-1].nbytes
            if number == len(blocks) or size >= window:
                order = np.argsort(np.concatenate([one.rank for one in held]), kind="stable")
                at = np.concatenate([one.at for one in held])[order]
                yield from zip(at.tolist(), _mixed(tables, order), strict=True)
                tables, held, size = [], [], 0


def image_sizes(location: Location, pieces: Sequence[Piece]) -> Iterator[tuple[npt.NDArray[np.int64], float]]:
    """Positions of records, and the mean number of bytes of an image in the row group that contains them.

    Args:
        location: The build.
        pieces: The records.
    """
    with _Files(location) as files:
        for piece in pieces:
            means = files.mean_sizes(piece.file)
            yield from ((block.at, means[group]) for group, block in files.blocks(piece))


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for start in range(0, table.num_rows, _ROWS):
        yield from table.slice(start, _ROWS).to_pylist()


def _mixed(tables: Sequence[pa.Table], order: npt.NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    """The rows of several tables in an order. Pixels stay where they are until their row comes."""
    light = pa.concat_tables(table.drop_columns(list(schema.PIXEL_COLUMNS)) for table in tables)
    pixels = [[table[name].combine_chunks() for name in schema.PIXEL_COLUMNS] for table in tables]
    starts = np.cumsum([0, *(table.num_rows for table in tables)])
    number = np.searchsorted(starts, order, side="right") - 1
    inside = (order - starts[number]).tolist()
    rows = _rows(light.combine_chunks().take(pa.array(order)))
    for row, which, place in zip(rows, number.tolist(), inside, strict=True):
        values = zip(schema.PIXEL_COLUMNS, pixels[which], strict=True)
        yield row | {name: column[place].as_py() for name, column in values}


class _Files:
    """The data files of a build, of which the last that were read stay open."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._open: OrderedDict[str, tuple[Any, pq.ParquetFile, ExitStack]] = OrderedDict()

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self._close()

    def _close(self) -> None:
        self._open.popitem(last=False)[1][2].close()

    def _parquet(self, name: str) -> tuple[Any, pq.ParquetFile]:
        if name not in self._open:
            with ExitStack() as stack, reading(self.location, name):
                file = stack.enter_context(self.location.open(name))
                parquet = stack.enter_context(pq.ParquetFile(file))
                need(self.location, name, parquet.schema_arrow, _COLUMNS)
                self._open[name] = (file, parquet, stack.pop_all())
            if len(self._open) > _OPEN_FILES:
                self._close()
        self._open.move_to_end(name)
        return self._open[name][:2]

    def blocks(self, piece: Piece) -> Iterator[tuple[int, Piece]]:
        """The row groups that contain the records of a piece: number, and the records with places inside it."""
        metadata = self._parquet(piece.file)[1].metadata
        start = 0
        for group in range(metadata.num_row_groups):
            count = metadata.row_group(group).num_rows
            low, high = np.searchsorted(piece.places, (start, start + count))
            if high > low:
                rank = None if piece.rank is None else piece.rank[low:high]
                inside = piece.places[low:high] - start
                yield group, Piece(piece.file, inside, piece.at[low:high], piece.keys[low:high], rank)
            start += count

    def mean_sizes(self, name: str) -> list[float]:
        """The mean number of bytes of an image, by row group."""
        metadata, found = self._parquet(name)[1].metadata, []
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            columns = (group.column(place) for place in range(group.num_columns))
            size = next((one.total_uncompressed_size for one in columns if one.path_in_schema == _IMAGE), 0)
            found.append(size / max(group.num_rows, 1))
        return found

    def read(self, group: int, piece: Piece, view: View | None) -> pa.Table:
        """The records of one row group."""
        file, parquet = self._parquet(piece.file)
        with reading(self.location, piece.file):
            table = self.location.read_row_group(file, parquet, group, _COLUMNS).take(pa.array(piece.places))
        if view is None:
            return table
        asked = view.ask(table["row"].to_pylist(), piece.keys.tolist(), table.select(["row", *FACTS]))
        return pa.table({name: (asked if name in asked.column_names else table)[name] for name in _COLUMNS})
