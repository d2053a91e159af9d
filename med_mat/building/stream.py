"""One stream of chunks over all sources of a build, so that small sources keep as many workers busy as large ones.

The main process plans a source while workers write chunks of the ones before it, and closes a source (ledger, list of
raw files) once its last chunk is committed.
"""

from __future__ import annotations

import contextvars
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace

from med_mat import limits
from med_mat.building import cluster, faults, likeness, plan
from med_mat.building.chunk import Result, committed, write_chunk
from med_mat.building.files import record_files
from med_mat.building.inputs import Inputs
from med_mat.building.ledger import Ledger, balance
from med_mat.building.loader import examples_of
from med_mat.building.needs import Need, need_of
from med_mat.building.options import Options
from med_mat.building.outcomes import Setting
from med_mat.building.plan import Chunk
from med_mat.building.store import Store
from med_mat.building.words import nothing
from med_mat.building.workers import parallel
from med_mat.catalog import Catalog, Source
from med_mat.errors import LostWorkerError, MedMATError, ReadError
from med_mat.progress import Bar
from med_mat.questions import Questioner
from med_mat.raw.folder import RawFolder

log = logging.getLogger(__name__)

Call = tuple[Chunk, Setting, Store, Result | None, Mapping[str, str] | None]


@dataclass(frozen=True, slots=True)
class Failure:
    """A chunk that could not be written."""

    source: str
    error: Exception


@dataclass(slots=True)
class Run:
    """The results of the sources of one run."""

    ledgers: dict[str, Ledger] = field(default_factory=dict)
    results: dict[str, list[Result]] = field(default_factory=dict)
    failed: dict[str, MedMATError] = field(default_factory=dict)
    stale: dict[str, set[str]] = field(default_factory=dict)
    needs: dict[tuple[str, str], Need] = field(default_factory=dict)  # of (source, chunk), at first


def build_sources(
    raw: Mapping[str, RawFolder], store: Store, options: Options, catalog: Catalog, *, progress: bool
) -> Run:
    """Build the chunks of all sources.

    A source that cannot be built costs no other one. If a worker is killed, nobody knows by which source: those that
    are not finished are then built one after another, and one that kills a worker again has failed.

    Args:
        raw: source name -> its raw folder.
        store: the files of the build.
        options: the options of the build.
        catalog: the sources' cards.
        progress: whether to show progress bars.

    Raises:
        BuildError: the output cannot be written.
        MedMATError: a source cannot be built, and ``on_error`` is "raise".
    """
    subsets = {row.subset for name in raw for row in catalog[name].rows}
    questioner = Questioner([row for row in catalog.rows if row.subset in subsets])
    versions = None if options.jobs == 1 or cluster.active() is None else likeness.versions()
    run = Run()
    try:
        _Stream(raw, store, options, catalog, questioner, run, progress, versions).build()
    except LostWorkerError as lost:
        log.warning("%s; the sources that are not finished are built one after another", lost)
        for name in [name for name in raw if name not in run.ledgers and name not in run.failed]:
            try:
                _Stream({name: raw[name]}, store, options, catalog, questioner, run, progress, versions).build()
            except LostWorkerError as error:
                run.failed[name] = faults.of_source(catalog[name], raw[name].root, error)
                if options.on_error == "raise":
                    raise run.failed[name] from error
    run.ledgers = {name: run.ledgers[name] for name in raw if name in run.ledgers}
    return run


def attempt(
    chunk: Chunk, setting: Setting, store: Store, kept: Result | None, versions: Mapping[str, str] | None
) -> Result | Failure:
    """Write a chunk (:func:`~med_mat.building.chunk.write_chunk`); an error is returned with the source it concerns.

    ``versions`` are those that a worker of a cluster must have.
    """
    try:
        if versions is not None:
            likeness.demand(versions)
        return write_chunk(chunk, setting, store, kept)
    except Exception as error:
        return Failure(chunk.source, error)


@dataclass(slots=True)
class _Open:
    """A source of which chunks are being planned or written."""

    source: Source
    raw: RawFolder
    found: plan.Survey
    inputs: Inputs
    bar: Bar
    asked: limits.Allowance
    refused: plan.Refused = field(default_factory=plan.Refused)
    images: Counter[str] = field(default_factory=Counter)
    masks: set[str] = field(default_factory=set)
    results: dict[str, Result] = field(default_factory=dict)
    facts: dict[str, Chunk] = field(default_factory=dict)  # chunks that are being written, without their examples
    chunks: int = 0
    planned: bool = False  # all of its chunks are known

    @property
    def finished(self) -> bool:
        """Whether all of its chunks are committed."""
        return self.planned and len(self.results) == self.chunks


@dataclass(slots=True)
class _Stream:
    raw: Mapping[str, RawFolder]
    store: Store
    options: Options
    catalog: Catalog
    questioner: Questioner
    run: Run
    progress: bool
    versions: Mapping[str, str] | None  # those that workers of a cluster must have
    open: dict[str, _Open] = field(default_factory=dict)
    broken: Exception | None = None  # an error that concerns the whole build

    def build(self) -> None:
        """Plan, write and close all sources."""
        try:
            with closing(parallel(attempt, self._calls(contextvars.copy_context()), self.options.jobs)) as written:
                for result in committed(self._sealed(written), self.store):
                    one = self.open[result.source]
                    one.results[result.name] = result
                    one.bar.update(result.examples)
                    self._close_finished()
            self._close_finished()
        finally:
            for one in self.open.values():
                one.bar.close()

    def _calls(self, context: contextvars.Context) -> Iterator[Call]:
        """The chunks to write, of one source after another; nothing is raised.

        joblib iterates in threads of its own, and may leave an iterator anywhere: each step is taken in the context of
        its source, where its limits are set.
        """
        for name in self.raw:
            of_source = context.copy()
            asked = of_source.run(limits.allow, self.options.max_file, self.store.out / ".build")
            calls = self._calls_of(name, asked)
            while (call := of_source.run(self._next, name, calls)) is not None:
                yield call
            if self._stopped() is not None:
                return

    def _next(self, name: str, calls: Iterator[Call]) -> Call | None:
        try:
            return next(calls, None)
        except Exception as error:
            self._fail(name, error)
            return None

    def _calls_of(self, name: str, asked: limits.Allowance) -> Iterator[Call]:
        source, raw, options = self.catalog[name], self.raw[name], self.options
        examples = examples_of(source)
        log.info("%s: reading %s (layout %s)", name, raw.root, raw.variant)
        found = plan.survey(source, raw, examples, options.seed)
        if raw.faults and options.on_error == "raise":
            where, why = next(iter(raw.faults.items()))
            raise ReadError(f"{raw.root}: {where}: {why} ('skip' for on_error leaves out the row and goes on)")
        setting = Setting(
            mount=raw.mount,
            out=self.store.out,
            source=source,
            questioner=self.questioner,
            check=options.check,
            on_error=options.on_error,
            max_file=options.max_file,
        )
        bar = Bar(found.examples, desc=name, unit="img", shown=self.progress)
        one = _Open(source, raw, found, Inputs.of(source, options.check, self.catalog), bar, asked)
        self.open[name], stale = one, self.run.stale.setdefault(name, set())
        for chunk in plan.chunks(source, raw, examples, found, one.refused):
            if name in self.run.failed:
                return
            for example, _ in chunk.examples:
                one.images[str(example.path)] += 1
                one.masks.update(map(str, example.files[1:]))
            need, done, why_so = need_of(self.store, chunk, one.inputs, options.max_file)
            self.run.needs.setdefault((name, chunk.name), need)
            one.chunks += 1
            if need == "keep" and done is not None and not (done.skipped and options.on_error == "raise"):
                one.results[chunk.name] = done
                bar.update(done.examples)
            else:
                stale.update(why_so)
                one.facts[chunk.name] = replace(chunk, examples=())
                yield chunk, setting, self.store, done if need == "copy" else None, self.versions
        one.planned = True

    def _sealed(self, written: Iterator[Result | Failure]) -> Iterator[Result]:
        """Written chunks with their digests, which depend on the decoders used."""
        for result in written:
            if isinstance(result, Failure):
                self._fail(result.source, result.error)
                self._check()
                continue
            one = self.open[result.source]
            on = one.inputs.digests(one.facts.pop(result.name), result.decoders)
            result.pixels, result.records, result.code, result.libraries = on
            yield result

    def _close_finished(self) -> None:
        """Close the sources whose chunks are all committed, and forget those that failed."""
        self._check()
        for name, one in list(self.open.items()):
            if name in self.run.failed:
                one.bar.close()  # what still arrives of it is dropped with it
            elif one.finished:
                one.bar.close()
                del self.open[name]
                try:
                    with limits.allowing(self.options.max_file, self.store.out / ".build"):
                        self._close(one)
                except Exception as error:
                    self._fail(name, error)
        self._check()

    def _close(self, one: _Open) -> None:
        """Balance the ledger of a source, and list its raw files."""
        source, raw, options = one.source, one.raw, self.options
        for example, reason in one.refused.entries:
            if options.on_error == "raise":
                raise ReadError(f"{example.path}: {reason} ('skip' for on_error notes it in the ledger and goes on)")
            one.images[str(example.path)] += 1
        ordered = [one.results[name] for name in sorted(one.results)]
        largest = max([one.asked.read, *(result.read for result in ordered)])
        seed = options.seed if one.found.seeded else None
        ledger = balance(source, raw, seed, options.check, largest, ordered, one.refused, one.images, one.masks)
        record_files(self.store, source.name, raw, ordered, one.images, one.masks, ledger.skipped_files)
        if not ledger.written:
            raise nothing(source, raw, ledger)
        self.run.ledgers[source.name], self.run.results[source.name] = ledger, ordered

    def _fail(self, name: str, error: Exception) -> None:
        """Note that a source cannot be built, or that the build cannot go on."""
        if name in self.run.failed:
            return
        try:
            told = faults.of_source(self.catalog[name], self.raw[name].root, error)
        except Exception as whole:
            self.broken = self.broken or whole
        else:
            if told is not error:
                told.__cause__ = error
            self.run.failed[name] = told

    def _stopped(self) -> Exception | None:
        """Why the build cannot go on; None if it can."""
        if self.broken is None and self.options.on_error == "raise":
            return next(iter(self.run.failed.values()), None)
        return self.broken

    def _check(self) -> None:
        if (error := self._stopped()) is not None:
            raise error
