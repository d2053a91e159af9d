"""ISIC 2018, task 3: dermoscopy of seven types of pigmented lesions; the training part is HAM10000.

ISIC2018_Task3_Training_Input/ISIC_0024306.jpg       # ATTRIBUTION.txt and LICENSE.txt beside them
ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv    # one-hot; may lie in the root
ISIC2018_Task3_Training_LesionGroupings.csv          # image,lesion_id,diagnosis_confirm_type
ISIC2018_Task3_Validation_Input/, ISIC2018_Task3_Test_Input/, …    # as for training, without the lesions
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example, Split
from med_mat.raw import Miniature, RawFolder, listed_or_skipped, lookup, one_hot

#: What the miniature does not show, and why.
NOT_SHOWN = {"patients": "lesions are published for the training images alone"}

_CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
_PARTS: dict[str, Split] = {"Training": "train", "Validation": "validation", "Test": "test"}


def examples(raw: RawFolder) -> Iterator[Example]:
    lesions = lookup(raw, "**/ISIC2018_Task3_Training_LesionGroupings.csv", "image", "lesion_id")
    for part, split in _PARTS.items():
        images = raw.by_stem(f"ISIC2018_Task3_{part}_Input/**/*.jpg")
        table = f"**/ISIC2018_Task3_{part}_GroundTruth.csv"
        for row, image in listed_or_skipped(raw, table, images, "image", columns=_CLASSES):
            lesion = lesions.get(row["image"])
            patient = f"lesion {lesion}" if lesion else None
            with raw.reading(row, image):
                yield Example(image, label=one_hot(row, _CLASSES), patient=patient, split=split, key=image.name)


def miniature(raw: Miniature) -> None:
    header = ["image", *_CLASSES]
    lesions = []
    for part, first, count in (("Training", 24306, 14), ("Validation", 34321, 4), ("Test", 34524, 4)):
        rows: list[tuple[object, ...]] = []
        for number in range(count):
            name = f"ISIC_{first + number:07d}"
            raw.image(f"ISIC2018_Task3_{part}_Input/{name}.jpg", size=(120, 90), mode="RGB")
            kind = number // 2 % 7 if part == "Training" else number % 7
            rows.append((name, *(float(kind == place) for place in range(7))))
            if part == "Training":  # two images of each lesion
                lesions.append((name, f"HAM_{number // 2:07d}", "follow_up"))
        scored = part == "Test"
        raw.csv(
            f"ISIC2018_Task3_{part}_GroundTruth/ISIC2018_Task3_{part}_GroundTruth.csv",
            [(*row, 0.5, 0.5) for row in rows] if scored else rows,
            header=[*header, "score_weight", "validation_weight"] if scored else header,
        )
    raw.corrupt("ISIC2018_Task3_Test_Input/ISIC_0034527.jpg")
    raw.csv(
        "ISIC2018_Task3_Training_LesionGroupings.csv", lesions, header=["image", "lesion_id", "diagnosis_confirm_type"]
    )
    for name in ("ATTRIBUTION", "LICENSE"):
        raw.text(f"ISIC2018_Task3_Training_Input/{name}.txt", "HAM10000\n")
