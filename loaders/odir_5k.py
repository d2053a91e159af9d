"""ODIR-5K: fundus photographs of both eyes, with keywords for each eye and eight flags for the person.

ODIR-5K_Training_Annotations(Updated)_V2.xlsx    # ID,…,Left-Fundus,…,Left-Diagnostic Keywords,…,N,D,G,C,A,H,M,O
ODIR-5K_Training_Dataset/0_left.jpg              # also ODIR-5K_Training_Images/; Kaggle: data.xlsx, Training Images/
ODIR-5K_Training_Dataset/0_right.jpg
ODIR-5K_Testing_Images/937_left.jpg              # no labels

The flags are the person's: the labels of an eye follow from its own keywords, which a full-width comma separates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from med_mat.example import Attributes, Example
from med_mat.raw import Miniature, RawFolder, listed, multi_hot

_FLAGS = ("N", "D", "G", "C", "A", "H", "M", "O")
_REMARKS = {  # on the picture, not on the eye
    "lens dust",
    "optic disk photographically invisible",
    "low image quality",
    "anterior segment image",
    "no fundus image",
}
_WORDS = {
    "glaucoma": "G",
    "cataract": "C",
    "macular degeneration": "A",
    "hypertensive": "H",
    "myopi": "M",  # myopia, myopic
    "diabetic retinopathy": "D",
    "proliferative retinopathy": "D",  # also non proliferative, nonproliferative
}


def examples(raw: RawFolder) -> Iterator[Example]:
    table = raw.glob(["ODIR-5K_Training_Annotations*.xlsx", "data.xlsx"])[0]  # "(Updated)" comes before the first one
    for side in ("Left", "Right"):
        images = raw.by_name(f"{{ODIR-5K_Training_Dataset,ODIR-5K_Training_Images,Training Images}}/*_{side}.jpg")
        keywords = f"{side}-Diagnostic Keywords"
        for row, image in listed(raw, table, images, f"{side}-Fundus", columns=["ID", keywords, *_FLAGS]):
            found: set[str] = set()
            with raw.reading(row, image):
                found = _categories(row[keywords], row)
            if not found:
                raw.skip(image, f"its keywords name neither a disease nor a normal fundus: {row[keywords]}")
                continue
            labels = {flag: flag in found for flag in _FLAGS}
            yield Example(
                image,
                labels=labels,
                patient=row["ID"],
                split="train",
                raw_label=row[keywords],
                key=image.name,
                attributes=Attributes.of(age=row.get("Patient Age"), sex=row.get("Patient Sex")),
            )
    for image in raw.images("{ODIR-5K_Testing_Images,Testing Images}/**"):
        raw.skip(image, "a test image: its labels were never published")


def _categories(keywords: str, row: Mapping[str, str]) -> set[str]:
    """What the keywords of an eye say; a disease that the person has no flag for is "other" (only suspected)."""
    person = multi_hot(row, _FLAGS)
    words = {word.strip().lower() for word in re.split("[,\uff0c]", keywords)} - _REMARKS - {""}
    diseases = words - {"normal fundus"}
    if not diseases:
        return {"N"} if words else set()
    found = set()
    for disease in diseases:
        named = {flag for word, flag in _WORDS.items() if word in disease}
        found |= {flag if person[flag] else "O" for flag in named or {"O"}}
    return found


def miniature(raw: Miniature) -> None:
    rows: list[tuple[object, ...]] = []
    eyes = [
        ("cataract", "normal fundus", "C"),  # one eye of two
        ("normal fundus", "normal fundus", "N"),
        ("moderate non proliferative retinopathy", "lens dust\uff0cmild nonproliferative retinopathy", "D"),
        ("glaucoma\uff0chypertensive retinopathy", "hypertensive retinopathy", "GH"),
        ("dry age-related macular degeneration", "normal fundus\uff0clens dust", "A"),
        ("pathological myopia", "cataract", "CM"),
        ("suspected glaucoma", "epiretinal membrane,drusen", "O"),  # suspected: not among the flags
        ("proliferative diabetic retinopathy", "Wet age-related macular degeneration", "DA"),
        ("low image quality", "macular epiretinal membrane", "O"),  # the left eye says nothing
        ("glaucoma", "myopic maculopathy", "GM"),
    ]
    for number, (left, right, flags) in enumerate(eyes):
        names = (f"{number * 7}_left.jpg", f"{number * 7}_right.jpg")
        for name in names:
            raw.image(f"ODIR-5K_Training_Dataset/{name}", size=(100 + number, 80), mode="RGB")
        rows.append((number * 7, 60, "Female", *names, left, right, *(int(flag in flags) for flag in _FLAGS)))
    sides = ("Left-Fundus", "Right-Fundus", "Left-Diagnostic Keywords", "Right-Diagnostic Keywords")
    header = ("ID", "Patient Age", "Patient Sex", *sides, *_FLAGS)
    raw.xlsx("ODIR-5K_Training_Annotations(Updated)_V2.xlsx", rows, header)
    raw.corrupt("ODIR-5K_Training_Dataset/7_right.jpg")
    raw.image("ODIR-5K_Testing_Images/937_left.jpg", mode="RGB")
    raw.image("ODIR-5K_Testing_Images/937_right.jpg", mode="RGB")
