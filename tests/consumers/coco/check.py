"""pycocotools: the ground truth as a result has an average precision of 1, as boxes and as masks."""

import contextlib
import io
import json
import sys
from importlib import metadata
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

folder = Path(sys.argv[1])
account = json.loads((folder / "export.json").read_text("utf-8"))


def precision(truth: COCO, kind: str) -> tuple[int, float]:
    """Annotations of a kind, and the average precision of the truth as a result."""
    kept = [one for one in truth.dataset["annotations"] if kind == "bbox" or one["segmentation"]]
    fields = ("image_id", "category_id", "bbox")
    results = [{**{name: one[name] for name in fields}, "score": 1.0} for one in kept]
    if kind == "segm":
        for result, one in zip(results, kept, strict=True):
            result["segmentation"] = truth.annToRLE(one)
    evaluation = COCOeval(truth, truth.loadRes(results), kind)
    if kind == "segm":
        evaluation.params.imgIds = sorted({one["image_id"] for one in kept})
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return len(kept), float(evaluation.stats[0])


images, boxes, masks = 0, 0, 0
for part, records in account["records"].items():
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "annotations" / f"{part}.json"))
        for kind in ("bbox", "segm"):
            number, figure = precision(truth, kind)
            assert number, (part, kind)
            assert figure == 1.0, (part, kind, figure)
            boxes, masks = (boxes + number, masks) if kind == "bbox" else (boxes, masks + number)
    assert sum(len(one["records"]) for one in truth.dataset["images"]) == records
    assert all((folder / "images" / one["file_name"]).is_file() for one in truth.dataset["images"])
    images += len(truth.dataset["images"])
print(f"pycocotools {metadata.version('pycocotools')}: {images} images, {boxes} boxes, {masks} masks, AP 1.0 of both")
