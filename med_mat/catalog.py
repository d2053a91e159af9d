"""The catalog: what is known of every source, row and subset, read from ``dataset_cards/`` and ``data/subsets.yaml``.

Another package adds a source by an entry point of the group ``med_mat.sources``: its name is that of the source, its
value the loader module, beside which the card lies.

Nothing here imports a loader or touches an image. A source is one raw dataset as its publisher ships it; a row is one
of upstream's 109 numbered entries (a source under one task); a subset is one of the 53 aggregated subsets.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata as installed
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from med_mat.errors import CardError, UnknownSourceError, VocabularyError
from med_mat.taxonomy import MAT, Access, Kind, nearest

if TYPE_CHECKING:
    from importlib.abc import Traversable

    from med_mat.selection import Selector

_LONGEST_PATTERN = 200
#: Entry points by which other packages add sources.
PLUGINS = "med_mat.sources"

Verified = Literal["real data", "label tables", "public listings", "facts only"]
Certainty = Literal["high", "medium", "low"]
#: How a licence is known: read where the publisher states it, told by a copy or a catalogue, or not known.
LicenseCertainty = Literal["confirmed", "reported", "unknown"]
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
    mat: MAT
    also: tuple[str, ...]  # further tasks that the paper's experiments count it as
    role: Literal["id", "ood", "detection"]
    rows: tuple[int, ...]  # as upstream prints them
    upstream: Upstream

    @property
    def name(self) -> str:
        """The name of its ``load_dataset`` configuration, e.g. ``subset-24``."""
        return f"subset-{self.number:02d}"


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


@dataclass(frozen=True, slots=True)
class Layout:
    """A way in which the source is known to lie on disk: glob patterns that must all match below its root."""

    variant: str
    files: tuple[str, ...]


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
    redistributable: bool | None  # None: unknown
    homepage: str
    downloads: tuple[Download, ...]
    layouts: tuple[Layout, ...]
    patients: str  # how a patient is known; "" where it is not
    published_split: tuple[str, ...]  # () where the publisher has none
    counts: Mapping[str, Any]
    overlaps: Mapping[str, str]  # other source -> what is shared
    errata: tuple[Erratum, ...]
    verified: Verified
    certainty: Certainty
    citation: str
    prose: str
    metadata: Mapping[str, Any]  # the Hub's own keys of the front matter
    loader: str = ""  # the module that reads it
    shared_ids: tuple[SharedId, ...] = ()
    patients_of: str = ""  # the source whose patient numbers it uses; most often itself
    license_certainty: LicenseCertainty = "unknown"
    augmented: bool = False  # it ships transformed copies of its own images, not all of which can be found

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
    mat: MAT
    annotation: str  # classes, grades, findings, boxes or masks
    license: str
    access: str
    redistributable: bool | None

    @classmethod
    def of(cls, row: Row, source: Source) -> RowFacts:
        """From the catalog."""
        return cls(row.number, row.source, row.subset, row.mat, row.kind, source.license, source.access,
                   source.redistributable)  # fmt: skip

    def to_data(self) -> dict[str, Any]:
        """As the manifest of a build holds it, under the row's number."""
        return {
            "source": self.source,
            "subset": self.subset,
            "triplet": str(self.mat),
            "annotation": self.annotation,
            "license": self.license,
            "access": self.access,
            "redistributable": self.redistributable,
        }

    @classmethod
    def from_data(cls, number: int, data: Mapping[str, Any]) -> RowFacts:
        """From the manifest of a build."""
        known = {name: value for name, value in data.items() if name != "triplet"}
        return cls(number=number, mat=MAT.parse(data["triplet"]), **known)

    def as_fields(self) -> dict[str, Any]:
        """By the names that a :class:`~med_mat.selection.Selection` asks for."""
        return {
            "modality": self.mat.modality,
            "area": self.mat.area,
            "task": self.mat.task,
            "source": self.source,
            "row": self.number,
            "subset": self.subset,
            "license": self.license,
            "access": self.access,
            "redistributable": self.redistributable,
            "annotation": self.annotation,
        }


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
            guess = nearest(name, self._sources)
            hint = f" Did you mean {guess!r}?" if guess else ""
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
) -> tuple[Source, ...]:
    """The sources that have a row which a selection keeps, by number of their first row.

    Args:
        selector: e.g. ``"CT|MRI/Brain/*"``, ``"*/Lung/* & annotation=masks"``; None selects all.
        access: one of ``open``, ``account``, ``competition``, ``request``, ``credentialed``, or several.
        redistributable: True or False keeps the sources whose terms are known to allow or to forbid it.

    Raises:
        VocabularyError: a word is unknown, or asks for what only a build knows, such as the size of an image.
    """
    from med_mat.selection import CARD_FIELDS, Field, Selection, field

    wanted = Selection.of(selector)
    if access is not None:
        wanted = wanted & field("access", access)
    if redistributable is not None:
        wanted = wanted & field("redistributable", redistributable)
    for leaf in wanted.leaves():
        if isinstance(leaf, Field) and leaf.name not in CARD_FIELDS:
            raise VocabularyError(f"{leaf} is a fact of records: it needs a built Med-MAT (med_mat.open(...).where).")
    catalog = load()
    facts = {row.number: RowFacts.of(row, source).as_fields() for source in catalog.values() for row in source.rows}
    known = {name: {fact[name] for fact in facts.values()} for name in ("source", "row", "subset", "license")}
    wanted.check(known, "The catalog")
    kept = {number for number, fact in facts.items() if wanted.resolve(fact) is True}
    return tuple(source for source in catalog.values() if any(row.number in kept for row in source.rows))


@functools.cache
def load() -> Catalog:
    """The catalog of this installation, read once."""
    subsets = read_subsets(resources.files("med_mat") / "data" / "subsets.yaml")
    folder = resources.files("med_mat.dataset_cards")
    cards = {
        path.name.removesuffix(".md"): path
        for path in folder.iterdir()
        if path.name.endswith(".md") and path.name == path.name.lower()  # README.md and templates are upper case
    }
    found = {name: read_card(name, path.read_text("utf-8")) for name, path in cards.items()}
    for point in installed.entry_points(group=PLUGINS):
        if point.name in found:
            raise CardError(f"The package of {point.value!r} adds a source {point.name!r}, which is there already.")
        found[point.name] = _plugin(point)
    return Catalog(found, subsets)


def _plugin(point: installed.EntryPoint) -> Source:
    """A source of another package: the card lies beside the loader."""
    card = resources.files(point.value.rpartition(".")[0]) / f"{point.name}.md"
    try:
        text = card.read_text("utf-8")
    except OSError as error:
        raise CardError(f"The source {point.name!r} ({point.value}) has no card {card}: {error}.") from error
    return replace(read_card(point.name, text), loader=point.value)


def read_subsets(path: Traversable) -> dict[int, Subset]:
    """Read ``subsets.yaml``."""
    return {
        entry["number"]: Subset(
            number=entry["number"],
            mat=MAT.parse(entry["triplet"]),
            also=tuple(entry.get("also", ())),
            role=entry["role"],
            rows=tuple(entry["rows"]),
            upstream=Upstream(**entry["upstream"]),
        )
        for entry in yaml_load(path.read_text("utf-8"))
    }


def read_card(name: str, text: str) -> Source:
    """Read one card: YAML front matter between two ``---`` lines, then prose.

    Raises:
        CardError: a fact is missing, misspelt or contradicts another; the message names the card and the key.
    """
    where = f"The card {name}.md"
    _, found, rest = text.partition("---\n")
    front, closed, prose = rest.partition("\n---\n")
    if not found or not closed:
        raise CardError(f"{where} has no front matter: expected YAML between two lines '---'.")
    metadata = yaml_load(front, where)
    if not isinstance(metadata, dict) or not isinstance(metadata.get("med_mat"), dict):
        raise CardError(f"{where} has no 'med_mat:' block in its front matter.")
    facts = _Facts(metadata.pop("med_mat"))
    try:
        labels = {str(raw): _word(human) for raw, human in facts["labels"].items()}
        if not facts["rows"]:
            raise CardError(f"{where} has no row under the key 'rows'.")
        return Source(
            name=name,
            loader=f"med_mat.loaders.{name}",
            title=metadata["pretty_name"],
            summary=facts["summary"],
            rows=_rows(name, facts["rows"], labels, where),
            license=metadata["license"],
            terms=facts["terms"],
            access=_choice(facts["access"], Access, where),
            redistributable=facts["redistributable"],
            homepage=facts["homepage"],
            downloads=tuple(_download(entry, where) for entry in facts["download"]),
            layouts=tuple(Layout(entry["variant"], tuple(entry["files"])) for entry in facts["layout"]),
            patients=facts["patients"],
            published_split=tuple(facts["published_split"]),
            counts=facts["counts"],
            overlaps=facts.get("overlaps") or {},
            shared_ids=tuple(_shared_id(entry, where) for entry in facts.get("shared_ids") or ()),
            patients_of=str(facts.get("patients_of") or name),
            license_certainty=_choice(facts.get("license_certainty", "unknown"), LicenseCertainty, where),
            augmented=facts.get("augmented", False),
            errata=tuple(
                Erratum(e["row"], e["field"], str(e["upstream"]), str(e["ours"]), e["why"])
                for e in facts.get("errata") or ()
            ),
            verified=_choice(facts["verified"], Verified, where),
            certainty=_choice(facts["certainty"], Certainty, where),
            citation=facts["citation"],
            prose=prose.strip(),
            metadata=metadata,
        )
    except KeyError as missing:
        raise CardError(f"{where} lacks the key {missing}.") from missing
    except (TypeError, AttributeError) as error:
        raise CardError(f"{where}: what the key {facts.last!r} holds is of the wrong kind: {error}.") from error
    except VocabularyError as error:
        raise CardError(f"{where}: under the key {facts.last!r}: {error}") from error


def yaml_load(text: str, where: str = "A text of Med-MAT") -> Any:
    """Parse YAML safely, and quickly where libyaml is there.

    Raises:
        CardError: it is no YAML, or uses aliases, by which a small text fills the memory; names ``where``.
    """
    import yaml

    try:
        data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        _refuse_aliases(data, set(), where)
    except yaml.YAMLError as error:
        raise CardError(f"{where} is not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise CardError(f"{where} is nested too deeply.") from error
    return data


def _refuse_aliases(data: Any, seen: set[int], where: str) -> None:
    """Raise where a list or a mapping stands in two places."""
    if not isinstance(data, dict | list):
        return
    if id(data) in seen:
        raise CardError(f"{where} uses a YAML alias (*name): write out what it stands for.")
    seen.add(id(data))
    for value in data.values() if isinstance(data, dict) else data:
        _refuse_aliases(value, seen, where)


class _Facts(dict[str, Any]):
    """The block ``med_mat:`` of a card, which remembers what was asked for last."""

    last = ""

    def __getitem__(self, key: str) -> Any:
        self.last = key
        return super().__getitem__(key)


def _word(human: Any) -> str:
    """A human label."""
    if not isinstance(human, str) or not human.strip():
        raise TypeError(f"{human!r} is no label")
    return human


def _shared_id(entry: Mapping[str, Any], where: str) -> SharedId:
    """An entry of ``shared_ids``. RE2 runs its pattern in linear time; what RE2 does not know is refused here."""
    namespace, pattern = str(entry["namespace"]), str(entry["pattern"])
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
    return SharedId(namespace, pattern)


def _rows(source: str, entries: Sequence[Mapping[str, Any]], labels: Mapping[str, str], where: str) -> tuple[Row, ...]:
    rows = tuple(_row(source, entry, labels, where) for entry in entries)
    drawn = [row.kind in ("boxes", "masks") for row in rows]
    for row, entry, draws in zip(rows, entries, drawn, strict=True):
        if draws and not all(drawn) and "labels" not in entry:
            raise CardError(
                f"{where}: row {row.number}, of {row.kind}, does not say which labels it draws. Give it the key "
                f"'labels', a list of those of {', '.join(labels)} that it can draw: of an image where one of these "
                "is not drawn the record says that it is absent."
            )
    return rows


def _row(source: str, entry: Mapping[str, Any], labels: Mapping[str, str], where: str) -> Row:
    chosen = [str(raw) for raw in entry.get("labels", labels)]
    unknown = [raw for raw in chosen if raw not in labels]
    if unknown:
        raise CardError(f"{where}: row {entry['number']} names labels that 'labels' does not map: {unknown}.")
    if entry["subset"] is None and not entry.get("instructions"):
        raise CardError(f"{where}: row {entry['number']} is in no subset, so it needs 'instructions' of its own.")
    mat = MAT.parse(entry["triplet"])
    if not mat.complete:
        raise CardError(f"{where}: row {entry['number']} leaves an element of its triplet open: {mat}.")
    return Row(
        number=entry["number"],
        source=source,
        mat=mat,
        subset=entry["subset"],
        kind=_choice(entry["kind"], Kind, where),
        labels={raw: labels[raw] for raw in chosen},  # plain, so that it pickles
        upstream=Upstream(**entry["upstream"]),
        instructions=tuple(entry.get("instructions", ())),
        always=entry.get("always", False),
    )


def _download(entry: Mapping[str, Any], where: str) -> Download:
    return Download(
        kind=_choice(entry["kind"], DownloadKind, where),
        at=entry["at"],
        files=tuple(entry.get("files", ())),
        sha256=entry.get("sha256", {}),
        note=entry.get("note", ""),
    )


def _choice(word: Any, literal: Any, where: str) -> Any:
    known = get_args(literal)
    if word in known:
        return word
    raise CardError(f"{where}: {word!r} is not one of {', '.join(known)}.")
