"""What the records of a source depend on, as digests: a chunk is made again where one of them changes, and only then.

Two digests, so that less is done again: ``pixels`` (raw bytes, decoders, windowing, libraries), without which an image
is decoded, and ``records`` (loader, card, questions, annotations, schema), without which text and masks are made anew
and the stored images are copied.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib import metadata, resources

from med_mat import schema
from med_mat.building.fingerprint import module_digests
from med_mat.building.plan import Chunk
from med_mat.catalog import Catalog, Source
from med_mat.image import DECODERS, Check

#: What the pixels and the bytes of the output depend on beside Med-MAT itself.
LIBRARIES = ("nibabel", "numpy", "pillow", "pyarrow", "pydicom")
#: What the questions are made of.
_TEXTS = ("instructions.yaml", "synonyms.yaml")
#: The facts of a card that are in its records; its rows and labels among them.
_FACTS = ("name", "rows", "license", "license_certainty", "patients_of")
#: Where the code that makes pixels begins, and the code that makes records; the loader aside.
_PIXEL_CODE = ("med_mat.image",)
_RECORD_CODE = ("med_mat.building.outcomes", "med_mat.building.writer")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What all chunks of one source depend on."""

    loader: str  # its module
    pixels: str  # digest of what all its pixels depend on
    records: str  # digest of what all its records depend on beside

    @classmethod
    def of(cls, source: Source, check: Check, catalog: Catalog) -> Inputs:
        """Of a source in a catalog: the labels of its subsets' other sources are options of its questions too."""
        subsets = {row.subset for row in source.rows}
        asked = [row for row in catalog.rows if row.subset in subsets]
        texts = ((resources.files("med_mat.data") / name).read_text("utf-8") for name in _TEXTS)
        return cls(
            loader=source.loader,
            pixels=_digest([check, repr([row.mat for row in source.rows]), *map(" ".join, versions().items())]),
            records=_digest(
                [
                    repr([getattr(source, name) for name in _FACTS]),
                    repr(asked),
                    repr((schema.FIELDS, schema.PRIVATE_FIELDS)),
                    *texts,
                ]
            ),
        )

    def digests(self, chunk: Chunk, decoders: Collection[str]) -> tuple[str, str, dict[str, str]]:
        """The digests of a chunk whose images and masks need these decoders, and the modules that they are made of."""
        for_pixels, for_records = _code(self.loader, frozenset(decoders))
        pixels = _digest([self.pixels, chunk.pixels, repr(for_pixels)])
        records = _digest([pixels, self.records, chunk.said, repr(for_records)])
        return pixels, records, {**for_records, **for_pixels}


def _code(loader: str, decoders: frozenset[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The modules that pixels and records are made by, each with its digest."""
    needed = {module for name in decoders for module in DECODERS[name]}
    without = {module for modules in DECODERS.values() for module in modules} - needed
    return (
        module_digests([*_PIXEL_CODE, *needed], without=without),
        module_digests([loader, *_RECORD_CODE], without=without),
    )


@functools.cache
def versions() -> dict[str, str]:
    """The libraries that the bytes of a build depend on -> their versions."""
    return {name: metadata.version(name) for name in LIBRARIES}


def _digest(parts: Iterable[str]) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
