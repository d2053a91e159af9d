"""Chest X-ray PD: chest radiographs with COVID-19, with pneumonia, or normal, collected from other public datasets.

COVID19_Pneumonia_Normal_Chest_Xray_PA_Dataset/
    metadata.csv                 # says no more than the folders
    covid/COVID-19 (102).jpg
    covid/01E392EE-69F9-4E33-BFCE-E5C968654078-768x572.jpeg
    normal/00000002_000.png      # names of NIH begin with the patient
    pneumonia/00000165_001.png
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders, in_stem

#: What the miniature does not show, and why.
NOT_SHOWN = {"patients": "the names of NIH's images alone tell the patient"}


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "{covid,normal,pneumonia}/*", patient=in_stem(r"\d{8}(?=_\d{3}$)"))


def miniature(raw: Miniature) -> None:
    top = "COVID19_Pneumonia_Normal_Chest_Xray_PA_Dataset"
    names = {
        "covid": [f"COVID-19 ({number}).jpg" for number in (2, 3, 102)],
        "normal": [f"{number // 2:08d}_{number % 2:03d}.png" for number in range(4, 10)],
        "pneumonia": [f"{number // 2:08d}_{number % 2 + 1:03d}.png" for number in range(8, 14)],
    }
    names["covid"] += ["01E392EE-69F9-4E33-BFCE-E5C968654078-768x572.jpeg", "paper.pdf-003-135.png"]
    rows = []
    for label, files in names.items():
        for number, name in enumerate(files):
            raw.image(f"{top}/{label}/{name}", size=(80 + 4 * number, 80), mode="RGB" if number % 2 else "L")
            rows.append((f"{label}/{name}", label))
    raw.corrupt(f"{top}/covid/COVID-19 (3).jpg")
    raw.csv(f"{top}/metadata.csv", rows, header="directory,class")
