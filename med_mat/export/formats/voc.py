"""Pascal VOC: an XML file of boxes per image, and lists of names per part, in the folders of the year 2007."""

from __future__ import annotations

import math
from xml.sax.saxutils import escape

from med_mat.export.job import Job, Row
from med_mat.export.merged import Image, images, plain
from med_mat.export.names import image_path
from med_mat.export.objects import Object, Survey, survey
from med_mat.export.registry import export_format

#: Readers look here: the year 2007 is the one whose test part has annotations.
ROOT = "VOCdevkit/VOC2007"
_PARTS = {"train": "train", "validation": "val", "test": "test"}


@export_format("voc", summary="Pascal VOC: XML files of boxes, and lists of images", needs=("boxes",))
def voc(job: Job, *, classes: tuple[str, ...] = (), partial: bool = False) -> None:
    """Write ``JPEGImages``, ``Annotations`` and ``ImageSets/Main`` below ``VOCdevkit/VOC2007``.

    ``bndbox`` has whole pixels that count from 1 and belong to the box: ``xmin = floor(left) + 1``, ``xmax =
    ceil(right)``; subtract 1 from ``xmin`` and ``ymin`` to get back to corners from 0. Readers of this format expect
    files that end in ``.jpg``, so all have this suffix; the bytes are as stored, PNG included, which readers of images
    recognize by content. The format cannot say that a class is not annotated, so such images are left out.

    Args:
        classes: Labels to keep (default: all labels of boxes in all parts).
        partial: Whether to keep images in which some of the classes are not annotated; a trainer takes them for absent.
    """
    ours = survey(job.experiment.mat, job.positions, classes)

    def write(row: Row) -> str:
        shown, note = plain(row)
        path = image_path(f"{ROOT}/JPEGImages", row.facts["image_id"], shown.image.bytes, ".jpg", flat=True)
        job.file(row, path, shown.image.bytes, note)
        return path

    names: dict[str, list[str]] = {part: [] for part in _PARTS}
    for part in job.parts:
        for image in images(job, part, ours, write, partial=partial, masks="none"):
            name = image.path.rpartition("/")[2].removesuffix(".jpg")
            job.out.write(f"{ROOT}/Annotations/{name}.xml", _annotation(f"{name}.jpg", image, ours).encode())
            names[part].append(name)
    for part, listed in names.items():
        if listed:
            job.out.write(f"{ROOT}/ImageSets/Main/{_PARTS[part]}.txt", _list(listed))
    job.out.write(f"{ROOT}/ImageSets/Main/trainval.txt", _list(names["train"] + names["validation"]))


def _list(names: list[str]) -> bytes:
    return "".join(f"{one}\n" for one in names).encode()


def _annotation(name: str, image: Image, ours: Survey) -> str:
    width, height = image.size
    boxes = "".join(_object(one) for _, one in ours.boxes(image.found))
    return (
        f"<annotation>\n  <folder>VOC2007</folder>\n  <filename>{name}</filename>\n"
        f"  <source><database>Med-MAT</database><annotation>{escape(_plain(image.ids[0]))}</annotation></source>\n"
        f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n"
        f"  <segmented>0</segmented>\n{boxes}</annotation>\n"
    )


def _object(one: Object) -> str:
    corners = {
        "xmin": math.floor(one.xmin) + 1, "ymin": math.floor(one.ymin) + 1,
        "xmax": max(math.ceil(one.xmax), math.floor(one.xmin) + 1),
        "ymax": max(math.ceil(one.ymax), math.floor(one.ymin) + 1),
    }  # fmt: skip
    place = "".join(f"<{name}>{value}</{name}>" for name, value in corners.items())
    return (
        f"  <object>\n    <name>{escape(_plain(one.label))}</name>\n    <pose>Unspecified</pose>\n"
        f"    <truncated>0</truncated>\n    <difficult>0</difficult>\n    <bndbox>{place}</bndbox>\n  </object>\n"
    )


def _plain(text: str) -> str:
    """A text without the characters that XML 1.0 does not have."""
    return "".join(
        one if one in "\t\n" or (one >= " " and not "\ud800" <= one <= "\udfff" and one not in "\ufffe\uffff") else "�"
        for one in text
    )
