"""A TSV of single-choice questions for VLMEvalKit."""

from __future__ import annotations

import base64
import csv
import string

from med_mat.errors import ExportError
from med_mat.export import harness
from med_mat.export.job import Job
from med_mat.export.registry import export_format

#: Words in a name that make the kit evaluate, or report, in another way.
TRIGGERS = ("mmbench", "ccbench", "circular", "mmcr", "mmt", "mmsci", "mmvp")
#: What pandas reads as a missing value.
MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
     "NULL", "NaN", "None", "n/a", "nan", "null")
)  # fmt: skip
CHANGED = "one of its options is read as a number or as missing by pandas, with which VLMEvalKit reads its files"


@export_format("vlmevalkit", summary="a TSV of single-choice questions for VLMEvalKit", needs=("turn", "options"))
def vlmevalkit(job: Job, *, name: str = "med_mat") -> None:
    """Write ``NAME.tsv``, to be placed in the folder ``$LMUData``: ``run.py --data NAME --judge exact_matching``.

    VLMEvalKit lists the options itself, so the question is that without options. Accuracy is reported per triplet
    (``category``) and per modality (``l2-category``). Records with an option that pandas would change are left out.

    Args:
        name: Name of the dataset.
    """
    harness.name_of(name)
    if found := [word for word in TRIGGERS if word in name.lower()]:
        raise ExportError(f"{name!r} contains {found[0]!r}, which makes VLMEvalKit evaluate it in another way.")
    letters = string.ascii_uppercase[: max(4, _most_options(job))]
    head = ("index", "id", "fingerprint", "split", "category", "l2-category", "group", "question", *letters, "answer")
    with job.out.lines(f"{name}.tsv") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow((*head, "image"))
        number = 0
        for row in harness.tested(job):
            turn = row.turn
            if turn is None or not row.facts["open_question"]:
                job.skip(row, harness.NO_OPEN)
            elif any(changed(option) for option in turn.options):
                job.skip(row, CHANGED)
            else:
                options = [*turn.options, *[""] * (len(letters) - len(turn.options))]
                facts = (number, row.id, job.info["fingerprint"], "test", harness.triplet(row), row.facts["modality"])
                asked = (row.facts["group"], row.facts["open_question"], *options, turn.answer)
                writer.writerow((*facts, *asked, base64.b64encode(row.image.bytes).decode()))
                job.placed(row, f"{name}.tsv")
                number += 1


def changed(option: str) -> bool:
    """Whether pandas may read a text as another value."""
    plain = option.strip()
    if plain in MISSING or plain.lower() in ("true", "false", "inf", "-inf", "+inf", "infinity", "-infinity"):
        return True
    try:
        float(plain.replace(",", ""))
    except ValueError:
        return plain != option
    return True


def _most_options(job: Job) -> int:
    """The largest number of options of a question."""
    positions = job.positions.get("test")
    if positions is None:
        return 0
    mat = job.experiment.mat
    options = mat.questions(positions, job.experiment.options.questions)["options"]
    return max((len(one) for one in options.to_pylist() if one), default=0)
