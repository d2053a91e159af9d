"""What the records of a source depend on, as digests: a chunk is made again where one of them changes, and only then.

Two digests, so that less is done again: ``pixels`` (raw bytes, decoders, windowing, libraries), without which an image
is decoded, and ``records`` (loader, card, questions, annotations, schema, what writes Parquet), without which text and
masks are made anew and the stored images are copied. Libraries count where the chunk needed them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

from med_mat import formats, schema
from med_mat.building import libraries
from med_mat.building.fingerprint import module_digests
from med_mat.building.plan import Chunk
from med_mat.catalog import Catalog, Source
from med_mat.imaging.decoding import Check

#: What the questions are made of.
_TEXTS = ("instructions.yaml", "synonyms.yaml")
#: The facts of a card that are in its records; its rows and labels among them.
_FACTS = ("name", "rows", "license", "license_certainty", "patients_of")
#: Where the code that makes pixels begins, and the code that makes records; the loader aside.
_PIXEL_CODE = ("med_mat.imaging.decoding", formats.PICTURE.module)
_RECORD_CODE = ("med_mat.building.outcomes", "med_mat.building.writer")


class Digests(NamedTuple):
    """What one chunk depends on."""

    pixels: str
    records: str
    code: dict[str, str]  # module -> digest
    libraries: dict[str, str]  # library -> version, or a digest of what it does


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
            pixels=_digest([check, repr([row.mat for row in source.rows])]),
            records=_digest(
                [
                    repr([getattr(source, name) for name in _FACTS]),
                    repr(asked),
                    repr((schema.FIELDS, schema.PRIVATE_FIELDS)),
                    *texts,
                ]
            ),
        )

    def digests(self, chunk: Chunk, decoders: Collection[str]) -> Digests:
        """What a chunk depends on whose images and masks need these decoders."""
        for_pixels, for_records = _code(self.loader, frozenset(decoders))
        decode, write = libraries.of_pixels(decoders), libraries.of_records(decoders)
        pixels = _digest([self.pixels, chunk.pixels, repr(for_pixels), repr(decode)])
        records = _digest([pixels, self.records, chunk.said, repr(for_records), repr(write)])
        return Digests(pixels, records, {**for_records, **for_pixels}, dict(sorted({**decode, **write}.items())))


def _code(loader: str, decoders: frozenset[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The modules that pixels and records are made by, each with its digest."""
    every = formats.needs()
    needed = {module for name in decoders for module in every[name].modules}
    without = {module for one in every.values() for module in one.modules} - {*needed, *_PIXEL_CODE}
    return (
        module_digests([*_PIXEL_CODE, *needed], without=without),
        module_digests([loader, *_RECORD_CODE], without=without),
    )


def _digest(parts: Iterable[str]) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
