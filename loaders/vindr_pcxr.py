"""VinDr-PCXR: chest radiographs of children, with diagnoses per image and boxes of local findings.

image_labels_train.csv       # image_id,rad_ID, then a column for each diagnosis: 1.0, 0.0 or blank
annotations_train.csv        # a row for each box; "No finding" has no corners, or dummy ones
image_labels_test.csv  annotations_test.csv
train/6cb53aff85c71b98ad13d67a131708c6.dicom     # also .dcm
test/d7e71a052a753c3f2f3e317d60177bec.dicom
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from med_mat.example import Box, Example, Split
from med_mat.raw import Miniature, RawFolder, corners, matched, multi_hot

_PARTS: tuple[Split, ...] = ("train", "test")
_SIDES = ("x_min", "y_min", "x_max", "y_max")
_NOTHING = "No finding"
# spelt as in the header
_DIAGNOSES = (
    *(_NOTHING, "Bronchitis", "Brocho-pneumonia", "Other disease", "Bronchiolitis", "Situs inversus", "Pneumonia"),
    *("Pleuro-pneumonia", "Diagphramatic hernia", "Tuberculosis", "Congenital emphysema", "CPAM"),
    *("Hyaline membrane disease", "Mediastinal tumor", "Lung tumor"),
)


def examples(raw: RawFolder) -> Iterator[Example]:
    for part in _PARTS:
        images = raw.by_stem(f"{part}/*.{{dicom,dcm}}")
        boxes = _boxes(raw, f"annotations_{part}.csv", images)
        table = f"image_labels_{part}.csv"
        rows = raw.table(table, columns=["image_id", *_DIAGNOSES]) if raw.first(table) else ()
        facts = ((row["image_id"], row) for row in rows)
        for row, image in matched(raw, table, facts, images):
            with raw.reading(row, image):
                # a blank says no, as the publisher's zeros do
                labels = {diagnosis: bool(state) for diagnosis, state in multi_hot(row, _DIAGNOSES).items()}
                yield Example(image, labels=labels, boxes=boxes.get(row["image_id"]), split=part, key=row["image_id"])


def _boxes(raw: RawFolder, table: str, images: Mapping[str, PurePosixPath]) -> dict[str, tuple[Box, ...]]:
    """Image -> its boxes; none of an image that was looked at without finding anything."""
    found: dict[str, tuple[Box, ...]] = {}
    for row in raw.table(table, columns=["image_id", "class_name", *_SIDES]) if raw.first(table) else ():
        mine = found.setdefault(row["image_id"], ())
        with raw.reading(row, images.get(row["image_id"])):
            place = None if row["class_name"] == _NOTHING else corners(row, _SIDES)
            if place is not None:
                found[row["image_id"]] = (*mine, Box(*place, row["class_name"]))
    return found


def miniature(raw: Miniature) -> None:
    size = (80, 96)
    # spelt as in class_name
    findings = (
        *("Boot-shaped heart", "Peribronchovascular interstitial opacity", "Reticulonodular opacity"),
        *("Bronchial thickening", "Enlarged PA", "Cardiomegaly", "Diffuse aveolar opacity", "Other opacity"),
        *("Other lesion", "Consolidation", "Mediastinal shift", "Anterior mediastinal mass", "Dextro cardia"),
        *("Pleural effusion", "Stomach on the right side", "Atelectasis", "Lung hyperinflation", "Egg on string sign"),
        *("Interstitial lung disease - ILD", "Infiltration", "Lung cavity", "Pneumothorax", "Edema"),
        *("Pleural thickening", "Other nodule/mass", "Clavicle fracture", "Chest wall mass", "Lung cyst", "Emphysema"),
        *("Bronchectasis", "Expanded edges of the anterior ribs", "Pulmonary fibrosis", "Paraveterbral mass"),
        *("Aortic enlargement", "Calcification", "Intrathoracic digestive structure"),
    )
    for part, first, count in (("train", 0, 13), ("test", 13, 7)):
        diagnoses: list[tuple[object, ...]] = []
        boxes: list[tuple[object, ...]] = []
        for number in range(first, first + count):
            name, reader = f"{number * 7919 + 7:032x}", f"R{1 + number % 3}"
            photometric = "MONOCHROME1" if number % 4 == 1 else "MONOCHROME2"
            raw.dicom(f"{part}/{name}.dicom", size=size, bits=16 if number % 3 else 12, photometric=photometric)
            sick = number % 5 != 4
            states: list[object] = [0.0 if sick else 1.0, *[0.0] * 14]
            if sick:
                states[1 + number % 14] = states[1 + (number + 7) % 14] = 1.0
            elif number == 4:
                states[3] = ""
            diagnoses.append((name, reader, *states))
            if not sick:
                boxes.append((name, reader, _NOTHING, 36, *(["", "", "", ""] if number == 4 else [0, 0, 1, 1])))
            for place in range(5 if sick else 0):
                kind = (number * 5 + place) % 36
                left, top, right, bottom = raw.box(size, f"{name} {place}")
                beyond = 20 if place == 0 else 0.5
                boxes.append((name, reader, findings[kind], kind, left + 0.25, top, right + beyond, bottom))
        raw.csv(f"image_labels_{part}.csv", diagnoses, header=("image_id", "rad_ID", *_DIAGNOSES))
        raw.csv(f"annotations_{part}.csv", boxes, header=("image_id", "rad_ID", "class_name", "class_id", *_SIDES))
    raw.dicom(f"train/{12345:032x}.dicom", size=size)  # in no table
    raw.text("LICENSE.txt", "PhysioNet Restricted Health Data License 1.5.0\n")
