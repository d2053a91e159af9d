"""HEp-2: single cells from immunofluorescence slides in six staining patterns, as the ICPR 2014 set circulates.

  gt_training.csv              # header "Image ID,Image class"; despite its name it labels all three folders
  data/training/00001.png      # also named train, tra
  data/validation/00007.png
  data/test/00003.png
or
  HEp-2/train.csv  HEp-2/test.csv
  HEp-2/train/*.png  HEp-2/test/*.png
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example, Split
from med_mat.raw import Miniature, RawFolder

_SPLITS: dict[str, Split] = {
    "training": "train",
    "train": "train",
    "tra": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
    "tes": "test",
}


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_stem("{data,HEp-2}/*/*.png")
    for table in raw.glob(["gt_training.csv", "HEp-2/{train,test}.csv"]):
        for row in raw.table(table):
            name, label, *_ = row.values()  # the names of the columns differ between the copies, their order does not
            image = images.pop(name.removesuffix(".png"), None)
            if image is None:
                raw.miss(name, str(table))
                continue
            yield Example(image, label=label, split=_SPLITS.get(image.parent.name.lower()), key=image.name)
    for image in images.values():
        raw.skip(image, "no table lists it")


def miniature(raw: Miniature) -> None:
    classes = ["Homogeneous", "Speckled", "Nucleolar", "Centromere", "NuMem", "Golgi"]
    folders = ["training"] * 2 + ["validation", "test"]
    rows = []
    for number in range(24):
        raw.image(f"data/{folders[number % 4]}/{number + 1:05d}.png", size=(78, 78))
        rows.append((f"{number + 1:05d}", classes[number // 4]))
    raw.csv("gt_training.csv", rows, header="Image ID,Image class")
