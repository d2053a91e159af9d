"""Oral Cancer: photographs of lips, tongue and mouth, with or without oral cancer.

Oral Cancer/Oral Cancer Dataset/CANCER/*                             # the first release: 2.0 repeats it
Oral cancer Dataset 2.0/OC Dataset kaggle new/CANCER/471.jpeg
Oral cancer Dataset 2.0/OC Dataset kaggle new/NON CANCER/*.jpeg      # some are PNG
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    for image in raw.images("Oral Cancer/**"):
        raw.skip(image, "of the first release, whose images version 2.0 repeats")
    yield from class_folders(raw, "Oral cancer Dataset 2.0/OC Dataset kaggle new/{CANCER,NON CANCER}/*")


def miniature(raw: Miniature) -> None:
    top = "Oral cancer Dataset 2.0/OC Dataset kaggle new"
    for label, first in (("CANCER", 471), ("NON CANCER", 12)):
        for number in range(first, first + 8):
            suffix = ("jpeg", "jpeg", "jpg", "png")[number % 4]
            raw.image(f"{top}/{label}/{number}.{suffix}", size=(72 + number % 20, 64), mode="RGB")
            if number < first + 2:
                path = f"Oral Cancer/Oral Cancer Dataset/{label}/{number:03d}.jpeg"
                raw.image(path, size=(72 + number % 20, 64), mode="RGB", seed=f"{top}/{label}/{number}.{suffix}")
        raw.image(f"{top}/{label}/{first + 8}.jpg", size=(80, 64), mode="RGB", seed="both")  # under both labels
    raw.corrupt(f"{top}/CANCER/473.jpeg", keep=0.1)
