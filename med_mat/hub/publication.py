"""What of a built Med-MAT is passed on: which sources, with or without pixels, and whether their terms allow it.

A published set is a built Med-MAT: its index, ledger, manifest and cards speak of the sources that are in it. Records
without pixels have null for ``image`` and ``mask``; the manifest then holds, under ``without_pixels``, bytes and
sha256 of each whole file, so that :func:`med_mat.hub.pixels.attach` can prove what it puts back.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat.building.card import COUNTED, HEADS, write_cards
from med_mat.building.files import FOLDER as FILES
from med_mat.building.sums import of_files, prove, to_bytes
from med_mat.building.sums import read as read_sums
from med_mat.building.writer import open_writer
from med_mat.catalog import Catalog, Source
from med_mat.errors import BuildError, HubError, MissingExtraError
from med_mat.files import write_atomically
from med_mat.hub.errors import check_held
from med_mat.hub.pixels import write_bare
from med_mat.leakage.groups import DUPLICATES
from med_mat.location import INDEX, MANIFEST, SUMS, TAGS, TAGS_COLUMNS
from med_mat.taxonomy import MAT

log = logging.getLogger(__name__)

#: What a reader opens first; it is sent last, and in this order.
LAST = (SUMS, MANIFEST, *HEADS)
_PICTURE = "grid.png"
#: The top names below which everything in a repository is ours, to be removed where it is stale.
OURS = ("cards/", "data/", f"{FILES}/", TAGS, DUPLICATES, _PICTURE)
_LEDGER = "ledger.json"
_SHARD = re.compile(r"data/([a-z0-9_]+)/\d{3,}/(train|validation|test|withheld)-\d{5,}-[0-9a-f]{8}\.parquet")


@dataclass(frozen=True, slots=True)
class Publication:
    """A choice of what to pass on."""

    folder: Path
    manifest: Mapping[str, Any]
    sources: tuple[Source, ...]  # in the order of the build
    bare: frozenset[str]  # the names of those that go without pixels

    @property
    def whole(self) -> bool:
        """Whether every source of the folder goes."""
        return len(self.sources) == len(self.manifest["sources"])


def choose(
    folder: Path,
    manifest: Mapping[str, Any],
    catalog: Catalog,
    *,
    only: Collection[str] = (),
    leave_out: Collection[str] = (),
    without_pixels: bool | Collection[str] = False,
    allow: Collection[str] = (),
) -> Publication:
    """What goes, if the terms of the sources let it.

    Args:
        folder: a built Med-MAT.
        manifest: its manifest.
        catalog: knows the terms.
        only: the sources that go; none means all.
        leave_out: the sources that stay.
        without_pixels: True, or the sources whose records go without images and masks.
        allow: sources with unclear terms of which the user knows that their images may be passed on.

    Raises:
        UnknownSourceError: a source that the folder does not hold.
        HubError: nothing is left, or a source's images may not be passed on.
    """
    held = [name for name, facts in manifest["sources"].items() if facts["records"]]
    bare_names = () if isinstance(without_pixels, bool) else without_pixels
    check_held((*only, *leave_out, *bare_names, *allow), held, folder)
    chosen = [catalog[name] for name in held if name not in leave_out and (not only or name in only)]
    if not chosen:
        raise HubError(f"No source of {folder} is left to push: all of {', '.join(held)} are left out.")
    bare = frozenset(source.name for source in chosen if without_pixels is True or source.name in bare_names)
    _check_terms([source for source in chosen if source.name not in bare], allow)
    return Publication(folder, manifest, tuple(chosen), bare)


def stage(publication: Publication, repo_id: str, scratch: Path) -> dict[str, Path]:
    """The files to send: name in the repository -> where it lies, in the order in which to send them.

    Args:
        publication: what goes.
        repo_id: the dataset on the Hub that the cards name.
        scratch: an empty folder, for what differs from the build.

    Raises:
        BuildError: the folder is not as a build leaves it: every byte that goes is read and compared before.
    """
    folder, names = publication.folder, [source.name for source in publication.sources]
    sums = read_sums(folder)
    prove(folder, sums, [INDEX, _LEDGER, MANIFEST])
    shards = _shards(folder, names)
    files = {name: folder / name for name in shards}
    files |= {f"{FILES}/{name}.parquet": folder / FILES / f"{name}.parquet" for name in names}
    files[INDEX] = folder / INDEX
    if (folder / DUPLICATES).is_file():
        files[DUPLICATES] = folder / DUPLICATES
    prove(folder, sums, [name for name in files if name != INDEX])
    originals: dict[str, dict[str, dict[str, Any]]] = {}
    for name, source in shards.items():
        if source in publication.bare:
            facts = {"bytes": files[name].stat().st_size, "sha256": sums[name]}
            originals.setdefault(source, {})[name] = facts
            files[name] = write_bare(folder / name, scratch / name)
    ledger = _of_sources(_json(folder / _LEDGER), names)
    if not publication.whole:
        files[INDEX] = _kept(folder / INDEX, scratch / INDEX, ["source"], names)
        if DUPLICATES in files:
            files[DUPLICATES] = _kept(
                folder / DUPLICATES, scratch / DUPLICATES, ["first_source", "second_source"], names
            )
    files[TAGS] = write_tags(files[INDEX], scratch / TAGS)
    records = pq.read_table(files[INDEX], columns=list(COUNTED))
    picture = _draw_grid(records, scratch / _PICTURE)
    write_cards(scratch, publication.sources, records, list(shards), ledger["sources"], name=repo_id, hosted=True,
                without_pixels=publication.bare, picture=picture)  # fmt: skip
    manifest = {
        **_of_sources(publication.manifest, names),
        "rows": {number: row for number, row in publication.manifest["rows"].items() if row["source"] in names},
        "records": records.num_rows,
        "without_pixels": originals,
    }
    for name, content in ((_LEDGER, ledger), (MANIFEST, manifest)):
        write_atomically(scratch / name, (json.dumps(content, indent=1) + "\n").encode())
    made = (_LEDGER, *(f"cards/{name}.md" for name in names), *([] if picture is None else [picture]), MANIFEST, *HEADS)
    files |= {name: scratch / name for name in made}
    known = {name: sums[name] for name, path in files.items() if path == folder / name}  # proven just now
    known |= of_files({name: path for name, path in files.items() if name not in known})
    write_atomically(scratch / SUMS, to_bytes(known))
    return {**files, SUMS: scratch / SUMS}


def write_tags(index: Path, tags: Path) -> Path:
    """Write the columns of an index that opening and selecting read, for whoever does not have the index yet."""
    pq.write_table(pq.read_table(index, columns=list(TAGS_COLUMNS)), tags, compression="zstd")
    return tags


def _draw_grid(records: pa.Table, path: Path) -> str | None:
    """Draw the grid of a card; None where the extra for pictures is not installed."""
    from med_mat import plot

    counts = records.group_by(["modality", "area", "task"]).aggregate([([], "count_all")]).to_pylist()
    cells = {MAT(one["modality"], one["area"], one["task"]): one["count_all"] for one in counts}
    try:
        plot.save(plot.mat_grid(cells), path)
    except MissingExtraError as error:
        log.info("the card goes without a picture of the grid: %s", error)
        return None
    return path.name


def _check_terms(sources: Sequence[Source], allow: Collection[str]) -> None:
    """Raise where images may not be passed on."""
    forbidden = [source.name for source in sources if source.redistributable is False]
    unclear = [source.name for source in sources if source.redistributable is None and source.name not in allow]
    if not (forbidden or unclear):
        return
    parts = []
    if forbidden:
        parts.append(f"The terms of {', '.join(forbidden)} forbid that images are passed on.")
    if unclear:
        parts.append(
            f"Whether the images of {', '.join(unclear)} may be passed on is not known: where you know that they may, "
            "add --allow SOURCE."
        )
    raise HubError(
        f"{' '.join(parts)} Leave such sources out (--except SOURCE), or push their records alone: --without-pixels "
        "for all sources, --without-pixels-of SOURCE for some. 'med-mat show SOURCE' has the terms."
    )


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
    """A ledger or a manifest, of some of its sources, its totals counted anew."""
    kept = {name: content["sources"][name] for name in content["sources"] if name in names}
    totals = {key: sum(one[key] for one in kept.values()) for key in ("found", "written", "skipped") if key in content}
    return {**content, **totals, "sources": kept}


def _kept(whole: Path, part: Path, columns: Sequence[str], sources: Sequence[str]) -> Path:
    """Write the rows of a Parquet file that speak of these sources alone, batch by batch."""
    wanted = pa.array(sources, pa.string())
    with pq.ParquetFile(whole) as reader, open_writer(part, reader.schema_arrow, text_codec="zstd") as writer:
        for group in range(reader.num_row_groups):
            table = reader.read_row_group(group)
            for column in columns:
                table = table.filter(pc.is_in(table[column], wanted))
            if table.num_rows:
                writer.write_table(table)
    return part


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return content
    except (OSError, ValueError) as error:
        raise BuildError(f"{path} is missing or damaged ({error}). Run 'med-mat build' again.") from error
