"""The folder that a miniature is written to; paths cannot leave it. What was drawn where is remembered."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from med_mat.errors import ReadError
from med_mat.raw.miniature.drawn import Place, Size, blank, texture
from med_mat.raw.miniature.look import Fractions, Look

if TYPE_CHECKING:
    from numpy.typing import NDArray

AnyPath = str | PurePosixPath


class Folder:
    """Files below ``root``; paths are relative, with ``/``.

    Args:
        root: the folder.
        looks: by reference, path or seed text of an image: what it shows. Images without one are blobs.
        series: miniatures of another series have other images of the same things; 0 is the usual one.
        copies: number of images in place of each one, with other numbers in their names: 1 as the source's loader
            writes it. An image with a seed text, or of another format than those of Pillow, remains single.
        blank: whether images show nothing, which costs little: for a first copy of which only the layout is read.

    Attributes:
        seeds: reference of an image -> its seed text, where one was given.
        sizes: reference of an image -> its width and height.
        shapes: reference of a mask, or text of an RLE -> the boxes of its shapes.
    """

    def __init__(
        self,
        root: Path | str,
        looks: Mapping[str, Look] | None = None,
        *,
        series: int = 0,
        copies: int = 1,
        blank: bool = False,
    ) -> None:
        self.root = Path(root).absolute()
        self.looks = looks or {}
        self.series = series
        self.copies = copies
        self.blank = blank
        self._own: set[str] = set()
        self._copied: set[str] = set()
        self.seeds: dict[str, str] = {}
        self.sizes: dict[str, Size] = {}
        self.shapes: dict[str, tuple[Fractions, ...]] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"

    @property
    def copied(self) -> frozenset[str]:
        """Paths of the images and masks that are there through ``copies`` alone."""
        return frozenset(self._copied - self._own)

    def write(self, path: AnyPath, data: bytes) -> None:
        """Write a file of any bytes; gzipped if the path ends with .gz.

        Raises:
            ReadError: The path leads out of the folder.
        """
        target = self._target(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(data, mtime=0) if target.suffix.lower() == ".gz" else data)

    def corrupt(self, path: AnyPath, *, keep: float = 0.6) -> None:
        """Truncate an existing file to its first part."""
        target = self._target(path)
        data = target.read_bytes()
        target.write_bytes(data[: int(len(data) * keep)])

    def _drawn(self, reference: str, size: Size, seed: str, *, color: bool, shared: bool = False) -> NDArray[Any]:
        """The values of an image, 0 to 1; ``shared``: its seed text may be that of other images too."""
        self.sizes[reference] = size
        if shared:
            self.seeds[reference] = seed
        if self.blank:
            return blank(size, color=color)
        look = self.looks.get(seed if shared else reference) or self.looks.get(reference.partition("#")[0])
        return texture(size, f"{self.series} {seed}" if self.series else seed, color=color, look=look)

    def _with_copies(self, path: AnyPath, seed: str | None) -> Iterator[str]:
        """A path, and those of its copies: its last number is raised by thousands."""
        yield str(path)
        self._own.add(str(path))
        numbers = list(re.finditer(r"\d+", PurePosixPath(path).stem))
        if seed is not None or not numbers:
            return
        pure, (start, stop) = PurePosixPath(path), numbers[-1].span()
        for copy in range(1, self.copies):
            number = str(int(numbers[-1][0]) + 1000 * copy).zfill(stop - start)
            name = str(pure.with_name(f"{pure.stem[:start]}{number}{pure.stem[stop:]}{pure.suffix}"))
            self._copied.add(name)
            yield name

    def _shaped(self, reference: str, size: Size, places: Iterable[Place]) -> None:
        """Remember the boxes of the shapes of a mask."""
        width, height = size
        self.shapes[reference] = tuple(
            (left / width, top / height, right / width, bottom / height) for left, top, right, bottom in places
        )

    def _target(self, path: AnyPath) -> Path:
        relative = PurePosixPath(path)
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise ReadError(f"{str(path)!r} leads out of {self.root}: the paths of a miniature stay inside it.")
        return self.root / relative
