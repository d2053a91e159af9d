"""Build a Med-MAT: raw folders -> chunks -> groups and sides -> index -> card.

A pure function of raw files, loaders, cards, options and of the code that these depend on.
"""

from __future__ import annotations

import contextvars
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from med_mat import __version__, formats, limits, schema, strict
from med_mat.building import faults, libraries, plan, sums
from med_mat.building.card import HEADS, write_cards
from med_mat.building.chunk import Result, commit, earlier, move_chunk, write_chunk
from med_mat.building.fewer import fewer, held, refusal
from med_mat.building.files import record_files
from med_mat.building.fingerprint import changed
from med_mat.building.index import Written, write_index
from med_mat.building.inputs import Inputs
from med_mat.building.ledger import Ledger, balance
from med_mat.building.loader import examples_of, has_loader
from med_mat.building.outcomes import OnError, Setting
from med_mat.building.plan import Chunk
from med_mat.building.settle import Settled, settle, why
from med_mat.building.store import Store, clear, drop, resume, sweep, switch
from med_mat.building.words import nothing
from med_mat.building.workers import enough, parallel
from med_mat.catalog import Catalog, RowFacts, Source, load
from med_mat.errors import BuildError, LayoutError, MedMATError, ReadError, UsageError
from med_mat.files import holds, write_atomically
from med_mat.imaging.decoding import Check
from med_mat.layouts.locating import locate, recognize
from med_mat.leakage.groups import DUPLICATES
from med_mat.progress import Bar
from med_mat.questions import Questioner
from med_mat.raw.folder import RawFolder
from med_mat.storage.location import INDEX, MANIFEST, SUMS

log = logging.getLogger(__name__)

#: The files at the top of a Med-MAT, beside their list.
_TOP = (INDEX, DUPLICATES, "ledger.json", *HEADS, MANIFEST)
#: What is to be done with a chunk: decode its images; make its records anew over stored images; nothing.
Need = Literal["decode", "copy", "keep"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    """What a build depends on beside its input; all but ``on_error``, ``jobs`` and ``allow_fewer`` decide its bytes.

    Raises:
        BuildError: an option of another kind; nothing is converted, so ``seed="0"`` is refused.
    """

    seed: int = 0
    check: Check = "decode"
    on_error: OnError = "skip"
    jobs: int | None = None  # worker processes; None: what joblib's parallel_config says, else 1
    max_file: int = limits.MAX_FILE  # bytes that are read of one file: on disk, unpacked, or 8 for each of its pixels
    allow_fewer: bool = False  # go on where records that the Med-MAT holds would be gone from it

    def __post_init__(self) -> None:
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        for name, value in strict.arguments(get_type_hints(Options), given, "A build", error=BuildError).items():
            object.__setattr__(self, name, value)
        if self.max_file < 1:
            raise BuildError(f"A build: max_file is to be a number of bytes, and is {self.max_file}.")
        if self.jobs == 0:
            raise BuildError("A build: jobs is to be a number of worker processes, or -1 for all cores, and is 0.")


@dataclass(frozen=True, slots=True)
class Report:
    """What a build did."""

    out: Path
    ledgers: Mapping[str, Ledger]
    failed: Mapping[str, MedMATError]  # sources of which nothing could be built, among others that were
    kept: int  # chunks that an earlier run had finished
    copied: int  # chunks of which the stored images were kept
    moved: int  # chunks whose records changed sides
    stale: Mapping[str, tuple[str, ...]]  # source -> modules and libraries whose change made chunks be made again
    total: int  # records in the whole Med-MAT, of earlier runs too
    withheld: int  # of these
    contested: Mapping[str, str]  # source -> which of its pictures go by labels that contradict each other

    @property
    def written(self) -> int:
        """Records of the sources of this run."""
        return sum(ledger.written for ledger in self.ledgers.values())

    @property
    def skipped(self) -> int:
        """Records found but not written."""
        return sum(len(ledger.skipped) for ledger in self.ledgers.values())


@dataclass(slots=True)
class Forecast:
    """What a build would do for one source: so many images each."""

    decode: int = 0
    copy: int = 0
    keep: int = 0
    fault: str = ""  # why nothing can be said, and nothing could be built
    stale: set[str] = field(default_factory=set)  # modules and libraries whose change is the reason


def find(
    folders: Mapping[str, Path | None], root: Path | None, catalog: Catalog | None = None, *, follow: bool = True
) -> dict[str, RawFolder]:
    """The raw folders to build from.

    Args:
        folders: source name -> its folder, or None for "below ``root``". Empty: whatever is recognised below ``root``.
        root: where sources lie, each as ``root/<source>`` or under any name that its layout identifies.
        catalog: the sources' cards.
        follow: whether links to files may lead out of the folder of a source.

    Raises:
        UnknownSourceError, LayoutError, UsageError: a name or a folder that does not fit, or none is given.
    """
    catalog = catalog or load()
    if not folders:
        if root is None:
            raise UsageError(
                "Nothing to build: name a source and its folder (busi=/data/BUSI), or a folder of sources."
            )
        known = recognize(root, catalog, examples_of, follow=follow)
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
                raise UsageError(
                    f"Where does {name!r} lie? Write {name}=FOLDER, or give the folder of sources (--raw)."
                )
            folder = root / name if (root / name).exists() else root
        found[name] = locate(source, folder, examples_of(source), catalog, follow=follow)
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

    Finished chunks are kept: a run that was killed goes on where it stopped, and its output is the same to the byte.
    Sources that ``out`` holds from earlier runs stay in it, and what was there stays whole until all is new.

    Raises:
        BuildError: no space, another build on the same folder, a folder that is not a Med-MAT, or records of the old
            Med-MAT that the new one would not have, without ``allow_fewer``.
        LayoutError, ReadError: the only source, or every one, gives nothing; the others are built where one does not.
        ReadError: with ``on_error="raise"``, the first bad file or unknown label.
    """
    import filelock

    catalog, options = catalog or load(), options or Options()
    options = replace(options, jobs=enough(options.jobs))
    _claim(out, raw.values())
    try:
        with filelock.FileLock(out / ".build" / "lock", timeout=0):
            store = Store(out)
            try:
                return _build(raw, store, options, catalog, progress)
            except BaseException:  # a full disk is not left fuller than it was, nor one where somebody interrupts
                sweep(store)
                raise
    except filelock.Timeout:
        raise BuildError(
            f"Another build is writing to {out.absolute()}. Wait for it to end, or build into another folder."
        ) from None
    except OSError as error:
        raise BuildError(f"Cannot write to {out.absolute()}: {error.strerror or error}.") from error


def forecast(
    raw: Mapping[str, RawFolder], out: Path, options: Options | None = None, *, catalog: Catalog | None = None
) -> dict[str, Forecast]:
    """What :func:`build` would do, source by source: nothing is written, and no image is read."""
    catalog, options = catalog or load(), options or Options()
    told: dict[str, Forecast] = {}
    for name, folder in raw.items():
        source, one = catalog[name], told.setdefault(name, Forecast())
        examples, inputs = examples_of(source), Inputs.of(source, options.check, catalog)
        try:
            with limits.allowing(options.max_file):
                found = plan.survey(source, folder, examples, options.seed)
                for chunk in plan.chunks(source, folder, examples, found, plan.Refused()):
                    need, _, why_so = _need(Store(out), chunk, inputs, options.max_file, dry=True)
                    setattr(one, need, getattr(one, need) + len(chunk.examples))
                    one.stale.update(why_so)
        except Exception as error:
            one.fault = str(faults.of_source(source, folder.root, error))
    return told


@dataclass(slots=True)
class _Run:
    """What the sources of one run gave."""

    ledgers: dict[str, Ledger] = field(default_factory=dict)
    results: dict[str, list[Result]] = field(default_factory=dict)
    failed: dict[str, MedMATError] = field(default_factory=dict)
    stale: dict[str, set[str]] = field(default_factory=dict)
    needs: Counter[Need] = field(default_factory=Counter)


def _build(raw: Mapping[str, RawFolder], store: Store, options: Options, catalog: Catalog, progress: bool) -> Report:
    resume(store)
    clear(store, raw)
    subsets = {row.subset for name in raw for row in catalog[name].rows}
    questioner = Questioner([row for row in catalog.rows if row.subset in subsets])
    run = _Run()
    for name, folder in raw.items():
        try:
            with limits.allowing(options.max_file, store.out / ".build") as asked:
                _build_source(catalog[name], folder, store, options, catalog, questioner, progress, run, asked)
        except Exception as error:  # where it is of this source alone it must not stop a night's run
            run.failed[name] = faults.of_source(catalog[name], folder.root, error)
            if options.on_error == "raise":
                raise run.failed[name] from error
    if run.failed and not run.ledgers:
        raise next(iter(run.failed.values()))
    for name in run.failed:  # half a source must not mix with what an earlier run built of it
        drop(store, name)
    settled, written, moved = _finish(store, options, catalog, run, progress)
    return Report(
        out=store.out,
        ledgers=run.ledgers,
        failed=run.failed,
        kept=run.needs["keep"],
        copied=run.needs["copy"],
        moved=moved,
        stale={name: tuple(sorted(modules)) for name, modules in run.stale.items() if modules},
        total=len(settled.order),
        withheld=sum(why(settled.withheld).values()),
        contested={name: str(one) for name, one in written.contested.items()},
    )


def _build_source(
    source: Source,
    raw: RawFolder,
    store: Store,
    options: Options,
    catalog: Catalog,
    questioner: Questioner,
    progress: bool,
    run: _Run,
    asked: limits.Allowance,
) -> None:
    examples = examples_of(source)
    log.info("%s: reading %s (layout %s)", source.name, raw.root, raw.variant)
    found = plan.survey(source, raw, examples, options.seed)
    if raw.faults and options.on_error == "raise":
        where, why_so = next(iter(raw.faults.items()))
        raise ReadError(f"{raw.root}: {where}: {why_so} ('skip' for on_error leaves out the row and goes on)")
    setting = Setting(
        root=raw.root,
        out=store.out,
        source=source,
        questioner=questioner,
        check=options.check,
        on_error=options.on_error,
        max_file=options.max_file,
    )
    inputs = Inputs.of(source, options.check, catalog)
    refused = plan.Refused()
    images: Counter[str] = Counter()
    masks: set[str] = set()
    results: dict[str, Result] = {}
    facts: dict[str, Chunk] = {}  # of those that are written, without their examples
    stale = run.stale.setdefault(source.name, set())
    with Bar(found.examples, desc=source.name, unit="img", shown=progress) as bar:

        def pending() -> Iterator[tuple[Chunk, Result | None]]:
            for chunk in plan.chunks(source, raw, examples, found, refused):
                for example, _ in chunk.examples:
                    images[str(example.path)] += 1
                    masks.update(map(str, example.files[1:]))
                need, done, why_so = _need(store, chunk, inputs, options.max_file)
                if need == "keep" and done is not None and not (done.skipped and options.on_error == "raise"):
                    results[chunk.name] = done
                    bar.update(done.examples)
                else:
                    stale.update(why_so)
                    facts[chunk.name] = replace(chunk, examples=())
                    yield chunk, done if need == "copy" else None
                run.needs[need] += 1

        calls = ((chunk, setting, store, kept) for chunk, kept in _in_this_context(pending()))
        with closing(parallel(write_chunk, calls, options.jobs)) as written:
            for result in _committed((_sealed(one, facts, inputs) for one in written), store):
                results[result.name] = result
                bar.update(result.examples)
    for example, reason in refused.entries:
        if options.on_error == "raise":
            raise ReadError(f"{example.path}: {reason} ('skip' for on_error notes it in the ledger and goes on)")
        images[str(example.path)] += 1
    ordered = [results[name] for name in sorted(results)]
    largest = max([asked.read, *(one.read for one in ordered)])
    seed = options.seed if found.seeded else None
    ledger = balance(source, raw, seed, options.check, largest, ordered, refused, images, masks)
    record_files(store, source.name, raw, ordered, images, masks, ledger.skipped_files)
    if not ledger.written:
        raise nothing(source, raw, ledger)
    run.ledgers[source.name], run.results[source.name] = ledger, ordered


def _need(
    store: Store, chunk: Chunk, inputs: Inputs, max_file: int, *, dry: bool = False
) -> tuple[Need, Result | None, list[str]]:
    """What is to be done with a chunk, what an earlier run made of it, and what of code and libraries has changed."""
    done = earlier(store, chunk.source, chunk.name, dry=dry)
    if done is None or done.starved or not done.within(max_file) or not set(done.decoders) <= set(formats.needs()):
        return "decode", None, []
    now = inputs.digests(chunk, done.decoders)
    if (done.pixels, done.records) == (now.pixels, now.records):
        return "keep", done, []
    differs = [*changed(done.code, now.code), *libraries.changes(done.libraries, now.libraries)]
    return ("copy" if done.pixels == now.pixels else "decode"), done, differs


def _in_this_context(items: Iterator[T]) -> Iterator[T]:
    """The same items: joblib asks for them from threads of its own, to which the limits that hold here are unknown."""
    context = contextvars.copy_context()
    while (item := context.run(next, items, None)) is not None:
        yield item


def _sealed(result: Result, facts: dict[str, Chunk], inputs: Inputs) -> Result:
    """A written chunk with its digests, which need to know the decoders that it turned out to need."""
    on = inputs.digests(facts.pop(result.name), result.decoders)
    result.pixels, result.records, result.code, result.libraries = on
    return result


def _committed(written: Iterator[Result], store: Store) -> Iterator[Result]:
    """Commit each chunk while the next one is being written."""
    with ThreadPoolExecutor(max_workers=1) as committer:
        waiting: list[Future[Result]] = []
        for result in written:
            waiting.append(committer.submit(commit, result, store))
            while len(waiting) > 1:
                yield waiting.pop(0).result()
        yield from (future.result() for future in waiting)


def check_apart(out: Path, raw: Iterable[Path]) -> None:
    """Refuse an output in a raw folder, and a raw folder in the output, by whatever links they are named.

    Raises:
        BuildError: one lies in the other, or they are the same.
    """
    for folder in raw:
        if holds(folder, out):
            raise BuildError(
                f"The output {out.absolute()} lies in the raw folder {folder}, whose every file is accounted for: "
                "name a folder outside of it."
            )
        if holds(out, folder):
            raise BuildError(
                f"The raw folder {folder} lies in the output {out.absolute()}, where builds replace files: name "
                "another folder for the output."
            )


def _claim(out: Path, raw: Iterable[RawFolder]) -> None:
    """Make the folder, or refuse one that holds something else, or lies where raw files are looked for."""
    check_apart(out, [folder.root for folder in raw])
    if out.exists() and not out.is_dir():
        raise BuildError(f"{out.absolute()} is a file: name a folder for the output.")
    strange = out.is_dir() and any(out.iterdir()) and not (out / ".build").is_dir()
    if strange and (out / MANIFEST).is_file():
        raise BuildError(
            f"{out.absolute()} holds a Med-MAT without its folder .build: one that was published, or whose .build was "
            "removed. It can be opened as it is, but no build can go on there: choose an empty or new folder for the "
            "output."
        )
    if strange:
        raise BuildError(
            f"{out.absolute()} holds files that are not a Med-MAT build. Choose an empty or new folder for the output."
        )
    try:
        (out / ".build").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(f"Cannot make the folder {out.absolute()}: {error.strerror or error}.") from error


def _finish(
    store: Store, options: Options, catalog: Catalog, run: _Run, progress: bool
) -> tuple[Settled, Written, int]:
    """Settle what spans chunks and sources, write index, ledger, cards and manifest, and put all in place."""
    ledgers = _ledgers(store, catalog, run)
    sources = [catalog[name] for name in ledgers]
    results = {source.name: run.results.get(source.name) or _results(store, source.name) for source in sources}
    seeds = {name: entry["seed"] for name, entry in ledgers.items()}
    settled = settle(store, sources, results, seeds, progress=progress)
    chunks = {(one.source, one.name): one for ordered in results.values() for one in ordered}
    moves = [(chunks[which], places, store) for which, places in settled.moves.items()]
    with closing(parallel(move_chunk, moves, options.jobs if len(moves) > 1 else 1)) as moved:
        for made in _committed(moved, store):
            chunks[made.source, made.name] = made
    files = _in_order([name for made in chunks.values() for name in made.data], sources)
    written = write_index(store, files, settled, sources)
    for name, entry in ledgers.items():
        entry["contradictions"] = str(written.contested[name]) if name in written.contested else None
    _check_fewer(store, options, run)
    built_with = {source.name: _libraries(chunks.values(), source.name) for source in sources}
    _describe(store, sources, ledgers, written, files, settled, built_with)
    known = {name: file.sha256 for made in chunks.values() for name, file in made.files.items()}
    kept = {*known, *(made.marker for made in chunks.values()), *_TOP}
    for source in sources:
        kept.update(sums.beside(source.name), (f"cards/{source.name}.md",))
    places = {name: store.path(name) for name in kept - set(known)}
    known |= sums.of_files({name: path for name, path in places.items() if path.is_file()})
    write_atomically(store.next / SUMS, sums.to_bytes(known))
    switch(store, {*kept, SUMS})
    return settled, written, len(moves)


def _ledgers(store: Store, catalog: Catalog, run: _Run) -> dict[str, dict[str, Any]]:
    """The ledgers of all sources of the build, of this run and of earlier ones, in the order of the catalog."""
    ledgers: dict[str, dict[str, Any]] = {}
    old = []
    others = [name for name in catalog if name not in run.ledgers and (store.out / "ledger" / f"{name}.json").exists()]
    if others:
        sums.check_others(store.out, others)
    for name in catalog:
        if name in run.ledgers:
            ledgers[name] = run.ledgers[name].to_data()
        elif name in others:
            ledgers[name] = json.loads((store.out / "ledger" / f"{name}.json").read_text("utf-8"))
            if ledgers[name].get("schema") != schema.VERSION:
                old.append(name)
    if old:
        raise BuildError(
            f"{store.out.absolute()} holds sources with records of an earlier schema: {', '.join(old)}. Build these "
            "again."
        )
    return ledgers


def _results(store: Store, source: str) -> list[Result]:
    """The chunks of a source that an earlier run built."""
    names = sorted(path.stem for path in (store.out / ".build" / source).glob("*.json"))
    found = [earlier(store, source, name) for name in names]
    if not names or None in found:
        raise BuildError(
            f"{store.out.absolute()} lacks files of {source!r}, which an earlier run built, or they are damaged. Name "
            f"{source} in the same build: they are made anew."
        )
    return [one for one in found if one is not None]


def _in_order(files: Iterable[str], sources: Sequence[Source]) -> list[str]:
    """Data files in the order of the index: source, row, split, chunk."""
    place = {source.name: number for number, source in enumerate(sources)}

    def key(name: str) -> tuple[int, int, str]:
        _, source, row, file = name.split("/")
        return place[source], int(row), file

    return sorted(files, key=key)


def _describe(
    store: Store,
    sources: Sequence[Source],
    ledgers: Mapping[str, dict[str, Any]],
    written: Written,
    files: Sequence[str],
    settled: Settled,
    built_with: Mapping[str, Mapping[str, str]],
) -> None:
    """Write ledgers, cards and manifest."""
    for name, entry in ledgers.items():
        text = json.dumps(entry, indent=1, ensure_ascii=False) + "\n"
        # half a character of a name that an annotation file holds becomes the escape of JSON that it was
        write_atomically(store.next / "ledger" / f"{name}.json", text.encode("utf-8", "backslashreplace"))
    totals = {key: sum(entry[key] for entry in ledgers.values()) for key in ("found", "written", "skipped")}
    lists = ("source", "quarantine", "skipped_files", "links", "missing", "rows_unread", "tables_noted_at", "noted")
    brief = {name: {k: v for k, v in entry.items() if k not in lists} for name, entry in ledgers.items()}
    write_atomically(store.next / "ledger.json", (json.dumps({**totals, "sources": brief}, indent=1) + "\n").encode())
    write_cards(store.next, sources, written.records, files, brief)
    manifest = {
        "med_mat": __version__,
        "schema": schema.VERSION,
        "build": written.build,
        "sources": {
            source.name: {
                "records": ledgers[source.name]["written"],
                **{key: ledgers[source.name][key] for key in ("variant", "split", "seed", "checked", "largest")},
                "augmented": source.augmented,
                "synthetic": ledgers[source.name]["synthetic"],
                "libraries": built_with[source.name],
            }
            for source in sources
        },
        "rows": {row.number: RowFacts.of(row, source).to_data() for source in sources for row in source.rows},
        "records": totals["written"],
        "withheld": dict(sorted(why(settled.withheld).items())),
        "near_duplicates": written.facts,
    }
    write_atomically(store.next / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def _libraries(chunks: Iterable[Result], source: str) -> dict[str, str]:
    """The libraries that the records of a source depend on."""
    return dict(sorted({item for one in chunks if one.source == source for item in one.libraries.items()}))


def _check_fewer(store: Store, options: Options, run: _Run) -> None:
    """Raise where records would go that the Med-MAT holds.

    Raises:
        BuildError: some would.
    """
    before = held(store.out, list(run.ledgers))
    gone = fewer(before, held(store.next, list(run.ledgers)))
    if gone and not options.allow_fewer:
        reasons = {skip.id: skip.reason for ledger in run.ledgers.values() for skip in ledger.skipped}
        raise refusal(gone, store.out, len(before), reasons)
