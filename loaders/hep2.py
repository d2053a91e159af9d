"""HEp-2: single cells from immunofluorescence slides in six staining patterns; the ICPR 2014 set as redistributed.

  gt_training.csv              # header "Image ID,Image class"; despite its name it labels all three folders
  data/training/00001.png      # also named train, tra: a third party's split, not the contest's
  data/validation/00007.png
  data/test/00003.png
or
  HEp-2/train.csv  HEp-2/test.csv
  HEp-2/train/*.png  HEp-2/test/*.png
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, folded, listed


def examples(raw: RawFolder) -> Iterator[Example]:
    for table in raw.glob(["gt_training.csv", "HEp-2/{train,test}.csv"]):
        images = raw.by_stem("data/*/*.png" if folded(table.name) == "gt_training.csv" else f"HEp-2/{table.stem}/*.png")
        # the names of the columns differ between the copies, their order does not: image, class
        for row, image in listed(raw, table, images, lambda row: next(iter(row.values())).removesuffix(".png")):
            yield Example(image, label=[*row.values(), ""][1], key=image.name)


def miniature(raw: Miniature) -> None:
    classes = ["Homogeneous", "Speckled", "Nucleolar", "Centromere", "NuMem", "Golgi"]
    folders = ["training"] * 2 + ["validation", "test"]
    rows = []
    for number in range(24):
        raw.image(f"data/{folders[number % 4]}/{number + 1:05d}.png", size=(78, 78))
        rows.append((f"{number + 1:05d}", classes[number // 4]))
    raw.csv("gt_training.csv", rows, header="Image ID,Image class")
