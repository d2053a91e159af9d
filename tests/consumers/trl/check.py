"""TRL: its own preparation of a dataset accepts the export, and the images are byte for byte those of the export."""

import json
import sys
from pathlib import Path

import trl
from datasets import Image, List, load_dataset
from trl.data_utils import is_conversational, prepare_multimodal_messages

folder = Path(sys.argv[1])
account = json.loads((folder / "export.json").read_text("utf-8"))
count = 0
for part, expected in account["records"].items():
    if not expected:
        continue
    data = load_dataset(str(folder), split=part)
    assert len(data) == expected, (part, len(data), expected)
    assert data.features["images"] == List(Image()), data.features
    for record in data:
        assert is_conversational(record)
        assert len(record["images"]) == 1
        assert record["completion"][-1]["role"] == "assistant"
        assert record["completion"][-1]["content"]
        messages = prepare_multimodal_messages([*record["prompt"], *record["completion"]], images=record["images"])
        kinds = [one["type"] for message in messages for one in message["content"]]
        assert kinds.count("image") == 1, kinds
        count += 1
print(f"trl {trl.__version__}: {count} records, each with one image placeholder and an answer")
