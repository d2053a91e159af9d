"""CT Kidney: axial and coronal CT slices, normal or with a cyst, tumor or stone.

kidneyData.csv                       # repeats the folder names; its paths match nothing on disk
CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone/
    CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone/   # once more
        Cyst/Cyst- (1).jpg
        Stone/Stone- (1).jpg
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "**/{Cyst,Normal,Stone,Tumor}/*.jpg")


def miniature(raw: Miniature) -> None:
    top = "CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone"
    rows: list[tuple[object, ...]] = []
    for target, label in enumerate(("Cyst", "Normal", "Stone", "Tumor")):
        for number in range(1, 7):
            raw.image(f"{top}/{top}/{label}/{label}- ({number}).jpg", size=(96, 96), mode="RGB")
            path = f"data/{label.upper()}/{label}- ({number}).jpg"
            rows.append((len(rows), f"{label}- ({number})", path, label, target, label))
    raw.csv("kidneyData.csv", rows, header=",image_id,path,diag,target,Class")
