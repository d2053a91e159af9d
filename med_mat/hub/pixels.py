"""Attaches images and file names to a published dataset from the raw files, and verifies that they are the same.

Attaching rebuilds the dataset from local raw files, with the options of the published dataset, and compares every raw
file by its sha256, every record in all its columns (sha256 and ``pixel_hash``, boxes, mask legend, questions), and
every Parquet file as a whole. If other versions of libraries decode or write differently, a warning says so, and the
rest is compared. If a source was published without file names, the build is compared without them as well
(:mod:`med_mat.nameless`).
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat.building import Options, build, find, libraries
from med_mat.catalog import Catalog, Source, load
from med_mat.differences import differences, scanned
from med_mat.errors import HubError, LayoutError
from med_mat.files import sha256
from med_mat.nameless import WITHOUT_NAMES, Nameless
from med_mat.raw.folder import RawFolder
from med_mat.storage.errors import check_held
from med_mat.storage.location import INDEX, MANIFEST, Folder, Location, locate, reading
from med_mat.storage.raw_files import FOLDER, FileIndex, read_index

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

log = logging.getLogger(__name__)

#: Columns that may differ with the versions of the libraries that decode.
_DECODED = ("pixel_hash", "perceptual_hash")
#: Columns that depend on the other sources of the build.
_OF_THE_WHOLE = ("group", "withheld", "file", "position")


def attach(
    dataset: str | os.PathLike[str] | MedMAT,
    raw: str | os.PathLike[str] | None,
    out: str | os.PathLike[str],
    *,
    sources: Mapping[str, Path | None] | Sequence[str] = (),
    revision: str | None = None,
    partial: bool = False,
    jobs: int | None = None,
    catalog: Catalog | None = None,
    progress: bool = False,
) -> MedMAT:
    """Attach images to records that were published without them; the result is a built Med-MAT like any other.

    Args:
        dataset: a dataset on the Hub, a folder with its files, or an opened :class:`~med_mat.MedMAT`.
        raw: a folder of raw sources, each as ``raw/<source>`` or under any name: layouts identify them.
        out: the folder to write to; finished parts of an earlier run are kept.
        sources: the sources to attach, with their folders if these are not below ``raw``; none means all.
        revision: a branch, tag or commit of the dataset on the Hub.
        partial: whether to skip sources whose raw files are missing or differ from the published ones, with a warning
            for each, instead of raising.
        jobs: number of worker processes.
        catalog: the sources' cards and loaders.
        progress: whether to show progress bars.

    Raises:
        HubError: a raw file, a record or an image differs from what was published; the message names the first one.
            ``out`` is then left unfinished.
        LayoutError: a source is not below ``raw``.
        UnknownSourceError: the dataset does not have a source.
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
    root = None if raw is None else Path(raw)
    found: dict[str, RawFolder] = {}
    recorded: dict[str, FileIndex] = {}
    for name, given in (folders or dict.fromkeys(held)).items():
        recorded[name] = read_index(location.local(f"{FOLDER}/{name}.parquet"))
        try:
            found[name] = _found(name, given, root, recorded[name], catalog)
        except (HubError, LayoutError) as error:
            if not partial:
                raise
            log.warning("%s is left out: %s", name, error)
    if not found:
        raise HubError(f"None of {', '.join(recorded)} can be attached; the reasons are given above.")
    hidden = {name: places for name, places in manifest.get(WITHOUT_NAMES, {}).items() if name in found}
    try:
        for options, together in _by_options(manifest, found, jobs).items():
            build(together, out, options, catalog=catalog, progress=progress)
        for name, folder in found.items():
            built_of = read_index(out / FOLDER / f"{name}.parquet")
            if recorded[name].named:
                _compare_files(name, _used(recorded[name]), _used(built_of), str(folder.root))
            else:
                _compare_nameless(recorded[name], built_of, str(folder.root))
            apart = _apart(manifest, name, out)
            _compare_records(catalog[name], hidden.get(name, ()), location, out, apart)
            _compare_files_of_records(manifest, name, out, apart, whole=set(found) == set(held))
    except HubError:
        (out / MANIFEST).unlink(missing_ok=True)  # an unverified build must not pass for the dataset
        raise
    return built.open(out)


def _found(name: str, given: Path | None, root: Path | None, recorded: FileIndex, catalog: Catalog) -> RawFolder:
    """The raw folder of a source with all files that the published records were built from, by name and size.

    Raises:
        HubError, LayoutError: there is no such folder.
    """
    folder = find({name: given}, root, catalog)[name]
    if recorded.named:
        _compare_files(name, _used(recorded), scanned(folder), str(folder.root))
    else:
        _compare_sizes(recorded, scanned(folder), str(folder.root))
    return folder


def _by_options(
    manifest: Mapping[str, Any], found: Mapping[str, RawFolder], jobs: int | None
) -> dict[Options, dict[str, RawFolder]]:
    """The sources grouped by the options of their build; usually all have the same."""
    facts = {name: manifest["sources"][name] for name in found}
    largest = max(one["largest"] for one in facts.values())  # large enough for every source
    seeds = {one["checked"]: one["seed"] or 0 for one in sorted(facts.values(), key=lambda one: one["seed"] or 0)}
    groups: defaultdict[Options, dict[str, RawFolder]] = defaultdict(dict)
    for name, one in facts.items():
        seed = seeds[one["checked"]] if one["seed"] is None else one["seed"]  # a published split has none
        groups[Options(seed=seed, check=one["checked"], max_file=largest, jobs=jobs)][name] = found[name]
    return groups


def _used(index: FileIndex) -> pa.Table:
    """The raw files that the records of a source were built from."""
    return index.files.filter(pc.not_equal(index.files["role"], "skipped"))


def _compare_files(source: str, recorded: pa.Table, here: pa.Table, root: str) -> None:
    found = differences(recorded, here)
    for path in (*found.missing, *(old for old, _ in found.moved), *found.altered):
        expected, actual = (_facts(table, path) for table in (recorded, here))
        raise HubError(
            f"{root} is not the copy of {source!r} that the published records were made from. {path}: expected "
            f"{expected}, found {actual}."
        )


def _compare_sizes(recorded: FileIndex, here: pa.Table, root: str) -> None:
    """Check that every file of an index without names has a candidate, a file of the same size."""
    sizes = Counter(here["bytes"].to_pylist())
    lacking = [one for one in recorded.files.to_pylist() if not _taken(sizes, one["bytes"])]
    if lacking:
        others = here.filter(pc.is_in(here["bytes"], pa.array([size for size, left in sizes.items() if left])))
        raise _unlike(recorded.source, root, lacking, "no file of that size", others)


def _compare_nameless(recorded: FileIndex, built: FileIndex, root: str) -> None:
    """Compare the files of an index without names with those that the records here were built from."""
    wanted, used = recorded.files.to_pylist(), _used(built)
    there = Counter((one["sha256"], one["bytes"], one["role"]) for one in used.to_pylist())
    lacking = [one for one in wanted if not _taken(there, (one["sha256"], one["bytes"], one["role"]))]
    if lacking or len(used) != len(wanted):
        other = pc.invert(pc.is_in(built.files["sha256"], recorded.files["sha256"].combine_chunks()))
        sizes = pa.array([one["bytes"] for one in lacking], pa.int64())  # unreadable files are used by no record
        near = pc.or_(pc.not_equal(built.files["role"], "skipped"), pc.is_in(built.files["bytes"], sizes))
        others = built.files.filter(pc.and_(other, near))
        raise _unlike(recorded.source, root, lacking, "no such file", others)


def _taken(left: Counter[Any], one: Any) -> bool:
    """Take one from a counter; whether there was one left."""
    left[one] -= 1
    return left[one] >= 0


def _unlike(source: str, root: str, lacking: Sequence[Mapping[str, Any]], found: str, others: pa.Table) -> HubError:
    """The error for raw files that differ from those of a dataset without file names.

    Args:
        source: the name of the source.
        root: the folder of the raw files.
        lacking: the published files that are missing here.
        found: a description of what is here instead of the first of these.
        others: the files here that were not published.
    """
    parts = [f"{root} is not the copy of {source!r} that the published records were made from."]
    if lacking:
        digest = f" with sha256 {lacking[0]['sha256']}" if lacking[0]["sha256"] else ""
        parts.append(f"{lacking[0]['path']}: expected {lacking[0]['bytes']:,} bytes{digest}, found {found}.")
    for one in others.slice(0, 1).to_pylist():
        parts.append(f"Of the files here, {len(others):,} were not published, such as {one['path']}: found "
                     f"{_facts(others, one['path'])}.")  # fmt: skip
    return HubError(" ".join(parts))


def _facts(files: pa.Table, path: str) -> str:
    rows = files.filter(pc.equal(files["path"], path)).to_pylist()
    if not rows:
        return "no such file"
    digest = rows[0]["sha256"]
    return f"{rows[0]['bytes']:,} bytes" + (f" with sha256 {digest}" if digest else "")


def _apart(manifest: Mapping[str, Any], source: str, out: Path) -> list[str]:
    """The libraries whose versions differ from the published build, each as ``numpy 2.3.0 -> 2.4.1``."""
    here = json.loads((out / MANIFEST).read_text("utf-8"))
    published, built_here = (
        {**one["sources"][source]["libraries"], "med-mat": one["med_mat"]} for one in (manifest, here)
    )
    return libraries.changes(published, built_here)


def _compare_records(
    source: Source, hidden: Sequence[str], location: Location, out: Path, apart: Sequence[str]
) -> None:
    def own(place: Location) -> pa.Table:
        with reading(place, INDEX):
            table = pq.read_table(place.local(INDEX), filters=[("source", "=", source.name)])
        return table.drop_columns([*_OF_THE_WHOLE])

    expected, built = own(location), own(Folder(out))
    found = Nameless(built, {source.name: source}, {source.name: hidden}).table(built) if hidden else built
    if expected.equals(found):
        return
    if apart:
        expected, found = (one.drop_columns(list(_DECODED)) for one in (expected, found))
        if expected.equals(found):
            log.warning(
                "%s: raw files and records are the published ones, but images are decoded differently here (%s): pixel "
                "hashes are not compared",
                source.name,
                ", ".join(apart),
            )
            return
    place = {name: number for number, name in enumerate(found["id"].to_pylist())}
    here, names = found.to_pylist(), built["id"].to_pylist()
    for record in expected.to_pylist():
        at = place.get(record["id"])
        if at is None:
            raise HubError(f"Record {record['id']} was published, but the raw files here do not produce it.")
        called = record["id"] if names[at] == record["id"] else f"{record['id']} (here {names[at]})"
        for name in sorted(record, key=("sha256", "pixel_hash", "boxes", "mask_legend").__contains__, reverse=True):
            if record[name] != here[at][name]:
                raise HubError(
                    f"Record {called} differs in {name!r}: expected {record[name]!r}, found {here[at][name]!r}."
                )
    raise HubError(
        f"The raw files of {source.name!r} here produce {len(found):,} records; {len(expected):,} were published."
    )


def _compare_files_of_records(
    manifest: Mapping[str, Any], source: str, out: Path, apart: Sequence[str], *, whole: bool
) -> None:
    """Compare the Parquet files, byte for byte. Other versions of libraries may encode the same pixels differently.

    Args:
        manifest: the manifest of the published dataset.
        source: one of its sources.
        out: the folder of the build.
        apart: the libraries whose versions differ.
        whole: whether the build has all sources of the dataset; otherwise different records may be withheld, in other
            files, and their images are verified only by the hashes of files and pixels in the records.
    """
    for name, facts in manifest.get("without_pixels", {}).get(source, {}).items():
        there = (out / name).is_file()
        if not there and not whole:
            continue
        digest = sha256(out / name) if there else ""
        if digest == facts["sha256"]:
            continue
        if apart:
            log.warning("%s has the published records, but other bytes, since %s differ", name, ", ".join(apart))
            continue
        found = f"{(out / name).stat().st_size:,} bytes with sha256 {digest}" if there else "no such file"
        raise HubError(
            f"{name} does not have the published images and masks: expected {facts['bytes']:,} bytes with sha256 "
            f"{facts['sha256']}, found {found}."
        )
