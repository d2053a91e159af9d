"""100,000 answers of three kinds (letters, sentences, likelihoods) scored: read, parsed, figures with intervals.

The records are those of the miniatures, asked again and again under ids of their own; no image is read.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import med_mat
from med_mat import score
from med_mat.building import Options, build, find
from med_mat.dataset import MedMAT
from med_mat.demo import miniature

ANSWERS = 100_000
WAYS = ("letters", "sentences", "likelihoods")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="scoring-") as folder:
        mat = _large(Path(folder))
        exp = mat.split(test=mat.where("!US"), train=mat.where("US/Breast/Cancer"))
        asked = mat.questions(exp.test_positions, exp.options.questions).to_pylist()
        ids = mat.facts(exp.test_positions, ["id"])["id"].to_pylist()
        for way in WAYS:
            path = Path(folder) / f"{way}.jsonl"
            rng = random.Random(0)
            rows = [_row(one, row, way, rng) for one, row in zip(ids, asked, strict=True) if row["target"]]
            path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
            start = time.perf_counter()
            found = score.score(exp, path)
            seconds = time.perf_counter() - start
            print(f"{len(rows):,} {way}: {seconds:.1f} s, {found.section.measure} {found.figure}")


def _row(one: str, row: dict[str, object], way: str, rng: random.Random) -> dict[str, object]:
    options, target = row["options"], str(row["target"])
    if not isinstance(options, list) or not options:
        return {"id": one, "answer": target}
    letters = "ABCD"[: len(options)]
    letter = target if rng.random() < 0.6 else rng.choice(letters)
    if way == "likelihoods":
        return {"id": one, "scores": {name: -rng.random() - (name != letter) for name in letters}}
    text = options[letters.index(letter)]
    return {
        "id": one,
        "answer": letter if way == "letters" else f"Looking at the image, the answer is {letter}: {text}.",
    }


def _large(folder: Path) -> MedMAT:
    """A build whose index lists the records of the miniatures often enough."""
    sources = miniature(folder / "raw")
    build(find(dict.fromkeys(sources), folder / "raw"), folder / "out", Options(jobs=1))
    path = folder / "out" / "index.parquet"
    table = pq.read_table(path)
    asks = table.filter(pa.compute.is_valid(table["options"]))
    parts = [table]
    for turn in range(ANSWERS // len(asks)):
        group = pa.compute.add(asks["group"], pa.scalar((turn + 1) * len(table), pa.int32()))
        ids = pa.compute.binary_join_element_wise(asks["id"], f"#{turn}", "")
        part = asks.set_column(asks.column_names.index("id"), "id", ids)
        parts.append(part.set_column(part.column_names.index("group"), "group", group))
    pq.write_table(pa.concat_tables(parts), path, row_group_size=50_000)
    return med_mat.open(folder / "out")
