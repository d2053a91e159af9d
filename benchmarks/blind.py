"""What our questions give away: blind answerability of records drawn in the proportions that the cards publish.

No images and no build: for every row of classes, grades or findings, labels are drawn in the proportions of its card
(findings one by one; those of NIH and CheXpert are the publishers' own tables, of the torchxrayvision wheel, where that
is installed), asked as a build asks them, and two thirds are learned from. ``MED_MAT_BLIND_TEXT=1`` also asks the
classifier of words.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from med_mat import catalog
from med_mat.blind import guessing, report
from med_mat.building.sides import key
from med_mat.catalog import Row, Source
from med_mat.questions import Questioner

#: Records of a row at most, as drawn.
MOST = 6_000
#: The publishers' own tables: source -> file of the wheel.
TABLES = {"nih_chestxray14": "Data_Entry_2017_v2020.csv.gz", "chexpert_small": "chexpert_train.csv.gz"}
_SCHEMA = pa.schema(
    [("open_question", pa.string()), ("options", pa.list_(pa.string())), ("answer", pa.string()), ("test", pa.bool_())]
)


def main() -> None:
    text = os.environ.get("MED_MAT_BLIND_TEXT") == "1"
    sources = catalog.load()
    questioner = Questioner(sources)
    start = time.perf_counter()
    asked: dict[int, pa.Table] = {}
    subsets: dict[int | None, list[Row]] = {}
    for row in sources.rows:
        if row.kind in ("classes", "grades", "findings"):
            asked[row.number] = _ask(questioner, row, sources[row.source])
            subsets.setdefault(row.subset, []).append(row)
    print(f"\n{sum(map(len, asked.values())):,} records asked in {time.perf_counter() - start:.1f} s")
    entries: dict[str, list[report.Entry]] = {"subset": [], "row": []}
    for subset, rows in sorted(subsets.items(), key=lambda item: item[0] or 0):
        whole = pa.concat_tables([asked[row.number] for row in rows])
        entries["subset"].append(report.Entry(f"subset {subset}", _measure(whole, text)))
        entries["row"] += [report.Entry(f"row {row.number}", _measure(asked[row.number], text)) for row in rows]
    print(report.to_text(entries))


def _measure(table: pa.Table, text: bool) -> guessing.Blind:
    test = table["test"].to_numpy()
    return guessing.measure(table.filter(pa.array(~test)), table.filter(pa.array(test)), text=text)


def _ask(questioner: Questioner, row: Row, source: Source) -> pa.Table:
    """The questions of a row, as a build would ask them."""
    random = np.random.default_rng(row.number)
    found = []
    raw = f"{max(row.scales, key=lambda part: int(row.scales[part].last))}/1" if row.scales else ""
    for number, labels in enumerate(_drawn(row, source, random)):
        one = questioner.ask(key(f"{row.source}/{row.number}/{number}.png"), row, raw_label=raw, **labels)
        found.append((one.open_question, one.options, one.answer or None, number % 3 == 0))
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(zip(*found, strict=True), _SCHEMA, strict=True)],
        schema=_SCHEMA,
    )


def _drawn(row: Row, source: Source, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """What is known of each record: what :meth:`Questioner.ask` takes."""
    if row.kind == "findings" and row.source in TABLES and (path := _wheel(TABLES[row.source])) is not None:
        yield from _published(row, path, random)
        return
    published = {row.labels[raw]: 0 for raw in row.labels}
    for raw, count in (source.counts.get("labels") or {}).items():
        if raw in row.labels:
            published[row.labels[raw]] += count
    images = min(source.counts["images"], MOST)
    count = np.array([*published.values()], dtype=float)
    count[count == 0] = np.median(count[count > 0]) if count.any() else images / 10  # not published
    names = [*published]
    if row.kind != "findings":
        for which in random.choice(len(names), images, p=count / count.sum()):
            yield {"label": names[which]}
        return
    share = np.minimum(count / max(source.counts["images"], count.max() * 2), 0.5)
    nothing = next((name for name in names if name in ("No finding", "Normal")), None)
    for having in random.random((images, len(names))) < share:
        present = [name for name, held in zip(names, having, strict=True) if held and name != nothing]
        present = present or [name for name in (nothing,) if name is not None]
        yield {"present": present, "absent": [name for name in names if name not in present]}


def _published(row: Row, path: Path, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    lines = [*csv.DictReader(gzip.decompress(path.read_bytes()).decode().splitlines())]
    for place in sorted(random.choice(len(lines), 5 * MOST, replace=False).tolist()):
        line = lines[place]
        if "Finding Labels" in line:
            states: dict[str, bool | None] = dict.fromkeys(row.names, False)
            states.update({row.labels[raw]: True for raw in line["Finding Labels"].split("|")})
        else:
            cells = {"1.0": True, "0.0": False}
            states = {row.labels[raw]: cells.get(line[raw]) for raw in row.labels if raw in line}
        present, absent, unknown = ([name for name in row.names if states.get(name) is said]
                                    for said in (True, False, None))  # fmt: skip
        yield {"present": present, "absent": absent, "unknown": unknown}


def _wheel(name: str) -> Path | None:
    found = importlib.util.find_spec("torchxrayvision")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / "data" / name
