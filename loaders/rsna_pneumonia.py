"""RSNA pneumonia: chest radiographs from NIH: normal, with lung opacity (and boxes), or otherwise abnormal.

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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from med_mat.example import Box, Example
from med_mat.raw import Miniature, Place, RawFolder, corners, entries, matched, stated_size

_CLASSES = "stage_2_detailed_class_info.csv"
_BOXES = "stage_2_train_labels.csv"
_EXPORT = "pneumonia-challenge-annotations-adjudicated-kaggle_2018.json"
_MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
_SIDES = ("x", "y", "width", "height")
_OPACITY = "Lung Opacity"
#: The label group "Calculated" of the export: what holds after adjudication. All else is of single readers.
_CALCULATED = {"L_o8w": "Normal", "L_yd0": "No Lung Opacity / Not Normal", "L_v8n": _OPACITY}


@dataclass(frozen=True, slots=True)
class _Origin:
    subset_img_id: str
    img_id: str
    instance: str = field(default="", metadata={"key": "SOPInstanceUID"})


@dataclass(frozen=True, slots=True)
class _Note:
    label: str = field(metadata={"key": "labelId"})
    instance: str = field(metadata={"key": "SOPInstanceUID"})
    data: Place | None = None
    width: int | None = None
    height: int | None = None


_Facts = tuple[dict[str, str], dict[str, tuple[Box, ...]]]  # image -> its class; image -> its boxes


def examples(raw: RawFolder) -> Iterator[Example]:
    exported = raw.variant == "rsna"
    images = raw.by_stem("mdai_rsna_project_*/**/*.dcm" if exported else "stage_2_train_images/**/*.dcm")
    classes, boxes = _export(raw, images) if exported else _tables(raw, images)
    mapping = entries(raw, _MAPPING, _Origin) if raw.first(_MAPPING) else ()
    known = {entry.instance if exported else entry.subset_img_id: entry for entry in mapping}
    facts = ((name, (name, label)) for name, label in classes.items())
    for (name, label), image in matched(raw, _EXPORT if exported else _CLASSES, facts, images):
        origin = known.get(name, _Origin(name, name))
        yield Example(
            image,
            label=label,
            boxes=boxes.get(name, ()) if boxes else None,
            patient=origin.img_id.partition("_")[0],  # 00000001_000.png: the patient, then the visit
            split="train",
            key=f"{origin.subset_img_id}.dcm",
        )
    for image in raw.images("stage_2_test_images/**"):
        raw.skip(image, "a test image: its label was never published")


def _tables(raw: RawFolder, images: Mapping[str, PurePosixPath]) -> _Facts:
    classes = {row["patientId"]: row["class"] for row in raw.table(_CLASSES, columns=["patientId", "class"])}
    boxes: dict[str, tuple[Box, ...]] = {}
    for row in raw.table(_BOXES, columns=["patientId", *_SIDES]) if raw.first(_BOXES) else ():
        with raw.reading(row, images.get(row["patientId"])):
            place = corners(row, _SIDES)
            if place is not None:
                boxes[row["patientId"]] = (*boxes.get(row["patientId"], ()), Box.xywh(*place, _OPACITY))
    return classes, boxes


def _export(raw: RawFolder, images: Mapping[str, PurePosixPath]) -> _Facts:
    classes: dict[str, str] = {}
    boxes: dict[str, tuple[Box, ...]] = {}
    for note in entries(raw, _EXPORT, _Note, "datasets", 0, "annotations", name="SOPInstanceUID", images=images):
        name, place = note.instance, note.data
        if (label := _CALCULATED.get(note.label)) is None:
            continue
        classes[name] = label
        if label == _OPACITY and place:
            with raw.reading(f"{_EXPORT}, image {name}", images.get(name)):
                size = stated_size(note.width, note.height)
                box = Box.xywh(place.x, place.y, place.width, place.height, _OPACITY, drawn_on=size)
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
        nih = f"{number // 2 + 1:08d}_{number % 2:03d}.png"
        mapping.append({"subset_img_id": name, "img_id": nih, "SOPInstanceUID": f"1.2.276.0.4.{number}"})
    for number in (1, 2):
        raw.dicom(f"stage_2_test_images/{number:08x}-0000-4e49-80ba-63a80b6bddd6.dcm", size=size, compressed=True)
    raw.csv(_BOXES, boxes, header="patientId,x,y,width,height,Target")
    raw.csv(_CLASSES, classes, header="patientId,class")
    raw.json(_MAPPING, mapping)
    raw.csv("stage_2_sample_submission.csv", [("00000001", "0.5 0 0 100 100")], header="patientId,PredictionString")
