"""APTOS 2019: fundus photographs graded 0 to 4 for diabetic retinopathy.

train.csv                    # id_code,diagnosis
train_images/000c1434d8d7.png
test.csv                     # id_code: the grades were never published
test_images/0005cfc8afb6.png
sample_submission.csv        # diagnosis is a dummy 0
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, listed


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_stem("train_images/**/*.png")
    for row, image in listed(raw, "train.csv", images, "id_code", columns=["diagnosis"]):
        yield Example(image, label=row["diagnosis"], split="train", key=image.name)
    for image in raw.images("test_images/**/*.png"):
        raw.skip(image, "a test image: its grade was never published")


def miniature(raw: Miniature) -> None:
    rows = []
    for number in range(20):
        name = f"{number * 7919:012x}"
        raw.image(f"train_images/{name}.png", size=(100 + number, 90), mode="RGB")
        rows.append((name, number % 5))
    tests = [f"{number * 104729:012x}" for number in (1, 2)]
    for name in tests:
        raw.image(f"test_images/{name}.png", mode="RGB")
    raw.csv("train.csv", rows, header="id_code,diagnosis")
    raw.csv("test.csv", [(name,) for name in tests], header="id_code")
    raw.csv("sample_submission.csv", [(name, 0) for name in tests], header="id_code,diagnosis")
