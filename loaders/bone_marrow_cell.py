"""Bone Marrow Cell Classification: single cells of bone marrow smears, in twenty-one classes.

abbreviations.csv                    # Abbreviation;Meaning
bone_marrow_cell_dataset/
    ABE/ABE_00001.jpg                # small classes hold their files directly
    KSC/KSC_00001.jpg
    PMO/0001-1000/PMO_00001.jpg      # large ones in folders of 1,000
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_SMALL = ("ABE", "BAS", "FGC", "HAC", "KSC", "LYI", "OTH")
_LARGE = ("ART", "BLA", "EBO", "EOS", "LYT", "MMZ", "MON", "MYB", "NGB", "NGS", "NIF", "PEB", "PLM", "PMO")


def examples(raw: RawFolder) -> Iterator[Example]:
    classes = ",".join(sorted(_SMALL + _LARGE))
    return class_folders(raw, f"{{{classes}}}/**/*.jpg", label=lambda path: path.parts[0])


def miniature(raw: Miniature) -> None:
    top = "bone_marrow_cell_dataset"
    for label in _SMALL:
        for number in (1, 2):
            raw.image(f"{top}/{label}/{label}_{number:05d}.jpg", size=(50, 50), mode="RGB")
    for label in _LARGE:
        for folder, number in (("0001-1000", 1), ("1001-2000", 1001)):
            raw.image(f"{top}/{label}/{folder}/{label}_{number:05d}.jpg", size=(50, 50), mode="RGB")
    raw.corrupt(f"{top}/BLA/1001-2000/BLA_01001.jpg")
    rows = [(label, label.title()) for label in sorted(_SMALL + _LARGE)]
    raw.csv("abbreviations.csv", rows, header="Abbreviation;Meaning", delimiter=";", newline="\r\n")
