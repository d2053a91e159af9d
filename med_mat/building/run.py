"""Build a Med-MAT: raw folders -> shards -> index -> card. A pure function of raw files, loaders, cards and options."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import metadata, resources
from pathlib import Path
from types import ModuleType

from tqdm import tqdm

from med_mat import __version__, schema
from med_mat.building import plan
from med_mat.building.card import write_cards
from med_mat.building.files import record_files
from med_mat.building.index import write_index
from med_mat.building.ledger import Ledger, balance
from med_mat.building.outcomes import OnError, Setting
from med_mat.building.plan import Shard
from med_mat.building.shard import Result, commit, finished, write_shard
from med_mat.building.writer import write_atomically
from med_mat.catalog import Catalog, RowFacts, Source, load
from med_mat.errors import BuildError, LayoutError, MedMATError, ReadError
from med_mat.image import Check
from med_mat.location import MANIFEST
from med_mat.qa import Questioner
from med_mat.raw.folder import HIDDEN, RawFolder
from med_mat.raw.layout import locate, recognise

log = logging.getLogger(__name__)

#: What the pixels and the bytes of the output depend on beside Med-MAT itself.
_LIBRARIES = ("nibabel", "numpy", "pillow", "pyarrow", "pydicom")
#: What the questions are made of.
_TEXTS = ("instructions.yaml", "synonyms.yaml")


@dataclass(frozen=True, slots=True)
class Options:
    """What a build depends on beside its input; all of it is in the manifest but ``jobs`` and ``on_error``."""

    seed: int = 0
    check: Check = "decode"
    on_error: OnError = "skip"
    jobs: int | None = None  # worker processes; None: what joblib's parallel_config says, else 1


@dataclass(frozen=True, slots=True)
class Report:
    """What a build did."""

    out: Path
    ledgers: Mapping[str, Ledger]
    failed: Mapping[str, MedMATError]  # sources of which nothing could be built, among others that were
    reused: int  # shards that an earlier run had finished

    @property
    def written(self) -> int:
        """Records in the build."""
        return sum(ledger.written for ledger in self.ledgers.values())

    @property
    def skipped(self) -> int:
        """Records found but not written."""
        return sum(len(ledger.skipped) for ledger in self.ledgers.values())


def find(folders: Mapping[str, Path | None], root: Path | None, catalog: Catalog | None = None) -> dict[str, RawFolder]:
    """The raw folders to build from.

    Args:
        folders: source name -> its folder, or None for "below ``root``". Empty: whatever is recognised below ``root``.
        root: where sources lie, each as ``root/<source>`` or under any name that its layout identifies.

    Raises:
        UnknownSourceError, LayoutError: a name or a folder that does not fit.
    """
    catalog = catalog or load()
    if not folders:
        if root is None:
            raise LayoutError(
                "Nothing to build: name a source and its folder (busi=/data/BUSI), or a folder of sources."
            )
        known = recognise(root, catalog, _reader)
        for name in [name for name in known if not has_loader(catalog[name])]:
            log.warning("%s is recognised in %s, but has no loader yet: left out", name, known.pop(name).root)
        if not known:
            raise LayoutError(
                f"No source of Med-MAT is recognised below {root.absolute()}. 'med-mat sources' lists what is known, "
                "'med-mat show SOURCE' prints the layout that is expected."
            )
        return dict(sorted(known.items(), key=lambda item: list(catalog).index(item[0])))
    found: dict[str, RawFolder] = {}
    for name, folder in folders.items():
        source = catalog[name]
        if folder is None:
            if root is None:
                raise LayoutError(
                    f"Where does {name!r} lie? Write {name}=FOLDER, or give the folder of sources (--raw)."
                )
            folder = root / name if (root / name).exists() else root
        found[name] = locate(source, folder, _reader(source), catalog)
    return found


def build(
    raw: Mapping[str, RawFolder],
    out: Path,
    options: Options | None = None,
    *,
    catalog: Catalog | None = None,
    progress: bool = False,
) -> Report:
    """Build, or bring up to date, the Med-MAT in folder ``out`` from raw folders (see :func:`find`).

    Finished shards are kept: a run that was killed goes on where it stopped, and its output is the same to the byte.
    Sources that ``out`` holds from earlier runs stay in it.

    Raises:
        BuildError: no space, another build on the same folder, a folder that is not a Med-MAT.
        LayoutError, ReadError: the only source, or every one, gives nothing; the others are built where one does not.
        ReadError: with ``on_error="raise"``, the first bad file or unknown label.
    """
    import filelock

    catalog, options = catalog or load(), options or Options()
    _claim(out, raw.values())
    try:
        with filelock.FileLock(out / ".build" / "lock", timeout=0):
            return _build(raw, out, options, catalog, progress)
    except filelock.Timeout:
        raise BuildError(
            f"Another build is writing to {out.absolute()}. Wait for it to end, or build into another folder."
        ) from None
    except OSError as error:
        raise BuildError(f"Cannot write to {out.absolute()}: {error.strerror or error}.") from error


def loader_of(source: Source) -> ModuleType:
    """The loader module of a source.

    Raises:
        BuildError: the source has a card but no loader yet.
    """
    try:
        return importlib.import_module(source.loader)
    except ModuleNotFoundError as error:
        if error.name != source.loader:
            raise
        raise BuildError(f"Source {source.name!r} has a card but no loader yet.") from None


def _reader(source: Source) -> plan.Examples:
    """The loader's examples; none of a source that has no loader yet."""
    return loader_of(source).examples if has_loader(source) else lambda raw: iter(())


def has_loader(source: Source) -> bool:
    """Whether a source can be built."""
    return importlib.util.find_spec(source.loader) is not None


def _build(raw: Mapping[str, RawFolder], out: Path, options: Options, catalog: Catalog, progress: bool) -> Report:
    for stray in out.rglob("*.tmp"):  # left by a run that was killed; nobody else writes here while we hold the lock
        stray.unlink(missing_ok=True)
    subsets = {row.subset for name in raw for row in catalog[name].rows}
    questioner = Questioner([row for row in catalog.rows if row.subset in subsets])
    ledgers: dict[str, Ledger] = {}
    failed: dict[str, MedMATError] = {}
    reused = 0
    for name, folder in raw.items():
        try:
            ledgers[name], kept = _build_source(catalog[name], folder, out, options, catalog, questioner, progress)
        except (LayoutError, ReadError) as error:  # of this source alone: it must not stop a night's run
            if options.on_error == "raise":
                raise
            failed[name] = error
            continue
        reused += kept
    _finish(out, catalog, progress)
    if failed and not ledgers:
        raise next(iter(failed.values()))
    return Report(out, ledgers, failed, reused)


def _build_source(
    source: Source,
    raw: RawFolder,
    out: Path,
    options: Options,
    catalog: Catalog,
    questioner: Questioner,
    progress: bool,
) -> tuple[Ledger, int]:
    examples = loader_of(source).examples
    log.info("%s: reading %s (layout %s)", source.name, raw.root, raw.variant)
    found = plan.survey(source, raw, examples, options.seed)
    if raw.faults and options.on_error == "raise":
        where, why = next(iter(raw.faults.items()))
        raise ReadError(f"{raw.root}: {where}: {why} ('skip' for on_error leaves out the row and goes on)")
    # written last: a folder without a manifest is unfinished, and so is a source without a ledger
    (out / MANIFEST).unlink(missing_ok=True)
    (out / "ledger" / f"{source.name}.json").unlink(missing_ok=True)
    setting = Setting(
        root=raw.root,
        out=out,
        source=source,
        questioner=questioner,
        check=options.check,
        on_error=options.on_error,
    )
    inputs = _inputs(source, options, catalog)
    refused = plan.Refused()
    images: Counter[str] = Counter()
    masks: set[str] = set()
    results: dict[str, Result] = {}
    reused = 0
    with tqdm(total=found.examples, desc=source.name, unit="img", disable=not progress, dynamic_ncols=True) as bar:

        def pending() -> Iterator[Shard]:
            nonlocal reused
            for shard in plan.shards(source, raw, examples, found, inputs, refused):
                for example, _ in shard.examples:
                    images[str(example.path)] += 1
                    masks.update(map(str, example.files[1:]))
                done = finished(out, shard)
                if done is not None and not (done.skipped and options.on_error == "raise"):
                    results[shard.name] = done
                    reused += 1
                    bar.update(done.examples)
                else:
                    yield shard

        for result in _committed(_run(pending(), setting, options.jobs), out):
            results[result.name] = result
            bar.update(result.examples)
    for example, reason in refused.entries:
        if options.on_error == "raise":
            raise ReadError(f"{example.path}: {reason} ('skip' for on_error notes it in the ledger and goes on)")
        images[str(example.path)] += 1
    _drop_stale(out, source.name, results)
    split = f"seeded 9:1 (seed {options.seed})" if found.seeded else "published"
    ordered = [results[name] for name in sorted(results)]
    ledger = balance(source, raw, split, options.check, ordered, refused, images, masks)
    record_files(out, source.name, raw, ordered, images, masks, ledger.skipped_files)
    write_atomically(out / "ledger" / f"{source.name}.json", ledger.to_json().encode())
    if not ledger.written:
        raise _nothing(source, raw, ledger)
    return ledger, reused


def _nothing(source: Source, raw: RawFolder, ledger: Ledger) -> MedMATError:
    """Why a source gave no record."""
    if ledger.skipped:
        return ReadError(
            f"None of the {ledger.examples} examples of {source.name!r} in {raw.root} gave a record. The first reason: "
            f"{ledger.skipped[0].reason}"
        )
    reasons = Counter(reason for reason in raw.skipped.values() if reason != HIDDEN)
    skipped = "".join(f" {count} files were skipped: {reason}." for reason, count in reasons.most_common(1))
    return LayoutError(
        f"The loader of {source.name!r} found no example in {raw.root}. Expected one of: "
        + "; or ".join(layout.words for layout in source.layouts)
        + f".{skipped} 'med-mat show {source.name}' prints the whole layout."
    )


def _run(pending: Iterator[Shard], setting: Setting, jobs: int | None) -> Iterator[tuple[Shard, Result]]:
    """Write the shards, in this process or in joblib's workers (processes, or the user's Dask or Ray cluster)."""
    if jobs == 1:
        yield from (_write(shard, setting) for shard in pending)
        return
    import joblib

    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")
    yield from parallel(joblib.delayed(_write)(shard, setting) for shard in pending)


def _write(shard: Shard, setting: Setting) -> tuple[Shard, Result]:
    return replace(shard, examples=()), write_shard(shard, setting)


def _committed(written: Iterator[tuple[Shard, Result]], out: Path) -> Iterator[Result]:
    """Commit each shard while the next one is being written."""
    with ThreadPoolExecutor(max_workers=1) as committer:
        waiting: list[Future[Result]] = []
        for shard, result in written:
            waiting.append(committer.submit(commit, shard, result, out))
            while len(waiting) > 1:
                yield waiting.pop(0).result()
        yield from (future.result() for future in waiting)


def _inputs(source: Source, options: Options, catalog: Catalog) -> str:
    """A digest of what every record of a source depends on beside its raw files."""
    loader = inspect.getsource(loader_of(source))
    subsets = {row.subset for row in source.rows}
    asked = [row for row in catalog.rows if row.subset in subsets]  # other sources' labels are options of questions too
    texts = ((resources.files("med_mat.data") / name).read_text("utf-8") for name in _TEXTS)
    known = repr(replace(source, shared_ids=()))  # these matter to the index alone
    parts = [loader, known, repr(asked), *texts, repr(options.seed), options.check, __version__]
    parts += [repr(schema.FIELDS), *map(" ".join, versions().items())]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def versions() -> dict[str, str]:
    """The libraries that the bytes of a build depend on -> their versions."""
    return {name: metadata.version(name) for name in _LIBRARIES}


def _claim(out: Path, raw: Iterable[RawFolder]) -> None:
    """Make the folder, or refuse one that holds something else, or lies where raw files are looked for."""
    for folder in raw:
        if out.resolve().is_relative_to(folder.root.resolve()):
            raise BuildError(
                f"The output {out.absolute()} lies in the raw folder {folder.root}, whose every file is accounted for: "
                "name a folder outside of it."
            )
    if out.exists() and not out.is_dir():
        raise BuildError(f"{out.absolute()} is a file: name a folder for the output.")
    strange = out.is_dir() and any(out.iterdir()) and not (out / ".build").is_dir()
    if strange:
        raise BuildError(
            f"{out.absolute()} holds files that are not a Med-MAT build. Choose an empty or new folder for the output."
        )
    try:
        (out / ".build").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(f"Cannot make the folder {out.absolute()}: {error.strerror or error}.") from error


def _drop_stale(out: Path, name: str, results: Mapping[str, Result]) -> None:
    """Remove what an earlier build of the source wrote and this one no longer has."""
    current = {file for result in results.values() for file in result.files}
    for path in (*(out / "data" / name).rglob("*.parquet"), *(out / ".build" / name).glob("*.parquet")):
        if path.relative_to(out).as_posix() not in current:
            path.unlink()
    for path in (out / ".build" / name).glob("*.json"):
        if path.stem not in results:
            path.unlink()


def _finish(out: Path, catalog: Catalog, progress: bool) -> None:
    """Write what spans sources: index, ledger, card, and last the manifest."""
    names = [name for name in catalog if (out / "ledger" / f"{name}.json").is_file()]
    files = [
        path.relative_to(out).as_posix() for name in names for path in sorted((out / "data" / name).rglob("*.parquet"))
    ]
    ledgers = {name: json.loads((out / "ledger" / f"{name}.json").read_text("utf-8")) for name in names}
    old = [name for name, ledger in ledgers.items() if ledger["schema"] != schema.VERSION]
    if old:
        raise BuildError(
            f"{out.absolute()} holds sources with records of an earlier schema: {', '.join(old)}. Build these again."
        )
    totals = {key: sum(entry[key] for entry in ledgers.values()) for key in ("found", "written", "skipped")}
    brief = {
        name: {k: v for k, v in entry.items() if k not in ("source", "quarantine", "skipped_files", "missing", "noted")}
        for name, entry in ledgers.items()
    }
    write_atomically(out / "ledger.json", (json.dumps({**totals, "sources": brief}, indent=1) + "\n").encode())
    if not files:
        return
    summary, near_duplicates = write_index(out, files, [catalog[name] for name in names], progress=progress)
    built = [name for name in names if brief[name]["written"]]
    write_cards(out, [catalog[name] for name in built], summary, files, brief)
    manifest = {
        "med_mat": __version__,
        "schema": schema.VERSION,
        "libraries": versions(),
        "sources": {
            name: {"records": entry["written"], **{key: entry[key] for key in ("variant", "split", "checked")}}
            for name, entry in brief.items()
        },
        "rows": {row.number: RowFacts.of(row, catalog[name]).to_data() for name in built for row in catalog[name].rows},
        "records": totals["written"],
        "near_duplicates": near_duplicates,
    }
    write_atomically(out / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
