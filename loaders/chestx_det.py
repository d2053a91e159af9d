"""ChestX-Det: chest radiographs from NIH, with a box and a contour for every instance of 13 findings.

ChestX_Det_train.json        # a list: file_name, and side by side syms, boxes, polygons
ChestX_Det_test.json
train_data/36204.png         # also train/, train_data/train/
test_data/36199.png
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from med_mat.example import Box, Example, Polygon, Split
from med_mat.raw import Miniature, RawFolder, entries, matched

_PARTS: tuple[Split, ...] = ("train", "test")
_FINDINGS = (
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "Diffuse Nodule",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Fracture",
    "Mass",
    "Nodule",
    "Pleural Thickening",
    "Pneumothorax",
)


@dataclass(frozen=True, slots=True)
class _Entry:
    file_name: str
    syms: tuple[str, ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    polygons: tuple[tuple[tuple[float, float], ...], ...]


def examples(raw: RawFolder) -> Iterator[Example]:
    for part in _PARTS:
        images = raw.by_name(f"{part}*/**/*.png")
        table = f"ChestX_Det_{part}.json"
        listed = entries(raw, table, _Entry, name="file_name", images=images) if raw.first(table) else ()
        for entry, image in matched(raw, table, ((entry.file_name, entry) for entry in listed), images):
            found, boxes, contours = entry.syms, entry.boxes, entry.polygons
            if not len(found) == len(boxes) == len(contours):
                raw.skip(image, f"{table} gives it {len(found)} findings, {len(boxes)} boxes, {len(contours)} contours")
                continue
            labels = {"No Finding": not found, **dict.fromkeys(_FINDINGS, False), **dict.fromkeys(found, True)}
            yield Example(
                image,
                labels=labels,
                boxes=tuple(Box(*corners, label) for corners, label in zip(boxes, found, strict=True)),
                masks=tuple(Polygon(contour, label) for contour, label in zip(contours, found, strict=True)),
                split=part,
                key=entry.file_name,
            )


def miniature(raw: Miniature) -> None:
    size = (96, 96)
    for part, first, count in (("train", 36200, 13), ("test", 36300, 7)):
        entries = []
        for number in range(first, first + count):
            name = f"{number}.png"
            raw.image(f"{part}_data/{name}", size=size, mode="RGB" if number % 3 == 0 else "L")
            one, other = _FINDINGS[number * 2 % 13], _FINDINGS[(number * 2 + 1) % 13]
            kinds = [] if number % 5 == 4 else [one, other, one][: 2 + number % 2]
            boxes = [raw.box(size, f"{name} {place}") for place in range(len(kinds))]
            contours = [
                [(left, top), (left, top), (right, top), (right, bottom), ((left + right) // 2, bottom), (left, bottom)]
                for left, top, right, bottom in boxes
            ]
            entries.append({"file_name": name, "syms": kinds, "boxes": boxes, "polygons": contours})
        raw.json(f"ChestX_Det_{part}.json", entries)
