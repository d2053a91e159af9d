"""Chest CT-Scan: chest CT slices with one of three types of lung cancer, or normal.

train/adenocarcinoma_left.lower.lobe_T2_N0_M0_Ib/000000 (6).png
train/normal/2 - Copy - Copy.png
val/large.cell.carcinoma_left.hilum_T2_N2_M0_IIIa/000108 (2).png   # Kaggle: valid/, all below Data/
test/squamous.cell.carcinoma/000108 (6).png                        # no stage in the names of test
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, class_folders

_CLASSES = (
    *("adenocarcinoma", "large.cell.carcinoma", "squamous.cell.carcinoma", "normal"),
    "adenocarcinoma_left.lower.lobe_T2_N0_M0_Ib",
    "large.cell.carcinoma_left.hilum_T2_N2_M0_IIIa",
    "squamous.cell.carcinoma_left.hilum_T1_N2_M0_IIIa",
)


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, f"{{train,val,valid,test}}/{{{','.join(_CLASSES)},*}}/*", splits=SPLITS)


def miniature(raw: Miniature) -> None:
    stages = {
        "adenocarcinoma": "_left.lower.lobe_T2_N0_M0_Ib",
        "large.cell.carcinoma": "_left.hilum_T2_N2_M0_IIIa",
        "squamous.cell.carcinoma": "_left.hilum_T1_N2_M0_IIIa",
        "normal": "",
    }
    top = "Chest CT-Scan images Dataset"
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        for label, stage in stages.items():
            folder = f"{top}/{split}/{label}{stage if split != 'test' else ''}"
            for number in range(count):
                path = f"{folder}/{number:06d} ({number + 2}).png"
                raw.image(path, size=(110, 80), mode="RGBA" if number == 1 else "RGB")
    for split in ("train", "test"):  # the same slice on both sides
        raw.image(f"{top}/{split}/normal/2 - Copy.png", mode="L", seed="copy")
