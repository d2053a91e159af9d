"""Builds a Med-MAT: raw folders -> chunks -> groups and splits -> index -> card.

A build is a pure function of raw files, loaders, cards and options, and of the code that these depend on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from med_mat.building import cluster, likeness
from med_mat.building.finish import finish
from med_mat.building.folders import claim
from med_mat.building.ledger import Ledger
from med_mat.building.options import Options
from med_mat.building.settle import why
from med_mat.building.store import Store, clear, drop, locked, resume
from med_mat.building.stream import build_sources
from med_mat.building.workers import enough
from med_mat.catalog import Catalog, load
from med_mat.errors import MedMATError
from med_mat.raw.folder import RawFolder


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
        BuildError: the disk is full, another build uses the folder, the folder is not a Med-MAT, records of the
            previous Med-MAT would be lost and ``allow_fewer`` is not set, or a worker of joblib's active Dask or Ray
            session has other versions or does not see the folders.
        LayoutError, ReadError: no source could be built; if some can be built, the others are reported in ``failed``.
        ReadError: with ``on_error="raise"``, for the first bad file or unknown label.
    """
    catalog, options = catalog or load(), options or Options()
    options = replace(options, jobs=enough(options.jobs))
    claim(out, raw.values())
    with locked(out) as store:
        if options.jobs != 1 and (engine := cluster.active()) is not None:
            likeness.check(engine, raw, out)
        report = _build(raw, store, options, catalog, progress)
        for folder in raw.values():
            folder.mount.release()
        return report


def _build(raw: Mapping[str, RawFolder], store: Store, options: Options, catalog: Catalog, progress: bool) -> Report:
    resume(store)
    clear(store, raw)
    run = build_sources(raw, store, options, catalog, progress=progress)
    if run.failed and not run.ledgers:
        raise next(iter(run.failed.values()))
    for name in run.failed:  # a partial source must not mix with its files from an earlier run
        drop(store, name)
    needs = Counter(run.needs.values())
    made = {name: ledger.to_data() for name, ledger in run.ledgers.items()}
    settled, written, moved = finish(store, options, catalog, made, run.results, progress=progress)
    return Report(
        out=store.out,
        ledgers=run.ledgers,
        failed=run.failed,
        kept=needs["keep"],
        copied=needs["copy"],
        moved=moved,
        stale={name: tuple(sorted(modules)) for name, modules in run.stale.items() if modules},
        total=len(settled.order),
        withheld=sum(why(settled.withheld).values()),
        contested={name: str(one) for name, one in written.contested.items()},
    )
