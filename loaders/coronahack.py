"""CoronaHack: chest radiographs, normal or with pneumonia by its cause, COVID-19 among them.

Chest_xray_Corona_Metadata.csv               # spelled "Pnemonia"; TRAIN and TEST
Coronahack-Chest-XRay-Dataset/
    Coronahack-Chest-XRay-Dataset/           # once more; may lack
        train/IM-0343-0001.jpeg
        train/person1019_virus_1708.jpeg     # the numbers start again in test
        train/1-s2.0-S0140673620303706-fx1_lrg.jpg
        test/person1637_virus_2834.jpeg
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, listed

from ._kermany import patient_of

_TABLE = "Chest_xray_Corona_Metadata.csv"
_CATEGORIES = ("Label", "Label_1_Virus_category", "Label_2_Virus_category")  # from coarse to fine


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_name(
        "Coronahack-Chest-XRay-Dataset/**/{train,test}/*.{jpeg,jpg,png}",
        key=lambda path: f"{path.parent.name.lower()}/{path.name}",
    )
    for row, image in listed(raw, _TABLE, images, _name, columns=["X_ray_image_name", "Dataset_type", *_CATEGORIES]):
        # one of two folders: the image is found by it
        part, stem = row["Dataset_type"].lower(), PurePosixPath(row["X_ray_image_name"]).stem
        said = [row[column] for column in _CATEGORIES if row[column]]
        yield Example(
            image,
            label=said[-1] if said else None,
            raw_label="|".join(said),
            patient=patient_of(stem, part) or f"{part} {stem}",
            split=SPLITS[part],
            key=_name(row),
        )


def _name(row: Mapping[str, str]) -> str:
    return f"{row['Dataset_type'].lower()}/{row['X_ray_image_name']}"


def miniature(raw: Miniature) -> None:
    top = "Coronahack-Chest-XRay-Dataset/Coronahack-Chest-XRay-Dataset"
    entries = [(f"IM-{number:04d}-0001.jpeg", "Normal", "", "") for number in (128, 343)]
    entries += [(f"NORMAL2-IM-0666-000{number}.jpeg", "Normal", "", "") for number in (1, 2)]
    entries += [(f"person{number // 2}_bacteria_{number}.jpeg", "Pnemonia", "bacteria", "") for number in range(2, 6)]
    entries += [(f"person{number // 2 + 9}_virus_{number}.jpeg", "Pnemonia", "Virus", "") for number in range(4)]
    entries += [(f"1-s2.0-S0140673620303706-fx{i}_lrg.jpg", "Pnemonia", "Virus", "COVID-19") for i in (1, 2, 3)]
    entries += [(f"SARS-10.1148rg.2421041{i}-g04.png", "Pnemonia", "Virus", "SARS") for i in (1, 2)]
    entries += [(f"streptococcus-pneumonia-{i}.jpg", "Pnemonia", "bacteria", "Streptococcus") for i in (1, 2)]
    entries += [(f"ARDSSevere{i}.png", "Pnemonia", "Stress-Smoking", "ARDS") for i in (1, 2)]
    tests = [(f"IM-000{number}-0001.jpeg", "Normal", "", "") for number in (1, 3)]
    tests += [(f"person{number}_virus_{number + 5}.jpeg", "Pnemonia", "Virus", "") for number in (1, 9)]
    tests += [(f"person{number}_bacteria_{number}.jpeg", "Pnemonia", "bacteria", "") for number in (1, 78)]
    rows: list[tuple[object, ...]] = []
    for part, listing in (("train", entries), ("test", tests)):
        for name, label, first, second in listing:
            raw.image(f"{top}/{part}/{name}", size=(96, 72), mode="RGB" if second else "L")
            rows.append((len(rows), name, label, part.upper(), second, first))
    rows.append((len(rows), "person1600_virus_2772.jpeg", "Pnemonia", "TRAIN", "", "Virus"))  # missing
    raw.image(f"{top}/train/IM-0999-0001.jpeg")  # not in the table
    raw.corrupt(f"{top}/train/person2_bacteria_5.jpeg")
    columns = "X_ray_image_name,Label,Dataset_type,Label_2_Virus_category,Label_1_Virus_category"
    raw.csv(_TABLE, rows, header=f",{columns}")
    raw.csv("Chest_xray_Corona_dataset_Summary.csv", [("Normal", "", "", 1576)], header="Label,Label_1,Label_2,Count")
