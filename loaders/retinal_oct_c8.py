"""Retinal OCT-C8: slices of optical coherence tomography of the retina in eight classes, merged from public datasets.

RetinalOCT_Dataset/RetinalOCT_Dataset/      # doubled
    train/AMD/amd_train_1001.jpg
    val/CSR/csr_val_1001.jpg
    test/MH/mh_test_1001.jpg
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, class_folders

_CLASSES = ("AMD", "CNV", "CSR", "DME", "DR", "DRUSEN", "MH", "NORMAL")


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, f"{{train,val,test}}/{{{','.join(_CLASSES)}}}/*", splits=SPLITS)


def miniature(raw: Miniature) -> None:
    top = "RetinalOCT_Dataset/RetinalOCT_Dataset"
    for label in _CLASSES:
        for part, count in (("train", 2), ("val", 1), ("test", 1)):
            for number in range(1001, 1001 + count):
                path = f"{top}/{part}/{label}/{label.lower()}_{part}_{number}.jpg"
                raw.image(path, size=(96, 62), mode="L" if number % 2 else "RGB")
    for part in ("train", "val"):  # the same slice in two parts
        raw.image(f"{top}/{part}/MH/mh_{part}_1003.jpg", size=(96, 62), seed="twice")
