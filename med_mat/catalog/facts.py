"""What holds of every record of a row: taken from a card, kept in the manifest of a build."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from med_mat import strict
from med_mat.catalog.model import Row, Source
from med_mat.errors import BuildError
from med_mat.taxonomy import AXES, MAT, Access, AnnotationKind, LicenseCertainty


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What holds of every record of a row."""

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
