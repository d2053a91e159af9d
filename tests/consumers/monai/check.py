"""MONAI: its datalist reader, transforms and loader read every image with its channels of masks."""

import json
import sys
from pathlib import Path

import monai
import torch
from monai.data import DataLoader, Dataset, load_decathlon_datalist
from monai.transforms import Compose, LoadImaged, Resized

folder = Path(sys.argv[1])
account = json.loads((folder / "export.json").read_text("utf-8"))
head = json.loads((folder / "dataset.json").read_text("utf-8"))
steps = Compose(
    [
        LoadImaged(["image", "label"], ensure_channel_first=True),
        Resized(["image", "label"], (64, 64), mode=("bilinear", "nearest")),
    ]
)
count, pixels = 0, torch.zeros(len(head["channels"]))
for part, key in {"train": "training", "validation": "validation", "test": "test"}.items():
    listed = load_decathlon_datalist(str(folder / "dataset.json"), is_segmentation=True, data_list_key=key)
    assert len(listed) <= account["records"][part]
    for batch in DataLoader(Dataset(listed, steps), batch_size=4, num_workers=2):
        assert batch["image"].shape[1:] == (3, 64, 64)
        assert batch["label"].shape[1:] == (len(head["channels"]), 64, 64)
        pixels += (batch["label"] > 0).sum(dim=(0, 2, 3))
        count += len(batch["image"])
assert (pixels > 0).all()
print(f"monai {monai.__version__}: {count} images, {len(head['channels'])} channels of masks, none empty overall")
