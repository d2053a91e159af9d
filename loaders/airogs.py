"""AIROGS: fundus photographs from a screening program, with or without referable glaucoma.

train_labels.csv                     # challenge_id,class: NRG or RG
0/TRAIN000000.jpg                    # folders 0 to 5 are blocks of numbers, no classes; .JPG too
5/TRAIN101441.jpg
TRAIN000000.jpg                      # or all beside the table
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, listed


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_stem(["{0,1,2,3,4,5}/TRAIN*.jpg", "TRAIN*.jpg"])
    for row, image in listed(raw, "train_labels.csv", images, "challenge_id", columns=["class"]):
        yield Example(image, label=row["class"], split="train", key=image.stem)


def miniature(raw: Miniature) -> None:
    rows = []
    for number in (*range(0, 90_000, 18_000), 101_441):
        for step in range(3):
            name = f"TRAIN{number - step if number > 100_000 else number + step:06d}"
            path = f"{number // 18_000}/{name}.{'JPG' if step == 2 else 'jpg'}"
            raw.image(path, size=(80 + number % 31, 90), mode="RGB")
            rows.append((name, "RG" if (number // 18_000 + step) % 4 == 0 else "NRG"))
    rows.append(("TRAIN018999", "NRG"))  # not on disk
    raw.image("3/TRAIN054999.jpg", mode="RGB")  # not in the table
    raw.corrupt("4/TRAIN072001.jpg")
    raw.csv("train_labels.csv", rows, header="challenge_id,class")
