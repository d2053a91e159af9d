"""CT of Brain: CT slices of three studies, one with an aneurysm, one with a cancer, one with a tumor.

ct_brain.csv                 # dcm,jpg,type; nine rows are blank, and number 19 is missing: the folder is the label
files/aneurysm/0.dcm         # every slice twice, as DICOM and as JPEG
files/aneurysm/0.jpg
files/cancer/0.jpg
files/tumor/0.jpg
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, person, spelling

_FOLDERS = "files/{aneurysm,cancer,tumor}"


def examples(raw: RawFolder) -> Iterator[Example]:
    written = spelling(f"{_FOLDERS}/*")
    for image in raw.images(f"{_FOLDERS}/*.jpg"):
        label = written(image).parent.name
        twins = raw.siblings(image, f"{image.stem}.dcm")
        patient, stated = person(raw, twins[0]) if twins else (None, None)
        yield Example(image, label=label, patient=patient or label, attributes=stated)
    for slice_ in raw.images(f"{_FOLDERS}/*.dcm"):
        if not raw.siblings(slice_, f"{slice_.stem}.jpg"):
            patient, stated = person(raw, slice_)
            label = written(slice_).parent.name
            yield Example(slice_, label=label, patient=patient or label, attributes=stated)


def miniature(raw: Miniature) -> None:
    rows: list[tuple[object, ...]] = [("", "", "")]
    for label in ("aneurysm", "cancer", "tumor"):
        for number in range(6):
            path = f"files/{label}/{number}"
            raw.image(f"{path}.jpg", size=(96, 96), mode="RGB")
            raw.dicom(
                f"{path}.dcm",
                size=(96, 96),
                bits=16,
                modality="CT",
                patient=f"{label}-1",
                series=label,
                slope=1,
                intercept=0,
            )
            rows.append((f"/{label}/{number}.dcm", f"/{label}/{number}.jpg", label))
    raw.csv("ct_brain.csv", rows, header="dcm,jpg,type", newline="\r\n")
