"""Histopathologic Cancer Detection: patches of lymph node sections with or without tumor in their center.

train_labels.csv             # id,label
sample_submission.csv        # the same columns, all 0
train/f38a6374c348f90b587e046aac6079959adf3835.tif
test/0b2ea2a822ad23fdb1b5dd26653da899fbd2c0d5.tif     # no label was published
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, listed


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_stem("train/**/*.tif")
    for row, image in listed(raw, "train_labels.csv", images, "id", columns=["label"]):
        yield Example(image, label=row["label"], split="train", key=image.name)
    for image in raw.images("test/**/*.tif"):
        raw.skip(image, "a test image: its label was never published")
    for sample in raw.glob("sample_submission.csv"):
        raw.skip(sample, "a sample of what to submit: its labels are dummies")


def miniature(raw: Miniature) -> None:
    rows = []
    for number in range(16):
        name = f"{number * 7919:040x}"
        raw.image(f"train/{name}.tif", size=(96, 96), mode="RGB")
        rows.append((name, number % 2))
    for name, value in (("b" * 40, 0), ("e" * 40, 255)):  # one black and one white
        raw.mask(f"train/{name}.tif", size=(96, 96), mode="RGB", background=value, empty=True)
        rows.append((name, 0))
    tests = [f"{number * 104729:040x}" for number in (1, 2)]
    for name in tests:
        raw.image(f"test/{name}.tif", size=(96, 96), mode="RGB")
    raw.csv("train_labels.csv", [*rows, ("f" * 40, 1)], header="id,label")  # the last is not in the folder
    raw.csv("sample_submission.csv", [(name, 0) for name in tests], header="id,label")
