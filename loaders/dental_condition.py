"""Dental Condition: photographs of teeth and gums with one of six conditions.

Calculus/Calculus/*.jpg
Gingivitis/Gingivitis/*.jpg
hypodontia/hypodontia/*.jpg
Data caries/Data caries/caries orignal data set/done/*.jpg       # spelled like this
Mouth Ulcer/Mouth Ulcer/ulcer original dataset/ulcer original dataset/*.jpg
Mouth Ulcer/Mouth Ulcer/Mouth_Ulcer_augmented_DataSet/preview/*.jpg
Tooth Discoloration/Tooth Discoloration /…/*.jpg                 # the blank is lost in some copies, or "_"
Caries_Gingivitus_ToothDiscoloration_Ulcer-yolo_annotated-Dataset/…/images/train/(224).jpg
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_CLASSES = ("Calculus", "Data caries", "Gingivitis", "hypodontia", "Mouth Ulcer", "Tooth Discoloration")
_DETECTOR = "Caries_Gingivitus_ToothDiscoloration_Ulcer-yolo_annotated-Dataset"


def examples(raw: RawFolder) -> Iterator[Example]:
    altered = [f"{name}/**/preview/**" for name in _CLASSES]
    for image in raw.images(altered):
        raw.skip(image, "an altered copy of an original that its name does not tell")
    for path in raw.glob("*yolo_annotated*/**"):
        raw.skip(path, "of the part for detectors, whose images repeat the others")
    yield from class_folders(
        raw, [f"{name}/**" for name in _CLASSES], exclude=altered, label=lambda path: path.parts[0]
    )


def miniature(raw: Miniature) -> None:
    caries, ulcer, stained = (f"{name}/{name}" for name in ("Data caries", "Mouth Ulcer", "Tooth Discoloration"))
    originals = (
        "Calculus/Calculus",
        "Gingivitis/Gingivitis",
        "hypodontia/hypodontia",
        f"{caries}/caries orignal data set/done",
        f"{ulcer}/ulcer original dataset/ulcer original dataset",
        f"{stained} /tooth discoloration original dataset/tooth discoloration original dataset",
    )
    copies = (
        f"{caries}/caries augmented data set/preview",
        f"{ulcer}/Mouth_Ulcer_augmented_DataSet/preview",
        f"{stained} /Tooth_discoloration_augmented_dataser/preview",
    )
    for folder in originals:
        for number in range(1, 4):
            suffix = "png" if number == 3 else "jpg"
            raw.image(f"{folder}/({number}).{suffix}", size=(80 + 6 * number, 66), mode="RGB")
    for folder in copies:
        for number in (1145, 2377):
            raw.image(f"{folder}/caries_0_{number}.jpeg", size=(86, 66), mode="RGB")
    for number in (224, 225):
        place = f"{_DETECTOR}/{_DETECTOR}/Data"
        raw.image(f"{place}/images/train/({number}).jpg", size=(86, 66), mode="RGB")
        raw.text(f"{place}/labels/train/({number}).txt", "0 0.5 0.5 0.2 0.2\n")
    raw.text(f"{place}/labels/train/labels.txt", "caries\nulcer\ntooth discoloration\ngingivitis\n")
    raw.corrupt("Gingivitis/Gingivitis/(2).jpg", keep=0.1)
