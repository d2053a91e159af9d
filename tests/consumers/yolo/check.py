"""YOLO by its published rules: a label file per image, five numbers per line, shares from 0 to 1."""

import sys
from pathlib import Path

import yaml
from PIL import Image

folder = Path(sys.argv[1])
data = yaml.safe_load((folder / "data.yaml").read_text("utf-8"))
images, boxes, empty = 0, 0, 0
for part in ("train", "val", "test"):
    for path in sorted(one for one in (folder / data[part]).rglob("*") if one.is_file()):
        with Image.open(path) as image:
            image.verify()
        label = folder / "labels" / path.relative_to(folder / "images").with_suffix(".txt")
        lines = label.read_text("utf-8").splitlines()
        for line in lines:
            number, *shares = line.split(" ")
            assert int(number) in data["names"], label
            cx, cy, width, height = map(float, shares)
            assert 0 < width <= 1, label
            assert 0 < height <= 1, label
            assert -1e-5 <= cx - width / 2 <= cx + width / 2 <= 1 + 1e-5, label
            assert -1e-5 <= cy - height / 2 <= cy + height / 2 <= 1 + 1e-5, label
        images, boxes, empty = images + 1, boxes + len(lines), empty + (not lines)
assert images == len(list((folder / "labels").rglob("*.txt")))
print(f"own parser: {images} images, {boxes} boxes, {empty} without any, {data['nc']} classes")
