"""Builds a Med-MAT: raw folders -> chunks -> groups and splits -> index -> card.

A build is a pure function of raw files, loaders, cards and options, and of the code that these depend on.
"""

from __future__ import annotations

import contextvars
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from med_mat import limits
from med_mat.building import faults, plan
from med_mat.building.chunk import Result, committed, write_chunk
from med_mat.building.files import record_files
from med_mat.building.finish import finish
from med_mat.building.folders import claim
from med_mat.building.inputs import Inputs
from med_mat.building.ledger import Ledger, balance
from med_mat.building.loader import examples_of
from med_mat.building.needs import Need, need_of
from med_mat.building.options import Options
from med_mat.building.outcomes import Setting
from med_mat.building.plan import Chunk
from med_mat.building.settle import why
from med_mat.building.store import Store, clear, drop, locked, resume
from med_mat.building.words import nothing
from med_mat.building.workers import enough, parallel
from med_mat.catalog import Catalog, Source, load
from med_mat.errors import MedMATError, ReadError
from med_mat.progress import Bar
from med_mat.questions import Questioner
from med_mat.raw.folder import RawFolder

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a build."""

    out: Path
    ledgers: Mapping[str, Ledger]
    failed: Mapping[str, MedMATError]  # source that could not be built, while others could -> error
    kept: int  # chunks kept from an earlier run
    copied: int  # chunks with new records and the stored images of an earlier run
    moved: int  # chunks whose records changed splits
    stale: Mapping[str, tuple[str, ...]]  # source -> changed modules and libraries that caused chunks to be rebuilt
    total: int  # records in the whole Med-MAT, including earlier runs
    withheld: int  # withheld records in the whole Med-MAT
    contested: Mapping[str, str]  # source -> a sentence on its images with contradictory labels

    @property
    def written(self) -> int:
        """Number of records of the sources of this run."""
        return sum(ledger.written for ledger in self.ledgers.values())

    @property
    def skipped(self) -> int:
        """Number of records found but not written."""
        return sum(len(ledger.skipped) for ledger in self.ledgers.values())


def build(
    raw: Mapping[str, RawFolder],
    out: Path,
    options: Options | None = None,
    *,
    catalog: Catalog | None = None,
    progress: bool = False,
) -> Report:
    """Build or update the Med-MAT in the folder ``out`` from raw folders (see :func:`med_mat.building.find`).

    Finished chunks are kept: a run that was killed resumes where it stopped, with byte-identical output. Sources from
    earlier runs stay in ``out``, and the previous Med-MAT remains intact until the new one is complete.

    Args:
        raw: source name -> its raw folder.
        out: the folder of the build; created if missing.
        options: the options of the build.
        catalog: the sources' cards.
        progress: whether to show progress bars.

    Raises:
        BuildError: the disk is full, another build uses the folder, the folder is not a Med-MAT, or records of the
            previous Med-MAT would be lost and ``allow_fewer`` is not set.
        LayoutError, ReadError: no source could be built; if some can be built, the others are reported in ``failed``.
        ReadError: with ``on_error="raise"``, for the first bad file or unknown label.
    """
    catalog, options = catalog or load(), options or Options()
    options = replace(options, jobs=enough(options.jobs))
    claim(out, raw.values())
    with locked(out) as store:
        report = _build(raw, store, options, catalog, progress)
        for folder in raw.values():
            folder.mount.release()
        return report


@dataclass(slots=True)
class _Run:
    """The results of the sources of one run."""

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
        except Exception as error:  # a fault of one source must not stop the others
            run.failed[name] = faults.of_source(catalog[name], folder.root, error)
            if options.on_error == "raise":
                raise run.failed[name] from error
    if run.failed and not run.ledgers:
        raise next(iter(run.failed.values()))
    for name in run.failed:  # a partial source must not mix with its files from an earlier run
        drop(store, name)
    made = {name: ledger.to_data() for name, ledger in run.ledgers.items()}
    settled, written, moved = finish(store, options, catalog, made, run.results, progress=progress)
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
        mount=raw.mount,
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
    facts: dict[str, Chunk] = {}  # the chunks that are written, without their examples
    stale = run.stale.setdefault(source.name, set())
    with Bar(found.examples, desc=source.name, unit="img", shown=progress) as bar:

        def pending() -> Iterator[tuple[Chunk, Result | None]]:
            for chunk in plan.chunks(source, raw, examples, found, refused):
                for example, _ in chunk.examples:
                    images[str(example.path)] += 1
                    masks.update(map(str, example.files[1:]))
                need, done, why_so = need_of(store, chunk, inputs, options.max_file)
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
            for result in committed((_sealed(one, facts, inputs) for one in written), store):
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


def _in_this_context(items: Iterator[T]) -> Iterator[T]:
    """The same items, produced in the current context: joblib iterates in other threads, where no limits are set."""
    context = contextvars.copy_context()
    while (item := context.run(next, items, None)) is not None:
        yield item


def _sealed(result: Result, facts: dict[str, Chunk], inputs: Inputs) -> Result:
    """A written chunk with its digests, which depend on the decoders used."""
    on = inputs.digests(facts.pop(result.name), result.decoders)
    result.pixels, result.records, result.code, result.libraries = on
    return result
