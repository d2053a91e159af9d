"""RFMiD: fundus photographs from India with frequent and rare findings, multi-label.

Release 2.0:
  Training_set/RFMiD_2_Training_labels.csv     # Latin-1; ID, then 51 columns of 0 and 1, "ON" with a hard blank
  Training_set/1.jpg                           # IDs start again in every part
  Validation_set/RFMiD_2_Validation_labels.csv
  Test_set/RFMiD_2_Testing_labels.csv
or the tables beside Training/ (Train/), Validation/, Test/; and release 1.0:
  Training_Set/RFMiD_Training_Labels.csv       # ID,Disease_Risk,DR,…
  Training_Set/Training/1.png                  # on Kaggle Training_Set/ is doubled; Evaluation_Set/ and Test_Set/ too
or
  1. Original Images/a. Training Set/1.png
  2. Groundtruths/a. RFMiD_Training_Labels.csv
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from med_mat.example import Example, Split
from med_mat.raw import Miniature, RawFolder, listed_or_skipped, multi_hot

#: What the miniature does not show, and why.
NOT_SHOWN = dict.fromkeys(
    (
        *("Parafoveal telangiectasia", "Myelinated nerve fibers", "Post-traumatic choroidal rupture"),
        *("Vitreous hemorrhage", "Branch retinal artery occlusion", "Plaque"),
    ),
    "of release 1.0 alone, which has a layout of its own",
)

#: What the names of folders and tables of a part hold.
_PARTS: dict[str, Split] = {"train": "train", "{valid,eval}": "validation", "test": "test"}
_SECOND = (
    *("WNL", "AH", "AION", "ARMD", "BRVO", "CB", "CF", "CL", "CME", "CNV", "CRAO", "CRS", "CRVO", "CSR", "CWS", "CSC"),
    *("DN", "DR", "EDN", "ERM", "GRT", "HPED", "HR", "LS", "MCA", "ME", "MH", "MHL", "MS", "MYA", "ODC", "ODE", "ODP"),
    *("ON", "OPDM", "PRH", "RD", "RHL", "RTR", "RP", "RPEC", "RS", "RT", "SOFE", "ST", "TD", "TSLN", "TV", "VS"),
    *("HTN", "IIH"),
)
_FIRST_ALONE = ("PT", "MNF", "PTCR", "VH", "BRAO", "PLQ")


def examples(raw: RawFolder) -> Iterator[Example]:
    release = "" if raw.first("**/*RFMiD_2_*_labels.csv") else "release 1.0/"  # other images, under the same numbers
    for word, split in _PARTS.items():
        images = raw.by_stem(f"**/*{word}*/**/*.{{jpg,jpeg,png}}")
        for row, image in listed_or_skipped(raw, f"**/*RFMiD_*{word}*_labels.csv", images, "ID"):
            with raw.reading(row, image):
                yield Example(image, labels=_labels(row), split=split, key=f"{release}{split}/{image.name}")


def _labels(row: Mapping[str, str]) -> dict[str, bool | None]:
    """Every finding of both releases; what the table has no column for is unknown."""
    columns = [
        name for name in row if name not in ("ID", "Disease_Risk") and not name.startswith(("column ", "Unnamed"))
    ]
    found = {"OPDM" if name == "ODPM" else name: state for name, state in multi_hot(row, columns).items()}
    if "Disease_Risk" in row and "WNL" not in row:
        risk = multi_hot(row, ["Disease_Risk"])["Disease_Risk"]
        found["WNL"] = None if risk is None else not risk
    return {**dict.fromkeys((*_SECOND, *_FIRST_ALONE)), **found}


def miniature(raw: Miniature) -> None:
    header = ",".join("ON\xa0" if name == "ON" else name for name in ("ID", *_SECOND)) + ",,"
    parts = (("Training_set", "Training", 13), ("Validation_set", "Validation", 5), ("Test_set", "Testing", 5))
    first = 0
    for folder, name, count in parts:
        rows = []
        for number in range(1, count + 1):
            suffix = {2: "JPG", 3: "jpeg", 4: "png"}.get(number, "jpg")
            raw.image(f"RFMiD2_0/{folder}/{number}.{suffix}", size=(90 + number, 70), mode="RGB")
            marked = {0} if number == count else {place for place in range(1, 51) if place % 8 == (first + number) % 8}
            rows.append((number, *(int(place in marked) for place in range(51)), "", ""))
        first += count
        if name == "Training":
            rows.append((99, *(int(not place) for place in range(51)), "", ""))  # no such image
        raw.csv(f"RFMiD2_0/{folder}/RFMiD_2_{name}_labels.csv", rows, header=header, encoding="latin-1")
    raw.image("RFMiD2_0/Test_set/31.jpg", mode="RGB")  # not in the table
    raw.corrupt("RFMiD2_0/Training_set/12.jpg")
