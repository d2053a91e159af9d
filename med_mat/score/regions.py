"""How well boxes and masks agree: IoU, both measures that are called cIoU, Dice, and average precision.

A region is what some boxes, or a mask, cover together. Two measures go by the name cIoU: *cumulative* IoU, the sum of
all intersections over the sum of all unions (referring segmentation), and *complete* IoU (Z. Zheng et al., 2020), which
subtracts penalties for the distance of the centers and the difference in shape from the IoU of two boxes. The paper
does not say which one it reports.

Boxes are (n, 4) arrays of xmin, ymin, xmax, ymax in pixels: origin at the top left corner, xmax and ymax exclusive.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from med_mat.errors import MissingExtraError

Floats = npt.NDArray[np.float64]


def as_boxes(boxes: Any) -> Floats:
    """Boxes as an (n, 4) array, each with its smaller corner first."""
    found = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate((np.minimum(found[:, :2], found[:, 2:]), np.maximum(found[:, :2], found[:, 2:])), axis=1)


def overlap(said: Floats, truth: Floats) -> tuple[float, float]:
    """The areas of the intersection and of the union of two regions, exact, in square pixels.

    Args:
        said: (n, 4) Boxes; overlapping ones count once.
        truth: (m, 4) Boxes.
    """
    if len(said) == len(truth) == 1:  # nearly always, and then without arrays
        (a, b, c, d), (e, f, g, h) = said[0].tolist(), truth[0].tolist()
        shared = max(min(c, g) - max(a, e), 0.0) * max(min(d, h) - max(b, f), 0.0)
        return shared, (c - a) * (d - b) + (g - e) * (h - f) - shared
    both = np.concatenate((said, truth))
    if not len(both):
        return 0.0, 0.0
    x, y = np.unique(both[:, [0, 2]]), np.unique(both[:, [1, 3]])
    area = np.outer(np.diff(y), np.diff(x))
    here, there = (_covered(boxes, x, y) for boxes in (said, truth))
    return float(area[here & there].sum()), float(area[here | there].sum())


def _covered(boxes: Floats, x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
    """Which cells between the coordinates are covered by a box."""
    found = np.zeros((len(y) - 1, len(x) - 1), dtype=bool)
    for xmin, ymin, xmax, ymax in boxes:
        rows = slice(np.searchsorted(y, ymin), np.searchsorted(y, ymax))
        found[rows, np.searchsorted(x, xmin) : np.searchsorted(x, xmax)] = True
    return found


def box_iou(said: Floats, truth: Floats) -> Floats:
    """(n, m) The IoU of each box with each other one."""
    low = np.maximum(said[:, None, :2], truth[None, :, :2])
    high = np.minimum(said[:, None, 2:], truth[None, :, 2:])
    inner = np.prod(np.clip(high - low, 0, None), axis=2)
    outer = _areas(said)[:, None] + _areas(truth)[None, :] - inner
    return np.where(outer > 0, inner / np.where(outer > 0, outer, 1), 0.0)


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def complete_iou(said: Floats, truth: Floats) -> float:
    """Complete IoU of matched boxes: the best one-to-one match by IoU; a box without partner counts 0.

    Returns:
        The mean over the larger number of boxes, -1 to 1; 1 if there are none on either side.
    """
    if not len(said) or not len(truth):
        return float(len(said) == len(truth))
    pairs = box_iou(said, truth)
    one, other = linear_sum_assignment(-pairs)
    a, b, iou = said[one], truth[other], pairs[one, other]
    distance = (((a[:, :2] + a[:, 2:]) - (b[:, :2] + b[:, 2:])) ** 2).sum(axis=1) / 4
    around = np.maximum(a[:, 2:], b[:, 2:]) - np.minimum(a[:, :2], b[:, :2])
    diagonal = np.maximum((around**2).sum(axis=1), 1e-12)
    angle = [np.arctan2(c[:, 2] - c[:, 0], np.maximum(c[:, 3] - c[:, 1], 1e-12)) for c in (a, b)]
    shape = 4 / math.pi**2 * (angle[0] - angle[1]) ** 2
    weight = shape / np.maximum(1 - iou + shape, 1e-12)
    return float((iou - distance / diagonal - weight * shape).sum() / max(len(said), len(truth)))


def dice(said: npt.NDArray[Any], truth: npt.NDArray[Any]) -> float:
    """Dice of two masks of one shape: twice the intersection over the sum of both areas; 1 if both are empty.

    Args:
        said: (height, width) Nonzero inside.
        truth: (height, width) Nonzero inside.

    Raises:
        ValueError: The shapes differ.
    """
    if said.shape != truth.shape:
        raise ValueError(f"Masks of one image have one shape, not {said.shape} and {truth.shape}.")
    here, there = said != 0, truth != 0
    total = int(here.sum()) + int(there.sum())
    return 2 * int((here & there).sum()) / total if total else 1.0


def average_precision(said: Sequence[Floats], truth: Sequence[Floats]) -> tuple[float, float]:
    """COCO's average precision of boxes of one class: over IoU 0.5 to 0.95, and at 0.5.

    Text has no confidence scores, so all boxes of an answer rank equally. In images without true boxes, every box of
    the answer is a false positive.

    Args:
        said: For each image (n, 4) boxes of the answer.
        truth: For each image (m, 4) true boxes.

    Returns:
        Both, 0 to 1; NaN if no image has a true box.

    Raises:
        MissingExtraError: pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise MissingExtraError("Average precision needs the package pycocotools: pip install 'med-mat[score]'.") from (
            error
        )
    if not sum(map(len, truth)):
        return math.nan, math.nan
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        real, told = COCO(), COCO()
        for coco, boxes in ((real, truth), (told, said)):
            coco.dataset = {
                "images": [{"id": number} for number in range(1, len(boxes) + 1)],
                "categories": [{"id": 1, "name": "asked for"}],
                "annotations": _annotations(boxes),
            }
            coco.createIndex()
        evaluation = COCOeval(real, told, "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [100]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"]  # by IoU, recall, class, area, and number of boxes
    return float(precision[precision > -1].mean()), float(precision[0][precision[0] > -1].mean())


def _annotations(boxes: Sequence[Floats]) -> list[dict[str, Any]]:
    """Annotations of COCO; their ids begin at 1, since 0 counts as no match."""
    found: list[dict[str, Any]] = []
    for image, several in enumerate(boxes, 1):
        for xmin, ymin, xmax, ymax in several.tolist():
            width, height = xmax - xmin, ymax - ymin
            found.append(
                {"id": len(found) + 1, "image_id": image, "category_id": 1, "bbox": [xmin, ymin, width, height],
                 "area": width * height, "iscrowd": 0, "score": 1.0}
            )  # fmt: skip
    return found
