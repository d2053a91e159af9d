"""MuReD: fundus photographs from ARIA, STARE and RFMiD with twenty findings, multi-label.

train_data.csv                       # ID,DR,NORMAL,…,OTHER: 0 or 1; the ID has no suffix
val_data.csv                         # test_data.csv in a copy on Kaggle
images/                              # or images/images/
    (0001)aria_d_26.tif
    aria_c_25_1.tif                  # eye 1 of subject 25
    1.png                            # numbers are images of RFMiD
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from med_mat.example import Example, Split
from med_mat.raw import Miniature, RawFolder, listed_parts, multi_hot

#: What the miniature does not show, and why.
NOT_SHOWN = {"patients": "images of some of its sources have no patient in their name"}

_PARTS: dict[str, Split] = {"train_data.csv": "train", "{val,test}_data.csv": "validation"}
_FINDINGS = (
    *("DR", "NORMAL", "MH", "ODC", "TSLN", "ARMD", "DN", "MYA", "BRVO", "ODP"),
    *("CRVO", "CNV", "RS", "ODE", "LS", "CSR", "HTR", "ASR", "CRS", "OTHER"),
)


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_stem("images/**/*.{png,tif}")
    for row, image, split in listed_parts(raw, _PARTS, images, "ID", columns=_FINDINGS):
        subject = re.search(r"aria_[a-z]+_\d+", row["ID"])
        patient = subject[0] if subject else None
        with raw.reading(row, image):
            yield Example(image, labels=multi_hot(row, _FINDINGS), patient=patient, split=split, key=image.name)


def miniature(raw: Miniature) -> None:
    rows: dict[str, list[tuple[object, ...]]] = {"train": [], "val": []}
    names = ["(0001)aria_d_26.tif", "aria_d_26_1.tif", "aria_c_25_1.tif", "aria_c_25_2.tif", "aria_a_9_2.tif"]
    names += ["im0001.png", "im0012.png", *(f"{number}.png" for number in range(1, 14))]
    for number, name in enumerate(names):
        raw.image(f"images/{name}", size=(90 + number, 80), mode="RGB")
        marked = {number, (number * 3 + 1) % 20} - ({1} if number != 1 else {4})
        part = "val" if number % 4 == 3 else "train"
        rows[part].append((name.rpartition(".")[0], *(int(place in marked) for place in range(20))))
    rows["train"].append(("499", *(int(place == 1) for place in range(20))))  # no such image
    for part, lines in rows.items():
        raw.csv(f"{part}_data.csv", lines, header=("ID", *_FINDINGS))
    raw.image("images/77.png", mode="RGB")  # in no table
    raw.corrupt("images/13.png")
