"""VinDr-SpineXR: spine radiographs with boxes of seven types of lesions, or stated to have none.

annotations/train.csv        # study_id,series_id,image_id,rad_id,lesion_type,xmin,ymin,xmax,ymax: a row for each box
annotations/test.csv         # "No finding" has no corners
train_images/00073745e02e69432c002b527c565151.dicom      # some are MONOCHROME1
test_images/004004095d8a302b1c0815ccb044c018.dicom
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from med_mat.example import Box, Example, Split
from med_mat.raw import Miniature, RawFolder, corners, matched

_PARTS: tuple[Split, ...] = ("train", "test")
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_LESIONS = (
    "Osteophytes",
    "Surgical implant",
    "Spondylolysthesis",
    "Foraminal stenosis",
    "Disc space narrowing",
    "Vertebral collapse",
    "Other lesions",
    "No finding",
)


def examples(raw: RawFolder) -> Iterator[Example]:
    for part in _PARTS:
        images = raw.by_stem(f"{part}_images/**/*.{{dicom,dcm}}")
        table = f"annotations/{part}.csv"
        studies: dict[str, str] = {}
        lesions: defaultdict[str, set[str]] = defaultdict(set)
        boxes: defaultdict[str, tuple[Box, ...]] = defaultdict(tuple)
        rows = raw.table(table, columns=["study_id", "image_id", "lesion_type", *_SIDES]) if raw.first(table) else ()
        for row in rows:
            name, lesion = row["image_id"], row["lesion_type"]
            studies.setdefault(name, row["study_id"])
            lesions[name].add(lesion)
            with raw.reading(row, images.get(name)):
                place = corners(row, _SIDES)
                if place is not None and lesion != "No finding":
                    boxes[name] += (Box(*place, lesion),)
        for (name, study), image in matched(
            raw, table, ((name, (name, study)) for name, study in studies.items()), images
        ):
            # a word that is no lesion is kept: the build says what the card lacks
            labels = {lesion: lesion in lesions[name] for lesion in (*_LESIONS, *sorted(lesions[name]))}
            yield Example(image, labels=labels, boxes=boxes[name], patient=study, split=part, key=name)


def miniature(raw: Miniature) -> None:
    size = (96, 120)
    for part, first, count in (("train", 0, 12), ("test", 100, 6)):
        rows: list[tuple[object, ...]] = []
        for number in range(first, first + count):
            image, study = f"{number * 7919:032x}", f"{number // 2 * 104729:032x}"
            raw.dicom(
                f"{part}_images/{image}.dicom",
                size=size,
                bits=16 if number % 3 else 12,
                photometric="MONOCHROME1" if number % 4 == 1 else "MONOCHROME2",
            )
            start = (study, f"{number:032x}", image, f"rad{1 + number % 3}")
            if number % 4 == 3:
                rows.append((*start, "No finding", "", "", "", ""))
                continue
            for lesion in (_LESIONS[number % 7], _LESIONS[(number + 2) % 7], _LESIONS[number % 7]):
                left, top, right, bottom = raw.box(size, f"{image} {len(rows)}")
                rows.append((*start, lesion, left + 0.25, top, right + 0.5, bottom))
            if number == first:
                rows.append((*start, "Other lesions", 10.5, 20.25, 10.5, 20.25))  # without area
        raw.csv(
            f"annotations/{part}.csv", rows, header="study_id,series_id,image_id,rad_id,lesion_type," + ",".join(_SIDES)
        )
    raw.dicom(f"train_images/{12345:032x}.dicom", size=size)  # in no table
    raw.text("LICENSE.txt", "PhysioNet Restricted Health Data License 1.5.0\n")
    raw.text("SHA256SUMS.txt", "")
