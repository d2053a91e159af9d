"""UW-Madison GI: abdominal MRI slices with RLE masks of the stomach, small bowel and large bowel.

train.csv                    # id,class,segmentation: three rows for each slice, empty where the organ is not in it
train/case101/case101_day20/scans/slice_0001_266_266_1.50_1.50.png   # 16 bit; id case101_day20_slice_0001
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from med_mat.example import RLE, Example
from med_mat.raw import Miniature, RawFolder, matched

_ORGANS = ("large_bowel", "small_bowel", "stomach")


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_name("train/case*/case*_day*/scans/slice_*.png", key=_identifier)
    slices: dict[str, tuple[RLE, ...]] = {}
    for row in raw.table("train.csv", columns=["id", "class", "segmentation"]):
        masks = slices.setdefault(row["id"], ())
        if row["segmentation"]:
            slices[row["id"]] = (*masks, RLE(row["segmentation"], row["class"]))
    facts = ((name, (name.partition("_")[0], masks)) for name, masks in slices.items())
    for (patient, masks), image in matched(raw, "train.csv", facts, images):
        yield Example(image, masks=_sized(masks, image), patient=patient, split="train")
    for image in raw.images("test/**"):
        raw.skip(image, "a test image: its outlines were never published")


def _sized(masks: tuple[RLE, ...], image: PurePosixPath) -> tuple[RLE, ...]:
    """With the size in the name of a square slice; of others, readers differ on which number is the width."""
    square = re.match(r"slice_\d+_(\d+)_\1_", image.name, re.IGNORECASE)
    return tuple(replace(mask, size=(int(square[1]), int(square[1]))) for mask in masks) if square else masks


def _identifier(path: PurePosixPath) -> str:
    """The name that train.csv has for a slice."""
    return "_".join((path.parts[-3], *path.stem.split("_")[:2]))


def miniature(raw: Miniature) -> None:
    top = "uw-madison-gi-tract-image-segmentation"
    rows = []
    for case, days in ((101, (20, 22)), (123, (20,)), (131, (0,))):
        for day in days:
            for number in range(64, 68):
                size = (90, 78) if case == 131 else (80, 80)
                name = f"case{case}_day{day}_slice_{number:04d}"
                sides = f"{size[0]}_{size[1]}_1.50_1.50"
                raw.image(
                    f"{top}/train/case{case}/case{case}_day{day}/scans/slice_{number:04d}_{sides}.png",
                    size=size,
                    mode="I;16",
                )
                for place, organ in enumerate(_ORGANS):
                    there = number % 4 and (number + place + day) % 3
                    rows.append((name, organ, raw.rle(size, seed=f"{name} {organ}") if there else ""))
    raw.csv(f"{top}/train.csv", rows, header="id,class,segmentation")
    raw.csv(f"{top}/sample_submission.csv", [], header="id,class,predicted")
