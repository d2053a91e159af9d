"""BCCD: stained blood smears, labeled with the types of white blood cells that they show.

dataset-master/dataset-master/
    labels.csv                       # ,Image,Category: a number, and kinds joined by commas
    JPEGImages/BloodImage_00000.jpg
    Annotations/BloodImage_00000.xml
dataset2-master/                     # changed copies of the same images: not read
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Box, Example
from med_mat.raw import Miniature, RawFolder, joined, listed

_CELLS = ("NEUTROPHIL", "EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "BASOPHIL")


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_stem("JPEGImages/*.jpg")
    rows = listed(raw, "labels.csv", images, lambda row: f"BloodImage_{row['Image'].zfill(5)}", columns=["Category"])
    for row, image in rows:
        if not row["Category"]:
            raw.skip(image, "labels.csv names no cell for it")
            continue
        labels = joined(row["Category"], ",", _CELLS)
        yield Example(image, labels=labels, raw_label=row["Category"], key=image.name)


def miniature(raw: Miniature) -> None:
    top = "dataset-master/dataset-master"
    cells = [
        *_CELLS,
        *_CELLS,
        "NEUTROPHIL",
        "NEUTROPHIL, EOSINOPHIL",
        "NEUTROPHIL,EOSINOPHIL",
        "LYMPHOCYTE, LYMPHOCYTE",
    ]
    for number, cell in enumerate(cells):
        name = f"BloodImage_{number:05d}"
        raw.image(f"{top}/JPEGImages/{name}.jpg", size=(96, 72), mode="RGB")
        if number != 3:
            boxes = [Box(*raw.box((96, 72), f"{name} {kind}"), kind) for kind in ("RBC", "WBC")]
            raw.voc(f"{top}/Annotations/{name}.xml", boxes, image=f"{name}.jpg", size=(96, 72))
        if cell in ("NEUTROPHIL", "EOSINOPHIL"):
            raw.image(f"dataset2-master/dataset2-master/images/TRAIN/{cell}/_{number}_207.jpeg", mode="RGB")
    raw.image(f"{top}/JPEGImages/BloodImage_00117.jpg", size=(96, 72), mode="RGB")
    rows = [("", number, cell) for number, cell in enumerate(cells)]
    rows += [("", 20, ""), ("", 116, "NEUTROPHIL"), ("", 117, "")]
    for place in (top, "dataset2-master/dataset2-master"):
        raw.csv(f"{place}/labels.csv", rows, header=",Image,Category", newline="\r\n")
