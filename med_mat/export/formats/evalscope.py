"""Visual multiple-choice questions for EvalScope (its benchmark ``general_vmcq``)."""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack
from typing import IO

from med_mat.export import harness
from med_mat.export.job import Job
from med_mat.export.registry import export_format

_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}


@export_format("evalscope", summary="visual multiple-choice JSONL for EvalScope", needs=("turn", "options"))
def evalscope(job: Job) -> None:
    """Write one file per triplet, ``ct_lung_cancer_val.jsonl``: a subset of the benchmark ``general_vmcq``.

    ``--datasets general_vmcq --dataset-args '{"general_vmcq": {"local_path": "FOLDER", "subset_list":
    ["ct_lung_cancer"]}}'``. EvalScope lists the options itself, so the question is that without options. Images are
    data URLs, so that the files can be moved.
    """
    slugs = harness.Slugs()
    files: dict[str, IO[str]] = {}
    with ExitStack() as stack:
        for row in harness.tested(job):
            turn, question = row.turn, row.facts["open_question"]
            if turn is None or not question:
                job.skip(row, harness.NO_OPEN)
                continue
            mat = harness.triplet(row)
            path = f"{slugs.of(mat)}_val.jsonl"
            if path not in files:
                files[path] = stack.enter_context(job.out.lines(path))
            data = base64.b64encode(row.image.bytes).decode()
            item = {
                "id": row.id,
                "split": job.info["fingerprint"],
                "triplet": mat,
                "group": row.facts["group"],
                "question": f"<image 1> {question}",
                "options": list(turn.options),
                "answer": turn.answer,
                "image_1": f"data:{_TYPES[row.image.suffix]};base64,{data}",
            }
            print(json.dumps(item, ensure_ascii=False), file=files[path])
            job.placed(row, path)
