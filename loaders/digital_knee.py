"""Digital Knee X-ray Images: radiographs of knees, graded 0 to 4 on the Kellgren-Lawrence scale by two experts.

Knee X-ray Images/
    MedicalExpert-I/
        MedicalExpert-I/                       # some tools unpack it without
            0Normal/NormalG0 (1).png
            1Doubtful/DoubtfulG1 (1).png
            4Severe/SevereG4 (34).png
    MedicalExpert-II/MedicalExpert-II/0Normal/NormalG0 (1).png   # the same images, numbered by their grade here
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_GRADES = ("Normal", "Doubtful", "Mild", "Moderate", "Severe")


def examples(raw: RawFolder) -> Iterator[Example]:
    for image in raw.images("MedicalExpert-II/**"):
        raw.skip(image, "an image of MedicalExpert-I once more, as the second expert grades it")
    yield from class_folders(raw, [f"MedicalExpert-I/**/{place}{grade}/*.png" for place, grade in enumerate(_GRADES)])


def miniature(raw: Miniature) -> None:
    numbers: dict[tuple[str, int], int] = {}
    for number in range(15):
        first = number % 5
        second = 0 if number == 6 else first  # the experts differ on one
        for expert, grade in (("MedicalExpert-I", first), ("MedicalExpert-II", second)):
            numbers[expert, grade] = count = numbers.get((expert, grade), 0) + 1
            name = f"{grade}{_GRADES[grade]}/{_GRADES[grade]}G{grade} ({count}).png"
            path = f"Knee X-ray Images/{expert}/{expert}/{name}"
            raw.image(path, size=(90, 48), mode="RGB" if number % 4 == 1 else "L", seed=f"knee {number}")
