"""COVID-19 CHEST X-RAY DATABASE: chest radiographs with COVID-19 or viral pneumonia, or normal, in three releases.

COVID-19 Radiography Database/           # January 2021; 2020 has COVID-19/COVID-19 (1).png
    COVID.metadata.xlsx                  # names and web addresses
    COVID/COVID (1).png
    NORMAL/NORMAL (1).png
    Viral Pneumonia/Viral Pneumonia (1).png
or
    COVID/images/COVID-1.png             # March 2021, with Lung_Opacity/ and Normal/
    COVID/masks/COVID-1.png              # of the lungs
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

#: What the miniature does not show, and why.
NOT_SHOWN = {"Lung opacity": "of the release of March 2021, which has a layout of its own"}

_CLASSES = "{COVID,COVID-19,NORMAL,Viral Pneumonia,Lung_Opacity}"


def examples(raw: RawFolder) -> Iterator[Example]:
    for mask in raw.images(f"{_CLASSES}/masks/*"):
        raw.skip(mask, "a mask of the lungs, not an image")
    yield from class_folders(raw, [f"{_CLASSES}/*", f"{_CLASSES}/images/*"], label=_label)


def _label(path: PurePosixPath) -> str:
    """The folder of the class, which one of the releases spells otherwise."""
    folder = path.parts[0]
    return "Normal" if folder == "NORMAL" and path.parent.name == "images" else folder


def miniature(raw: Miniature) -> None:
    top = "COVID-19 Radiography Database"
    for label, side in (("COVID", 64), ("NORMAL", 96), ("Viral Pneumonia", 96)):
        rows = []
        for number in range(1, 7):
            name = f"{label} ({number})"
            raw.image(f"{top}/{label}/{name}.png", size=(side, side), mode="L" if number % 2 else "RGB")
            rows.append((name, "PNG", f"{side}*{side}", "https://example.org"))
        raw.xlsx(f"{top}/{label}.metadata.xlsx", rows, ["FILE NAME", "FORMAT", "SIZE", "URL"])
    raw.corrupt(f"{top}/NORMAL/NORMAL (3).png")
    raw.text(f"{top}/README.md.txt", "Release of January 2021.\n")
