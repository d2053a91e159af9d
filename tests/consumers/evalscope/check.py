"""EvalScope: its benchmark general_vmcq asks its own mock model every record, with the image and the options."""

import json
import sys
from importlib import metadata
from pathlib import Path

from evalscope import TaskConfig, run_task

folder = Path(sys.argv[1])
subsets = sorted(path.name.removesuffix("_val.jsonl") for path in folder.glob("*_val.jsonl"))
arguments = {"general_vmcq": {"local_path": str(folder), "subset_list": subsets}}
run_task(
    TaskConfig(model="mock", eval_type="mock_llm", datasets=["general_vmcq"], dataset_args=arguments, work_dir="out")
)
count = 0
for subset in subsets:
    written = [json.loads(line) for line in (folder / f"{subset}_val.jsonl").open(encoding="utf-8")]
    (path,) = Path("out").rglob(f"reviews/mock/general_vmcq_{subset}.jsonl")
    reviews = [json.loads(line) for line in path.open(encoding="utf-8")]
    assert sorted(one["index"] for one in reviews) == list(range(len(written)))
    for review in reviews:
        record = written[review["index"]]
        asked = review["messages"][0]["content"]
        assert review["target"] == [record["answer"]]
        assert [one["type"] for one in asked].count("image") == 1
        text = "".join(one.get("text", "") for one in asked)
        assert all(option in text for option in record["options"])
        count += 1
print(f"evalscope {metadata.version('evalscope')}: {count} records of {len(subsets)} triplets")
