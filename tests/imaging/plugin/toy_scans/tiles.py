"""Regions of slides in tiled, pyramidal TIFF files, tile by tile, through tifffile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from med_mat import limits
from med_mat.errors import ReadError
from med_mat.example import Pixels, Region
from med_mat.files import sha256
from med_mat.formats import Decoder, Needs
from med_mat.imaging.open_file import PlaneFile, RawFile
from med_mat.imaging.windowing import Plane

DECODER = Decoder(
    name="slide",
    suffixes=(".svs",),
    reads=(Region,),
    module="toy_scans.tiles",
    sniff=lambda head, name: name.endswith(".svs") and head[:4] in (b"II*\0", b"MM\0*"),
    needs=Needs(libraries=("tifffile", "numpy", "PNG encoding")),
)
_SIDE = 512


def open_file(raw: RawFile) -> Slide:
    """The levels of a slide; no tile is read."""
    import tifffile

    with tifffile.TiffFile(raw.full) as file:
        levels = file.series[0].levels
    return Slide(str(raw.path), sha256(raw.full), 0, raw.full, levels)


@dataclass
class Slide(PlaneFile):
    """An opened slide."""

    name: str
    sha256: str
    size: int
    path: Path
    levels: list[Any]
    kind = "slide"

    def references(self) -> Iterator[Pixels]:
        """Squares of the full resolution."""
        height, width = self.levels[0].shape[:2]
        for y in range(0, height, _SIDE):
            for x in range(0, width, _SIDE):
                yield Region(PurePosixPath(self.name), x, y, min(_SIDE, width - x), min(_SIDE, height - y))

    def plane(self, reference: Pixels) -> Plane:
        """A region of a level."""
        assert isinstance(reference, Region)
        x, y, width, height, level = reference.x, reference.y, reference.width, reference.height, reference.level
        limits.pixels(self.name, width, height)
        if not 0 <= level < len(self.levels):
            raise ReadError(f"{self.name}: there is no level {level}; it has {len(self.levels)}.")
        page = self.levels[level].pages[0]
        if min(x, y) < 0 or x + width > page.imagewidth or y + height > page.imagelength:
            raise ReadError(f"{self.name}: its level {level} has {page.imagewidth} x {page.imagelength} pixels.")
        found = np.zeros((height, width, page.samplesperpixel), np.uint8)
        across = -(-page.imagewidth // page.tilewidth)
        with self.path.open("rb") as file:
            for down in range(y // page.tilelength, -(-(y + height) // page.tilelength)):
                for right in range(x // page.tilewidth, -(-(x + width) // page.tilewidth)):
                    index = down * across + right
                    file.seek(page.dataoffsets[index])
                    tile = page.decode(file.read(page.databytecounts[index]), index)[0]
                    top, left = down * page.tilelength, right * page.tilewidth
                    part = tile[0, max(y - top, 0) : y + height - top, max(x - left, 0) : x + width - left]
                    place = max(top - y, 0), max(left - x, 0)
                    found[place[0] : place[0] + part.shape[0], place[1] : place[1] + part.shape[1]] = part
        return Plane(found, [f"region {x},{y} of level {level}"], bits=8)
