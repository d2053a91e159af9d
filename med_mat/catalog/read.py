"""Reads cards and subsets strictly: a key that is unknown, missing or of another type is an error that names it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields

from med_mat import strict
from med_mat.catalog.model import (
    UPSTREAM_ROWS,
    Certainty,
    Download,
    Erratum,
    Identifier,
    LabeledBy,
    Layout,
    LicenseRead,
    Row,
    Scale,
    SharedId,
    Source,
    Split,
    Subset,
    Upstream,
    Verified,
)
from med_mat.errors import CardError, VocabularyError
from med_mat.selection import MAT
from med_mat.taxonomy import DRAWN, Access, AnnotationKind, LicenseCertainty, did_you_mean
from med_mat.vocabulary import STANDARD, Vocabulary

_LONGEST_PATTERN = 200
_HIGHEST_ROW = 2**15 - 1  # a record stores its row in 16 bits


def read_subsets(text: str) -> dict[int, Subset]:
    """Read ``subsets.yaml``.

    Raises:
        CardError: A key is missing, unknown, or has an invalid value.
    """
    where = "med_mat/data/subsets.yaml"
    subsets = strict.read(tuple[Subset, ...], strict.yaml_load(text, where), where, context=STANDARD)
    return {subset.number: subset for subset in subsets}


#: Keys of the Hub in the front matter of a dataset, besides those of :class:`_Front`.
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
    kind: AnnotationKind
    upstream: Upstream | None = None  # required for upstream's rows
    labels: tuple[str, ...] | None = None  # a selection of the card's; without the key, all
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
    unread: int = 0  # images that give no record by design
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
    labels_redistributable: bool | None = None  # without the key: the same as for images
    commercial: bool | None = None
    identifying: tuple[Identifier, ...] | None = None
    labeled_by: LabeledBy | None = None
    augmented: bool = False
    patients_of: str = ""
    shared_ids: tuple[SharedId, ...] | None = None
    overlaps: Mapping[str, str] | None = None
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
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


def read_card(name: str, text: str, vocabulary: Vocabulary | None = STANDARD) -> Source:
    """Read one card: YAML front matter between two ``---`` lines, then prose.

    Args:
        name: Name of the source.
        text: Text of the card.
        vocabulary: Vocabulary for the card's triplets, extended by the words that the card declares; None leaves the
            check to :func:`check_words`, when the words declared by other cards are known too.

    Raises:
        CardError: A fact is missing, misspelled, of another type or contradicts another; the message names the card,
            the key and, for an unknown key, the nearest known one.
    """
    where = f"The card {name}.md"
    _, found, rest = text.partition("---\n")
    front, closed, prose = rest.partition("\n---\n")
    if not found or not closed:
        raise CardError(f"{where} has no front matter: expected YAML between two lines '---'.")
    data = strict.yaml_load(f"\n{front}", where)  # so that line numbers are those of the card
    if not isinstance(data, dict) or not isinstance(data.get("med_mat"), dict):
        raise CardError(f"{where} has no 'med_mat:' block in its front matter.")
    strict.refuse_unknown(data, [*map(strict.spelt, fields(_Front)), *_HUB_KEYS], where)
    card: _Front = strict.read(_Front, {key: one for key, one in data.items() if key not in _HUB_KEYS}, where)
    block = card.med_mat
    _check(block, where)
    shared = {one.name for one in fields(_Block)} & {one.name for one in fields(Source)} - {"rows"}
    source = Source(
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
    if vocabulary is not None:
        check_words(source, vocabulary.extended(block.vocabulary))
    return source


def _check(block: _Block, where: str) -> None:
    """Raises if facts of a card contradict each other."""
    try:
        STANDARD.extended(block.vocabulary)
    except VocabularyError as error:
        raise CardError(f"{where}: vocabulary: {error}") from error
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
        if row.upstream is None and row.number <= UPSTREAM_ROWS:
            raise CardError(
                f"{where}: row {row.number} lacks the key 'upstream'. Rows 1 to {UPSTREAM_ROWS} are upstream's; give a "
                f"source of your own a number from {UPSTREAM_ROWS + 1} on, which needs no such key."
            )
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
            f"{where}: license_read says that the license is stated by {read.by!r}, and license_certainty is "
            f"{block.license_certainty!r}. What the publisher or its article states is confirmed, what others state is "
            "reported, and of an unknown one there is nothing to read."
        )
    for shared in block.shared_ids or ():
        _check_pattern(shared.pattern, where)


def _check_pattern(pattern: str, where: str) -> None:
    """Raises unless the pattern is valid in RE2, which runs in linear time."""
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
        labels=dict(chosen),  # a plain dict, which can be pickled
        upstream=entry.upstream or Upstream("", "", ""),
        instructions=entry.instructions,
        always=entry.always,
        traced=entry.traced,
        scales=entry.scales,
        counts=dict(+counts),
        images=block.counts.images,
    )


def check_words(source: Source, vocabulary: Vocabulary) -> None:
    """Raises if a triplet of a card has an undeclared word.

    Raises:
        CardError: There is such a word; the message names the card, the row and the nearest word.
    """
    for place, row in enumerate(source.rows):
        try:
            row.mat.check(vocabulary)
        except VocabularyError as error:
            raise CardError(f"The card {source.name}.md: rows[{place}].triplet: {error}") from error


def check_named(source: Source, sources: Collection[str], subsets: Collection[int]) -> None:
    """Raises if a card names a source or a subset that does not exist.

    Raises:
        CardError: There is such a name; the message names the card, the key and the nearest name.
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
