"""webdataset and datasets read every record of the shards, images and masks decoded."""

import json
import sys
from importlib import metadata
from pathlib import Path

import datasets
import webdataset

folder = Path(sys.argv[1])
account = json.loads((folder / "export.json").read_text("utf-8"))
loaded = datasets.load_dataset(str(folder))
count, masks = 0, 0
for part, records in account["records"].items():
    urls = [str(path) for path in sorted(folder.glob(f"{part}-*.tar"))]
    found = webdataset.WebDataset(urls, shardshuffle=False).decode("pil")
    ids = []
    for sample in found:
        (image,) = (sample[suffix] for suffix in ("jpg", "png", "gif", "webp") if suffix in sample)
        assert image.size == (sample["json"]["width"], sample["json"]["height"])
        if "mask.png" in sample:
            assert sample["mask.png"].size == image.size
            masks += 1
        ids.append(sample["json"]["id"])
    assert len(ids) == len(set(ids)) == records
    assert set(ids) == set(account["files"][part])
    assert [one["json"]["id"] for one in loaded[part].select_columns("json")] == ids
    shown = loaded[part][0]
    assert any(shown[name] is not None for name in ("jpg", "png", "gif", "webp") if name in shown)
    count += records
print(f"webdataset {metadata.version('webdataset')}, datasets {datasets.__version__}: {count} records, {masks} masks")
