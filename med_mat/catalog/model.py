"""The data model of the catalog: sources, their rows, subsets, layouts, downloads and licenses."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from med_mat import markup
from med_mat.errors import CardError
from med_mat.hosts import HostKind
from med_mat.selection import MAT
from med_mat.taxonomy import Access, AnnotationKind, LicenseCertainty
from med_mat.vocabulary import Vocabulary

#: Upstream numbers its rows from 1 to this; a source that upstream does not have numbers its own from the next one on.
UPSTREAM_ROWS = 109

Verified = Literal["real data", "label tables", "public listings", "facts only"]
Certainty = Literal["high", "medium", "low"]
Split = Literal["train", "validation", "test"]
#: Who states a license: the publisher (page, README, the authors' article), or a third party.
StatedBy = Literal["publisher", "article", "copy", "catalogue", "code"]
#: Who gave the labels: readers of the images, histology, laboratory or follow-up, the text of reports, a folder's name
#: of which no reader is told, the web page or article of a picture, or another source.
Labeler = Literal[
    "several readers",
    "one reader",
    "laboratory or follow-up",
    "reports",
    "folder names",
    "web or articles",
    "another source",
    "not stated",
]
#: Where in a source something may identify a person.
Place = Literal["file names", "raw labels", "tables", "pixels", "headers"]


@dataclass(frozen=True, slots=True)
class Upstream:
    """The authors' own words on a row, or the paper's on a subset, never corrected."""

    modality: str
    area: str
    task: str
    name: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Subset:
    """One of the 53 aggregated subsets (arXiv 2412.20070 v2, Table 17)."""

    number: int
    mat: MAT = field(metadata={"key": "triplet"})
    role: Literal["id", "ood", "detection"]
    rows: tuple[int, ...]  # as upstream prints them
    upstream: Upstream
    also: tuple[str, ...] = ()  # further tasks that the paper's experiments count it as

    @property
    def name(self) -> str:
        """The name of its ``load_dataset`` configuration, e.g. ``subset-24``."""
        return f"subset-{self.number:02d}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """A scale of grades that one part of the body has, where the parts in a row differ."""

    part: str  # as it reads inside a sentence
    last: str  # raw label; the scale goes from the card's first label to this one


@dataclass(frozen=True, slots=True)
class Row:
    """A source under one task: one of upstream's numbered entries, or one that a later source has added."""

    number: int
    source: str
    mat: MAT
    subset: int | None  # None: of a source that is not upstream's, in no subset
    kind: AnnotationKind
    labels: Mapping[str, str]  # raw label -> human label, in the card's order (a scale where kind is "grades")
    upstream: Upstream  # all fields empty for a row above UPSTREAM_ROWS
    instructions: tuple[str, ...] = ()  # its own questions; none: those of its subset
    always: bool = False  # boxes and masks: every image shows something
    traced: bool = False  # masks of lines, such as vessels, of which boxes say nothing: no box is asked for
    scales: Mapping[str, Scale] = field(default_factory=dict)  # grades: by what stands before "/" in the raw label
    counts: Mapping[str, int] = field(default_factory=dict)  # findings: human label -> images, as far as they are known
    images: int | None = None  # of the source, as its publisher counts them

    @property
    def names(self) -> tuple[str, ...]:
        """The human labels, each once, in the card's order."""
        return tuple(dict.fromkeys(self.labels.values()))


@dataclass(frozen=True, slots=True)
class Download:
    """One way to obtain a source: the route, where it leads, and the files that arrive."""

    kind: HostKind
    at: str  # slug, DOI, repository or URL, as the kind says
    files: tuple[str, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


_SHOWN = 4  # parts of a layout that are printed


@dataclass(frozen=True, slots=True)
class Layout:
    """A way in which the source is known to lie on disk: glob patterns below its root."""

    variant: str
    files: tuple[str, ...] = ()  # all must match, or nothing can be read
    parts: tuple[str, ...] = ()  # one must match: classes, halves of a split, of which a copy may lack some
    also: tuple[str, ...] = ()  # what a whole copy holds besides and no record needs: masks, lists of a split
    beside: tuple[str, ...] = ()  # what the publisher ships with it and no row reads
    edition: str = ""  # which edition this is, where the publisher has several, and which is not read
    images: int | None = None  # how many it has, where not those that the card counts

    @property
    def patterns(self) -> tuple[str, ...]:
        """All that a whole copy holds."""
        return (*self.files, *self.parts, *self.also)

    @property
    def words(self) -> str:
        """The files that must be present, in words."""
        more = f" | … ({len(self.parts)} in all)" if len(self.parts) > _SHOWN else ""
        needed = [*self.files, *([f"any of {' | '.join(self.parts[:_SHOWN])}{more}"] if self.parts else [])]
        return f"{' and '.join(needed)} ({self.variant}{f': {self.edition}' if self.edition else ''})"


@dataclass(frozen=True, slots=True)
class Erratum:
    """Where upstream's text on a row is wrong, and what holds."""

    row: int
    field: str
    upstream: str
    ours: str
    why: str


@dataclass(frozen=True, slots=True)
class SharedId:
    """An id in the paths of a source that other sources use too: who shares it shares a patient or a picture."""

    namespace: str  # whose ids these are: sources with ids of one namespace are joined by them
    pattern: str  # a regular expression with one group, named id, that is looked for in a path below the source's root


@dataclass(frozen=True, kw_only=True, slots=True)
class LicenseRead:
    """How a license is known: who states it, on which page, and when that was read."""

    by: StatedBy
    at: str  # URL
    when: datetime.date

    def __str__(self) -> str:
        who = {"publisher": "the publisher", "article": "the authors' article"}.get(self.by, f"a {self.by}")
        return f"stated by {'public code' if self.by == 'code' else who} at {self.at}, read on {self.when}"


@dataclass(frozen=True, kw_only=True, slots=True)
class LabeledBy:
    """How the labels, boxes and masks of a source were made."""

    who: Labeler
    how: str  # in words


@dataclass(frozen=True, kw_only=True, slots=True)
class Identifier:
    """Something in the files of a source that may identify a person."""

    where: Place
    what: str  # e.g. "the patient's number (PAT_8_15_820.png)"


@dataclass(frozen=True, slots=True)
class Source:
    """One raw dataset as its publisher ships it."""

    name: str
    title: str
    summary: str
    rows: tuple[Row, ...]
    license: str  # a Hub license identifier; "other" and "unknown" are among them
    terms: str  # the license in words, and how certain that is
    access: Access
    redistributable: bool | None  # whether its images may be passed on; None: unknown
    homepage: str
    downloads: tuple[Download, ...]
    layouts: tuple[Layout, ...]
    patients: str  # how a patient is known; "" where it is not
    published_split: tuple[Split, ...]  # () where the publisher has none; what a third party made is none
    counts: Mapping[str, Any]
    overlaps: Mapping[str, str]  # other source -> what is shared
    errata: tuple[Erratum, ...]
    verified: Verified
    certainty: Certainty
    citation: str
    prose: str
    task_categories: tuple[str, ...] = ()  # of the Hub
    tags: tuple[str, ...] = ()  # for the Hub
    loader: str = ""  # the module that reads it
    shared_ids: tuple[SharedId, ...] = ()
    patients_of: str = ""  # the source whose patient numbers it uses; most often itself
    license_certainty: LicenseCertainty = "unknown"
    license_read: LicenseRead | None = None  # None where the license is unknown
    labels_redistributable: bool | None = None  # whether labels, boxes and masks may be passed on; None: unknown
    commercial: bool | None = None  # whether it may be used commercially; None: unknown
    identifying: tuple[Identifier, ...] | None = None  # None: not examined; (): nothing is known
    labeled_by: LabeledBy | None = None  # None: not examined
    augmented: bool = False  # it ships transformed copies of its own images, not all of which can be found
    vocabulary: Vocabulary = field(default_factory=Vocabulary)  # the words that its card declares, beside ours

    def identifies(self, where: Place) -> bool:
        """Whether something there may identify a person; a source that was not examined may."""
        return self.identifying is None or any(one.where == where for one in self.identifying)

    def __repr__(self) -> str:
        rows = ", ".join(f"{row.number} {row.mat}" for row in self.rows)
        return f"Source({self.name!r}: {rows}; license {self.license}, access {self.access})"

    def _repr_html_(self) -> str:
        rows = [(row.number, row.mat, row.kind, ", ".join(row.names[:12])) for row in self.rows]
        facts = f"License: {self.license}. Access: {self.access}. {self.homepage}"
        return markup.block(
            f"{self.title} ({self.name})",
            markup.paragraph(self.summary),
            markup.paragraph(facts),
            markup.table(("row", "triplet", "kind", "labels"), rows),
        )

    @property
    def mats(self) -> tuple[MAT, ...]:
        """The triplets of its rows, each once."""
        return tuple(dict.fromkeys(row.mat for row in self.rows))

    def row(self, number: int) -> Row:
        """Its row of that number."""
        for row in self.rows:
            if row.number == number:
                return row
        raise CardError(f"Source {self.name!r} has no row {number}; it has {[row.number for row in self.rows]}.")
