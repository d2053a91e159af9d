"""Counts the images of a source with its loader, since names alone do not tell masks from images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from med_mat.building.loader import has_loader, loader_of
from med_mat.catalog import Source
from med_mat.doctor.scan import Scan
from med_mat.errors import MedMATError
from med_mat.raw.folder import RawFolder

_LOADED_FILES = 300_000  # above this many files no loader is run
_NOTES = 3
_BY_NAME = "images are counted by their names, masks among them"


@dataclass(frozen=True)
class Count:
    """The number of images, and how it was found."""

    images: int
    read: bool | None  # True: counted by the loader; False: the loader failed; None: not run
    parts: Counter[str] = field(default_factory=Counter)  # of the published split
    notes: tuple[str, ...] = ()

    @property
    def unread(self) -> bool:
        """Whether a build would give no record."""
        return self.read is False or (self.read is True and self.images == 0)


def counted(scan: Scan, source: Source, raw: RawFolder, named: int) -> Count:
    """Counts with the loader where one can be run; else the result is ``named``, the count by file names."""
    if not has_loader(source):
        return Count(named, None, notes=(f"no loader reads it yet: {_BY_NAME}",))
    if not scan.tables or len(raw.files) > _LOADED_FILES:
        return Count(named, None, notes=(_BY_NAME,))
    paths: set[str] = set()
    parts: Counter[str] = Counter()
    total, inner = 0, False
    try:
        for example in loader_of(source).examples(raw):
            total += 1
            parts[example.split or ""] += 1
            paths.add(str(example.path))
            inner = inner or not isinstance(example.pixels, PurePosixPath)
    except MedMATError as error:
        return Count(named, False, notes=(f"its loader stops: {error}",))
    except Exception as error:  # a loader that fails on odd data must not end the diagnosis
        return Count(named, False, notes=(f"its loader fails ({type(error).__name__}: {error}): please report this",))
    bad = [f"{where}: {why}" for where, why in raw.faults.items()]
    notes = [f"{len(bad):,} rows of its tables cannot be read: {bad[0]}"] if bad else []
    notes += [f"{where}: {what}" for where, what in list(raw.notes.items())[:_NOTES]]
    return Count(total if inner else len(paths), True, parts, tuple(notes))
