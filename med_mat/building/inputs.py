"""Digests of everything that the records of a source depend on: a chunk is rebuilt if and only if one changes.

There are two digests, to limit the work. If ``pixels`` changes (raw bytes, decoders, windowing, libraries), images are
decoded again. If only ``records`` changes (loader, card, questions, annotations, schema, the Parquet writer), text and
masks are created again and the stored images are copied. A library counts only if the chunk needed it.
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

#: The data files that questions are generated from.
_TEXTS = ("instructions.yaml", "synonyms.yaml")
#: The fields of a card that its records depend on, including rows and labels.
_FACTS = ("name", "rows", "license", "license_certainty", "patients_of")
#: The entry points of the code that produces pixels, and of the code that produces records, apart from the loader.
_PIXEL_CODE = ("med_mat.imaging.decoding", formats.PICTURE.module)
_RECORD_CODE = ("med_mat.building.outcomes", "med_mat.building.writer")


class Digests(NamedTuple):
    """The digests of everything that one chunk depends on."""

    pixels: str
    records: str
    code: dict[str, str]  # module -> digest
    libraries: dict[str, str]  # library -> version, or a digest of its behavior


@dataclass(frozen=True, slots=True)
class Inputs:
    """The digests of everything that all chunks of one source depend on."""

    loader: str  # the module of the loader
    pixels: str  # digest of everything that all its pixels depend on
    records: str  # digest of everything else that all its records depend on

    @classmethod
    def of(cls, source: Source, check: Check, catalog: Catalog) -> Inputs:
        """The inputs of a source; its questions also offer labels of the other sources in its subsets."""
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
        """The digests of a chunk whose images and masks need these decoders."""
        for_pixels, for_records = _code(self.loader, frozenset(decoders))
        decode, write = libraries.of_pixels(decoders), libraries.of_records(decoders)
        pixels = _digest([self.pixels, chunk.pixels, repr(for_pixels), repr(decode)])
        records = _digest([pixels, self.records, chunk.said, repr(for_records), repr(write)])
        return Digests(pixels, records, {**for_records, **for_pixels}, dict(sorted({**decode, **write}.items())))


def _code(loader: str, decoders: frozenset[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The modules that produce the pixels, and those that produce the records, each with its digest."""
    every = formats.needs()
    needed = {module for name in decoders for module in every[name].modules}
    without = {module for one in every.values() for module in one.modules} - {*needed, *_PIXEL_CODE}
    return (
        module_digests([*_PIXEL_CODE, *needed], without=without),
        module_digests([loader, *_RECORD_CODE], without=without),
    )


def _digest(parts: Iterable[str]) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
