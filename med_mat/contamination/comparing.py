"""Compares another dataset's images with a built Med-MAT, and reports which are in it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from med_mat.contamination import images, matching
from med_mat.contamination.matching import Matches
from med_mat.errors import MedMATError
from med_mat.files import scratch
from med_mat.index import Index, Parts
from med_mat.leakage.compare import COPY_SCORE, LEAST_SCORE, compare
from med_mat.leakage.links import REASONS
from med_mat.leakage.thumbnails import SIDE
from med_mat.progress import Bar
from med_mat.storage.location import Folder, read_index
from med_mat.tags import Positions
from med_mat.taxonomy import WITHHELD

if TYPE_CHECKING:
    from med_mat.contamination.images import Looked

Array = NDArray[Any]

#: The matches, in the order of the images and, for each, of certainty.
SCHEMA = pa.schema(
    [
        ("image", pa.string()),  # name of the user's image
        ("id", pa.string()),  # of the record
        ("image_id", pa.string()),
        ("source", pa.string()),
        ("split", pa.string()),  # train, validation, test, or withheld
        ("part", pa.string()),  # of the experiment; null if the record is in none of its parts, or none was given
        ("reason", pa.string()),  # of med_mat.leakage.links.REASONS
        ("distance", pa.int16()),  # Hamming distance of the perceptual hashes, 0 to 256; null for other reasons
        ("score", pa.float32()),  # similarity of the aligned images, 0 to 1; null for equal files and pixels
        ("verified", pa.bool_()),  # False: the hashes are close, but the aligned images are not alike
        ("position", pa.int64()),  # of the record in the index
    ]
)
_HASHES = ("sha256", "pixel_hash", "perceptual_hash")
_BATCH = 256


class Build(Index, Protocol):
    """A built Med-MAT, whose images can be read."""

    def read(self, positions: Positions, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The records at these positions, as plain values."""


@dataclass(frozen=True)
class Contamination:
    """Which images of another dataset are in a built Med-MAT. :mod:`med_mat.contamination.report` shows it."""

    build: str
    reference: str  # the folder, archive or table
    names: tuple[str, ...]  # of all images that could be read
    unread: dict[str, str]  # name -> why it could not be read
    pairs: pa.Table  # SCHEMA
    transformed: bool  # whether rotated, shifted and zoomed copies were searched for as well
    unhashed: int  # records of the build without hashes, which were not compared
    records: dict[tuple[str, str], int] = field(default_factory=dict)  # source and split -> records of the build

    def matched(self, column: str | None = None, value: str | bool = "train") -> int:
        """The number of images that match a record, or one with this value, e.g. ``matched("split", "train")``."""
        found = self.pairs if column is None else self.pairs.filter(pc.equal(self.pairs[column], value))
        return int(pc.count_distinct(found["image"]).as_py())

    @property
    def doubtful(self) -> int:
        """The number of images that match by close hashes alone: aligned, the two are not alike."""
        return self.matched() - self.matched("verified", True)

    def cells(self) -> list[dict[str, Any]]:
        """Per source and split (and part of the experiment): the matches as counts, the most images first.

        Each has ``source``, ``split``, ``part``, ``records`` (of the source in the split), ``found`` (those that match
        an image), ``images`` (those that match a record), ``doubtful`` (those of them that do so by close hashes
        alone), and ``reasons`` (reason -> images, by the surest match).
        """
        cells: list[dict[str, Any]] = []
        keys = ["source", "split", "part"]
        placed = self.pairs.append_column("order", pa.array(np.arange(self.pairs.num_rows)))
        images = placed.group_by([*keys, "image"]).aggregate([("order", "min")])
        for one in placed.group_by(keys).aggregate([("id", "count_distinct")]).to_pylist():
            mine = _where(images, {name: one[name] for name in keys})
            first = self.pairs.take(mine["order_min"])  # the surest match of each image
            reasons = {row["values"]: row["counts"] for row in pc.value_counts(first["reason"]).to_pylist()}
            cells.append(
                {name: one[name] for name in keys}
                | {
                    "records": self.records.get((one["source"], one["split"]), 0),
                    "found": one["id_count_distinct"],
                    "images": first.num_rows,
                    "doubtful": first.num_rows - pc.sum(first["verified"]).as_py(),
                    "reasons": {name: reasons[name] for name in REASONS if name in reasons},
                }
            )
        return sorted(cells, key=lambda one: (-one["images"], one["source"], one["split"], one["part"] or ""))

    def __repr__(self) -> str:
        return f"Contamination({self.reference!r}: {self.matched():,} of {len(self.names):,} images in {self.build!r})"


def _where(table: pa.Table, values: Mapping[str, str | None]) -> pa.Table:
    """The rows with these values."""
    for name, value in values.items():
        column = table[name]
        table = table.filter(pc.is_null(column) if value is None else pc.equal(column, value))
    return table


def check(
    mat: Build,
    reference: str | os.PathLike[str],
    experiment: Parts | None = None,
    *,
    transformed: bool = False,
    jobs: int = 1,
    progress: bool = False,
) -> Contamination:
    """Which images of another dataset, such as a public benchmark, are in a built Med-MAT.

    The hashes and thresholds are those by which a build groups its records: equal files, equal decoded pixels, and
    perceptual hashes that differ in at most 21 of 256 bits in any of the eight orientations. The latter are
    aligned and compared again; if they differ then, the match counts as doubtful.

    Args:
        mat: an opened Med-MAT.
        reference: a folder of images (archives and tables in it count too), a ZIP archive, or a Parquet or Arrow file
            with a column of images, as of ``load_dataset`` or ``save_to_disk``.
        experiment: also say in which of its parts a record is.
        transformed: also search for copies that are rotated by any angle, shifted, zoomed or inverted. Without the
            build's own working files (a build on the Hub), this decodes all of its images.
        jobs: the number of worker processes that decode and hash the images.
        progress: whether to show progress bars.

    Raises:
        UsageError: there is no such folder or file, or no image in it.
        BuildError, HubError: the build cannot be read.
    """
    records = read_index(mat.location, ("id", "image_id", "source", "split", "withheld", *_HASHES))
    with scratch() as folder:
        looked = images.look_at(Path(reference), folder, jobs=jobs, progress=progress)
        found = matching.by_hash(looked.table, records)
        score, verified = _verified(mat, looked, found, records, progress)
        if transformed:
            more, scores = _transformed(mat, looked, found, records, progress)
            found = Matches(*map(np.concatenate, zip(found, more, strict=True)))
            score = np.concatenate([score, scores])
            verified = np.concatenate([verified, np.ones(len(scores), bool)])
    order = np.lexsort((found.record, -np.nan_to_num(score), found.distance, found.reason, ~verified, found.image))
    found, score, verified = found.chosen(order), score[order], verified[order]
    split = pc.if_else(pc.is_valid(records["withheld"]), WITHHELD, records["split"])
    mine = records.append_column("part", _parts(len(records), experiment)).set_column(3, "split", split)
    named = mine.take(pa.array(found.record))
    columns = {
        "image": looked.table["image"].take(pa.array(found.image)),
        **{name: named[name] for name in ("id", "image_id", "source", "split", "part")},
        "reason": pa.array(REASONS).take(pa.array(found.reason)),
        "distance": pa.array(found.distance.astype(np.int16), mask=found.distance < 0),
        "score": pa.array(score.astype(np.float32), mask=np.isnan(score)),
        "verified": pa.array(verified),
        "position": pa.array(found.record),
    }
    each = mine.group_by(["source", "split"]).aggregate([([], "count_all")]).to_pylist()
    return Contamination(
        str(mat.location),
        os.fspath(reference),
        tuple(looked.table["image"].to_pylist()),
        looked.unread,
        pa.table(columns, schema=SCHEMA),
        transformed,
        records["pixel_hash"].null_count,
        {(one["source"], one["split"]): one["count_all"] for one in each},
    )


def _parts(count: int, experiment: Parts | None) -> pa.Array:
    """The part of the experiment that each record is in."""
    codes = np.full(count, -1)
    names = ("train", "validation", "test")
    for number, name in enumerate(names) if experiment is not None else ():
        codes[getattr(experiment, f"{name}_positions")] = number
    return pa.array(names).take(pa.array(codes, mask=codes < 0))


def _verified(
    mat: Build, looked: Looked, found: Matches, records: pa.Table, progress: bool
) -> tuple[Array, NDArray[np.bool_]]:
    """The score of each near-duplicate, NaN for equal files and pixels, and which matches hold."""
    near = found.reason >= matching.NEAR
    score = np.full(len(near), np.nan)
    score[near] = _scores(mat, looked, found.image[near], found.record[near], records, progress)
    return score, ~near | (np.nan_to_num(score) >= LEAST_SCORE)


def _scores(mat: Build, looked: Looked, image: Array, record: Array, records: pa.Table, progress: bool) -> Array:
    """The similarity of pairs after alignment: 0 to 1, and 0 where the image of a record is missing.

    Records that share an image are compared once.
    """
    codes = np.asarray(pc.dictionary_encode(records["image_id"].take(pa.array(record))).combine_chunks().indices)
    keys = np.stack([image, codes])
    _, first, back = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    order = first[np.argsort(record[first], kind="stable")]  # reads each file of the build once
    scores = np.zeros(len(image))
    with Bar(len(order), desc="copies compared", unit="pairs", shown=progress and len(order) > 0) as bar:
        for start in range(0, len(order), _BATCH):
            part = order[start : start + _BATCH]
            small, there = _thumbnails(mat, record[part])
            scores[part] = np.where(there, compare(looked.thumbnails.take(image[part]), small), 0)
            bar.update(len(part))
    return np.asarray(scores[first][back.reshape(-1)])


def _thumbnails(mat: Build, record: Array) -> tuple[Array, NDArray[np.bool_]]:
    """The thumbnails of records, (n, SIDE, SIDE) uint8, and whether there is one."""
    places, back = np.unique(record, return_inverse=True)
    looks = [_look(one["image"]) for one in mat.read(places, columns=("image",))]
    small = [bytes(SIDE * SIDE) if one is None else one.thumbnail or bytes(SIDE * SIDE) for one in looks]
    there = np.array([one is not None and one.thumbnail is not None for one in looks], bool)
    return np.frombuffer(b"".join(small), np.uint8).reshape(-1, SIDE, SIDE)[back], there[back]


def _look(image: dict[str, Any] | None) -> Any:
    """The hashes of a stored image; None if it is missing or cannot be read."""
    if image is None or not image["bytes"]:
        return None
    try:
        return images.stored(images.Picture("image", None, image["bytes"]))
    except MedMATError:
        return None


def _transformed(
    mat: Build, looked: Looked, found: Matches, records: pa.Table, progress: bool
) -> tuple[Matches, Array]:
    """Verified matches of images that are not found by their hashes, and their scores."""
    descriptors = _descriptors(mat, records, progress)
    image, record = matching.by_descriptor(looked.table["descriptor"], descriptors)
    known = np.unique(found.image * len(records) + found.record)
    new = ~np.isin(image * len(records) + record, known)
    image, record = image[new], record[new]
    score = _scores(mat, looked, image, record, records, progress)
    alike = score >= LEAST_SCORE
    image, record, score = image[alike], record[alike], score[alike]
    pixels = records["pixel_hash"]
    pair, every = matching.equal(pixels.take(pa.array(record)), pixels)  # and the other records of the image
    reason = np.where(score >= COPY_SCORE, matching.TRANSFORMED, matching.SCAN)
    more = Matches.of(image[pair], every, reason[pair])
    new = ~np.isin(more.image * len(records) + more.record, known)
    return more.chosen(new), score[pair][new]


def _descriptors(mat: Build, records: pa.Table, progress: bool) -> pa.ChunkedArray:
    """The descriptors of all records: from the working files of a local build, else from its images."""
    kept = _kept_descriptors(mat)
    if kept is not None:
        place = pc.index_in(records["id"], kept["id"])
        if not place.null_count:
            return kept["descriptor"].take(place)
    first = np.unique(
        np.asarray(pc.rank(records["image_id"], tiebreaker="dense")), return_index=True, return_inverse=True
    )
    found: list[bytes | None] = []
    with Bar(len(first[1]), desc="images of the build", unit="img", shown=progress) as bar:
        for start in range(0, len(first[1]), _BATCH):
            part = first[1][start : start + _BATCH]
            looks = [_look(one["image"]) for one in mat.read(part, columns=("image",))]
            found += [None if one is None else one.descriptor for one in looks]
            bar.update(len(part))
    return pa.chunked_array([pa.array(found, pa.binary()).take(pa.array(first[2].reshape(-1)))])


def _kept_descriptors(mat: Build) -> pa.Table | None:
    """``id`` and ``descriptor`` of the records of a local build; None if its working files are gone."""
    if not isinstance(mat.location, Folder):
        return None
    tables = []
    for path in sorted(mat.location.root.glob(".build/*/*.parquet")):
        try:
            tables.append(pq.read_table(path, columns=["id", "descriptor"]).replace_schema_metadata(None))
        except (OSError, pa.ArrowException):
            return None
    return pa.concat_tables(tables) if tables else None
