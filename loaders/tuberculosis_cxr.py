"""Tuberculosis Chest X-Ray Database: chest radiographs, normal or with tuberculosis, collected from public datasets.

TB_Chest_Radiography_Database/
    Normal/Normal-1.png                  # some gray, some RGB
    Tuberculosis/Tuberculosis-1.png
    Normal.metadata.xlsx                 # older than the set: 700 of the 3,500 normal images, without extension
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "{Normal,Tuberculosis}/*")


def miniature(raw: Miniature) -> None:
    top = "TB_Chest_Radiography_Database"
    for label, count in (("Normal", 10), ("Tuberculosis", 5)):
        for number in range(1, count + 1):
            path = f"{top}/{label}/{label}-{number}.png"
            raw.image(path, size=(64, 64), mode="RGB" if number % 3 == 0 else "L")
        rows = [(f"{label}-{number}", "PNG", "512*512", "https://example.org") for number in range(1, 6)]
        raw.xlsx(f"{top}/{label}.metadata.xlsx", rows, ["FILE NAME", "FORMAT", "SIZE", "URL"])
    raw.corrupt(f"{top}/Normal/Normal-7.png")
    raw.text(f"{top}/README.md.txt", "About the data.\n")
