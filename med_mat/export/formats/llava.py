"""LLaVA's JSON: conversations between "human" and "gpt", with the placeholder of the image in the first question."""

from __future__ import annotations

import json

from med_mat.export.job import Job
from med_mat.export.registry import export_format


@export_format("llava", summary="LLaVA JSON: conversations with <image>, and a folder of images", needs=("turn",))
def llava(job: Job) -> None:
    """Write one JSON list per part, and the images below ``images/``."""
    for part in job.parts:
        with job.out.lines(f"{part}.json") as file:
            file.write("[")
            for number, row in enumerate(job.rows(part)):
                assert row.turn is not None
                said = [
                    {"from": "human", "value": f"<image>\n{row.turn.question}"},
                    {"from": "gpt", "value": row.turn.target},
                ]
                entry = {"id": row.id, "image": job.image(row), "conversations": said}
                file.write(("," if number else "") + "\n" + json.dumps(entry, ensure_ascii=False))
            file.write("\n]\n")
