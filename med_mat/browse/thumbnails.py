"""Small images of records with their boxes and masks, as WebP; those of one page are rendered together."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from med_mat.browse.record import caption, colors_of, place_of
from med_mat.plot.style import theme_of
from med_mat.plot.thumbnails import square
from med_mat.tags import Positions

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

SIDE = 224  # pixels of a thumbnail
_KEPT = 4_000  # thumbnails, of some 8 kB each
_COLUMNS = ("image", "mask", "mask_legend", "boxes")

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """The values that were used last, at most so many. Safe to use from several threads."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """A value, if it is still kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Key, value: Value) -> None:
        """Keep a value; the one that was not used for longest is forgotten."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)


@dataclass(frozen=True)
class Tile:
    """One record of a gallery."""

    id: str
    caption: str
    source: str
    split: str


class Thumbnails:
    """The thumbnails of a Med-MAT."""

    def __init__(self, mat: MedMAT) -> None:
        self._mat = mat
        self._made: Recent[str, bytes] = Recent(_KEPT)
        self._batches: Recent[str, tuple[threading.Lock, dict[str, int]]] = Recent(_KEPT)

    def expect(self, positions: Positions) -> list[Tile]:
        """The records at some positions, whose thumbnails are about to be asked for. No pixels are read yet."""
        records = self._mat.read(positions, columns=("id", "label", "labels", "source", "split"))
        batch = (
            threading.Lock(),
            {one["id"]: place for one, place in zip(records, positions.tolist(), strict=True)},
        )
        for one in records:
            self._batches.put(one["id"], batch)
        return [Tile(one["id"], caption(one), one["source"], one["split"]) for one in records]

    def get(self, name: str) -> bytes:
        """The thumbnail of a record, by its id, as WebP.

        Raises:
            BrowseError: no record has that id.
        """
        lock, places = self._batches.get(name) or (threading.Lock(), {name: place_of(self._mat, name)})
        with lock:  # the others of a page wait for the one that reads them all
            if (made := self._made.get(name)) is not None:
                return made
            found = {}
            records = self._mat.read(np.array(list(places.values()), dtype=np.int64), columns=_COLUMNS)
            for one, record in zip(places, records, strict=True):
                found[one] = rendered(record)
                self._made.put(one, found[one])
            return found[name]


def rendered(record: Mapping[str, Any]) -> bytes:
    """The thumbnail of a record with its boxes and masks."""
    buffer = io.BytesIO()
    # what fills the square looks well on a light page too; light does not on a dark one
    square(record, SIDE, theme_of("dark"), colors=colors_of(record)).save(buffer, "WEBP", quality=80)
    return buffer.getvalue()
