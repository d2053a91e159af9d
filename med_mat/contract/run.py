"""The contract, run on one source: what is kept, what is broken and how to mend it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from med_mat.building import Options, build
from med_mat.building import find as find_folders
from med_mat.building.loader import has_miniature, write_miniature
from med_mat.catalog import PLUGINS, Catalog, Source, load
from med_mat.catalog.plugins import read_plugin
from med_mat.catalog.read import check_named, check_words
from med_mat.contract import card, module, reading, records
from med_mat.contract.promise import Outcome, Promise, Subject
from med_mat.errors import MedMATError

PROMISES: tuple[Promise, ...] = (*card.PROMISES, *module.PROMISES, *reading.PROMISES, *records.PROMISES)

_WRITTEN = "The miniature can be written."
_BUILT = "A Med-MAT can be built from the miniature."


def find(name: str) -> tuple[Source, Catalog]:
    """A source by its name, or by the module of its loader, and the catalog with it.

    Args:
        name: of a source of the catalog; or PACKAGE.MODULE, a loader beside its card, installed or below the current
            folder.

    Raises:
        UnknownSourceError, CardError: there is none, or its card is not in order.
    """
    catalog = load()
    if "." not in name:
        if name not in catalog:
            for point in entry_points(group=PLUGINS, name=name):
                read_plugin(point)  # says why it was left out
        return catalog[name], catalog
    if os.getcwd() not in sys.path:  # noqa: PTH109 - sys.path holds texts
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
        importlib.invalidate_caches()
    point = EntryPoint(name.rpartition(".")[2], name, PLUGINS)
    source = read_plugin(point)
    catalog = Catalog({**catalog, source.name: source}, catalog.subsets)
    check_words(source, catalog.vocabulary)
    check_named(source, catalog, catalog.subsets)
    return source, catalog


def check(source: Source, catalog: Catalog, folder: Path) -> Iterator[Outcome]:
    """Checks every promise of a source, in the order of the work: card, loader, miniature, records.

    Args:
        source: what to check.
        catalog: all sources, this one among them.
        folder: an empty folder, for its miniature and what is built from that.
    """
    subject = Subject(source, catalog, folder / "raw", folder / "Med-MAT")
    yield from _run(subject, "card")
    try:
        subject.module  # noqa: B018 - imports it
    except MedMATError as error:
        yield Outcome("The loader can be imported.", (str(error),))
        return
    yield from _run(subject, "loader")
    if not has_miniature(source):
        why = "the loader has no miniature(raw), so nothing can be read or built without the real data"
        yield from (Outcome(one.says, unchecked=why) for one in PROMISES if one.stage in ("miniature", "records"))
        return
    try:
        write_miniature(source, subject.folder)
    except MedMATError as error:
        yield Outcome(_WRITTEN, (str(error),))
        return
    yield Outcome(_WRITTEN)
    yield from _run(subject, "miniature")
    yield (built := Outcome(_BUILT, tuple(_build(subject))))
    if built.kept:
        yield from _run(subject, "records")


def _run(subject: Subject, stage: str) -> Iterator[Outcome]:
    yield from (Outcome(one.says, one.check(subject)) for one in PROMISES if one.stage == stage)


def _build(subject: Subject) -> Iterator[str]:
    """Why nothing could be built."""
    folders: Mapping[str, Path | None] = {subject.name: subject.folder}
    try:
        found = find_folders(folders, None, subject.catalog)
        report = build(found, subject.out, Options(jobs=1), catalog=subject.catalog)
    except MedMATError as error:
        yield str(error)
    else:
        yield from map(str, report.failed.values())
