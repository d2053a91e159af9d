"""The catalog: what is known of every source, row and subset, read from ``dataset_cards/`` and ``data/subsets.yaml``.

Another package adds a source by an entry point of the group ``med_mat.sources``: its name is that of the source, its
value the loader module, beside which the card lies.

Nothing here imports a loader or touches an image. A source is one raw dataset as its publisher ships it; a row is one
of upstream's 109 numbered entries (a source under one task); a subset is one of the 53 aggregated subsets.
"""

from __future__ import annotations

import ast
import datetime
import functools
import logging
import operator
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import metadata as installed
from importlib import resources, util
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from med_mat import strict
from med_mat.errors import BuildError, CardError, UnknownSourceError, VocabularyError
from med_mat.taxonomy import AXES, DRAWN, MAT, Access, Kind, LicenseCertainty, did_you_mean

if TYPE_CHECKING:
    from med_mat.selection import Selection, Selector

_LOGGER = logging.getLogger(__name__)
_LONGEST_PATTERN = 200
_HIGHEST_ROW = 2**15 - 1  # a record holds its row in 16 bits
_NAME = re.compile("[a-z][a-z0-9]*(_[a-z0-9]+)*")
#: Entry points by which other packages add sources.
PLUGINS = "med_mat.sources"

Verified = Literal["real data", "label tables", "public listings", "facts only"]
Certainty = Literal["high", "medium", "low"]
Split = Literal["train", "validation", "test"]
#: Who states a licence: the publisher (its page, its README, the article of its authors), or somebody else.
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
#: Where in what a publisher ships something stands that tells who a person is, or narrows it down.
Place = Literal["file names", "raw labels", "tables", "pixels", "headers"]
DownloadKind = Literal[
    "kaggle",
    "kaggle-competition",
    "https",
    "zenodo",
    "figshare",
    "mendeley",
    "huggingface",
    "github",
    "google-drive",
    "physionet",
    "page",
]


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
    """A source under one task: one of upstream's 109 numbered entries."""

    number: int
    source: str
    mat: MAT
    subset: int | None  # None: of a source that is not upstream's, in no subset
    kind: Kind
    labels: Mapping[str, str]  # raw label -> human label, in the card's order (a scale where kind is "grades")
    upstream: Upstream
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

    kind: DownloadKind
    at: str  # slug, DOI, repository or URL, as the kind says
    files: tuple[str, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


_SHOWN = 4  # parts of a layout, where it is told in words


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
        """What must lie there, in words."""
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
    """How a licence is known: who states it, on which page, and when that was read."""

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
    """What in the files of a source tells who a person is, or narrows it down."""

    where: Place
    what: str  # e.g. "the patient's number (PAT_8_15_820.png)"


@dataclass(frozen=True, slots=True)
class Source:
    """One raw dataset as its publisher ships it."""

    name: str
    title: str
    summary: str
    rows: tuple[Row, ...]
    license: str  # a Hub licence identifier; "other" and "unknown" are among them
    terms: str  # the licence in words, with how sure that is
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
    license_read: LicenseRead | None = None  # None where the licence is not known
    labels_redistributable: bool | None = None  # whether labels, boxes and masks may be passed on; None: unknown
    commercial: bool | None = None  # whether it may be used commercially; None: unknown
    identifying: tuple[Identifier, ...] | None = None  # None: nobody has looked; (): nothing is known to
    labeled_by: LabeledBy | None = None  # None: nobody has looked
    augmented: bool = False  # it ships transformed copies of its own images, not all of which can be found

    def identifies(self, where: Place) -> bool:
        """Whether something that stands there may tell who a person is; what nobody has looked at may."""
        return self.identifying is None or any(one.where == where for one in self.identifying)

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


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What holds of every record of a row."""

    number: int
    source: str
    subset: int | None
    mat: MAT = field(metadata={"key": "triplet"})
    annotation: Kind
    license: str
    license_certainty: LicenseCertainty
    access: Access
    redistributable: bool | None
    labels_redistributable: bool | None
    commercial: bool | None
    augmented: bool

    @classmethod
    def of(cls, row: Row, source: Source) -> RowFacts:
        """From the catalog."""
        return cls(
            number=row.number,
            source=row.source,
            subset=row.subset,
            mat=row.mat,
            annotation=row.kind,
            license=source.license,
            license_certainty=source.license_certainty,
            access=source.access,
            redistributable=source.redistributable,
            labels_redistributable=source.labels_redistributable,
            commercial=source.commercial,
            augmented=source.augmented,
        )

    def to_data(self) -> dict[str, Any]:
        """As the manifest of a build holds it, under the row's number."""
        data = {strict.spelt(one): getattr(self, one.name) for one in fields(self) if one.name != "number"}
        return {**data, "triplet": str(self.mat)}

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> dict[int, RowFacts]:
        """By row number, from the manifest of a build. Facts that a later Med-MAT has added are passed over.

        Raises:
            BuildError: a fact is missing or of another kind; the message names row and fact.
        """
        where = "The manifest med_mat.json"
        rows = strict.read(Mapping[str, Mapping[str, Any]], manifest.get("rows"), where, "rows", error=BuildError)
        found = {}
        for text, data in rows.items():
            if not re.fullmatch("[0-9]{1,5}", text):
                raise BuildError(f"{where}: rows has the key {text!r}, which is no number of a row.")
            given = {**data, "number": int(text)}
            found[int(text)] = strict.read(cls, given, where, f"rows.{text}", error=BuildError, newer=True)
        return found

    def as_fields(self) -> dict[str, Any]:
        """By the names that a :class:`~med_mat.selection.Selection` asks for."""
        facts = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("number", "mat")}
        return {**facts, "row": self.number, **{axis: getattr(self.mat, axis) for axis in AXES}}


class Catalog(Mapping[str, Source]):
    """All sources by name, in the order of their first row, with the subsets that they feed."""

    def __init__(self, sources: Mapping[str, Source], subsets: Mapping[int, Subset]) -> None:
        self._sources = dict(sorted(sources.items(), key=lambda item: item[1].rows[0].number))
        owners: dict[int, str] = {}
        for row in (row for source in self._sources.values() for row in source.rows):
            if owners.setdefault(row.number, row.source) != row.source:
                raise CardError(
                    f"The cards of {owners[row.number]!r} and {row.source!r} both have a row {row.number}: give one of "
                    "them another number (1 to 109 are upstream's)."
                )
        self.subsets = MappingProxyType(dict(subsets))

    def __getitem__(self, name: str) -> Source:
        try:
            return self._sources[name]
        except KeyError:
            hint = did_you_mean(name, self._sources)
            raise UnknownSourceError(
                f"There is no source named {name!r}.{hint} 'med-mat sources' lists all {len(self)}."
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, by number."""
        return tuple(sorted((row for s in self._sources.values() for row in s.rows), key=lambda row: row.number))


def sources(
    selector: Selector = None,
    *,
    access: str | Sequence[str] | None = None,
    redistributable: bool | None = None,
    commercial: bool | None = None,
) -> tuple[Source, ...]:
    """The sources that have a row which a selection keeps, by number of their first row.

    Args:
        selector: e.g. ``"CT|MRI/Brain/*"``, ``"*/Lung/* & annotation=masks"``; None selects all.
        access: one of ``open``, ``account``, ``competition``, ``request``, ``credentialed``, or several.
        redistributable: True or False keeps the sources whose terms are known to allow or to forbid that their images
            are passed on.
        commercial: the same of commercial use.

    Raises:
        VocabularyError: a word is unknown, or asks for what only a build knows, such as the size of an image.
    """
    from med_mat.selection import CARD_FIELDS, Field

    wanted = _wanted(selector, {"access": access, "redistributable": redistributable, "commercial": commercial})
    for leaf in wanted.leaves():
        if isinstance(leaf, Field) and leaf.name not in CARD_FIELDS:
            raise VocabularyError(f"{leaf} is a fact of records: it needs a built Med-MAT (med_mat.open(...).where).")
    catalog = load()
    facts = {row.number: RowFacts.of(row, source).as_fields() for source in catalog.values() for row in source.rows}
    known = {name: {fact[name] for fact in facts.values()} for name in ("source", "row", "subset", "license")}
    wanted.check(known, "The catalog")
    kept = {number for number, fact in facts.items() if wanted.resolve(fact) is True}
    return tuple(source for source in catalog.values() if any(row.number in kept for row in source.rows))


def without_one(selector: Selector, **terms: Any) -> dict[str, tuple[Source, ...]]:
    """Where a selection of several conditions keeps no source: each one without which it keeps some, and these.

    Args:
        selector: as for :func:`sources`.
        terms: the same.
    """
    from med_mat.selection import And

    wanted = _wanted(selector, terms)
    parts = wanted.parts if isinstance(wanted, And) else ()
    found = {str(part): sources(And.join(one for one in parts if one is not part)) for part in parts}
    return {part: some for part, some in found.items() if some}


def _wanted(selector: Selector, terms: Mapping[str, Any]) -> Selection:
    """A selection, and conditions on terms; None is no condition."""
    from med_mat.selection import Selection, field

    asked = (field(name, value) for name, value in terms.items() if value is not None)
    return functools.reduce(operator.and_, asked, Selection.of(selector))


@functools.cache
def load() -> Catalog:
    """The catalog of this installation, read once.

    A source of another package that is not in order is left out, with a warning through :mod:`logging`.

    Raises:
        CardError: a card of Med-MAT itself is not in order.
    """
    subsets = read_subsets((resources.files("med_mat") / "data" / "subsets.yaml").read_text("utf-8"))
    folder = resources.files("med_mat.dataset_cards")
    cards = {
        path.name.removesuffix(".md"): path
        for path in folder.iterdir()
        if path.name.endswith(".md") and path.name == path.name.lower()  # README.md and templates are upper case
    }
    found = {name: read_card(name, path.read_text("utf-8")) for name, path in cards.items()}
    for source in found.values():
        check_named(source, found, subsets)
    return Catalog(_with_plugins(found, subsets), subsets)


def check_named(source: Source, sources: Collection[str], subsets: Collection[int]) -> None:
    """Raise where a card names a source or a subset that there is not.

    Raises:
        CardError: the message names the card, the key and the nearest name.
    """
    named = [(name, "overlaps") for name in source.overlaps] + [(source.patients_of, "patients_of")]
    for name, key in named:
        if name not in sources and name != source.name:
            hint = did_you_mean(name, sources)
            raise CardError(f"The card {source.name}.md: {key} names {name!r}, and there is no such source.{hint}")
    if source.name in source.overlaps:
        raise CardError(f"The card {source.name}.md: overlaps names the source itself.")
    for row in source.rows:
        if row.subset is not None and row.subset not in subsets:
            raise CardError(
                f"The card {source.name}.md: row {row.number} is in subset {row.subset}, and there is no such subset: "
                f"they are 1 to {max(subsets)}, or null for none."
            )


# ------------------------------------------------------------------------------------------- sources of other packages


def _with_plugins(ours: Mapping[str, Source], subsets: Mapping[int, Subset]) -> dict[str, Source]:
    """Our sources, and those of other packages that are in order."""
    found = dict(ours)
    points: dict[str, installed.EntryPoint] = {}
    for point in sorted(installed.entry_points(group=PLUGINS), key=lambda point: (point.name, point.value)):
        try:
            if point.name in found:
                raise CardError("A source of that name is there already.")
            more = {**found, point.name: _plugin(point)}
            Catalog(more, subsets)  # every row has a number of its own
        except CardError as error:
            _leave_out(point, error)
        else:
            found, points[point.name] = more, point
    while True:  # one that is left out may be named by another
        for name, point in points.items():
            try:
                check_named(found[name], found, subsets)
            except CardError as error:
                _leave_out(point, error)
                del found[name], points[name]
                break
        else:
            return found


def _leave_out(point: installed.EntryPoint, error: CardError) -> None:
    package = point.dist.name if point.dist else point.value
    _LOGGER.warning("The source %r of the package %r is left out. %s", point.name, package, error)


def _plugin(point: installed.EntryPoint) -> Source:
    """A source of another package: the card lies beside the loader, which is parsed and not imported.

    Raises:
        CardError: the entry point, the card or the loader is not there or not in order.
    """
    package = point.module.rpartition(".")[0]
    if not package or point.attr or not _NAME.fullmatch(point.name):
        raise CardError(
            f"Its entry point is '{point.name} = {point.value}', and is to be of the form "
            "'toy_wrist = toy_sources.toy_wrist': a name in small letters, and the module of its loader."
        )
    try:
        spec = util.find_spec(point.module)  # imports the package around it
        card = (resources.files(package) / f"{point.name}.md").read_text("utf-8")
        read = getattr(spec and spec.loader, "get_source", None)
        code = read(point.module) if read else None
        names = {"examples"} if code is None else _names(ast.parse(code))
    except Exception as error:  # what others wrote may raise anything
        raise CardError(f"{point.value} cannot be read: {type(error).__name__}: {error}.") from error
    if spec is None:
        raise CardError(f"Its loader, the module {point.module}, is not there.")
    if not names & {"examples", "*"}:
        raise CardError(f"Its loader, {point.module}, lacks the function examples(raw).")
    return replace(read_card(point.name, card), loader=point.module)


def _names(tree: ast.Module) -> set[str]:
    """The names that a module defines or imports at its top."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return found


# --------------------------------------------------------------------------------------------------------------- cards


def read_subsets(text: str) -> dict[int, Subset]:
    """Read ``subsets.yaml``.

    Raises:
        CardError: a key is missing, unknown, or holds what it should not.
    """
    where = "med_mat/data/subsets.yaml"
    subsets = strict.read(tuple[Subset, ...], strict.yaml_load(text, where), where)
    return {subset.number: subset for subset in subsets}


#: Keys that the Hub knows in the front matter of a dataset, beside those of :class:`_Front`.
_HUB_KEYS = (
    "annotations_creators",
    "arxiv",
    "config_names",
    "configs",
    "dataset_info",
    "extra_gated_button_content",
    "extra_gated_description",
    "extra_gated_fields",
    "extra_gated_heading",
    "extra_gated_prompt",
    "language",
    "language_bcp47",
    "language_creators",
    "language_details",
    "library_name",
    "license_details",
    "license_link",
    "license_name",
    "multilinguality",
    "paperswithcode_id",
    "source_datasets",
    "task_ids",
    "thumbnail",
    "train-eval-index",
    "viewer",
)


@dataclass(frozen=True, kw_only=True)
class _RowEntry:
    number: int
    triplet: MAT
    subset: int | None
    kind: Kind
    upstream: Upstream
    labels: tuple[str, ...] | None = None  # of those of the card; without the key, all
    instructions: tuple[str, ...] = ()
    always: bool = False
    traced: bool = False
    scales: Mapping[str, Scale] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Counts:
    images: int | None
    certainty: Certainty
    labels: Mapping[str, int | None] = field(default_factory=dict)
    splits: Mapping[str, int] = field(default_factory=dict)
    unread: int = 0  # those that give no record by design
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class _Block:
    """The block ``med_mat:`` of a card."""

    summary: str
    terms: str
    access: Access
    redistributable: bool | None
    homepage: str
    download: tuple[Download, ...]
    layout: tuple[Layout, ...]
    labels: Mapping[str, str]
    rows: tuple[_RowEntry, ...]
    patients: str
    published_split: tuple[Split, ...]
    counts: _Counts
    verified: Verified
    certainty: Certainty
    citation: str
    license_certainty: LicenseCertainty = "unknown"
    license_read: LicenseRead | None = None
    labels_redistributable: bool | None = None  # without the key: as the images
    commercial: bool | None = None
    identifying: tuple[Identifier, ...] | None = None
    labeled_by: LabeledBy | None = None
    augmented: bool = False
    patients_of: str = ""
    shared_ids: tuple[SharedId, ...] | None = None
    overlaps: Mapping[str, str] | None = None
    errata: tuple[Erratum, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class _Front:
    """The front matter of a card."""

    pretty_name: str
    license: str
    med_mat: _Block
    task_categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    size_categories: tuple[str, ...] = ()


def read_card(name: str, text: str) -> Source:
    """Read one card: YAML front matter between two ``---`` lines, then prose.

    Raises:
        CardError: a fact is missing, misspelt, of another kind or contradicts another; the message names the card, the
            key and, for a key that nobody knows, the nearest.
    """
    where = f"The card {name}.md"
    _, found, rest = text.partition("---\n")
    front, closed, prose = rest.partition("\n---\n")
    if not found or not closed:
        raise CardError(f"{where} has no front matter: expected YAML between two lines '---'.")
    data = strict.yaml_load(f"\n{front}", where)  # so that its lines are counted as in the card
    if not isinstance(data, dict) or not isinstance(data.get("med_mat"), dict):
        raise CardError(f"{where} has no 'med_mat:' block in its front matter.")
    strict.refuse_unknown(data, [*map(strict.spelt, fields(_Front)), *_HUB_KEYS], where)
    card: _Front = strict.read(_Front, {key: one for key, one in data.items() if key not in _HUB_KEYS}, where)
    block = card.med_mat
    _check(block, where)
    shared = {one.name for one in fields(_Block)} & {one.name for one in fields(Source)} - {"rows"}
    return Source(
        **{
            **{key: getattr(block, key) for key in shared},
            "name": name,
            "loader": f"med_mat.loaders.{name}",
            "title": card.pretty_name,
            "license": card.license,
            "labels_redistributable": data["med_mat"].get("labels_redistributable", block.redistributable),
            "rows": tuple(_row(name, entry, block) for entry in block.rows),
            "downloads": block.download,
            "layouts": block.layout,
            "patients_of": block.patients_of or name,
            "counts": data["med_mat"]["counts"],
            "overlaps": block.overlaps or {},
            "shared_ids": block.shared_ids or (),
            "errata": block.errata or (),
            "prose": prose.strip(),
            "task_categories": card.task_categories,
            "tags": card.tags,
        }
    )


def _check(block: _Block, where: str) -> None:
    """Raise where facts of a card contradict each other."""
    if not block.rows:
        raise CardError(f"{where} has no row under the key 'rows'.")
    for raw, human in block.labels.items():
        if not human.strip():
            raise CardError(f"{where}: labels.{raw} is {human!r}, which is no label.")
    numbers = [row.number for row in block.rows]
    draw = {row.number for row in block.rows if row.kind in DRAWN}
    for row in block.rows:
        if not 0 < row.number <= _HIGHEST_ROW or numbers.count(row.number) > 1:
            raise CardError(f"{where}: row {row.number} needs a number of its own, from 1 to {_HIGHEST_ROW:,}.")
        if row.number in draw and len(draw) < len(block.rows) and row.labels is None:
            raise CardError(
                f"{where}: row {row.number}, of {row.kind}, does not say which labels it draws. Give it the key "
                f"'labels', a list of those of {', '.join(block.labels)} that it can draw: of an image where one of "
                "these is not drawn the record says that it is absent."
            )
        for part, scale in row.scales.items():
            if row.kind != "grades" or scale.last not in (block.labels if row.labels is None else row.labels):
                raise CardError(
                    f"{where}: row {row.number}, of {row.kind}, has under 'scales' that of {part!r}, which ends with "
                    f"{scale.last!r}. Scales are for rows of grades, and end with one of their raw labels."
                )
        if row.traced and row.kind != "masks":
            raise CardError(f"{where}: row {row.number}, of {row.kind}, is 'traced', which only rows of masks can be.")
        for raw in row.labels or ():
            if raw not in block.labels:
                hint = did_you_mean(raw, block.labels)
                raise CardError(f"{where}: row {row.number} names the label {raw!r}, which 'labels' lacks.{hint}")
        if row.subset is None and not row.instructions:
            raise CardError(f"{where}: row {row.number} is in no subset, so it needs 'instructions' of its own.")
        if not row.triplet.complete:
            raise CardError(f"{where}: row {row.number} leaves an element of its triplet open: {row.triplet}.")
    for erratum in block.errata or ():
        if erratum.row not in numbers:
            raise CardError(f"{where}: an erratum is on row {erratum.row}, and the card's rows are {numbers}.")
    read = block.license_read
    stated = block.license_certainty == "confirmed"
    if read is not None and (block.license_certainty == "unknown" or stated != (read.by in ("publisher", "article"))):
        raise CardError(
            f"{where}: license_read says that the licence is stated by {read.by!r}, and license_certainty is "
            f"{block.license_certainty!r}. What the publisher or its article states is confirmed, what others state is "
            "reported, and of an unknown one there is nothing to read."
        )
    for shared in block.shared_ids or ():
        _check_pattern(shared.pattern, where)


def _check_pattern(pattern: str, where: str) -> None:
    """Raise unless RE2, which runs in linear time, can look for an id by this pattern."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise CardError(f"{where}: under 'shared_ids', {pattern!r} is no regular expression: {error}.") from error
    ours = compiled.groups == 1 and "id" in compiled.groupindex and len(pattern) <= _LONGEST_PATTERN
    if not ours or re.search(r"\(\?(?![:P])|\\[1-9]|\(\?P=", pattern):
        raise CardError(
            f"{where}: under 'shared_ids', {pattern[:_LONGEST_PATTERN]!r} must be a regular expression of at most "
            f"{_LONGEST_PATTERN} characters with one named group, (?P<id>...), and no look-around or back reference."
        )


def _row(source: str, entry: _RowEntry, block: _Block) -> Row:
    chosen = block.labels if entry.labels is None else {raw: block.labels[raw] for raw in entry.labels}
    counts: Counter[str] = Counter()
    if entry.kind == "findings":
        for raw, human in chosen.items():
            counts[human] += block.counts.labels.get(raw) or 0
    return Row(
        number=entry.number,
        source=source,
        mat=entry.triplet,
        subset=entry.subset,
        kind=entry.kind,
        labels=dict(chosen),  # plain, so that it pickles
        upstream=entry.upstream,
        instructions=entry.instructions,
        always=entry.always,
        traced=entry.traced,
        scales=entry.scales,
        counts=dict(+counts),
        images=block.counts.images,
    )
