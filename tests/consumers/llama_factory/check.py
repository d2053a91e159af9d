"""LLaMA-Factory: its loader and converter read every record, with the right image and answer."""

import json
import sys
from importlib import metadata
from pathlib import Path

from llamafactory.data.loader import _load_single_dataset
from llamafactory.data.parser import get_dataset_list
from llamafactory.hparams import DataArguments, ModelArguments
from transformers import Seq2SeqTrainingArguments

folder = Path(sys.argv[1])
account = json.loads((folder / "export.json").read_text("utf-8"))
names = list(json.loads((folder / "dataset_info.json").read_text("utf-8")))
arguments = DataArguments(dataset=",".join(names), dataset_dir=str(folder), media_dir=str(folder))
training = Seq2SeqTrainingArguments(output_dir="out", use_cpu=True, report_to=[])
count = 0
for one in get_dataset_list(names, str(folder)):
    part = one.dataset_name.rpartition(".")[0]
    raw = json.loads((folder / one.dataset_name).read_text("utf-8"))
    data = _load_single_dataset(one, ModelArguments(model_name_or_path="none"), arguments, training)
    assert len(data) == len(raw) == account["records"][part], (part, len(data), len(raw))
    for record, written in zip(data, raw, strict=True):
        (image,) = record["_images"]
        assert Path(image).is_file(), image
        assert Path(image) == folder / written["images"][0]
        (asked,), (said,) = record["_prompt"], record["_response"]
        assert asked["content"].count("<image>") == 1
        assert said["content"] == written["messages"][-1]["content"] != ""
        count += 1
print(f"llamafactory {metadata.version('llamafactory')}: {count} records, one image each, none emptied")
