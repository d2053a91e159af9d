"""The manifest of a Med-MAT, ``med_mat.json``: what whoever reads it may rely on.

It may have come from the Hub, be damaged, or be of a later Med-MAT that says more. What is known is checked once, when
it is read; the facts of rows are read by :meth:`med_mat.catalog.RowFacts.of_manifest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from med_mat import strict
from med_mat.errors import BuildError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What a build says of one source."""

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
    """What it says of the search for near-duplicates."""

    threshold: int = field(metadata={"key": "threshold"})
    unseen: int = field(default=0, metadata={"key": "records without hash"})
    common: int = field(default=0, metadata={"key": "records of a common look"})
    crowded: int = field(default=0, metadata={"key": "pictures in a crowd"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bare:
    """What a push without pixels says of a data file as it was built."""

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
    """What to know of a Med-MAT whose records lack images, and how to get them; "" where none lack.

    Args:
        manifest: as :func:`check` accepts it.
        where: the Med-MAT, as ``med-mat attach`` takes it.
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
    """Whether a manifest says all that it should, each of the kind that it should be.

    Args:
        manifest: as JSON gives it.
        where: the document, as the subject of a sentence.

    Raises:
        BuildError: it does not; the message names document and fact.
    """
    strict.read(_Manifest, manifest, where, error=BuildError, newer=True)
