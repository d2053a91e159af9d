"""VinDr-Mammo: mammograms in four views of each of 5,000 exams, with findings and boxes.

finding_annotations.csv      # a row for each finding; finding_categories is the text of a list: "['Mass']"
breast-level_annotations.csv
metadata.csv                 # DICOM tags alone; not the Metadata.csv of a copy
images/<study_id>/<image_id>.dicom

PNG copies, perhaps resized, windowed or cropped:

Processed_Images/<study_id>/<image_id>.png    # with Metadata.csv, which has the columns of finding_annotations.csv
images_png/<study_id>/<image_id>.png          # with vindr_detection_v1_folds.csv, which has a column for each finding
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from med_mat.example import Attributes, Box, Example, Split
from med_mat.raw import SPLITS, Miniature, RawFolder, corners, folded, joined, matched, number, stated_size

_FINDINGS = (
    "Mass",
    "Suspicious Calcification",
    "Asymmetry",
    "Focal Asymmetry",
    "Global Asymmetry",
    "Architectural Distortion",
    "Suspicious Lymph Node",
    "Skin Thickening",
    "Skin Retraction",
    "Nipple Retraction",
)
_NOTHING = "No Finding"
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_stem(["images/*/*.{dicom,dcm,png}", "{Processed_Images,images_png}/*/*.png"])
    table = _table(raw)
    found: defaultdict[str, set[str]] = defaultdict(set)
    boxes: defaultdict[str, tuple[Box, ...]] = defaultdict(tuple)
    origins: dict[str, tuple[str, Split | None]] = {}
    views: dict[str, str | None] = {}
    for row in raw.table(table, columns=["image_id", "split"]):
        name = row["image_id"]
        study = row.get("study_id") or row.get("patient_id") or ""
        views[name] = row.get("view_position") or row.get("view")
        origins.setdefault(name, (study, SPLITS.get(row["split"].lower())))
        with raw.reading(row, images.get(name)):
            kinds = _findings(row)
            found[name].update(kinds)
            place = corners(row, _SIDES) if kinds and set(_SIDES) <= row.keys() else None
            if place is not None:
                drawn_on = stated_size(row.get("width"), row.get("height"))
                boxes[name] += tuple(Box(*place, kind, drawn_on=drawn_on) for kind in kinds)
    facts = ((name, (name, *origin)) for name, origin in origins.items())
    for (name, study, split), image in matched(raw, table, facts, images):
        whole = image.suffix.lower() != ".png"  # of a copy nobody knows the size, and the corners are of the original
        yield Example(
            image,
            labels={**joined("|".join(sorted(found[name])), "|", _FINDINGS), _NOTHING: not found[name]},
            boxes=boxes[name] if whole else None,
            patient=study or folded(image.parent.name),
            split=split,
            key=name,
            attributes=Attributes.of(view=views[name]),
        )


def _table(raw: RawFolder) -> str:
    """The table that names findings, whatever it is called: a metadata.csv may be either of two."""
    tables = raw.glob(["finding_annotations.csv", "metadata.csv", "vindr_detection_v1_folds.csv"])
    known = {"finding_categories", "Mass"}
    named = (str(table) for table in tables if known & next(raw.table(table), {}).keys())
    return next(named, "finding_annotations.csv")


def _findings(row: Mapping[str, str]) -> list[str]:
    """What a row finds: nothing, or one thing, or several in one box."""
    if "finding_categories" in row:
        words = re.findall(r"[^\[\]'\",]+", row["finding_categories"])
        return [word.strip() for word in words if word.strip() not in ("", _NOTHING)]
    return [kind for kind in _FINDINGS if number(row[kind if kind in row else kind.replace(" ", "_")])]


def miniature(raw: Miniature) -> None:
    size = (80, 96)
    found: list[tuple[object, ...]] = []
    breasts: list[tuple[object, ...]] = []
    for place in range(20):
        study, image = f"{place // 4 * 104729 + 9:032x}", f"{place * 7919 + 5:032x}"
        inverted = place % 3 == 1
        raw.dicom(
            f"images/{study}/{image}.dicom",
            size=size,
            modality="MG",
            photometric="MONOCHROME1" if inverted else "MONOCHROME2",
            window=(2048, 3000),
        )
        view = (study, f"{place:032x}", image, "LR"[place % 2], ("CC", "MLO")[place // 2 % 2], size[1], size[0])
        start = (*view, f"BI-RADS {1 + place % 5}", f"DENSITY {'ABCD'[place % 4]}")
        split = "test" if place >= 16 else "training"
        breasts.append((*start, split))
        kinds = [[_FINDINGS[place % 10]], [_FINDINGS[(place + 3) % 10], _FINDINGS[(place + 7) % 10]]][: place % 3]
        for kind in kinds:
            left, top, right, bottom = raw.box(size, f"{image} {kind}")
            found.append((*start, str(kind), "BI-RADS 4", left + 0.25, top, right + 0.5, bottom, split))
        if not kinds:
            found.append((*start, f"['{_NOTHING}']", "", "", "", "", "", split))
    header = "study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,"
    raw.csv(
        "finding_annotations.csv", found, header=f"{header}finding_categories,finding_birads,{','.join(_SIDES)},split"
    )
    raw.csv("breast-level_annotations.csv", breasts, header=f"{header}split")
    raw.csv("metadata.csv", [(row[2], "MG") for row in breasts], header="SOP Instance UID,Modality")
    raw.corrupt(f"images/{9:032x}/{5:032x}.dicom")
