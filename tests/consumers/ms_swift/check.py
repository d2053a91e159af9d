"""ms-swift: its loader reads every record, and its template inputs have one image and the answer."""

import json
import os
import sys
from importlib import metadata
from pathlib import Path

folder = Path(sys.argv[1])
os.environ["ROOT_IMAGE_DIR"] = str(folder)

from swift.dataset import load_dataset  # noqa: E402
from swift.template import StdTemplateInputs  # noqa: E402

account = json.loads((folder / "export.json").read_text("utf-8"))
count = boxes = 0
for part, expected in account["records"].items():
    if not expected:
        continue
    path = folder / f"{part}.jsonl"
    raw = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    data, _ = load_dataset(str(path), strict=True, use_hf=True)
    assert len(data) == len(raw) == expected, (part, len(data), len(raw), expected)
    for record, written in zip(data, raw, strict=True):
        inputs, _ = StdTemplateInputs.from_dict(record)
        assert len(inputs.images) == 1
        assert inputs.messages[-1] == written["messages"][-1]
        assert "".join(one["content"] for one in inputs.messages).count("<image>") == 1
        if "objects" in written:
            assert [list(box) for box in record["objects"]["bbox"]] == written["objects"]["bbox"]
            boxes += 1
        count += 1
print(f"ms-swift {metadata.version('ms-swift')}: {count} records, one image each, {boxes} with boxes")
