"""RSNA pneumonia: chest radiographs of NIH, normal, with lung opacity (and its boxes), or else abnormal.

stage_2_train_labels.csv             # patientId,x,y,width,height,Target: a row for each box
stage_2_detailed_class_info.csv      # patientId,class: also repeated for each box
stage_2_train_images/0004cfab-14fd-4e49-80ba-63a80b6bddd6.dcm
stage_2_test_images/…                # no labels
pneumonia-challenge-dataset-mappings_2018.json      # may lack: the NIH name of each image, and so the patient

or, as RSNA exports it,

pneumonia-challenge-annotations-adjudicated-kaggle_2018.json
mdai_rsna_project_x9N20BZa_images_2018-07-20-153330/<study>/<series>/<instance>.dcm
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from med_mat.example import Box, Example
from med_mat.raw import Miniature, RawFolder, corners, stated_size

_CLASSES = "stage_2_detailed_class_info.csv"
_BOXES = "stage_2_train_labels.csv"
_EXPORT = "pneumonia-challenge-annotations-adjudicated-kaggle_2018.json"
_MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
_OPACITY = "Lung Opacity"
#: The label group "Calculated" of the export: what holds after adjudication. All else is of single readers.
_CALCULATED = {"L_o8w": "Normal", "L_yd0": "No Lung Opacity / Not Normal", "L_v8n": _OPACITY}

_Facts = tuple[dict[str, str], dict[str, tuple[Box, ...]]]  # image -> its class; image -> its boxes


def examples(raw: RawFolder) -> Iterator[Example]:
    exported = raw.variant == "rsna"
    images = raw.by_stem("mdai_rsna_project_*/**/*.dcm" if exported else "stage_2_train_images/**/*.dcm")
    classes, boxes = _export(raw) if exported else _tables(raw)
    mapping: list[dict[str, Any]] = raw.json(_MAPPING) if raw.first(_MAPPING) else []
    known = {str(entry["SOPInstanceUID" if exported else "subset_img_id"]): entry for entry in mapping}
    for name, label in classes.items():
        image = images.pop(name, None)
        if image is None:
            raw.miss(f"{name}.dcm", _EXPORT if exported else _CLASSES)
            continue
        origin = known.get(name, {"subset_img_id": name, "img_id": name})
        yield Example(
            image,
            label=label,
            boxes=boxes.get(name, ()),
            patient=str(origin["img_id"]).partition("_")[0],  # 00000001_000.png: the patient, then the visit
            split="train",
            key=f"{origin['subset_img_id']}.dcm",
        )
    for image in images.values():
        raw.skip(image, f"{_EXPORT if exported else _CLASSES} does not list it")
    for image in raw.images("stage_2_test_images/**"):
        raw.skip(image, "a test image: its label was never published")


def _tables(raw: RawFolder) -> _Facts:
    classes = {row["patientId"]: row["class"] for row in raw.table(_CLASSES, columns=["patientId", "class"])}
    boxes: dict[str, tuple[Box, ...]] = {}
    sides = ["x", "y", "width", "height"]
    for row in raw.table(_BOXES, columns=["patientId", *sides]):
        place = corners(row, sides)
        if place is not None:
            boxes[row["patientId"]] = (*boxes.get(row["patientId"], ()), Box.xywh(*place, _OPACITY))
    return classes, boxes


def _export(raw: RawFolder) -> _Facts:
    classes: dict[str, str] = {}
    boxes: dict[str, tuple[Box, ...]] = {}
    for note in raw.json(_EXPORT)["datasets"][0]["annotations"]:
        label = _CALCULATED.get(note["labelId"])
        if label is None:
            continue
        name = note["SOPInstanceUID"]
        classes[name] = label
        place = note.get("data")
        if label == _OPACITY and place:
            drawn_on = stated_size(note.get("width"), note.get("height"))
            corner, sides = (place["x"], place["y"]), (place["width"], place["height"])
            box = Box.xywh(*corner, *sides, _OPACITY, drawn_on=drawn_on)
            boxes[name] = (*boxes.get(name, ()), box)
    return classes, boxes


def miniature(raw: Miniature) -> None:
    classes, boxes, mapping = [], [], []
    size = (96, 96)
    for number in range(12):
        name = f"{number * 7919:08x}-14fd-4e49-80ba-63a80b6bddd6"
        raw.dicom(f"stage_2_train_images/{name}.dcm", size=size, compressed=True, modality="CR", patient=name)
        label = ("No Lung Opacity / Not Normal", "Normal", _OPACITY)[number % 3]
        for side in range(1 + number % 2 if label == _OPACITY else 1):  # a row for each box
            classes.append((name, label))
            left, top, right, bottom = raw.box(size, f"{name} {side}")
            sides = (f"{left}.0", f"{top}.0", f"{right - left}.0", f"{bottom - top}.0", 1)
            boxes.append((name, *sides) if label == _OPACITY else (name, "", "", "", "", 0))
        identifiers = {"SOPInstanceUID": f"1.2.276.0.4.{number}", "SeriesInstanceUID": f"1.2.276.0.3.{number}"}
        nih = f"{number // 2 + 1:08d}_{number % 2:03d}.png"
        mapping.append({"subset_img_id": name, "img_id": nih, "orig_labels": ["Infiltration"], **identifiers})
    for number in (1, 2):
        raw.dicom(f"stage_2_test_images/{number:08x}-0000-4e49-80ba-63a80b6bddd6.dcm", size=size, compressed=True)
    raw.csv(_BOXES, boxes, header="patientId,x,y,width,height,Target")
    raw.csv(_CLASSES, classes, header="patientId,class")
    raw.json(_MAPPING, mapping)
    raw.csv("stage_2_sample_submission.csv", [("00000001", "0.5 0 0 100 100")], header="patientId,PredictionString")
