"""SIIM-ACR: chest radiographs from NIH, with an RLE mask of every pneumothorax.

siim/
    train-rle.csv            # "ImageId, EncodedPixels", with a blank; a row for each outline; or stage_2_train.csv
    dicom-images-train/<study>/<series>/<ImageId>.dcm
    dicom-images-test/<study>/<series>/<ImageId>.dcm     # in stage_2_train.csv alone
    stage_2_images/ID_0011fe81e.dcm                      # no labels
or
    png_images/0_train_0_.png                            # index, part of stage 1, whether there is one
    png_masks/0_train_0_.png
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from med_mat.example import RLE, BinaryMask, Example
from med_mat.raw import Miniature, RawFolder, aligned, folded, person

_TABLES = ("stage_2_train.csv", "train-rle.csv")  # the first holds all of the second
_LABEL = "pneumothorax"


def examples(raw: RawFolder) -> Iterator[Example]:
    yield from _repacked(raw)
    images = raw.by_stem("**/*.{dcm,dicom}")
    table = next((name for name in _TABLES if raw.first(name)), None)
    for name, outlines in aligned(_outlines(raw, table), images).items() if table else ():
        image = images.pop(name, None)
        if image is None:
            raw.miss(f"{name}.dcm", str(table))
            continue
        study = image.parts[-3] if len(image.parts) > 3 else None
        masks = tuple(RLE(text, _LABEL, relative=True, order="columns", first=0) for text in outlines)
        patient, stated = person(raw, image)
        yield Example(image, masks=masks, patient=patient or study, split="train", key=image.name, attributes=stated)
    for image in images.values():
        if folded(image.parts[0]) == "stage_2_images":
            raw.skip(image, "a test image of stage 2: its outlines were never published")
        elif table:
            raw.skip(image, f"{table} does not list it")
        else:
            raw.skip(image, "the table of outlines, train-rle.csv or stage_2_train.csv, does not lie in the folder")
    for sample in raw.glob("*sample_submission.csv"):
        raw.skip(sample, "a sample of what to submit: its -1 says nothing of an image")


def _outlines(raw: RawFolder, table: str) -> dict[str, list[str]]:
    """Image -> the run lengths of each of its outlines; -1 stands for none."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in raw.table(table, columns=["ImageId", "EncodedPixels"]):
        outlines = found[row["ImageId"]]
        if row["EncodedPixels"] not in ("", "-1"):
            outlines.append(row["EncodedPixels"])
    return found


def _repacked(raw: RawFolder) -> Iterator[Example]:
    for image in raw.images("png_images/*.png"):
        masks = raw.siblings(image, f"../png_masks/{image.name}")
        if masks:
            yield Example(image, masks=(BinaryMask(masks[0], _LABEL, threshold=127),), split="train", key=image.name)
        else:
            raw.skip(image, "png_masks holds no mask of its name")


def miniature(raw: Miniature) -> None:
    stem = "1.2.276.0.7230010.3.1"
    size = (80, 96)
    rows: list[tuple[str, str]] = []
    for number in range(16):
        run = f"8323329.{number + 300}.1517875162.258{number:03d}"
        part = "train" if number < 14 else "test"
        name = f"{stem}.4.{run}"
        path = f"siim/dicom-images-{part}/{stem}.2.{run}/{stem}.3.{run}/{name}.dcm"
        about = {"PatientAge": f"{28 + number // 2:03d}Y", "PatientSex": "FM"[number // 2 % 2], "ViewPosition": "PA"}
        patient = f"16d7f894-{number // 2:04d}"
        raw.dicom(path, size=size, compressed=True, modality="CR", patient=patient, tags=about)
        if number > 12:
            continue  # in no table of stage 1
        count = (0, 1, 0, 3)[number % 4]
        outlines = [raw.rle(size, seed=f"{name} {i}", order="columns", relative=True) for i in range(count)]
        rows += [(name, f" {outline}") for outline in outlines or ["-1"]]
    raw.csv("siim/train-rle.csv", rows, header="ImageId, EncodedPixels")
    raw.csv("siim/stage_2_sample_submission.csv", [("ID_0011fe81e", -1)], header="ImageId,EncodedPixels")
