"""COVIDGR: chest radiographs from Granada of people with a positive or negative RT-PCR test for COVID-19.

COVIDGR_1.0/
    N/0b54ce0c4f7f6ea5862f75c1d1d33311.jpg    # negative
    P/00b05aa3cb325265b9ded3f1a9f704c8.jpg    # positive, though 76 of them look normal
    severity.csv                              # may lack, or lie beside the folder: Name (a stem), Severity, of P only
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, aligned, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    severity = _severity(raw)

    def raw_label(path: PurePosixPath) -> str | None:
        found = severity.get(path.stem)
        return f"{path.parent.name}/{found}" if found else None

    return class_folders(raw, "{N,P}/*.jpg", patient=lambda path: path.stem, raw_label=raw_label)


def _severity(raw: RawFolder) -> dict[str, str]:
    """File stem -> severity, as far as there is a table of it."""
    table = raw.first("*sever*.{csv,xlsx}")
    if table is None:
        return {}
    rows = raw.table(table, columns=["Name", "Severity"])
    stems = raw.by_stem("{N,P}/*.jpg").keys()
    found = aligned({PurePosixPath(row["Name"]).stem: row["Severity"] for row in rows}, stems)
    for name in sorted(found.keys() - stems):
        raw.miss(name, table.name)
    return found


def miniature(raw: Miniature) -> None:
    top = "COVIDGR_1.0"
    rows: list[tuple[object, ...]] = []
    for label, ends in (("N", ("0b", "0c", "c1", "9e", "41", "77")), ("P", ("00", "0f", "f9", "5a", "d2", "8b"))):
        for number, start in enumerate(ends):
            name = f"{start}54ce0c4f7f6ea5862f75c1d1d33{number:03d}"
            raw.image(f"{top}/{label}/{name}.jpg", size=(96, 64 + number), mode="RGB" if number == 2 else "L")
            if label == "P" and number != 5:
                rows.append((name, ("NORMAL", "MILD", "MODERATE", "SEVERE", "MILD")[number]))
    rows.append(("ff00ce0c4f7f6ea5862f75c1d1d33999", "MILD"))  # its image is missing
    raw.csv(f"{top}/severity.csv", rows, header="Name,Severity")
    raw.corrupt(f"{top}/N/4154ce0c4f7f6ea5862f75c1d1d33004.jpg")
