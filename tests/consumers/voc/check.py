"""torchvision: VOCDetection reads every image with its boxes, inside the image."""

import json
import sys
from pathlib import Path

import torchvision

folder = Path(sys.argv[1])
records = json.loads((folder / "export.json").read_text("utf-8"))["records"]
images, boxes = 0, 0
for part in ("train", "val", "test"):
    for image, target in torchvision.datasets.VOCDetection(folder, year="2007", image_set=part):
        said = target["annotation"]
        assert image.size == tuple(int(said["size"][name]) for name in ("width", "height"))
        found = said.get("object", [])
        for one in found:
            xmin, ymin, xmax, ymax = (int(one["bndbox"][name]) for name in ("xmin", "ymin", "xmax", "ymax"))
            assert 1 <= xmin <= xmax <= image.width, said["filename"]
            assert 1 <= ymin <= ymax <= image.height, said["filename"]
        images, boxes = images + 1, boxes + len(found)
assert images <= sum(records.values())
print(f"torchvision {torchvision.__version__}: VOCDetection read {images} images, {boxes} boxes")
