"""Fundus photographs from a hospital in Paraguay, in seven stages of diabetic retinopathy.

Annotations of the classifications.xlsx      # repeats the folders
1. No DR signs/<name>.jpg                    # the number counts; the words after it are spelled in several ways
2. Mild (or early) NPDR/<name>.jpg
7. Advanced PDR/<name>.jpg
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_STAGES = {
    "1": "1. No DR signs",
    "2": "2. Mild (or early) NPDR",
    "3": "3. Moderate NPDR",
    "4": "4. Severe NPDR",
    "5": "5. Very Severe NPDR",
    "6": "6. PDR",
    "7": "7. Advanced PDR",
}


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "{1,2,3,4,5,6,7}.*/*", label=lambda path: _STAGES[path.parent.name[0]])


def miniature(raw: Miniature) -> None:
    top = "Dataset_from_fundus_images_for_the_study_of_diabetic_retinopathy_V03"
    rows: list[tuple[object, ...]] = []
    for number in range(20):
        stage = "12345671345614345713"[number]
        name = f"{number * 37 + 100}.{'JPG' if number == 11 else 'jpg'}"
        raw.image(f"{top}/{_STAGES[stage]}/{name}", size=(112, 108), mode="RGB")
        rows.append((name, _STAGES[stage]))
    raw.image(f"{top}/{_STAGES['2']}/99.jpg", size=(112, 108), mode="RGB")
    raw.image(f"{top}/{_STAGES['6']}/98.jpg", size=(112, 108), mode="RGB")
    raw.corrupt(f"{top}/{_STAGES['1']}/100.jpg")
    raw.xlsx(f"{top}/Annotations of the classifications.xlsx", rows, ["Image", "Classification"])
