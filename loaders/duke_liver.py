"""Duke Liver: slices of abdominal MRI series, with liver masks in a second series of the same length.

SegmentationKey.csv          # DLDS,Series,Label: the kind of sequence
Segmentation/                # may lie in a second folder of its name
    0001/16/images/1.dicom   # patient, series
    0001/16/masks/1.dicom    # paired by natural order; the upper of two values is the liver
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import BinaryMask, Example
from med_mat.raw import Miniature, RawFolder, natural


def examples(raw: RawFolder) -> Iterator[Example]:
    images, masks = _series(raw, "images"), _series(raw, "masks")
    for series in sorted(images.keys() | masks.keys(), key=natural):
        slices, livers = images.get(series, []), masks.get(series, [])
        if len(slices) != len(livers):
            for path in (*slices, *livers):
                raw.skip(path, f"its series has {len(slices)} images and {len(livers)} masks, which do not pair")
            continue
        patient = series.parts[0]
        for image, mask in zip(slices, livers, strict=True):
            yield Example(
                image, masks=(BinaryMask(mask, "liver"),), patient=patient, key=str(image.with_suffix(".dicom"))
            )


def _series(raw: RawFolder, kind: str) -> dict[PurePosixPath, list[PurePosixPath]]:
    """Folder of a series -> its images, or its masks, in natural order."""
    found: defaultdict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
    for path in sorted(raw.images(f"0*/*/{kind}/*.{{dicom,dcm}}"), key=natural):
        found[path.parent.parent].append(path)
    return found


def miniature(raw: Miniature) -> None:
    size = (96, 80)
    key: list[tuple[object, ...]] = []
    for patient, number, count in ((1, 16, 4), (1, 17, 3), (2, 7, 3), (3, 5, 3), (4, 9, 2)):
        folder = f"Segmentation/Segmentation/{patient:04d}/{number}"
        name = f"{patient}-{number}"
        key.append((patient, number, "HGBKE"[len(key)]))
        for place in range(1, count + 1):
            instance = place * 4  # 4, 8, 12: by plain order 12 would come first
            raw.dicom(
                f"{folder}/images/{instance}.dicom",
                size=size,
                bits=16,
                modality="MR",
                patient=f"{patient:04d}",
                series=name,
                instance=instance,
            )
            if (patient, place) == (4, 2):
                continue  # a series whose mask is one slice short
            raw.dicom_mask(
                f"{folder}/masks/{instance}.dicom",
                size=size,
                value=1 if patient % 2 else 255,
                empty=place == 1,
                patient=f"{patient:04d}",
                series=f"{name} mask",
                instance=instance,
            )
    raw.csv("SegmentationKey.csv", key, header="DLDS,Series,Label", bom=True)
    raw.csv(
        "SequenceTypes.csv", [("B", "Axial Precontrast Fat Suppressed T1w (dynpre)")], header="Label,Series Description"
    )
