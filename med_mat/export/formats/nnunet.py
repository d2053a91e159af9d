"""nnU-Net v2: PNG images and label maps of one dataset, regions where classes overlap, and its fold."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from med_mat.errors import ExportError
from med_mat.export.job import Job, Row
from med_mat.export.legends import LabelSet, coded, label_sets, png
from med_mat.export.merged import images
from med_mat.export.names import stem
from med_mat.export.objects import survey
from med_mat.export.registry import export_format
from med_mat.imaging import label_maps
from med_mat.imaging.label_maps import Color

#: Modalities whose images are gray.
GRAY = frozenset({"CT", "MRI", "OCT", "US", "X-ray"})
DECODED = "decoded and written as PNG: the program reads lossless formats alone"
_MOST = 999  # numbers of datasets have three digits


@export_format("nnunet", summary="nnU-Net v2 dataset of PNG images and label maps", needs=("mask",))
def nnunet(
    job: Job,
    *,
    dataset: int = 1,
    name: str = "MedMAT",
    classes: tuple[str, ...] = (),
    color: Literal["auto", "RGB", "L"] = "auto",
    partial: bool = False,
) -> None:
    """Write ``DatasetNNN_NAME`` with ``imagesTr``, ``labelsTr`` (train and validation), ``imagesTs``, ``labelsTs``.

    nnU-Net reads lossless formats only, so images are decoded to PNG, all with the same channels. Labels count
    from 1 in the order of the classes. Where classes overlap, each set of labels of a pixel has a number, the
    classes are regions, and smaller regions come later in ``regions_class_order``. ``splits_final.json`` has the
    validation part as fold 0: copy it to the folder of the preprocessed dataset. Set ``nnUNet_raw`` to the folder of
    the export.

    Args:
        dataset: Number of the dataset, 1 to 999.
        name: Name of the dataset: letters, digits and "-".
        classes: Labels in their order (default: all labels of masks in all parts, sorted).
        color: "RGB", "L" (gray), or "auto": gray if all modalities are.
        partial: Whether to keep images in which some of the classes are not annotated; they count as background.
    """
    if not 1 <= dataset <= _MOST or not name.replace("-", "").isalnum() or not name.isascii():
        raise ExportError(
            f"nnU-Net asks for a dataset from 1 to {_MOST} and a name of letters and digits, not {dataset}, {name!r}."
        )
    mat, root = job.experiment.mat, f"Dataset{dataset:03d}_{name}"
    ours = survey(mat, job.positions, classes)
    sets = label_sets(mat, job.positions.values(), ours.classes)
    classes = tuple(one for one in ours.classes if any(one in labels for labels in sets)) or ours.classes
    values: dict[LabelSet, int] = {labels: number for number, labels in enumerate(sets, 1)}
    mode = _mode(job) if color == "auto" else color
    cases: dict[str, list[str]] = {part: [] for part in job.parts}
    for part in job.parts:
        side = "Ts" if part == "test" else "Tr"
        write = _writer(job, f"{root}/images{side}", mode)
        for image in images(job, part, ours, write, partial=partial, masks="all"):
            case = image.path.rpartition("/")[2].removesuffix("_0000.png")
            label_map = coded(image.regions(), image.size, classes, values)
            job.out.write(f"{root}/labels{side}/{case}.png", png(label_map))
            cases[part].append(case)
    trained = [*cases.get("train", ()), *cases.get("validation", ())]
    facts = {
        "channel_names": {"0": "gray"} if mode == "L" else {"0": "R", "1": "G", "2": "B"},
        **legend(values, classes),
        "numTraining": len(trained),
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
        "name": f"Med-MAT, split {job.info['fingerprint']}",
    }
    job.out.write(f"{root}/dataset.json", json.dumps(facts, indent=1, ensure_ascii=False).encode() + b"\n")
    if cases.get("train") and cases.get("validation"):
        fold = [{"train": cases["train"], "val": cases["validation"]}]
        job.out.write(f"{root}/splits_final.json", json.dumps(fold, indent=1).encode() + b"\n")


def legend(values: dict[LabelSet, int], classes: tuple[str, ...]) -> dict[str, Any]:
    """``labels`` and, where classes overlap, ``regions_class_order`` of ``dataset.json``.

    Classes that always occur together cannot be told apart by pixels: they are one, named after both.
    """
    joined: dict[tuple[int, ...], list[str]] = {}
    for label in classes:
        joined.setdefault(tuple(sorted(number for one, number in values.items() if label in one)), []).append(label)
    named = {" and ".join(labels): numbers for numbers, labels in joined.items() if numbers}
    if all(len(numbers) == 1 for numbers in named.values()):
        return {"labels": {"background": 0, **{name: numbers[0] for name, numbers in named.items()}}}
    sizes = {number: len(labels) for labels, number in values.items()}
    outer_first = sorted(named.items(), key=lambda one: -len(one[1]))
    return {
        "labels": {"background": 0, **{name: list(numbers) for name, numbers in outer_first}},
        "regions_class_order": [min(numbers, key=lambda one: (sizes[one], one)) for _, numbers in outer_first],
    }


def _mode(job: Job) -> Color:
    tags = job.experiment.mat.tags
    rows = {row for positions in job.positions.values() for row in tags.counts(positions)}
    return "L" if all(tags.facts[row].mat.modality in GRAY for row in rows) else "RGB"


def _writer(job: Job, folder: str, mode: Color) -> Callable[[Row], str]:
    def write(row: Row) -> str:
        case = stem(row.facts["image_id"], row.image.bytes)
        path = f"{folder}/{case}_0000.png"
        job.file(row, path, label_maps.as_png(row.image.bytes, row.id, mode), DECODED)
        return path

    return write
