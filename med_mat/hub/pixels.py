"""Leaving pixels out of a published set, and putting them back from the raw files, proven to be the same.

To attach is to build again from one's own raw files, with the options of the published set, and to compare: every raw
file by its sha256, every record in all its columns (sha256 and ``pixel_hash``, boxes, legend of the mask, questions),
and every Parquet file as a whole where the libraries are of the same versions.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import __version__
from med_mat.building.files import FOLDER, read_index
from med_mat.building.inputs import versions
from med_mat.building.run import Options, build, find
from med_mat.building.writer import open_writer
from med_mat.catalog import Catalog, load
from med_mat.errors import HubError
from med_mat.files import sha256
from med_mat.hub.errors import check_held
from med_mat.location import INDEX, MANIFEST, Folder, Location, locate, reading
from med_mat.raw.folder import RawFolder
from med_mat.schema import PIXEL_COLUMNS
from med_mat.validate import differences, scanned

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

log = logging.getLogger(__name__)

#: What depends on which other sources are there: groups, what is withheld, and so the files.
_OF_THE_WHOLE = ("group", "withheld", "file", "position")


def write_bare(whole: Path, bare: Path) -> Path:
    """Write a data file with null in place of all pixels, the same records in the same row groups."""
    bare.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetFile(whole) as reader, open_writer(bare, reader.schema_arrow) as writer:
        columns = [name for name in reader.schema_arrow.names if name not in PIXEL_COLUMNS]
        for group in range(reader.num_row_groups):
            table = reader.read_row_group(group, columns=columns)
            arrays = [
                pa.nulls(table.num_rows, field.type) if field.name in PIXEL_COLUMNS else table[field.name]
                for field in reader.schema_arrow
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=reader.schema_arrow))
    return bare


def attach(
    dataset: str | os.PathLike[str] | MedMAT,
    raw: str | os.PathLike[str] | None,
    out: str | os.PathLike[str],
    *,
    sources: Mapping[str, Path | None] | Sequence[str] = (),
    revision: str | None = None,
    jobs: int | None = None,
    catalog: Catalog | None = None,
    progress: bool = False,
) -> MedMAT:
    """Put pixels back into records that were published without them; the result is a built Med-MAT like any other.

    Args:
        dataset: a dataset on the Hub, a folder with its files, or either of them opened.
        raw: a folder of raw sources, each as ``raw/<source>`` or under any name that its layout identifies.
        out: where the Med-MAT goes; what is finished there is kept.
        sources: of the set, those to take, with their folders where they do not lie below ``raw``; none means all.
        revision: a branch, tag or commit of the dataset on the Hub.
        jobs: processes.
        catalog: the sources' cards and loaders.
        progress: whether to show a bar.

    Raises:
        HubError: a raw file, a record or a picture is not what was published; it names the first one. ``out`` is then
            left unfinished.
        LayoutError: a source does not lie below ``raw``.
        UnknownSourceError: the set does not hold a source.
    """
    from med_mat import dataset as built

    if isinstance(dataset, built.MedMAT):
        location, manifest = dataset.location, dataset.manifest
    else:
        location, manifest = locate(dataset, revision)
    catalog, out = catalog or load(), Path(out)
    held = [name for name, facts in manifest["sources"].items() if facts["records"]]
    folders = dict(sources) if isinstance(sources, Mapping) else dict.fromkeys(sources)
    check_held(folders, held, location)
    found = find(folders or dict.fromkeys(held), None if raw is None else Path(raw), catalog)
    recorded = {name: _files_used(location.local(f"{FOLDER}/{name}.parquet")) for name in found}
    for name, folder in found.items():
        _compare_files(name, recorded[name], scanned(folder), str(folder.root))
    try:
        for options, together in _by_options(manifest, found, jobs).items():
            build(together, out, options, catalog=catalog, progress=progress)
        for name, folder in found.items():
            _compare_files(name, recorded[name], _files_used(out / FOLDER / f"{name}.parquet"), str(folder.root))
            _compare_records(name, location, out)
            _compare_files_of_records(manifest, name, out, whole=set(found) == set(held))
    except HubError:
        (out / MANIFEST).unlink(missing_ok=True)  # nothing that was not proven passes for the set
        raise
    return built.open(out)


def _by_options(
    manifest: Mapping[str, Any], found: Mapping[str, RawFolder], jobs: int | None
) -> dict[Options, dict[str, RawFolder]]:
    """The sources that were built alike, by how that was."""
    groups: defaultdict[Options, dict[str, RawFolder]] = defaultdict(dict)
    for name, folder in found.items():
        facts = manifest["sources"][name]
        groups[Options(seed=facts["seed"] or 0, check=facts["checked"], jobs=jobs)][name] = folder
    return groups


def _files_used(path: Path) -> pa.Table:
    """The raw files that the records of a source were made of."""
    files = read_index(path).files
    return files.filter(pc.not_equal(files["role"], "skipped"))


def _compare_files(source: str, recorded: pa.Table, here: pa.Table, root: str) -> None:
    found = differences(recorded, here)
    for path in (*found.missing, *(old for old, _ in found.moved), *found.altered):
        expected, actual = (_facts(table, path) for table in (recorded, here))
        raise HubError(
            f"{root} is not the copy of {source!r} that the published records were made of. {path}: expected "
            f"{expected}, found {actual}."
        )


def _facts(files: pa.Table, path: str) -> str:
    rows = files.filter(pc.equal(files["path"], path)).to_pylist()
    if not rows:
        return "no such file"
    digest = rows[0]["sha256"]
    return f"{rows[0]['bytes']:,} bytes" + (f" with sha256 {digest}" if digest else "")


def _compare_records(source: str, location: Location, out: Path) -> None:
    def own(place: Location) -> pa.Table:
        with reading(place, INDEX):
            return pq.read_table(place.local(INDEX), filters=[("source", "=", source)]).drop_columns([*_OF_THE_WHOLE])

    expected, found = own(location), own(Folder(out))
    if expected.equals(found):
        return
    here = dict(zip(found["id"].to_pylist(), found.to_pylist(), strict=True))
    for record in expected.to_pylist():
        other = here.get(record["id"])
        if other is None:
            raise HubError(f"Record {record['id']} was published, but the raw files here do not give it.")
        for name in sorted(record, key=("sha256", "pixel_hash", "boxes", "mask_legend").__contains__, reverse=True):
            if record[name] != other[name]:
                raise HubError(
                    f"Record {record['id']} differs in {name!r}: expected {record[name]!r}, found {other[name]!r}."
                )
    raise HubError(f"The raw files of {source!r} here give {len(found):,} records, {len(expected):,} were published.")


def _compare_files_of_records(manifest: Mapping[str, Any], source: str, out: Path, *, whole: bool) -> None:
    """The Parquet files, byte for byte. Other versions of the libraries may encode the same pixels otherwise.

    Args:
        manifest: of the published set.
        source: one of its sources.
        out: the build.
        whole: whether the build holds all sources of the set; else other records may be withheld, in other files, and
            their pictures are proven by the hashes of files and pixels in the records alone.
    """
    for name, facts in manifest.get("without_pixels", {}).get(source, {}).items():
        there = (out / name).is_file()
        if not there and not whole:
            continue
        digest = sha256(out / name) if there else ""
        if digest == facts["sha256"]:
            continue
        if dict(manifest["libraries"]) != versions() or manifest["med_mat"] != __version__:
            log.warning("%s has the published records, but other versions of the libraries wrote other bytes", name)
            continue
        found = f"{(out / name).stat().st_size:,} bytes with sha256 {digest}" if there else "no such file"
        raise HubError(
            f"{name} does not hold the published pictures and masks: expected {facts['bytes']:,} bytes with sha256 "
            f"{facts['sha256']}, found {found}."
        )
