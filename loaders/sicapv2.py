"""SICAPv2: patches of prostate biopsies with a Gleason grade each, and masks of the graded tissue.

images/16B0001851_Block_Region_1_0_0_xini_6803_yini_59786.jpg
masks/16B0001851_Block_Region_1_0_0_xini_6803_yini_59786.png     # 0, 3, 4, 5; lossy .jpg in version 1
partition/Test/Train.xlsx            # image_name,NC,G3,G4,G5,G4C; the training list, despite the folder
partition/Test/Test.xlsx
partition/Validation/Val1/Test.xlsx  # a fold of the training list: not read
wsi_labels.xlsx                      # slide_id,patient_id,…
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import BinaryMask, Example, LabelMap, Mask, Split
from med_mat.raw import Miniature, RawFolder, aligned, listed_parts, lookup, one_hot

_PARTS: dict[str, Split] = {"partition/Test/Train.xlsx": "train", "partition/Test/Test.xlsx": "test"}
_GRADES = ("NC", "G3", "G4", "G5")
_VALUES = {3: "G3", 4: "G4", 5: "G5"}


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_name("images/*.jpg")
    masks = raw.by_stem("masks/*.jpg") | raw.by_stem("masks/*.png")
    masks = aligned(masks, (image.stem for image in images.values()))
    patients = lookup(raw, "wsi_labels.xlsx", "slide_id", "patient_id")
    for row, image, split in listed_parts(raw, _PARTS, images, "image_name", columns=_GRADES):
        slide = row["image_name"].partition("_Block")[0]
        mask = masks.pop(image.stem, None)
        with raw.reading(row, image):
            grade = one_hot(row, _GRADES)
            yield Example(
                image,
                label=grade,
                masks=_masks(raw, mask, grade),
                patient=patients.get(slide, f"slide {slide}"),
                split=split,
                raw_label="G4, G4C" if row.get("G4C") == "1" else None,
                key=image.name,
            )
    for mask in masks.values():
        raw.skip(mask, "the mask of an image that has no class or is not there")


def _masks(raw: RawFolder, mask: PurePosixPath | None, grade: str | None) -> tuple[Mask, ...] | None:
    if mask is None:
        return None
    if mask.suffix.lower() == ".png":
        return (LabelMap(mask, _VALUES, others=(0,)),)
    if grade is None or grade == "NC":
        raw.skip(mask, "a JPEG mask keeps no grades, and its patch has none to give it")
        return ()
    return (BinaryMask(mask, grade, threshold=100),)


def miniature(raw: Miniature) -> None:
    top = "SICAPv2/SICAPv2"
    size = (96, 96)
    rows: dict[str, list[tuple[object, ...]]] = {"Train": [], "Test": []}
    slides = [("16B0001851", 1), ("16B0003388", 1), ("18B0001510J", 2), ("17B00208", 3)]
    for number in range(20):
        slide, patient = slides[number % 4]
        name = f"{slide}_Block_Region_{number // 4}_0_{number}_xini_{6803 + number}_yini_59786"
        raw.image(f"{top}/images/{name}.jpg", size=size, mode="RGB")
        grade = number // 4 % 4 if number < 16 else 2
        values = [[], [3], [4], [5]][grade] + ([4] if grade == 1 and number % 2 else [])
        raw.label_map(f"{top}/masks/{name}.png", size=size, values=values)
        if number != 19:  # else without a class, though its mask is not empty
            part = "Test" if patient == 3 else "Train"
            marks = [int(place == grade) for place in range(4)]
            rows[part].append((f"{name}.jpg", *marks, int(grade == 2 and number % 2 == 1)))
    header = ["image_name", "NC", "G3", "G4", "G5", "G4C"]
    for part, lines in rows.items():
        raw.xlsx(f"{top}/partition/Test/{part}.xlsx", lines, header)
        raw.xlsx(
            f"{top}/partition/Test/{part}Cribfriform.xlsx", [(line[0], line[5]) for line in lines if line[3]], None
        )
    raw.xlsx(f"{top}/partition/Validation/Val1/Train.xlsx", rows["Train"][2:], header)
    raw.xlsx(f"{top}/partition/Validation/Val1/Test.xlsx", rows["Train"][:2], header)
    grades = [(slide, f"patient{patient}", 3, 4) for slide, patient in slides]
    raw.xlsx(f"{top}/wsi_labels.xlsx", grades, ["slide_id", "patient_id", "Gleason_primary", "Gleason_secondary"])
    raw.text(f"{top}/readme.txt", "Masks: 0 to 3\n")
    raw.text(f"{top}/images/Thumbs.db", "\0")
