"""Features of images, each computed once per encoder and kept in shards that processes share.

A cache is a folder with one folder per encoder, named by a digest of everything that its features depend on. A shard is
a Parquet file with the keys of at most :data:`SHARD` images and their features; it is written atomically, so a killed
run keeps the shards that are finished. Two processes never encode the same shard: the second goes on with the next, and
waits only where nothing else is left.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from med_mat import files
from med_mat.errors import EngineError
from med_mat.experiment.probe.encoders import Encoder, Floats, slug
from med_mat.progress import Bar
from med_mat.tags import Positions

log = logging.getLogger(__name__)

#: The most images of a shard: what a killed run loses.
SHARD = 512
#: Images that are encoded together. Fewer are filled up to this number, so that the features of an image do not depend
#: on which others are encoded with it.
BATCH = 16
#: Records that are read together.
_READ = 128
#: What an image is known by where a build did not decode it, in this order.
_KEYS = ("pixel_hash", "sha256", "image_id", "transform")
_VERSION = 1


class Images(Protocol):
    """What features need of an opened Med-MAT."""

    def facts(self, positions: Positions, columns: Sequence[str]) -> pa.Table:
        """Columns of the index for these records, in their order."""

    def read(self, positions: Positions, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Columns of these records, in their order; an image is bytes and a path."""


def features(mat: Images, positions: Positions, encoder: Encoder, cache: Path, *, shown: bool = True) -> Floats:
    """The features of the images of some records, from the cache as far as they are there.

    Args:
        mat: an opened Med-MAT.
        positions: (n,) of records in its index, in any order.
        encoder: the encoder.
        cache: the folder that all encoders share; it may be deleted at any time.
        shown: whether to show how far it is.

    Returns:
        (n, d) float32, in the order of the positions.

    Raises:
        EngineError: a record has no image, or a shard is damaged.
        WriteError: a shard cannot be written.
    """
    shelf = Shelf.of(cache, encoder)
    keys = image_keys(mat, positions)
    first = dict(zip(reversed(keys), reversed(positions.tolist()), strict=True))
    missing = sorted((position, key) for key, position in first.items() if key not in shelf.known())
    if missing:
        with Bar(len(missing), desc=f"Encoding with {encoder.name}", unit="images", shown=shown) as bar:
            _fill(mat, missing, encoder, shelf, bar)
    return shelf.read(keys)


def image_keys(mat: Images, positions: Positions) -> list[str]:
    """What the images of these records are known by: the hash of their pixels, or of the file that they come from."""
    table = mat.facts(positions, _KEYS)
    pixels, *others = (table[name].to_pylist() for name in _KEYS)
    return [
        pixel or hashlib.sha256("\n".join(map(str, facts)).encode()).hexdigest()
        for pixel, *facts in zip(pixels, *others, strict=True)
    ]


class Shelf:
    """The shards of one encoder in a cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: dict[str, tuple[Path, int]] = {}
        self._seen: set[str] = set()

    @classmethod
    def of(cls, cache: Path, encoder: Encoder) -> Shelf:
        """The shelf of an encoder, created if missing."""
        told = json.dumps({"version": _VERSION, "batch": BATCH, **encoder.identity}, sort_keys=True, indent=1)
        digest = hashlib.blake2b(told.encode(), digest_size=8).hexdigest()
        folder = cache / "features" / f"{slug(encoder.name)}-{digest}"
        if not (folder / "encoder.json").exists():
            files.write_atomically(folder / "encoder.json", f"{told}\n".encode())
        return cls(folder)

    def known(self) -> dict[str, tuple[Path, int]]:
        """Key of an image -> the shard and the row that have its features. Looks for shards of other processes."""
        with os.scandir(self.folder) as entries:
            names = sorted(one.name for one in entries if one.name.endswith(".parquet"))
        for name in names:
            if name in self._seen or files.is_temporary(name):
                continue
            self._seen.add(name)
            path = self.folder / name
            try:
                keys = pq.read_table(path, columns=["key"])["key"].to_pylist()
            except (OSError, pa.ArrowException, KeyError) as error:
                log.warning("%s is damaged and is not used: %s", path, error)
                continue
            for row, key in enumerate(keys):
                self._places.setdefault(key, (path, row))
        return self._places

    def read(self, keys: Sequence[str]) -> Floats:
        """The features of images that are here: (n, d) float32, in the order of their keys."""
        wanted: dict[Path, tuple[list[int], list[int]]] = {}
        for place, key in enumerate(keys):
            path, row = self._places[key]
            rows, places = wanted.setdefault(path, ([], []))
            rows.append(row)
            places.append(place)
        found: Floats | None = None
        for path, (rows, places) in wanted.items():
            try:
                column = pq.read_table(path, columns=["features"])["features"].combine_chunks()
                values = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
            except (OSError, pa.ArrowException, KeyError, ValueError) as error:
                raise EngineError(
                    f"{path} is damaged ({error}): remove it, and its images are encoded again."
                ) from error
            if found is None:
                found = np.empty((len(keys), values.shape[1]), dtype=np.float32)
            found[places] = values[rows]
        return np.zeros((0, 0), dtype=np.float32) if found is None else found

    def write(self, name: str, keys: Sequence[str], values: Floats) -> None:
        """Write a shard: keys and their (n, d) features."""
        column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        table = pa.table({"key": pa.array(keys, pa.string()), "features": column})
        shard = f"{name}.parquet"
        with files.replacing(self.folder / shard, lasting=False) as path:
            pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)
        self._seen.discard(shard)


def _fill(mat: Images, missing: list[tuple[int, str]], encoder: Encoder, shelf: Shelf, bar: Bar) -> None:
    """Encode what is missing, shard by shard; those that another process is at come last."""
    waiting = deque(missing[start : start + SHARD] for start in range(0, len(missing), SHARD))
    postponed: set[str] = set()
    while waiting:
        part = waiting.popleft()
        name = hashlib.blake2b("\n".join(key for _, key in part).encode(), digest_size=8).hexdigest()
        lock = FileLock(shelf.folder / f"{name}.lock")
        try:
            lock.acquire(timeout=-1 if name in postponed else 0)
        except Timeout:
            postponed.add(name)
            waiting.append(part)
            continue
        with lock:
            known = shelf.known()
            left = [(position, key) for position, key in part if key not in known]
            bar.update(len(part) - len(left))
            if left:
                values = _encode(mat, np.array([position for position, _ in left]), encoder, bar)
                shelf.write(name, [key for _, key in left], values)
        Path(lock.lock_file).unlink(missing_ok=True)
    shelf.known()


def _encode(mat: Images, positions: Positions, encoder: Encoder, bar: Bar) -> Floats:
    """The features of the images of records, (n, d), in the order of the positions."""
    parts = []
    for batch in batches(mat, positions, encoder):
        full = batch if len(batch) == BATCH else np.concatenate((batch, np.repeat(batch[-1:], BATCH - len(batch), 0)))
        parts.append(encoder.encode(full)[: len(batch)])
        bar.update(len(batch))
    found = np.concatenate(parts)
    if not np.isfinite(found).all():
        raise EngineError(f"The encoder {encoder.name} gives features that are not finite: choose another.")
    return found


def batches(mat: Images, positions: Positions, encoder: Encoder) -> Iterator[npt.NDArray[np.uint8]]:
    """The prepared images of records in batches, (n, side, side[, 3]) uint8; decoded ahead, in threads."""
    with ThreadPoolExecutor(cores()) as pool:
        ahead: deque[Future[npt.NDArray[np.uint8]]] = deque()
        batch: list[npt.NDArray[np.uint8]] = []
        pictures = _pictures(mat, positions)
        reading = True
        while reading or ahead:
            while reading and len(ahead) < 2 * BATCH:
                picture = next(pictures, None)
                if picture is None:
                    reading = False
                else:
                    ahead.append(pool.submit(_prepared, *picture, encoder))
            if ahead:
                batch.append(ahead.popleft().result())
            if batch and (len(batch) == BATCH or not ahead):
                yield np.stack(batch)
                batch = []


def cores() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pictures(mat: Images, positions: Positions) -> Iterator[tuple[str, bytes]]:
    """Id and image file of each record."""
    for start in range(0, len(positions), _READ):
        for record in mat.read(positions[start : start + _READ], ("id", "image")):
            image = record["image"]
            if not image or not image["bytes"]:
                raise EngineError(
                    f"The record {record['id']} has no image here: the dataset was published without it. "
                    "'med-mat attach' adds images from your own raw files."
                )
            yield record["id"], image["bytes"]


def _prepared(name: str, data: bytes, encoder: Encoder) -> npt.NDArray[np.uint8]:
    try:
        return encoder.prepare(data)
    except (OSError, ValueError, SyntaxError) as error:  # of Pillow
        raise EngineError(f"The image of the record {name} cannot be decoded: {error}") from error
