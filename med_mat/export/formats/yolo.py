"""YOLO: one text file of boxes per image, and ``data.yaml``."""

from __future__ import annotations

from med_mat.export.job import Job
from med_mat.export.merged import Image, images, write_plain
from med_mat.export.objects import Survey, survey
from med_mat.export.registry import export_format

#: The words of this format for the parts.
_PARTS = {"train": "train", "validation": "val", "test": "test"}


@export_format("yolo", summary="YOLO detection: text files of boxes, and data.yaml", needs=("boxes",))
def yolo(job: Job, *, classes: tuple[str, ...] = (), partial: bool = False) -> None:
    """Write ``images/train`` (``val``, ``test``), a text file for each image below ``labels/``, and ``data.yaml``.

    A line is ``class cx cy width height``: the number of the class from 0, then the center and the size of the box as
    shares of width and height of the image, from 0 to 1, y down. The file of an image that was searched in vain is
    empty. The format cannot say that a class is not annotated, so such images are left out.

    Args:
        classes: Labels in the order of their numbers (default: all labels of boxes in all parts, sorted).
        partial: Whether to keep images in which some of the classes are not annotated; a trainer takes them for absent.
    """
    import yaml

    ours = survey(job.experiment.mat, job.positions, classes)
    written = {}
    for part in job.parts:
        folder = _PARTS[part]
        found = images(
            job, part, ours, lambda row, to=f"images/{folder}": write_plain(job, row, to),  # type: ignore[misc]
            partial=partial, masks="none",
        )  # fmt: skip
        for image in found:
            path = f"labels/{image.stem}.txt"
            job.out.write(path, _lines(image, ours).encode())
        if job.written[part]:
            written[folder] = f"images/{folder}"
    names = dict(enumerate(ours.classes))
    text = yaml.safe_dump({**written, "nc": len(names), "names": names}, sort_keys=False, allow_unicode=True)
    head = f"# Med-MAT, split {job.info['fingerprint']}. Paths are relative to the folder of this file.\n"
    job.out.write("data.yaml", (head + text).encode())


def _lines(image: Image, ours: Survey) -> str:
    width, height = image.size
    lines = []
    for number, one in ours.boxes(image.found):
        center = (one.xmin + one.xmax) / 2 / width, (one.ymin + one.ymax) / 2 / height
        numbers = (*center, (one.xmax - one.xmin) / width, (one.ymax - one.ymin) / height)
        lines.append(f"{number} {' '.join(f'{value:.6f}' for value in numbers)}\n")
    return "".join(lines)
