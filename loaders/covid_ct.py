"""COVID-CT: chest CT slices from papers and MedPix, with and without COVID-19.

Images-processed/CT_COVID/2020.02.10.20021584-p6-52%0.png    # the percent sign is part of the name
Images-processed/CT_NonCOVID/0.jpg
Data-split/COVID/trainCT_COVID.txt            # file names, one per line; valCT_…, testCT_…
Data-split/NonCOVID/trainCT_NonCOVID.txt
COVID-CT-MetaInfo.xlsx                        # File name (some without suffix), Patient ID, Age, Gender
NonCOVID-CT-MetaInfo.csv                      # ,image name,patient id
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Attributes, Example, Split
from med_mat.raw import Miniature, RawFolder, folded

_PARTS: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}


def examples(raw: RawFolder) -> Iterator[Example]:
    for kind in ("COVID", "NonCOVID"):
        published = {
            _plain(line): (line, split)
            for part, split in _PARTS.items()
            for path in raw.glob(f"Data-split/{kind}/{part}CT_{kind}.txt")
            for line in raw.lines(path)
        }
        facts = _facts(raw, kind)
        for image in raw.images(f"{{Images-processed/,}}CT_{kind}/**"):
            patient, stated = facts.get(_plain(image.stem), (None, None))
            name, split = published.get(_plain(image.name), (image.name, None))
            key = f"CT_{kind}/{name}"
            yield Example(image, label=f"CT_{kind}", patient=patient, split=split, key=key, attributes=stated)


def _plain(name: str) -> str:
    """A name as all copies can write it: some have an underscore for the percent sign, and case may differ."""
    return folded(name).replace("%", "_")


def _facts(raw: RawFolder, kind: str) -> dict[str, tuple[str | None, Attributes | None]]:
    """Stem of the file name -> patient, and what is stated of him, of the positives alone.

    Numbers restart for the negatives, so the patient's kind goes with it.
    """
    table = raw.first("COVID-CT-MetaInfo.xlsx" if kind == "COVID" else "NonCOVID-CT-MetaInfo.csv")
    if table is None:
        return {}
    name, patient = ("File name", "Patient ID") if kind == "COVID" else ("image name", "patient id")
    return {
        _plain(_stem(row[name])): (
            f"{kind} {row[patient]}" if row[patient] else None,
            Attributes.of(age=row.get("Age"), sex=row.get("Gender")),
        )
        for row in raw.table(table, columns=[name, patient])
    }


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in (".png", ".jpg", ".jpeg") else name


def miniature(raw: Miniature) -> None:
    lists: dict[tuple[str, str], list[str]] = {}
    positives: list[tuple[object, ...]] = []
    negatives: list[tuple[object, ...]] = []
    for number in range(16):
        part = ("train", "train", "val", "test")[number // 2 % 4]
        name = f"2020.03.{number:02d}.20030000-p6-52%{number}.png"
        path = f"Images-processed/CT_COVID/{name}"
        if number % 3:
            raw.image(path, mode="RGB", format="JPEG" if number % 5 == 1 else "PNG")
        else:
            raw.image(path, mode="RGBA")
        lists.setdefault(("COVID", part), []).append(name)
        about = ("", "") if number == 15 else (50 + number // 2, "FM"[number // 2 % 2])
        positives.append((name if number % 4 else name.removesuffix(".png"), f"Patient {number // 2 + 1}", *about))
        other = f"{number}.{'jpg' if number % 2 else 'png'}"
        raw.image(f"Images-processed/CT_NonCOVID/{other}", mode="RGB")
        lists.setdefault(("NonCOVID", part), []).append(other)
        negatives.append((number, other, f"crawled_patient_{number // 2}"))
    for (kind, part), names in lists.items():
        raw.text(f"Data-split/{kind}/{part}CT_{kind}.txt", "\n".join(names))
    raw.xlsx("COVID-CT-MetaInfo.xlsx", [*positives, (None,) * 4], ["File name", "Patient ID", "Age", "Gender"])
    raw.csv("NonCOVID-CT-MetaInfo.csv", negatives, header=",image name,patient id")
    raw.text("README.md", "COVID-CT\n")
