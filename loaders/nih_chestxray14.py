"""NIH ChestX-ray14: chest radiographs with 14 findings mined from reports; a few have boxes.

Data_Entry_2017_v2020.csv    # older: Data_Entry_2017.csv; commas without quotes in two names of the header
BBox_List_2017.csv           # may lack; the same fault, and "Infiltrate" for "Infiltration"
train_val_list.txt           # one file name a line
test_list.txt
images/00000001_000.png      # Kaggle: images_001/images/00000001_000.png, …; some are RGBA
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from med_mat.example import Attributes, Box, Example, Split
from med_mat.raw import Miniature, RawFolder, corners, joined, listed

from ._nih import FINDINGS

_LISTS: dict[str, Split] = {"train_val_list.txt": "train", "test_list.txt": "test"}


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_name("images*/**/*.png")
    lists = {path: split for path, split in _LISTS.items() if raw.first(path)}
    # with one list alone the images of the other would pass for training images
    splits = {name: split for path, split in lists.items() for name in raw.lines(path)} if lists == _LISTS else {}
    boxes = _boxes(raw, images)
    table = raw.glob("Data_Entry_2017*.csv")[-1]
    for row, image in listed(raw, table, images, "Image Index", columns=["Finding Labels", "Patient ID"]):
        if raw.is_skipped(image):
            continue  # for one of its boxes
        yield Example(
            image,
            labels=joined(row["Finding Labels"], "|", FINDINGS),
            boxes=boxes.get(row["Image Index"]),
            patient=row["Patient ID"].zfill(8),
            split=splits.get(row["Image Index"]),
            key=image.name,
            attributes=Attributes.of(
                age=row.get("Patient Age"), sex=row.get("Patient Gender"), view=row.get("View Position")
            ),
        )


def _boxes(raw: RawFolder, images: Mapping[str, PurePosixPath]) -> dict[str, tuple[Box, ...]]:
    """Image -> its boxes. Images without one were not looked at."""
    found: defaultdict[str, tuple[Box, ...]] = defaultdict(tuple)
    table = raw.first("BBox_List_2017.csv")
    if table is not None:
        for row in raw.table(table, header=["image", "label", "x", "y", "w", "h"], replace_header=True):
            with raw.reading(row, images.get(row["image"])):
                place = corners(row, ["x", "y", "w", "h"])
                if place is not None:
                    found[row["image"]] += (Box.xywh(*place, row["label"]),)
    return dict(found)


def miniature(raw: Miniature) -> None:
    facts: list[tuple[object, ...]] = []
    boxes: list[tuple[object, ...]] = []
    names = []
    for number in range(20):
        patient, visit = number // 2 + 1, number % 2
        name = f"{patient:08d}_{visit:03d}.png"
        raw.image(f"images/{name}", mode="RGBA" if number == 5 else "L")
        first, second = FINDINGS[number % 14], FINDINGS[(number + 5) % 14]
        found = "No Finding" if number in (17, 18, 19) else f"{first}|{second}" if number else first
        about = (414 if patient == 3 else 57 + visit, "FM"[patient % 2], "AP" if number % 4 == 1 else "PA")
        facts.append((name, found, visit, patient, *about, 2682, 2749, 0.143, 0.143))
        names.append(name)
        if number in (0, 4, 8):
            left, top, right, bottom = raw.box((96, 80), name)
            label = "Infiltrate" if first == "Infiltration" else first
            boxes.append((name, label, left + 0.5, top, right - left - 0.5, bottom - top, "", "", ""))
    boxes.append((names[8], "Infiltrate", 5, 5, 20, 30.25, "", "", ""))
    raw.csv(
        "Data_Entry_2017_v2020.csv",
        facts,
        header="Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]",
    )
    raw.csv("BBox_List_2017.csv", boxes, header="Image Index,Finding Label,Bbox [x,y,w,h],,,")
    raw.text("train_val_list.txt", "\n".join(names[:14]))
    raw.text("test_list.txt", "\n".join(names[14:]))
