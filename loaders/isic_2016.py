"""ISIC 2016: dermoscopy with a diagnosis (Part 3), a mask of the lesion (Part 1), or both (Part 3B).

ISBI2016_ISIC_Part3B_Training_Data/              # in some copies twice; on Kaggle perhaps Training_Data
    ISIC_0000000.jpg
    ISIC_0000000_Segmentation.png
ISBI2016_ISIC_Part3B_Training_GroundTruth.csv    # no header: ISIC_0000000,benign
ISBI2016_ISIC_Part3B_Test_GroundTruth.csv        # no header: ISIC_0000003,0.0
ISBI2016_ISIC_Part1_Training_Data/ISIC_0000000.jpg
ISBI2016_ISIC_Part1_Training_GroundTruth/ISIC_0000000_Segmentation.png
ISBI2016_ISIC_Part3_Training_Data/ISIC_0000000.jpg
ISBI2016_ISIC_Part3_Training_GroundTruth.csv     # and each of these for Test
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import BinaryMask, Example, Split
from med_mat.raw import Miniature, RawFolder, aligned, folded, paired

_PARTS: dict[str, Split] = {"Training": "train", "Test": "test"}
_SUFFIX = "_Segmentation"


def examples(raw: RawFolder) -> Iterator[Example]:
    for part, split in _PARTS.items():
        yield from _diagnosed(raw, part, split)
        yield from _outlined(raw, part, split)


def _diagnosed(raw: RawFolder, part: str, split: Split) -> Iterator[Example]:
    """Part 3B, of which some copies drop the prefix, and what only Part 3 has."""
    both = raw.by_stem(f"{{ISBI2016_ISIC_Part3B_,}}{part}_Data/**/ISIC_*.jpg")
    bare = raw.by_stem(f"ISBI2016_ISIC_Part3_{part}_Data/**/ISIC_*.jpg")
    labels = _labels(raw, f"ISBI2016_ISIC_Part3_{part}_GroundTruth.csv")
    labels |= _labels(raw, f"{{ISBI2016_ISIC_Part3B_,}}{part}_GroundTruth.csv")
    outlines = raw.by_name(f"{{ISBI2016_ISIC_Part3B_,}}{part}_Data/**/*{_SUFFIX}.png", key=_bare)
    images = bare | both
    labels, outlines = aligned(labels, images), aligned(outlines, images)
    for name, image in sorted(images.items(), key=lambda entry: folded(entry[0])):
        label, _ = labels.pop(name, (None, ""))
        outline = outlines.pop(name, None)
        if label is None and outline is None:
            raw.skip(image, "no table of diagnoses lists it, and no mask has its name")
            continue
        masks = None if outline is None else (BinaryMask(outline, "lesion", threshold=127),)
        yield Example(image, label=label, masks=masks, split=split, key=image.name, rows=(13, 89))
    for name, image in bare.items():
        if name in both:
            raw.skip(image, "Part 3B holds the same image")
    for outline in outlines.values():
        raw.skip(outline, "a mask of which there is no image")
    for name, (_, table) in labels.items():
        raw.miss(name, table)


def _labels(raw: RawFolder, pattern: str) -> dict[str, tuple[str, str]]:
    """Image -> its diagnosis, and the table that gives it. Some copies have a header; some are no such tables."""
    found: dict[str, tuple[str, str]] = {}
    for table in raw.glob(pattern):
        rows = raw.table(table, header=["image", "label", "more"])
        for number, row in enumerate(rows):
            if number == 0 and {"img", "seg"} <= {cell.lower() for cell in row.values()}:
                break  # of a segmentation project: it pairs images and masks
            if number or re.fullmatch(r"ISIC_\d{7}", row["image"]):
                label = {"0": "0.0", "1": "1.0"}.get(row["label"], row["label"])
                found[row["image"]] = label, str(table)
    return found


def _bare(mask: PurePosixPath) -> str:
    """The name of the image that a mask is of; the case of the suffix varies."""
    return mask.stem[: -len(_SUFFIX)]


def _outlined(raw: RawFolder, part: str, split: Split) -> Iterator[Example]:
    """Part 1."""
    top = f"ISBI2016_ISIC_Part1_{part}"
    images = raw.by_stem(f"{top}_Data/**/ISIC_*.jpg")
    for image, outline in paired(raw, images, raw.by_name(f"{top}_GroundTruth/**/*{_SUFFIX}.png", key=_bare)):
        masks = (BinaryMask(outline, "lesion", threshold=127),)
        yield Example(image, masks=masks, split=split, key=f"part 1/{image.name}", rows=(90,))


def miniature(raw: Miniature) -> None:
    prefix = "ISBI2016_ISIC_Part"
    for part, count in (("Training", 8), ("Test", 6)):
        rows = []
        for number in range(count):
            name = f"ISIC_{10 * number + (part == 'Test') * 3:07d}"
            size = (96 + number, 72)
            for folder, place in (("3B", f"{prefix}3B_{part}_Data"), ("1", f"{prefix}1_{part}_GroundTruth")):
                raw.image(f"{prefix}{folder}_{part}_Data/{name}.jpg", size=size, mode="RGB", seed=name)
                raw.mask(f"{place}/{name}{_SUFFIX}.png", size=size, seed=name)
            malignant = number % 4 == 2
            rows.append((name, float(malignant) if part == "Test" else "malignant" if malignant else "benign"))
        raw.csv(f"{prefix}3B_{part}_GroundTruth.csv", rows, header=None)
    raw.image(f"{prefix}3_Training_Data/ISIC_0000000.jpg", size=(96, 72), mode="RGB", seed="ISIC_0000000")
    pair = [f"{prefix}1_Training_{kind}" for kind in ("Data/ISIC_0000000.jpg", "GroundTruth/ISIC_0000000.png")]
    raw.csv(f"{prefix}3_Training_GroundTruth.csv", [(0, *pair)], header=",img,seg")  # of a segmentation project
