"""Conversations as JSON beside a folder of images: LLaVA, Qwen, LLaMA-Factory and ms-swift.

All use the same text: the placeholder ``<image>`` precedes the question, once. Questions and answers never contain a
placeholder of their own (:func:`med_mat.export.turns.harmless`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from med_mat.conventions import NONE
from med_mat.export.job import Job, Row
from med_mat.export.registry import export_format
from med_mat.export.turns import Turn

IMAGE = "<image>"
_BOXES = f"\nAnswer with bounding boxes, or {NONE} if there is none."


@export_format("llava", summary="LLaVA JSON: conversations with <image>, and a folder of images", needs=("turn",))
def llava(job: Job) -> None:
    """Write ``PART.json``, a list of ``{id, image, conversations}``, and the images below ``images/``."""
    for part in job.parts:
        _list(job, part, ({"id": row.id, "image": job.image(row), "conversations": _said(turn)}
                          for row, turn in _turns(job, part)))  # fmt: skip


@export_format(
    "qwen",
    summary="Qwen's own fine-tuning: JSON of conversations, boxes as for Qwen2.5-VL",
    needs=("turn",),
    boxes="qwen2.5-vl",
)
def qwen(job: Job) -> None:
    """Write ``PART.json``, an ``annotation_path`` of its trainer, whose ``data_path`` is the folder of the export."""
    llava(job)


@export_format("llama-factory", summary="LLaMA-Factory: JSON and its dataset_info.json", needs=("turn",))
def llama_factory(job: Job, *, name: str = "med_mat") -> None:
    """Write ``PART.json`` and ``dataset_info.json``; the folder is the ``dataset_dir`` of LLaMA-Factory.

    Args:
        name: The datasets are called ``NAME_train``, ``NAME_validation`` and ``NAME_test``.
    """
    for part in job.parts:
        _list(job, part, ({"id": row.id, "messages": _messages(turn), "images": [job.image(row)]}
                          for row, turn in _turns(job, part)))  # fmt: skip
    columns = {"messages": "messages", "images": "images"}
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    info = {
        f"{name}_{part}": {"file_name": f"{part}.json", "formatting": "sharegpt", "columns": columns, "tags": tags}
        for part in job.parts
    }
    job.out.write("dataset_info.json", json.dumps(info, indent=1, ensure_ascii=False).encode() + b"\n")


@export_format("ms-swift", summary="ms-swift: JSON Lines, boxes as objects in pixels of the image", needs=("turn",))
def ms_swift(job: Job) -> None:
    """Write ``PART.jsonl``; run ms-swift with the environment variable ``ROOT_IMAGE_DIR`` set to the folder.

    Boxes are written as ``objects``, which ms-swift converts to the convention of each model.
    """
    for part in job.parts:
        with job.out.lines(f"{part}.jsonl") as file:
            for row, turn in _turns(job, part):
                entry: dict[str, Any] = {"messages": _messages(turn), "images": [job.image(row)]}
                if turn.boxes is not None:  # the form of boxes is that of the model, so the question says nothing of it
                    marked = replace(turn, question=turn.asked + _BOXES, target="<bbox>" * len(turn.boxes) or NONE)
                    entry["messages"] = _messages(marked)
                if turn.boxes:
                    entry["objects"] = {"ref": [], "bbox": [list(box) for box in turn.boxes]}
                file.write(json.dumps({**entry, "id": row.id}, ensure_ascii=False) + "\n")


def _turns(job: Job, part: str) -> Iterator[tuple[Row, Turn]]:
    """The records of a part, each with its turn."""
    return ((row, row.turn) for row in job.rows(part) if row.turn is not None)


def _said(turn: Turn) -> list[dict[str, str]]:
    return [{"from": "human", "value": f"{IMAGE}\n{turn.question}"}, {"from": "gpt", "value": turn.target}]


def _messages(turn: Turn) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"{IMAGE}{turn.question}"}, {"role": "assistant", "content": turn.target}]


def _list(job: Job, part: str, entries: Iterator[dict[str, Any]]) -> None:
    """Write a JSON list, an entry per line."""
    with job.out.lines(f"{part}.json") as file:
        file.write("[")
        for number, entry in enumerate(entries):
            file.write(("," if number else "") + "\n" + json.dumps(entry, ensure_ascii=False))
        file.write("\n]\n")
