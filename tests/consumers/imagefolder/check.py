"""torchvision's ImageFolder and the imagefolder of datasets: one list of classes, every image with its label."""

import json
import sys
from pathlib import Path

import datasets
import torchvision

folder = Path(sys.argv[1])
account = json.loads((folder / "export.json").read_text("utf-8"))
classes = json.loads((folder / "classes.json").read_text("utf-8"))
loaded = datasets.load_dataset("imagefolder", data_dir=str(folder))
assert set(loaded) == set(account["records"])
count = 0
for part, records in account["records"].items():
    ours = torchvision.datasets.ImageFolder(folder / part, allow_empty=True)
    assert ours.classes == list(classes)
    assert loaded[part].features["label"].names == list(classes)
    assert len(ours) == len(loaded[part]) == records
    files = sorted(Path(path).name for path, _ in ours.samples)
    assert files == sorted(Path(path).name for path in account["files"][part].values())
    assert sorted(number for _, number in ours.samples) == sorted(loaded[part]["label"])
    count += sum(image.size == image.convert("RGB").size for image in loaded[part]["image"])
print(f"torchvision {torchvision.__version__}, datasets {datasets.__version__}: {count} images, {len(classes)} classes")
