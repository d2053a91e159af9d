"""ISIC 2017: dermoscopy of melanoma, seborrheic keratosis and nevus, and a mask of the lesion.

ISIC-2017_Training_Data/                             # some unpackers double the folders
    ISIC_0000000.jpg
    ISIC_0000000_superpixels.png                     # no image of skin
    ISIC-2017_Training_Data_metadata.csv             # image_id,age_approximate,sex
ISIC-2017_Training_Part1_GroundTruth/ISIC_0000000_segmentation.png
ISIC-2017_Training_Part3_GroundTruth.csv             # image_id,melanoma,seborrheic_keratosis; both 0.0: a nevus
ISIC-2017_Validation_Data/, ISIC-2017_Test_v2_Data/, …   # as for training; the parts need not all be there
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Attributes, BinaryMask, Example, Split
from med_mat.raw import Miniature, RawFolder, aligned, one_hot

_PARTS: dict[str, Split] = {"Training": "train", "Validation": "validation", "Test_v2": "test"}
_COLUMNS = ("melanoma", "seborrheic_keratosis")


def examples(raw: RawFolder) -> Iterator[Example]:
    for part, split in _PARTS.items():
        images = raw.by_stem(f"ISIC-2017_{part}_Data/**/*.jpg")
        labels = _labels(raw, part) if images else {}
        facts = aligned(_facts(raw, part), images)
        masks = raw.by_name(
            f"ISIC-2017_{part}_Part1_GroundTruth/**/*_segmentation.png",
            key=lambda path: path.stem[: -len("_segmentation")],
        )
        labels, masks = aligned(labels, images), aligned(masks, images)
        for name, image in images.items():
            label = labels.pop(name, None)
            mask = masks.pop(name, None)
            if label is None and mask is None:
                raw.skip(image, f"neither its class nor its mask, of ISIC-2017_{part}_Part3 or Part1, is in the folder")
                continue
            outline = (BinaryMask(mask, "lesion", threshold=127),) if mask else None
            stated = facts.get(name)
            yield Example(image, label=label, masks=outline, split=split, key=image.name, attributes=stated)
        for name in labels:
            raw.miss(f"{name}.jpg", f"ISIC-2017_{part}_Part3_GroundTruth.csv")
        for mask in masks.values():
            raw.skip(mask, "the mask of an image that is not in the folder")
        for other in raw.images(f"ISIC-2017_{part}_Data/**/*_superpixels.png"):
            raw.skip(other, "superpixels: no image of skin")


def _labels(raw: RawFolder, part: str) -> dict[str, str]:
    """Image -> class; empty where the table was not downloaded."""
    table = raw.first(f"**/ISIC-2017_{part}_Part3_GroundTruth.csv")
    found: dict[str, str] = {}
    for row in raw.table(table, columns=["image_id", *_COLUMNS]) if table else ():
        with raw.reading(row):  # its mask may be right
            found[row["image_id"]] = one_hot(row, _COLUMNS) or "nevus"
    return found


def _facts(raw: RawFolder, part: str) -> dict[str, Attributes | None]:
    """Image -> age and sex; the table lies among the images."""
    table = raw.first(f"ISIC-2017_{part}_Data/**/ISIC-2017_{part}_Data_metadata.csv")
    rows = raw.table(table, columns=["image_id"]) if table else ()
    return {row["image_id"]: Attributes.of(age=row.get("age_approximate"), sex=row.get("sex")) for row in rows}


def miniature(raw: Miniature) -> None:
    for part, first, count in (("Training", 0, 9), ("Validation", 1769, 4), ("Test_v2", 12086, 4)):
        rows: list[tuple[object, ...]] = []
        people = []
        for number in range(first, first + count):
            name, size = f"ISIC_{number:07d}", (110 + number % 7, 88)
            raw.image(f"ISIC-2017_{part}_Data/{name}.jpg", size=size, mode="RGB")
            raw.image(f"ISIC-2017_{part}_Data/{name}_superpixels.png", size=size, mode="RGB")
            raw.mask(f"ISIC-2017_{part}_Part1_GroundTruth/{name}_segmentation.png", size=size)
            rows.append((name, float(number % 3 == 1), float(number % 3 == 2)))
            people.append((name, "unknown" if number % 4 == 0 else 55, "female"))
        if part == "Training":
            raw.corrupt(f"ISIC-2017_Training_Data/ISIC_{first + 6:07d}.jpg")
            rows.append(("ISIC_0000009", 1.0, 0.0))  # not in the folder
        raw.csv(f"ISIC-2017_{part}_Part3_GroundTruth.csv", rows, header=["image_id", *_COLUMNS])
        raw.csv(
            f"ISIC-2017_{part}_Data/ISIC-2017_{part}_Data_metadata.csv", people, header="image_id,age_approximate,sex"
        )
