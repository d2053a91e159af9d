"""A promise that every source keeps, and the source that it is checked on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from med_mat.building.faults import place, source_file, told
from med_mat.building.loader import examples_of, loader_of
from med_mat.catalog import Catalog, Source
from med_mat.errors import MedMATError
from med_mat.example import Example
from med_mat.layouts.locating import locate
from med_mat.raw import RawFolder

#: What a promise is about: the card alone, the loader as a module, the miniature, or the records built from that.
Stage = Literal["card", "loader", "miniature", "records"]


@dataclass(frozen=True)
class Subject:
    """A source whose promises are checked. Facts are read when first asked for, and kept."""

    source: Source
    catalog: Catalog
    raw: Path  # a folder that holds the miniature: raw/<source>
    out: Path  # the Med-MAT that was built from it

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name

    @property
    def folder(self) -> Path:
        """The folder of the miniature."""
        return self.raw / self.name

    @cached_property
    def module(self) -> ModuleType:
        """The loader."""
        return loader_of(self.source)

    @property
    def not_shown(self) -> Mapping[str, str]:
        """What the loader says that its miniature does not show -> why.

        Keys are human labels, parts of the published split, and ``"patients"`` where some images have none.
        """
        return getattr(self.module, "NOT_SHOWN", {})

    @cached_property
    def place(self) -> RawFolder:
        """The folder in which the miniature was recognized."""
        return locate(self.source, self.folder)

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """What the loader yields for the miniature."""
        return self.read(self.place)

    def read(self, raw: RawFolder) -> tuple[Example, ...]:
        """What the loader yields for a folder."""
        return tuple(examples_of(self.source)(raw))

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The records of the source, with pixels, in the order of the build."""
        import pyarrow.parquet as pq

        files = sorted((self.out / "data" / self.name).rglob("*.parquet"))
        return [record for file in files for record in pq.read_table(file).to_pylist()]

    @cached_property
    def index(self) -> list[dict[str, Any]]:
        """The rows of the index that belong to the source."""
        import pyarrow.parquet as pq

        rows: list[dict[str, Any]] = pq.read_table(
            self.out / "index.parquet", filters=[("source", "=", self.name)]
        ).to_pylist()
        return rows

    @cached_property
    def ledger(self) -> dict[str, Any]:
        """The ledger of the source."""
        read: dict[str, Any] = json.loads((self.out / "ledger" / f"{self.name}.json").read_text("utf-8"))
        return read


@dataclass(frozen=True)
class Promise:
    """One promise of a source."""

    says: str
    stage: Stage
    broken: Callable[[Subject], Iterator[str]]  # a sentence for each way in which it is broken, with what to do

    def check(self, subject: Subject) -> tuple[str, ...]:
        """The sentences that say how it is broken; none where it is kept.

        An exception is one of these sentences, with the line of the loader that raised it.
        """
        try:
            return tuple(self.broken(subject))
        except MedMATError as error:
            return (str(error),)
        except Exception as error:  # a loader may raise anything
            return (f"{place(error, source_file(subject.source))}: {told(error)}.",)


@dataclass(frozen=True)
class Outcome:
    """What the check of one promise found."""

    says: str
    broken: tuple[str, ...] = ()
    unchecked: str = ""  # why it could not be checked; "" where it was

    @property
    def kept(self) -> bool:
        """Whether the promise was checked and is kept."""
        return not self.broken and not self.unchecked


def promise(says: str, stage: Stage) -> Callable[[Callable[[Subject], Iterator[str]]], Promise]:
    """Makes a :class:`Promise` of the generator that checks it."""
    return lambda broken: Promise(says, stage, broken)
