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

#: Upstream numbers its rows from 1 to this; rows of sources that upstream does not have are numbered from the next on.
UPSTREAM_ROWS = 109

Verified = Literal["real data", "label tables", "public listings", "facts only"]
Certainty = Literal["high", "medium", "low"]
Split = Literal["train", "validation", "test"]
#: Who states a license: the publisher (page, README, the authors' article), or a third party.
StatedBy = Literal["publisher", "article", "copy", "catalogue", "code"]
#: How the labels were obtained: from readers of the images, histology, laboratory tests or follow-up, the text of
#: reports, a folder's name without a known reader, the web page or article of an image, or another source.
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
#: Places in a source where something may identify a person.
Place = Literal["file names", "raw labels", "tables", "pixels", "headers"]


@dataclass(frozen=True, slots=True)
class Upstream:
    """The authors' own words on a row, or the paper's on a subset, uncorrected."""

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
    rows: tuple[int, ...]  # as printed by upstream
    upstream: Upstream
    also: tuple[str, ...] = ()  # further tasks that it counts as in the paper's experiments

    @property
    def name(self) -> str:
        """The name of its ``load_dataset`` configuration, e.g. ``subset-24``."""
        return f"subset-{self.number:02d}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """The grading scale of one part of the body, if the parts in a row differ."""

    part: str  # its form inside a sentence
    last: str  # raw label; the scale goes from the card's first label to this one


@dataclass(frozen=True, slots=True)
class Row:
    """A source under one task: one of upstream's numbered entries, or an entry of a later source."""

    number: int
    source: str
    mat: MAT
    subset: int | None  # None: of a source that upstream does not have, in no subset
    kind: AnnotationKind
    labels: Mapping[str, str]  # raw label -> human label, in the card's order (a scale where kind is "grades")
    upstream: Upstream  # all fields empty for a row above UPSTREAM_ROWS
    instructions: tuple[str, ...] = ()  # its own questions; empty: those of its subset
    always: bool = False  # boxes and masks: every image contains an object
    traced: bool = False  # masks of lines, such as vessels, whose boxes are meaningless: no box is asked for
    scales: Mapping[str, Scale] = field(default_factory=dict)  # grades: by the part of the raw label before "/"
    counts: Mapping[str, int] = field(default_factory=dict)  # findings: human label -> number of images, if known
    images: int | None = None  # of the source, as counted by its publisher

    @property
    def names(self) -> tuple[str, ...]:
        """The unique human labels, in the card's order."""
        return tuple(dict.fromkeys(self.labels.values()))


@dataclass(frozen=True, slots=True)
class Download:
    """One way to obtain a source: the route, its locator, and the downloaded files."""

    kind: HostKind
    at: str  # slug, DOI, repository or URL, depending on the kind
    files: tuple[str, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


_SHOWN = 4  # parts of a layout that are printed


@dataclass(frozen=True, slots=True)
class Layout:
    """A known layout of the source on disk: glob patterns relative to its root."""

    variant: str
    files: tuple[str, ...] = ()  # all must match
    parts: tuple[str, ...] = ()  # at least one must match: classes or halves of a split, some of which a copy may lack
    also: tuple[str, ...] = ()  # further files of a complete copy that no record requires: masks, lists of a split
    beside: tuple[str, ...] = ()  # files that the publisher ships and no row reads
    edition: str = ""  # the edition, if the publisher has several, and which one is not read
    images: int | None = None  # number of images, if it differs from the card's

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of a complete copy."""
        return (*self.files, *self.parts, *self.also)

    @property
    def words(self) -> str:
        """The files that must be present, in words."""
        more = f" | … ({len(self.parts)} in all)" if len(self.parts) > _SHOWN else ""
        needed = [*self.files, *([f"any of {' | '.join(self.parts[:_SHOWN])}{more}"] if self.parts else [])]
        return f"{' and '.join(needed)} ({self.variant}{f': {self.edition}' if self.edition else ''})"


@dataclass(frozen=True, slots=True)
class Erratum:
    """An error in upstream's text on a row, and its correction."""

    row: int
    field: str
    upstream: str
    ours: str
    why: str


@dataclass(frozen=True, slots=True)
class SharedId:
    """An id in a source's paths that other sources use too: records with the same id share a patient or an image."""

    namespace: str  # sources are linked by ids of the same namespace
    pattern: str  # a regular expression with one group, named id, searched for in a path relative to the source's root


@dataclass(frozen=True, kw_only=True, slots=True)
class LicenseRead:
    """The evidence for a license: who states it, on which page, and when it was read."""

    by: StatedBy
    at: str  # URL
    when: datetime.date

    def __str__(self) -> str:
        who = {"publisher": "the publisher", "article": "the authors' article"}.get(self.by, f"a {self.by}")
        return f"stated by {'public code' if self.by == 'code' else who} at {self.at}, read on {self.when}"


@dataclass(frozen=True, kw_only=True, slots=True)
class LabeledBy:
    """How the labels, boxes and masks of a source were obtained."""

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
    license: str  # a Hub license identifier, including "other" and "unknown"
    terms: str  # the license in words, and how certain it is
    access: Access
    redistributable: bool | None  # whether its images may be redistributed; None: unknown
    homepage: str
    downloads: tuple[Download, ...]
    layouts: tuple[Layout, ...]
    patients: str  # how patients are identified; "" if they are not
    published_split: tuple[Split, ...]  # () if the publisher defines none; splits by third parties do not count
    counts: Mapping[str, Any]
    overlaps: Mapping[str, str]  # other source -> what is shared
    errata: tuple[Erratum, ...]
    verified: Verified
    certainty: Certainty
    citation: str
    prose: str
    task_categories: tuple[str, ...] = ()  # of the Hub
    tags: tuple[str, ...] = ()  # for the Hub
    loader: str = ""  # its loader module
    shared_ids: tuple[SharedId, ...] = ()
    patients_of: str = ""  # the source whose patient numbers it uses; usually itself
    license_certainty: LicenseCertainty = "unknown"
    license_read: LicenseRead | None = None  # None if the license is unknown
    labels_redistributable: bool | None = None  # whether labels, boxes and masks may be redistributed; None: unknown
    commercial: bool | None = None  # whether it may be used commercially; None: unknown
    identifying: tuple[Identifier, ...] | None = None  # None: not examined; (): nothing is known
    labeled_by: LabeledBy | None = None  # None: not examined
    augmented: bool = False  # it ships transformed copies of its own images, not all of which can be detected
    vocabulary: Vocabulary = field(default_factory=Vocabulary)  # the words that its card declares in addition to ours

    def identifies(self, where: Place) -> bool:
        """Whether something there may identify a person; True if the source was not examined."""
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
        """The unique triplets of its rows."""
        return tuple(dict.fromkeys(row.mat for row in self.rows))

    def row(self, number: int) -> Row:
        """Its row with this number."""
        for row in self.rows:
            if row.number == number:
                return row
        raise CardError(f"Source {self.name!r} has no row {number}; it has {[row.number for row in self.rows]}.")
