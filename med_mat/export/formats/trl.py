"""TRL: Parquet files with columns for its supervised and its GRPO trainer.

Contents are plain strings without a placeholder: TRL puts the image before the question itself.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from med_mat.export.job import Job, Row
from med_mat.export.names import image_path
from med_mat.export.parquet import IMAGES, MESSAGES, Shards, card
from med_mat.export.registry import export_format

_ABOUT = {"id": pa.string(), "triplet": pa.string(), "source": pa.string()}


@export_format("trl", summary="TRL's SFTTrainer: Parquet with prompt, completion and images", needs=("turn",))
def trl(job: Job, *, messages: bool = False) -> None:
    """Write ``PART/*.parquet``; ``load_dataset(folder)`` reads them with the images as stored.

    The trainer needs ``max_length=None``: its default truncates long sequences, such as those of images.

    Args:
        messages: One column ``messages`` instead of ``prompt`` and ``completion``: the loss is then computed on the
            question too, unless ``assistant_only_loss`` is set.
    """
    talk = ("messages",) if messages else ("prompt", "completion")
    columns = {**_ABOUT, "images": IMAGES, **dict.fromkeys(talk, MESSAGES)}
    for part in job.parts:
        with Shards(job, part, columns) as shards:
            for row, turn in turns(job, part):
                said = [{"role": "user", "content": turn.question}, {"role": "assistant", "content": turn.target}]
                values = {"messages": said} if messages else {"prompt": said[:1], "completion": said[1:]}
                shards.add(row, {**about(row), **values})
    job.out.write("README.md", card(job, "Columns for TRL's `SFTTrainer`; train with `max_length=None`.").encode())


@export_format("grpo", summary="TRL's GRPOTrainer: Parquet with prompt, images, answer", needs=("turn",))
def grpo(job: Job) -> None:
    """Write ``PART/*.parquet`` with the columns ``prompt`` and ``images``, and for reward functions ``target`` (the
    answer), ``answer`` (its letter; null without options) and ``options``.
    """
    columns = {
        **_ABOUT, "images": IMAGES, "prompt": MESSAGES, "target": pa.string(), "answer": pa.string(),
        "options": pa.list_(pa.string()),
    }  # fmt: skip
    for part in job.parts:
        with Shards(job, part, columns) as shards:
            for row, turn in turns(job, part):
                prompt = [{"role": "user", "content": turn.question}]
                judged = {"target": turn.target, "answer": turn.answer, "options": list(turn.options)}
                shards.add(row, {**about(row), "prompt": prompt, **judged})
    job.out.write("README.md", card(job, "Columns for TRL's `GRPOTrainer`: rewards get `target`, `answer`.").encode())


def turns(job: Job, part: str) -> Any:
    """The records of a part, each with its turn."""
    return ((row, row.turn) for row in job.rows(part) if row.turn is not None)


def about(row: Row) -> dict[str, Any]:
    """The columns that say which record it is, and its image as stored."""
    facts = row.facts
    path = image_path("images", facts["image_id"], row.image.bytes, row.image.suffix)
    return {
        "id": row.id,
        "triplet": f"{facts['modality']}/{facts['area']}/{facts['task']}",
        "source": facts["source"],
        "images": [{"bytes": row.image.bytes, "path": path.rpartition("/")[2]}],
    }
