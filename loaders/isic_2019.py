"""ISIC 2019: dermoscopy of eight types of skin lesions.

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

from med_mat.example import Attributes, Example, Split
from med_mat.raw import Miniature, RawFolder, listed, one_hot

#: What the miniature does not show, and why.
NOT_SHOWN = {
    "Other skin lesion": "UNK, of the test part alone, which has a layout of its own",
    "test": "a download of its own",
    "patients": "lesion_id is blank for a tenth of the images",
}

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
        facts = _facts(raw, part)
        for row, image in listed(raw, truth, images, "image", columns=_CLASSES):
            known = facts.get(row["image"], {})
            with raw.reading(row, image):
                yield Example(
                    image,
                    label=one_hot(row, _CLASSES),
                    patient=known.get("lesion_id") or None,  # the lesion, the nearest that is published to a patient
                    split=split,
                    key=image.name,
                    attributes=Attributes.of(age=known.get("age_approx"), sex=known.get("sex")),
                )


def _facts(raw: RawFolder, part: str) -> dict[str, dict[str, str]]:
    """Image -> its row of the metadata."""
    table = raw.first(f"ISIC_2019_{part}_Metadata.csv")
    if table is None:
        return {}
    return {row["image"]: row for row in raw.table(table, columns=["image"])}


def miniature(raw: Miniature) -> None:
    truth, facts = [], []
    for number in range(24):
        name = f"ISIC_{number:07d}" + ("_downsampled" if number % 5 == 2 else "")
        raw.image(f"ISIC_2019_Training_Input/ISIC_2019_Training_Input/{name}.jpg", size=(120, 90), mode="RGB")
        truth.append((name, *(float(number % 8 == place) for place in range(9))))
        lesion = "" if number % 7 == 0 else f"BCN_{number // 2:07d}"
        age, sex = ("", "") if number % 6 == 0 else (40 + number, "female" if number % 2 else "male")
        facts.append((name, age, "anterior torso", lesion, sex))
    raw.csv("ISIC_2019_Training_GroundTruth.csv", truth, header=",".join(("image", *_CLASSES)))
    raw.csv("ISIC_2019_Training_Metadata.csv", facts, header="image,age_approx,anatom_site_general,lesion_id,sex")
    raw.text("ISIC_2019_Training_Input/ISIC_2019_Training_Input/LICENSE.txt", "CC BY-NC 4.0\n")
