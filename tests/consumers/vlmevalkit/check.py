"""VLMEvalKit: its class of custom sets reads the TSV, asks each record, and scores a perfect model at 1."""

import csv
import os
import shutil
import sys
from pathlib import Path

folder = Path(sys.argv[1])
os.environ["LMUData"] = str(Path("LMUData").absolute())  # noqa: SIM112 - its name
Path("LMUData").mkdir()
shutil.copy(folder / "med_mat.tsv", "LMUData")

from vlmeval.dataset import build_dataset  # noqa: E402

csv.field_size_limit(sys.maxsize)
with (folder / "med_mat.tsv").open(encoding="utf-8", newline="") as file:
    written = list(csv.DictReader(file, delimiter="\t"))
data = build_dataset("med_mat")
assert type(data).__name__ == "CustomMCQDataset"
assert len(data) == len(written)
for number, record in enumerate(written):
    image, text = data.build_prompt(number)
    assert Path(image["value"]).is_file()
    options = [f"{letter}. {record[letter]}\n" for letter in "ABCDEFGH" if record.get(letter)]
    assert "".join(options) in text["value"], text
said = data.data.drop(columns=["image"]).assign(prediction=[f"The answer is {one}." for one in data.data["answer"]])
said.to_excel("model_med_mat.xlsx", index=False)
table = data.evaluate("model_med_mat.xlsx", model="exact_matching", nproc=1)
assert float(table["Overall"].iloc[0]) == 1
triplets = {one["category"] for one in written}
assert triplets <= set(table.columns)
print(f"VLMEvalKit e8e78f05: {len(written)} records of {len(triplets)} triplets, accuracy 1 for a perfect model")
