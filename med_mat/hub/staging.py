"""Prepares the files of a publication for upload.

A published dataset is a built Med-MAT: its index, ledger, manifest and cards describe its sources. In records without
images, ``image`` and ``mask`` are null; the manifest then contains, under ``without_pixels``, the size and sha256 of
each complete file, so that :func:`med_mat.hub.pixels.attach` can verify the images that it attaches, and, under
``without_names``, the sources published without file names (:mod:`med_mat.nameless`). ``SHA256SUMS`` lists the uploaded
files.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat.building.card import HEADS, write_cards
from med_mat.building.counts import COUNTED
from med_mat.building.index import ROW_GROUP_RECORDS
from med_mat.building.sums import of_files, prove, to_bytes
from med_mat.building.sums import read as read_sums
from med_mat.errors import BuildError, MissingExtraError
from med_mat.files import write_atomically
from med_mat.hub.publication import Publication
from med_mat.leakage.groups import DUPLICATES
from med_mat.nameless import (
    COLUMNS,
    FILE_NAMES,
    WITHOUT_NAMES,
    Nameless,
    nameless_files,
    nameless_ledger,
    without_examples,
)
from med_mat.permission import Entry, entry
from med_mat.schema import PIXEL_COLUMNS
from med_mat.selection import MAT
from med_mat.storage.location import INDEX, MANIFEST, SUMS, TAGS, TAGS_COLUMNS
from med_mat.storage.parquet import open_writer
from med_mat.storage.raw_files import FOLDER as FILES
from med_mat.storage.raw_files import read_index, write_index

log = logging.getLogger(__name__)

#: The files that readers open first; uploaded last, in this order.
LAST = (SUMS, MANIFEST, *HEADS)
_PICTURE = "grid.png"
#: Paths in a repository below which all files belong to Med-MAT; stale ones are removed.
OURS = ("cards/", "data/", f"{FILES}/", TAGS, DUPLICATES, _PICTURE)
#: The key of the manifest for the complete files of records published without images.
WITHOUT_PIXELS = "without_pixels"
_LEDGER = "ledger.json"
_SHARD = re.compile(r"data/([a-z0-9_]+)/\d{3,}/(train|validation|test|withheld)-\d{5,}-[0-9a-f]{8}\.parquet")

_Change = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True, slots=True)
class Staged:
    """The files to upload, and the publication that they contain."""

    files: Mapping[str, Path]  # name in the repository -> local path, in upload order
    entries: tuple[Entry, ...]  # what is published of each source
    manifest: Mapping[str, Any]


def stage(publication: Publication, repo_id: str, scratch: Path) -> Staged:
    """Prepare the files to upload.

    Args:
        publication: the decision on what to publish.
        repo_id: the dataset on the Hub, for the cards.
        scratch: an empty folder, for files that differ from those of the build.

    Raises:
        BuildError: files of the build are missing or damaged: every file is verified before it is uploaded.
    """
    folder, names = publication.folder, [source.name for source in publication.sources]
    sums = read_sums(folder)
    prove(folder, sums, [INDEX, _LEDGER, MANIFEST])
    shards = _shards(folder, names)
    files = {name: folder / name for name in shards}
    files |= {f"{FILES}/{name}.parquet": folder / FILES / f"{name}.parquet" for name in names}
    if (folder / DUPLICATES).is_file():
        files[DUPLICATES] = folder / DUPLICATES
    prove(folder, sums, files)
    nameless = _nameless(publication)
    originals: dict[str, dict[str, dict[str, Any]]] = {}
    for name, source in shards.items():
        if source in publication.without_pixels:
            facts = {"bytes": files[name].stat().st_size, "sha256": sums[name]}
            originals.setdefault(source, {})[name] = facts
            change = nameless.table if source in publication.hidden else _as_it_is
            files[name] = _write_without_images(folder / name, scratch / name, change)
    for name in names:
        if FILE_NAMES in publication.hidden.get(name, ()):
            index = nameless_files(read_index(folder / FILES / f"{name}.parquet"))
            files[f"{FILES}/{name}.parquet"] = write_index(scratch / FILES, index)
    files[INDEX] = _restricted(folder / INDEX, scratch / INDEX, publication, ["source"], nameless.table)
    if DUPLICATES in files:
        files[DUPLICATES] = _restricted(
            folder / DUPLICATES, scratch / DUPLICATES, publication, ["first_source", "second_source"], nameless.links
        )
    files[TAGS] = write_tags(files[INDEX], scratch / TAGS)
    ledger = _of_sources(_json(folder / _LEDGER), names)
    for name in publication.hidden:
        ledger["sources"][name] = nameless_ledger(ledger["sources"][name])
    records = pq.read_table(files[INDEX], columns=list(COUNTED))
    picture = _draw_grid(records, scratch / _PICTURE)
    told = [without_examples(one) if one.name in publication.hidden else one for one in publication.sources]
    write_cards(scratch, told, records, list(shards), ledger["sources"], name=repo_id, hosted=True,
                without_pixels=publication.without_pixels, without_names=publication.hidden,
                picture=picture)  # fmt: skip
    manifest = {
        **_of_sources(publication.manifest, names),
        "rows": {number: row for number, row in publication.manifest["rows"].items() if row["source"] in names},
        "records": records.num_rows,
        WITHOUT_PIXELS: originals,
        WITHOUT_NAMES: {name: list(places) for name, places in publication.hidden.items()},
    }
    for name, content in ((_LEDGER, ledger), (MANIFEST, manifest)):
        write_atomically(scratch / name, (json.dumps(content, indent=1) + "\n").encode())
    made = (_LEDGER, *(f"cards/{name}.md" for name in names), *([] if picture is None else [picture]), MANIFEST, *HEADS)
    files |= {name: scratch / name for name in made}
    known = {name: sums[name] for name, path in files.items() if path == folder / name}  # verified above
    known |= of_files({name: path for name, path in files.items() if name not in known})
    write_atomically(scratch / SUMS, to_bytes(known))
    files[SUMS] = scratch / SUMS
    return Staged(files, tuple(_entries(publication, files, shards)), manifest)


def write_tags(index: Path, tags: Path) -> Path:
    """Write the columns of an index for opening and selecting to a file that can be downloaded separately."""
    pq.write_table(pq.read_table(index, columns=list(TAGS_COLUMNS)), tags, compression="zstd")
    return tags


def _entries(publication: Publication, files: Mapping[str, Path], shards: Mapping[str, str]) -> Iterator[Entry]:
    """The rows of the table of what is published."""
    sizes = {one.source.name: 0 for one in publication.decisions}
    for name, source in shards.items():
        sizes[source] += files[name].stat().st_size
    for one in publication.decisions:
        yield entry(one, publication.manifest["sources"][one.source.name]["records"], sizes[one.source.name])


def _nameless(publication: Publication) -> Nameless:
    """The replacement of file names in records that are published without them."""
    hidden = publication.hidden
    sources = {one.name: one for one in publication.sources if one.name in hidden}
    if not hidden:
        return Nameless(pa.table({name: pa.array([], pa.string()) for name in (*COLUMNS, "source")}), {}, {})
    return Nameless(pq.read_table(publication.folder / INDEX, columns=[*COLUMNS, "source"]), sources, hidden)


def _as_it_is(table: pa.Table) -> pa.Table:
    return table


def _write_without_images(whole: Path, part: Path, change: _Change) -> Path:
    """Write a data file with null for all images and masks, with the same records in the same row groups."""
    part.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetFile(whole) as reader, open_writer(part, reader.schema_arrow) as writer:
        names = [name for name in reader.schema_arrow.names if name not in PIXEL_COLUMNS]
        records, start = change(reader.read(columns=names)), 0
        for group in range(reader.num_row_groups):
            table = records.slice(start, reader.metadata.row_group(group).num_rows)
            start += table.num_rows
            arrays = [
                pa.nulls(table.num_rows, field.type) if field.name in PIXEL_COLUMNS else table[field.name]
                for field in reader.schema_arrow
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=reader.schema_arrow))
    return part


def _restricted(whole: Path, part: Path, publication: Publication, columns: Sequence[str], change: _Change) -> Path:
    """A Parquet file with only the rows of the published sources, without file names where these are not published.

    Returns the file itself if nothing changes, otherwise a copy, written batch by batch.
    """
    every = all(one.goes != "left out" for one in publication.decisions)
    if every and not publication.hidden:
        return whole
    wanted = pa.array([source.name for source in publication.sources], pa.string())
    with pq.ParquetFile(whole) as reader, open_writer(part, reader.schema_arrow, text_codec="zstd") as writer:
        links = len(columns) > 1  # links are few, and each lookup of their records reads the whole index
        for table in (reader.read(),) if links else map(reader.read_row_group, range(reader.num_row_groups)):
            for column in columns:
                table = table.filter(pc.is_in(table[column], wanted))
            if table.num_rows:
                writer.write_table(change(table), row_group_size=ROW_GROUP_RECORDS)
    return part


def _draw_grid(records: pa.Table, path: Path) -> str | None:
    """Plot the records per triplet for the card; None if the extra for plots is not installed."""
    from med_mat import plot

    counts = records.group_by(["modality", "area", "task"]).aggregate([([], "count_all")]).to_pylist()
    cells = {MAT(one["modality"], one["area"], one["task"]): one["count_all"] for one in counts}
    try:
        plot.save(plot.mat_grid(cells), path)
    except MissingExtraError as error:
        log.info("the card has no plot of the records: %s", error)
        return None
    return path.name


def _shards(folder: Path, sources: Sequence[str]) -> dict[str, str]:
    """The data files of some sources -> their source, in the order of the index.

    Raises:
        BuildError: the index names what no build writes, or what is not there.
    """
    column = pq.read_table(folder / INDEX, columns=["file"], read_dictionary=["file"])["file"]
    shards = {}
    for name in pc.unique(column).cast(pa.string()).to_pylist():
        match = _SHARD.fullmatch(name)
        if match is None:
            raise BuildError(f"The index of {folder} names a file {name!r}, which no build writes. Build it again.")
        if match[1] in sources:
            if not (folder / name).is_file():
                raise BuildError(f"{folder} lacks {name}. Run 'med-mat build' again: what is finished is kept.")
            shards[name] = match[1]
    return shards


def _of_sources(content: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A ledger or manifest restricted to some of its sources, with new totals."""
    kept = {name: content["sources"][name] for name in content["sources"] if name in names}
    totals = {key: sum(one[key] for one in kept.values()) for key in ("found", "written", "skipped") if key in content}
    return {**content, **totals, "sources": kept}


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return content
    except (OSError, ValueError) as error:
        raise BuildError(f"{path} is missing or damaged ({error}). Run 'med-mat build' again.") from error
