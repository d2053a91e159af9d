"""A task folder for lmms-eval: YAML, functions, the answer parser, and the test records as Parquet."""

from __future__ import annotations

import inspect
import json
from contextlib import ExitStack
from importlib import resources
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from med_mat.export import harness
from med_mat.export.job import Job, Row
from med_mat.export.registry import export_format
from med_mat.score import parsing

_ROWS = 32  # of a row group
_HELD = 64 << 20  # bytes of images that wait to be written, over all triplets
_TEXTS = ("id", "split", "triplet", "group", "source", "question", "answer")
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXTS),
        ("options", pa.list_(pa.string())),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    ],
    metadata={
        "huggingface": json.dumps(
            {
                "info": {
                    "features": {
                        **{name: {"dtype": "string", "_type": "Value"} for name in _TEXTS},
                        "options": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"},
                        "image": {"_type": "Image"},
                    }
                }
            }
        )
    },
)
_TASK = """\
# Written by med-mat export. Run from anywhere:
#   python -m lmms_eval --model MODEL --model_args pretrained=PATH --tasks {name} --include_path FOLDER \\
#       --batch_size 1 --log_samples --output_path OUT
task: {task}
dataset_path: !function utils.DATA
dataset_kwargs:
  data_dir: {slug}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_messages: !function utils.doc_to_messages
doc_to_target: answer
process_results: !function utils.process_results
generation_kwargs:
  max_new_tokens: {tokens}
  temperature: 0
  do_sample: false
metric_list:
  - metric: accuracy
    aggregation: !function utils.mean_score
    higher_is_better: true
  - metric: unparsed
    aggregation: !function utils.count_unparsed
    higher_is_better: false
cluster_key: group
score_key: score
metadata:
  version: 1.0
  split: "{split}"
  triplet: {triplet}
"""
_GROUP = """\
# Written by med-mat export: all triplets, and their accuracy over all records.
group: {name}
task:
{tasks}
aggregate_metric_list:
  - metric: accuracy
    aggregation: mean
    weight_by_size: true
metadata:
  version: 1.0
"""


@export_format("lmms-eval", summary="a task folder for lmms-eval, one task per triplet", needs=("turn", "options"))
def lmms_eval(job: Job, *, name: str = "med_mat", tokens: int = 64) -> None:
    """Write the test records, and a task that prompts as Med-MAT does.

    The task of a triplet is ``NAME_ct_lung_cancer``, and NAME is all of them. Its metrics are in percent, with standard
    errors clustered by group.

    Args:
        name: Name of the task.
        tokens: Number of tokens that a model may generate for an answer.
    """
    harness.name_of(name)
    slugs = harness.Slugs()
    with ExitStack() as stack:
        files = _Files(job, stack)
        for row in harness.tested(job):
            mat = harness.triplet(row)
            files.add(slugs.of(mat), _item(job, row, mat), row)
        files.flush()
    tasks = {mat: f"{name}_{slug}" if len(slugs.known) > 1 else name for mat, slug in slugs.known.items()}
    for mat, slug in slugs.known.items():
        text = _TASK.format(
            name=name, task=tasks[mat], slug=slug, tokens=tokens, split=job.info["fingerprint"], triplet=json.dumps(mat)
        )
        job.out.write(f"{tasks[mat]}.yaml", text.encode())
    if len(tasks) > 1:
        listed = "\n".join(f"  - {task}" for task in tasks.values())
        job.out.write(f"{name}.yaml", _GROUP.format(name=name, tasks=listed).encode())
    template = resources.files("med_mat.data") / "lmms_eval" / "utils.py"
    job.out.write("utils.py", template.read_bytes())
    job.out.write("parsing.py", inspect.getsource(parsing).encode())


def _item(job: Job, row: Row, mat: str) -> dict[str, Any]:
    assert row.turn is not None
    return {
        "id": row.id,
        "split": job.info["fingerprint"],
        "triplet": mat,
        "group": str(row.facts["group"]),
        "source": row.facts["source"],
        "question": row.turn.question,
        "answer": row.turn.answer,
        "options": list(row.turn.options),
        "image": {"bytes": row.image.bytes, "path": None},
    }


class _Files:
    """One Parquet file per triplet; the images that wait to be written are bounded."""

    def __init__(self, job: Job, stack: ExitStack) -> None:
        self._job, self._stack = job, stack
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._waiting: dict[str, list[dict[str, Any]]] = {}
        self._held = 0

    def add(self, slug: str, item: dict[str, Any], row: Row) -> None:
        path = f"data/{slug}/test-00000-of-00001.parquet"
        if slug not in self._writers:
            file = self._stack.enter_context(self._job.out.open(path))
            self._writers[slug] = self._stack.enter_context(pq.ParquetWriter(file, _SCHEMA, compression="none"))
            self._waiting[slug] = []
        self._waiting[slug].append(item)
        self._held += len(row.image.bytes)
        self._job.placed(row, path)
        if len(self._waiting[slug]) >= _ROWS:
            self._write(slug)
        elif self._held > _HELD:
            self.flush()

    def flush(self) -> None:
        for slug in self._writers:
            self._write(slug)

    def _write(self, slug: str) -> None:
        if items := self._waiting[slug]:
            self._writers[slug].write_table(pa.Table.from_pylist(items, schema=_SCHEMA))
            self._held -= sum(len(one["image"]["bytes"]) for one in items)
            self._waiting[slug] = []
