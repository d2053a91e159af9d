"""ISIC 2019: dermoscopy of eight kinds of skin lesions.

ISIC_2019_Training_GroundTruth.csv   # image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK: one-hot as 0.0 and 1.0
ISIC_2019_Training_Metadata.csv      # image,age_approx,anatom_site_general,lesion_id,sex; some lesions have no id
ISIC_2019_Training_Input/
    ISIC_2019_Training_Input/        # once more in the Kaggle copy
        ISIC_0000000.jpg
        ISIC_0000002_downsampled.jpg # the suffix is part of the id
ISIC_2019_Test_GroundTruth.csv, ISIC_2019_Test_Metadata.csv, ISIC_2019_Test_Input/*.jpg   # of the challenge's copy
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example, Split
from med_mat.raw import Miniature, RawFolder, listed, one_hot

_CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
_PARTS: dict[str, Split] = {"Training": "train", "Test": "test"}


def examples(raw: RawFolder) -> Iterator[Example]:
    for part, split in _PARTS.items():
        images = raw.by_stem(f"ISIC_2019_{part}_Input/**/*.jpg")
        truth = raw.first(f"ISIC_2019_{part}_GroundTruth.csv")
        if truth is None:
            for image in images.values():
                raw.skip(image, f"ISIC_2019_{part}_GroundTruth.csv, which holds its class, is not in the folder")
            continue
        lesions = _lesions(raw, part)
        for row, image in listed(raw, truth, images, "image", columns=_CLASSES):
            with raw.reading(row, image):
                label = one_hot(row, _CLASSES)
                yield Example(image, label=label, patient=lesions.get(row["image"]), split=split, key=image.name)


def _lesions(raw: RawFolder, part: str) -> dict[str, str]:
    """Image -> lesion, the nearest that is published to a patient."""
    table = raw.first(f"ISIC_2019_{part}_Metadata.csv")
    if table is None:
        return {}
    rows = raw.table(table, columns=["image"])
    return {row["image"]: row["lesion_id"] for row in rows if row.get("lesion_id")}


def miniature(raw: Miniature) -> None:
    truth, facts = [], []
    for number in range(24):
        name = f"ISIC_{number:07d}" + ("_downsampled" if number % 5 == 2 else "")
        raw.image(f"ISIC_2019_Training_Input/ISIC_2019_Training_Input/{name}.jpg", size=(120, 90), mode="RGB")
        truth.append((name, *(float(number % 8 == place) for place in range(9))))
        lesion = "" if number % 7 == 0 else f"BCN_{number // 2:07d}"
        facts.append((name, 40, "anterior torso", lesion, "female"))
    raw.csv("ISIC_2019_Training_GroundTruth.csv", truth, header=",".join(("image", *_CLASSES)))
    raw.csv("ISIC_2019_Training_Metadata.csv", facts, header="image,age_approx,anatom_site_general,lesion_id,sex")
    raw.text("ISIC_2019_Training_Input/ISIC_2019_Training_Input/LICENSE.txt", "CC BY-NC 4.0\n")
