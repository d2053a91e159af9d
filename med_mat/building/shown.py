"""What each image of a miniature shows, as its own loader reads it: the labels that a finding is drawn for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from med_mat.catalog import Row, Source
from med_mat.example import RLE, BinaryMask, ColorMap, Example, LabelMap, Pixels, Polygon
from med_mat.raw.miniature import Miniature
from med_mat.raw.miniature.look import Fractions, Look
from med_mat.taxonomy import DRAWN


def looks(
    source: Source, examples: Iterable[Example], written: Miniature, below: PurePosixPath, *, independent: bool = False
) -> Mapping[str, Look]:
    """What the images of a miniature show.

    Args:
        source: its rows say modality, area and the human labels.
        examples: what the loader yields of the miniature.
        written: the miniature, for what was drawn where.
        below: where the root that the loader reads lies in the miniature.
        independent: whether each image has the labels of another one, drawn by the hash of its path: a control in which
            nothing can be learned.

    Returns:
        Reference, path or seed text of an image -> its look. Images that are written from one seed text show what the
        first of them shows.
    """
    found: dict[str, Look] = {}
    for example in examples:
        rows = [row for row in source.rows if example.rows is None or row.number in example.rows]
        path, reference = str(below / example.path), str(below / example.path) + example.frame
        if rows:
            present = tuple(_present(example, rows, list(_marks(example, written, below))))
            look = Look(rows[0].mat.modality, rows[0].mat.area, present)
            found.setdefault(written.seeds.get(path, reference), look)
            found.setdefault(path, look)  # all parts of a file that no example refers to
    return _mixed(found) if independent else found


def _present(
    example: Example, rows: Sequence[Row], marks: Sequence[tuple[str, Fractions]]
) -> Iterator[tuple[str, Fractions | None]]:
    """Human labels and where they are: classes and findings, or else what boxes and masks mark."""
    classes = () if example.label is None else (example.label,)
    stated = [*classes, *(label for label, state in example.labels.items() if state)]
    named = [row.labels[raw] for row in rows if row.kind not in DRAWN for raw in stated if raw in row.labels]
    names = tuple(dict.fromkeys(named))
    if not names:
        for row in rows:
            yield from ((row.labels[raw], place) for raw, place in marks if raw in row.labels)
        return
    places = dict.fromkeys(place for _, place in marks)
    yield from ((names[number % len(names)], place) for number, place in enumerate(places))
    yield from ((name, None) for name in names[len(places) :])


def _marks(example: Example, written: Miniature, below: PurePosixPath) -> Iterator[tuple[str, Fractions]]:
    """Raw labels of boxes and masks, and where they are."""
    wide, high = written.sizes.get(str(below / example.path) + example.frame, (1, 1))
    for box in example.boxes or ():
        width, height = (1, 1) if box.relative else box.drawn_on or (wide, high)
        yield box.label, (box.xmin / width, box.ymin / height, box.xmax / width, box.ymax / height)
    for mask in example.masks or ():
        match mask:
            case Polygon(points, label, drawn_on):
                width, height = drawn_on or (wide, high)
                across, down = zip(*points, strict=True)
                yield label, (min(across) / width, min(down) / height, max(across) / width, max(down) / height)
            case RLE(text, label):
                yield from ((label, place) for place in written.shapes.get(text, ()))
            case BinaryMask(pixels, label):
                yield from ((label, place) for place in written.shapes.get(_reference(below, pixels), ()))
            case LabelMap(pixels, names) | ColorMap(pixels, names):
                yield from zip(names.values(), written.shapes.get(_reference(below, pixels), ()), strict=False)


def _reference(below: PurePosixPath, pixels: Pixels) -> str:
    """A reference as the miniature knows it."""
    example = Example(pixels)
    return str(below / example.path) + example.frame


def _mixed(found: Mapping[str, Look]) -> Mapping[str, Look]:
    """The same looks, each with the labels of another one."""
    pool = [tuple(label for label, _ in look.present) for look in found.values()]

    def drawn(name: str, look: Look) -> Look:
        digest = hashlib.sha256(f"independent {name}".encode()).digest()
        labels = pool[int.from_bytes(digest[:8], "big") % len(pool)]
        places = [place for _, place in look.present]
        return replace(look, present=tuple(zip(labels, [*places, *[None] * len(labels)], strict=False)))

    return {name: drawn(name, look) for name, look in found.items()}
