"""ISIC 2020: dermoscopy of benign and malignant lesions, several images per patient.

ISIC_2020_Training_GroundTruth.csv       # image_name,patient_id,…,target; or …_v2.csv; or isic_id for image_name
ISIC_2020_Training_Duplicates.csv
train/ISIC_0015719.jpg
ISIC_2020_Test_Input/ISIC_0052060.jpg    # no labels
or, on Kaggle:
train.csv                                # the same columns
jpeg/train/ISIC_0015719.jpg              # jpeg/test: no labels
train/ISIC_0015719.dcm                   # the same images once more
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Attributes, Example
from med_mat.raw import Miniature, RawFolder, listed


def examples(raw: RawFolder) -> Iterator[Example]:
    table, *others = raw.glob(["ISIC_2020_Training_GroundTruth*.csv", "train.csv"])
    for other in others:
        raw.skip(other, f"it gives the same classes as {table}")
    for pairs in raw.glob("ISIC_2020_Training_Duplicates.csv"):
        raw.skip(pairs, "it names pairs of like images, both of which are kept")
    images = raw.by_stem("{jpeg/,}train/**/*.jpg")
    column = "isic_id" if "isic_id" in next(raw.table(table), {}) else "image_name"
    for row, image in listed(raw, table, images, column, columns=["patient_id", "target"]):
        yield Example(
            image,
            label=row["target"],
            patient=row["patient_id"] or None,
            split="train",
            key=image.name,
            attributes=Attributes.of(age=row.get("age_approx"), sex=row.get("sex")),
        )
    for image in raw.images("train/**/*.{dcm,dicom}"):
        raw.skip(image, "a DICOM copy of a JPEG")
    for image in raw.images(["ISIC_2020_Test_Input/**", "{jpeg/,}test/**"]):
        raw.skip(image, "a test image: its class was never published")


def miniature(raw: Miniature) -> None:
    rows: list[tuple[object, ...]] = []
    newer: list[tuple[object, ...]] = []
    for number in range(18):
        name = f"ISIC_{15719 + 36493 * number:07d}"
        malignant = number // 3 % 2 == 1  # patients, so that a seeded split can test both classes
        seed = "twice" if number in (3, 10) else None  # the same image under two names
        if number != 17:
            raw.image(f"train/{name}.jpg", size=(96 if seed else 90 + number, 72), mode="RGB", seed=seed)
        patient = f"IP_{7279968 + number // 3:07d}"
        facts = ("" if number == 4 else "male", "" if number == 4 else 45, "head/neck")
        kind = ("melanoma", "malignant", 1) if malignant else ("unknown", "benign", 0)
        rows.append((name, patient, *facts, *kind))
        newer.append((name, patient, f"IL_{number:07d}", *facts, *kind))
    rest = "sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target"
    truth = "ISIC_2020_Training_GroundTruth"
    raw.csv(f"{truth}.csv", rows, header=f"image_name,patient_id,{rest}", newline="\r\n")
    raw.csv(f"{truth}_v2.csv", newer, header=f"isic_id,patient_id,lesion_id,{rest}", newline="\r\n")
    pair = (rows[3][0], rows[10][0])
    raw.csv("ISIC_2020_Training_Duplicates.csv", [pair], header="image_name_1,image_name_2")
    for number in (52060, 52349):
        raw.image(f"ISIC_2020_Test_Input/ISIC_{number:07d}.jpg", mode="RGB")
    raw.text("ISIC_2020_Test_Input/LICENSE.txt", "CC BY-NC 4.0\n")
