"""The facts shared by all records of a row: taken from a card, kept in the manifest of a build."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from med_mat import strict
from med_mat.catalog.model import Row, Source
from med_mat.errors import BuildError, VocabularyError
from med_mat.selection import MAT
from med_mat.taxonomy import AXES, Access, AnnotationKind, LicenseCertainty
from med_mat.vocabulary import STANDARD, Vocabulary


@dataclass(frozen=True, slots=True)
class RowFacts:
    """The facts shared by all records of a row."""

    number: int
    source: str
    subset: int | None
    mat: MAT = field(metadata={"key": "triplet"})
    annotation: AnnotationKind
    license: str
    license_certainty: LicenseCertainty
    access: Access
    redistributable: bool | None
    labels_redistributable: bool | None
    commercial: bool | None
    augmented: bool
    #: The words of its triplet and their relations; the same for all rows of a build.
    vocabulary: Vocabulary = field(default=STANDARD, init=False, compare=False, repr=False)

    @classmethod
    def of(cls, row: Row, source: Source) -> RowFacts:
        """From the catalog."""
        found = cls(
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
        return found._with(STANDARD.extended(source.vocabulary))

    def _with(self, vocabulary: Vocabulary) -> RowFacts:
        object.__setattr__(self, "vocabulary", vocabulary)  # not one of the row's facts in a manifest
        return self

    def to_data(self) -> dict[str, Any]:
        """The facts as plain data for the manifest of a build, under the row's number."""
        data = {strict.spelt(one): getattr(self, one.name) for one in fields(self) if one.init and one.name != "number"}
        return {**data, "triplet": str(self.mat)}

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> dict[int, RowFacts]:
        """The facts by row number, from the manifest of a build. Facts added by a later Med-MAT are ignored.

        Raises:
            BuildError: A fact is missing or of another type; the message names row and fact.
        """
        where = "The manifest med_mat.json"
        rows = strict.read(Mapping[str, Mapping[str, Any]], manifest.get("rows"), where, "rows", error=BuildError)
        words = vocabulary_of(manifest)
        found = {}
        for text, data in rows.items():
            if not re.fullmatch("[0-9]{1,5}", text):
                raise BuildError(f"{where}: rows has the key {text!r}, which is no number of a row.")
            given = {**data, "number": int(text)}
            row: RowFacts = strict.read(cls, given, where, f"rows.{text}", error=BuildError, newer=True, context=words)
            found[int(text)] = row._with(words)
        return found

    def as_fields(self) -> dict[str, Any]:
        """The facts by the field names of a :class:`~med_mat.selection.Selection`."""
        facts = {
            one.name: getattr(self, one.name) for one in fields(self) if one.init and one.name not in ("number", "mat")
        }
        return {**facts, "row": self.number, **{axis: getattr(self.mat, axis) for axis in AXES}}


def vocabulary_of(manifest: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary of a build's triplets: ours, extended by the words that its manifest declares.

    Raises:
        BuildError: The declared words are of another type, or contradict ours.
    """
    where = "The manifest med_mat.json"
    declared: Vocabulary = strict.read(
        Vocabulary, manifest.get("vocabulary", {}), where, "vocabulary", error=BuildError, newer=True
    )
    try:
        return STANDARD.extended(declared.beyond(declared.elements))  # some may have become ours since
    except VocabularyError as error:
        raise BuildError(f"{where}: vocabulary: {error}") from error


def declared_words(sources: Collection[Source]) -> dict[str, Any]:
    """The words that the manifest of a build of these sources declares; empty if our words suffice."""
    words = functools.reduce(Vocabulary.extended, (source.vocabulary for source in sources), STANDARD)
    used = {element for source in sources for mat in source.mats for element in mat.elements}
    return words.beyond(used).to_data()
