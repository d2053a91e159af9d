"""Reads the stored pixels and records of a chunk from an earlier build, so that nothing needs to be decoded again."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from med_mat.building.store import Store
from med_mat.building.writer import index_part
from med_mat.imaging.decoding import Stored
from med_mat.leakage.thumbnails import Thumbnails
from med_mat.schema import PRIVATE_FIELDS

_FACTS = (
    *("image_id", "sha256", "pixel_hash", "perceptual_hash", "width", "height", "transform", "spacing"),
    *("descriptor", "thumbnail", "format", "raw_width", "raw_height", "orientation", "notes"),
    *("encoded", "removed"),
)


@dataclass
class _File:
    """An open data file, with the row group that was read last."""

    parquet: pq.ParquetFile
    starts: list[int]  # position of the first record of each row group, then the number of records
    group: int = -1
    images: Any = None

    @classmethod
    def open(cls, path: Any) -> _File:
        """Open a data file."""
        parquet = pq.ParquetFile(path)
        starts = [0]
        for number in range(parquet.num_row_groups):
            starts.append(starts[-1] + parquet.metadata.row_group(number).num_rows)
        return cls(parquet, starts)

    def image(self, position: int) -> bytes:
        """The encoded image of the record at a position."""
        group = next(n for n, start in enumerate(self.starts[1:]) if position < start)
        if group != self.group:
            self.group, self.images = group, self.parquet.read_row_group(group, columns=["image"])["image"]
        data: bytes = self.images[position - self.starts[group]]["bytes"].as_py()
        return data


@dataclass
class Kept:
    """The pixels stored by an earlier result, by image.

    Args:
        store: the files of the build.
        result: the earlier :class:`~med_mat.building.chunk.Result`.
    """

    store: Store
    result: Any
    used: int = 0  # number of images reused
    _where: dict[str, tuple[str, int, dict[str, Any]]] = field(default_factory=dict)
    _files: dict[str, _File] = field(default_factory=dict)

    def __enter__(self) -> Kept:
        for name in self.result.data:
            facts = self.store.table(index_part(name), _FACTS).to_pylist()
            for position, one in enumerate(facts):
                self._where.setdefault(one["image_id"], (name, position, one))
        self._thumbnails = Thumbnails([self.store.path(self.result.thumbnails)])
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.parquet.close()

    def stored(self, image_id: str) -> Stored | None:
        """The stored image with this id; None if there is none."""
        if image_id not in self._where:
            return None
        name, position, facts = self._where[image_id]
        with self.store.reading(name):
            if name not in self._files:
                self._files[name] = _File.open(self.store.path(name))
            data = self._files[name].image(position)
        self.used += 1
        spacing = facts["spacing"]
        small = None
        if facts["thumbnail"] is not None:
            small = self._thumbnails.take(np.array([facts["thumbnail"]]))[0].tobytes()
        return Stored(
            data=data,
            format=facts["format"],
            width=facts["width"],
            height=facts["height"],
            transform=facts["transform"],
            sha256=facts["sha256"],
            pixel_hash=facts["pixel_hash"],
            perceptual_hash=facts["perceptual_hash"],
            descriptor=facts["descriptor"],
            thumbnail=small,
            raw_width=facts["raw_width"],
            raw_height=facts["raw_height"],
            orientation=facts["orientation"],
            notes=tuple(facts["notes"]),
            encoded=facts["encoded"],
            removed=tuple(facts["removed"]),
            spacing=None if spacing is None else (spacing[0], spacing[1]),
        )


def kept_records(store: Store, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The records of the given data files of one chunk, with their private columns, in the order of the chunk."""
    with ExitStack() as stack:
        streams = [_records(stack, store, name) for name in names]
        yield from heapq.merge(*streams, key=lambda values: values["ordinal"])


def _records(stack: ExitStack, store: Store, name: str) -> Iterator[dict[str, Any]]:
    private = store.table(index_part(name), [column for column, _ in PRIVATE_FIELDS])
    stack.enter_context(store.reading(name))
    parquet = stack.enter_context(pq.ParquetFile(store.path(name)))
    start = 0
    for group in range(parquet.num_row_groups):
        table: pa.Table = parquet.read_row_group(group)
        for values, more in zip(table.to_pylist(), private.slice(start, len(table)).to_pylist(), strict=True):
            yield values | more
        start += len(table)
