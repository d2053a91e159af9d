"""Reads TIFF pages that Pillow refuses, or silently narrows to 8 bits, swaps or rotates, by changing tags in memory.

Colors declared as gray are redeclared as RGB; samples that Pillow has no mode for are read as longer rows of 8 or 16
bits and reassembled. Nothing is inverted or rotated here: the caller does that, and notes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from med_mat.errors import ReadError
from med_mat.imaging import opened
from med_mat.imaging import tiff_tags as tag
from med_mat.imaging.tiff_tags import Directory, directories, rewritten

if TYPE_CHECKING:
    from med_mat.imaging.windowing import Array

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_REDUCED, _MASK = 1, 4  # bits of the subfile type: a smaller copy of another page, its transparency
_FAX = (2, 3, 4)  # compressions whose writers may omit that white is 0
_ALPHA = 2  # an extra sample that is unassociated alpha; others are premultiplied, or not alpha
_UNSIGNED, _SIGNED, _FLOAT, _UNTOLD = 1, 2, 3, 4  # sample formats
_LETTERS = {_UNSIGNED: "u", _SIGNED: "i", _FLOAT: "f", _UNTOLD: "u"}
_DIFFERENCES, _FLOATS = 2, 3  # predictors

Tags = dict[int, tuple[int, ...]]


@dataclass(slots=True)
class Page:
    """One decoded page, neither inverted nor rotated."""

    content: Image.Image | Array  # an array of (rows, columns) or (rows, columns, samples) if Pillow has no mode
    index: int
    pages: int
    orientation: int
    bits: int  # of a sample
    white_is_zero: bool
    alpha: bool  # whether the last sample of an array is alpha
    notes: list[str] = field(default_factory=list)


def page(data: bytes, index: int | None, name: object) -> Page:
    """Decodes one page of a file; None: the first that is not declared a thumbnail or transparency mask.

    Raises:
        ReadError: There is no such page, or it cannot be read.
    """
    try:
        pages = directories(data)
    except ValueError as error:
        raise ReadError(f"{name}: the TIFF is damaged: {opened.sentence(error)}.") from error
    if not pages:
        raise ReadError(f"{name}: the TIFF has no page that can be found; it is cut short or damaged.")
    if index is None:
        index = _main(pages)
    if not 0 <= index < len(pages):
        raise opened.no_frame(name, index, len(pages))
    try:
        return _page(pages, index, name)
    except ReadError:
        raise
    except Exception as error:  # inconsistent values in the directory
        raise ReadError(f"{name}: the TIFF cannot be decoded ({opened.sentence(error)}).") from error


def _page(pages: list[Directory], index: int, name: object) -> Page:
    directory = pages[index]
    notes: list[str] = []
    changes = _changes(directory, notes)
    meaning = (changes.get(tag.PHOTOMETRIC) or directory.numbers(tag.PHOTOMETRIC))[0]
    extra = directory.numbers(tag.EXTRA)
    colors = directory.first(tag.SAMPLES, 1) - len(extra)
    alpha = False
    content: Image.Image | Array
    if _as_numbers(directory, meaning, colors):
        alpha = extra[:1] == (_ALPHA,)
        content = _samples(directory, changes, name)[..., : colors + alpha]
        content = content[..., 0] if content.shape[2] == 1 else content
        notes += ["an extra sample left out"] if len(extra) > alpha else []
    else:
        content = _decoded(directory, changes, index, name)
        palette = directory.numbers(tag.PALETTE)
        if content.mode == "P" and palette and max(palette) < 256:  # Pillow takes the high bytes, which are empty
            content.putpalette(np.reshape(palette, (3, -1)).T.astype(np.uint8).tobytes())
            notes.append("palette of 8 bit")
    orientation = directory.first(tag.ORIENTATION, 1)
    return Page(
        content,
        index,
        len(pages),
        orientation if 1 <= orientation <= 8 else 1,
        directory.first(tag.BITS, 1),
        _said(directory) == _WHITE_IS_ZERO and meaning == _BLACK_IS_ZERO,
        alpha,
        notes,
    )


def _main(pages: list[Directory]) -> int:
    """The first page that is neither thumbnail nor mask; if there is none, the first."""
    own = (number for number, one in enumerate(pages) if not one.first(tag.SUBFILE, 0) & (_REDUCED | _MASK))
    return next(own, 0)


def _said(directory: Directory) -> int | None:
    """The declared photometric interpretation; None if there is none."""
    return (*directory.numbers(tag.PHOTOMETRIC), None)[0]


def _changes(directory: Directory, notes: list[str]) -> Tags:
    """Other tags for a page that Pillow would read incorrectly."""
    changes: Tags = {}
    colors = directory.first(tag.SAMPLES, 1) - len(directory.numbers(tag.EXTRA))
    said = _said(directory)
    if said is None:
        fax = directory.first(tag.COMPRESSION, 1) in _FAX
        changes[tag.PHOTOMETRIC] = (_RGB if colors == 3 else _WHITE_IS_ZERO if fax else _BLACK_IS_ZERO,)
        if not fax:
            notes.append(f"no photometric interpretation, read as {'RGB' if colors == 3 else 'BlackIsZero'}")
    elif said in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) and colors == 3:
        changes[tag.PHOTOMETRIC] = (_RGB,)
        notes.append(f"3 samples of photometric interpretation {said} read as RGB")
    elif said == _WHITE_IS_ZERO:
        changes[tag.PHOTOMETRIC] = (_BLACK_IS_ZERO,)
    if directory.first(tag.ORIENTATION, 1) != 1 or tag.XMP in directory.entries:
        changes[tag.ORIENTATION] = (1,)  # Pillow would rotate it, also by its XMP
    return changes


def _as_numbers(directory: Directory, meaning: int, colors: int) -> bool:
    """Whether its samples are numbers that Pillow has no mode for, or reads only in one byte order."""
    kind, bits = directory.first(tag.FORMAT, _UNSIGNED), set(directory.numbers(tag.BITS))
    gray = meaning == _BLACK_IS_ZERO and colors == 1
    if not (gray or (meaning == _RGB and colors == 3)) or directory.first(tag.PREDICTOR, 1) == _FLOATS:
        return False
    alone = gray and directory.first(tag.SAMPLES, 1) == 1
    if bits == {8}:
        return gray and kind != _FLOAT and not (alone and kind != _SIGNED)
    return (
        bits in ({16}, {32}, {64})
        and kind in _LETTERS
        and not (alone and bits == {16} and kind in (_UNSIGNED, _UNTOLD))
    )


def _decoded(directory: Directory, changes: Tags, index: int, name: object) -> Image.Image:
    anew = bool(changes) or directory.big  # Pillow does not support all Big TIFF files in either byte order
    data = rewritten(directory, changes) if anew else directory.data
    picture = opened.picture(data, name, otherwise=str(directory))
    opened.sought(picture, 0 if anew else index, name)
    return opened.loaded(picture, name)


def _samples(directory: Directory, changes: Tags, name: object) -> Array:
    """(rows, columns, samples) of a page."""
    samples, width = directory.first(tag.SAMPLES, 1), directory.first(tag.WIDTH, 0)
    if directory.first(tag.PLANAR, 1) != 2 or samples == 1:
        return _rows(directory, changes, samples, name).reshape(-1, width, samples)
    planes = []
    for number in range(samples):
        places: Tags = {tag.PLANAR: (1,)}
        for place in tag.PLACES:
            several = directory.numbers(place)
            each = len(several) // samples
            places[place] = several[number * each : (number + 1) * each]
        planes.append(_rows(directory, {**changes, **places}, 1, name))
    return np.stack(planes, axis=-1)


def _rows(directory: Directory, changes: Tags, samples: int, name: object) -> Array:
    """(rows, columns x samples) of a page: decoded as longer rows of 8 or 16 bit, whatever its samples are."""
    bits, letter = directory.first(tag.BITS, 1), _LETTERS[directory.first(tag.FORMAT, _UNSIGNED)]
    words = max(bits // 16, 1)
    width, tile = directory.first(tag.WIDTH, 0) * samples, directory.first(tag.TILE_WIDTH, 0) * samples
    plain = _decoded(
        directory,
        {
            **changes,
            tag.WIDTH: (width * words,),
            tag.TILE_WIDTH: (tile * words,) if tile else (),
            tag.SAMPLES: (1,),
            tag.BITS: (min(bits, 16),),
            tag.FORMAT: (_UNSIGNED,),
            tag.PHOTOMETRIC: (_BLACK_IS_ZERO,),
            tag.EXTRA: (),
            tag.PREDICTOR: (1,),
        },
        0,
        name,
    )
    found = np.asarray(plain)
    # the words of a sample are in file order, each of them in native byte order
    found = found.astype(f"{directory.order}u{min(bits, 16) // 8}").view(f"{directory.order}u{bits // 8}")
    found = found.astype(f"=u{bits // 8}")
    if directory.first(tag.PREDICTOR, 1) == _DIFFERENCES:  # to the previous pixel of the tile
        parts = [found[:, left : left + (tile or width)] for left in range(0, width, tile or width)]
        sums = [np.cumsum(part.reshape(len(part), -1, samples), axis=1, dtype=found.dtype) for part in parts]
        found = np.concatenate([one.reshape(len(one), -1) for one in sums], axis=1)
    return found.view(f"{letter}{bits // 8}")
