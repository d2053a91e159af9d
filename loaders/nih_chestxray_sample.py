"""Sample of NIH ChestX-ray14: five percent of its chest radiographs, with 14 findings mined from reports.

sample_labels.csv
sample/
    sample_labels.csv                # CRLF; findings joined by |
    images/00000013_005.png          # a few are RGBA
    sample/sample_labels.csv         # everything once more
    sample/images/00000013_005.png
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Attributes, Example
from med_mat.raw import Miniature, RawFolder, joined, listed

from ._nih import FINDINGS

_TABLE = "sample_labels.csv"


def examples(raw: RawFolder) -> Iterator[Example]:
    for copy in raw.glob(["sample/images/*", f"sample/{_TABLE}"]):
        raw.skip(copy, "of the nested folder, which holds everything once more")
    images = raw.by_name("images/*.png")
    for row, image in listed(raw, _TABLE, images, "Image Index", columns=["Finding Labels", "Patient ID"]):
        labels = joined(row["Finding Labels"], "|", FINDINGS)
        patient = row["Patient ID"].zfill(8)
        age, sex, view = (row.get(column) for column in ("Patient Age", "Patient Gender", "View Position"))
        stated = Attributes.of(age=age, sex=sex, view=view)
        yield Example(image, labels=labels, patient=patient, key=image.name, attributes=stated)


def miniature(raw: Miniature) -> None:
    rows: list[tuple[object, ...]] = []
    for number in range(20):
        patient, visit = number // 2 + 8, number % 2 + 5
        name = f"{patient:08d}_{visit:03d}.png"
        for folder in ("sample/images", "sample/sample/images"):
            raw.image(f"{folder}/{name}", size=(96, 96), mode="RGBA" if number == 3 else "L", seed=name)
        found = f"{FINDINGS[number % 14]}|{FINDINGS[(number + 5) % 14]}"
        found = ("No Finding", "No_Finding")[number % 2] if number > 15 else found if number else "Hernia"
        age = ("060Y", "011M", "020D")[number % 3]
        rows.append((name, found, f"{visit:03d}", f"{patient:08d}", age, "M", "AP", 3056, 2544, 0.139, 0.139))
    rows.append(("00000099_000.png", "Mass", "000", "00000099", "044Y", "F", "PA", 2048, 2500, 0.171, 0.171))
    header = (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImageWidth,OriginalImageHeight,OriginalImagePixelSpacing_x,OriginalImagePixelSpacing_y"
    )
    for folder in ("", "sample/", "sample/sample/"):
        raw.csv(f"{folder}{_TABLE}", rows, header=header, newline="\r\n")
    raw.image("sample/images/00000100_000.png", size=(96, 96))  # not in the table
