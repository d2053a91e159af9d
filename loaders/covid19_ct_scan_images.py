"""COVID-19-CT SCAN IMAGES: chest radiographs (despite the title) with and without COVID-19.

COVID-19-CT SCAN IMAGES_COVID_datasets/
    COVID-19-CT SCAN IMAGES_Neg_Samples_datasets/IM-0115-0001.jpeg     # also .jpg and .png
    COVID-19-CT SCAN IMAGES_Pos_Samples_datasets/01E392EE-69F9-4E33-BFCE-E5C968654078.jpeg
    Train.xls                                                          # repeats the file names
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_TITLE = "COVID-19-CT SCAN IMAGES"


def examples(raw: RawFolder) -> Iterator[Example]:
    for table in raw.glob("Train.xls*"):
        raw.skip(table, "it repeats the names of the files, and says no more than their folders")
    yield from class_folders(raw, "*{Neg,Pos}_Samples*/*", label=_label)


def _label(image: PurePosixPath) -> str:
    """The folder's full name, which some copies shorten."""
    kind = "Pos" if "pos_samples" in image.parent.name.lower() else "Neg"
    return f"{_TITLE}_{kind}_Samples_datasets"


def miniature(raw: Miniature) -> None:
    top = f"{_TITLE}_COVID_datasets"
    for kind, count in (("Neg", 12), ("Pos", 4)):
        for number in range(count):
            if kind == "Neg" and number:
                name = f"IM-{114 + number:04d}-0001"
            else:
                name = f"{number * 7919 + ord(kind[0]):08X}-69F9-4E33-BFCE-E5C968654078"
            suffix = ("jpeg", "jpeg", "png", "jpg")[number % 4]
            path = f"{top}/{_TITLE}_{kind}_Samples_datasets/{name}.{suffix}"
            raw.image(path, size=(110, 88 + number), mode="L" if number % 2 else "RGB")
    raw.text(f"{top}/Train.xls", "the old format of Excel\n")
