"""CheXpert, small edition: chest radiographs with 14 observations, each present, absent, uncertain or not mentioned.

CheXpert-v1.0-small/
    train.csv                # Path,Sex,Age,Frontal/Lateral,AP/PA and the 14; Path begins with the outer folder
    valid.csv
    train/patient00001/study1/view1_frontal.jpg
    valid/patient64541/study1/view1_frontal.jpg
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from med_mat.example import Attributes, Example, Split
from med_mat.raw import Miniature, RawFolder, listed, multi_hot, number

_TABLES: dict[str, Split] = {"train.csv": "train", "valid.csv": "validation"}
_OBSERVATIONS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)


def examples(raw: RawFolder) -> Iterator[Example]:
    for table, split in _TABLES.items():
        if raw.first(table) is None:
            continue
        images = {str(path): path for path in raw.images(f"{PurePosixPath(table).stem}/**")}
        for row, image in listed(raw, table, images, _path, columns=["Path", *_OBSERVATIONS]):
            cells = [f"{name}={row[name]}" for name in _OBSERVATIONS if row[name]]
            with raw.reading(row, image):
                yield Example(
                    image,
                    labels=multi_hot(row, _OBSERVATIONS),
                    patient=PurePosixPath(row["Path"]).parts[2],
                    split=split,
                    raw_label="|".join(cells),  # tells uncertain (-1.0) from not mentioned
                    attributes=_stated(row),
                )


def _path(row: Mapping[str, str]) -> str:
    """Where the image of a row lies, without the outer folder."""
    return str(PurePosixPath(*PurePosixPath(row["Path"]).parts[1:]))


def _stated(row: Mapping[str, str]) -> Attributes | None:
    """Lateral views are neither AP nor PA; an age of 0 stands for one that is not known."""
    age = row.get("Age") or "0"
    view = row.get("AP/PA") or row.get("Frontal/Lateral")
    return Attributes.of(age=None if number(age) == 0 else age, sex=row.get("Sex"), view=view)


def miniature(raw: Miniature) -> None:
    top = "CheXpert-v1.0-small"
    header = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *_OBSERVATIONS)
    cells = ("1.0", "", "0.0", "", "-1.0", "")
    for table, part, first, patients in (("train.csv", "train", 1, 7), ("valid.csv", "valid", 64541, 3)):
        rows: list[tuple[object, ...]] = []
        for patient in range(first, first + patients):
            for study, view in ((1, "view1_frontal"), (1, "view2_lateral"), (2, "view1_frontal"))[: 1 + patient % 3]:
                path = f"{part}/patient{patient:05d}/study{study}/{view}.jpg"
                raw.image(f"{top}/{path}", size=(96 + study, 80))
                clear = len(rows) % 4 == 3
                found = [cells[(len(rows) + place) % 6] for place in range(13)]
                if part == "valid":
                    found = [str(float((len(rows) + place) % 2 and not clear)) for place in range(13)]
                elif clear:
                    found = [""] * 12 + ["1.0"]
                none = "1.0" if clear else "0.0" if part == "valid" else ""
                side = ("Lateral", "") if "lateral" in view else ("Frontal", "AP")
                person = ("Unknown", 0) if patient == 3 else ("Female", 68)
                rows.append((f"{top}/{path}", *person, *side, none, *found))
        raw.csv(f"{top}/{table}", rows, header=header)
