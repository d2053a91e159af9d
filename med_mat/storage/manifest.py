"""Checks the manifest of a Med-MAT, ``med_mat.json``.

A manifest may come from the Hub, be damaged, or be written by a later version with more fields. The known fields are
checked once, when it is read; the facts of rows are read by :meth:`med_mat.catalog.RowFacts.of_manifest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from med_mat import strict
from med_mat.errors import BuildError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """The facts of one source in a build."""

    records: int
    variant: str
    split: str
    seed: int | None
    checked: str
    largest: int  # bytes
    augmented: bool
    synthetic: bool
    libraries: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _NearDuplicates:
    """The statistics of the search for near-duplicates."""

    threshold: int = field(metadata={"key": "threshold"})
    unseen: int = field(default=0, metadata={"key": "records without hash"})
    common: int = field(default=0, metadata={"key": "records of a common look"})
    crowded: int = field(default=0, metadata={"key": "pictures in a crowd"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bare:
    """Size and hash of a complete data file whose pixels were not published."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    med_mat: str
    schema: int
    build: str
    records: int
    sources: Mapping[str, _Source]
    near_duplicates: _NearDuplicates
    without_pixels: Mapping[str, Mapping[str, _Bare]] = field(default_factory=dict)
    without_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def missing_images(manifest: Mapping[str, Any], where: object) -> str:
    """A sentence about records without images, and how to attach them; "" if all records have images.

    Args:
        manifest: a manifest accepted by :func:`check`.
        where: the Med-MAT, as an argument of ``med-mat attach``.
    """
    without, every = manifest.get("without_pixels", {}), manifest["sources"]
    if not without:
        return ""
    which = "all sources" if len(without) == len(every) else f"{len(without)} of {len(every)} sources"
    return (
        f"image and mask are null in the records of {which}; 'med-mat attach {where} --raw RAW --out FOLDER' restores "
        "them from the publishers' files"
    )


def check(manifest: Mapping[str, Any], where: str) -> None:
    """Check that a manifest has all required fields with the right types.

    Args:
        manifest: the parsed JSON.
        where: the document, as the subject of the message.

    Raises:
        BuildError: a field is missing or has the wrong type; the message names document and field.
    """
    strict.read(_Manifest, manifest, where, error=BuildError, newer=True)
