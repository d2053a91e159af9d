"""Conversations in process: records in the form that trainers expect, made on access, without a copy on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from med_mat import strict
from med_mat.conventions import Convention
from med_mat.errors import ExportError
from med_mat.export.job import NO_IMAGE, PARTS, REASONS
from med_mat.export.planning import passing
from med_mat.export.turns import Style, turn
from med_mat.index import Parts

if TYPE_CHECKING:
    import datasets

Part = Literal["train", "validation", "test"]
_COLUMNS = (
    *("id", "modality", "area", "task", "question", "options", "answer", "target", "open_question", "open_answer"),
    *("boxes", "width", "height", "image"),
)
_ARGUMENTS = {"part": Part, "style": Style, "boxes": Convention, "messages": bool}


def chat(
    experiment: Parts,
    part: Part = "train",
    *,
    style: Style = "auto",
    boxes: Convention = "pixels",
    messages: bool = False,
) -> datasets.Dataset:
    """The records of a part as conversations with their images, for TRL's trainers and others.

    Nothing is copied or re-encoded: an image is decoded, to RGB, when its record is read. The trainer must keep all
    columns (``SFTConfig(remove_unused_columns=False, max_length=None)``), because conversations are made from columns
    that it does not know.

    Args:
        experiment: An experiment, or anything with parts (:class:`~med_mat.index.Parts`).
        part: "train", "validation" or "test". Records are in the order of the index: trainers shuffle.
        style: "choice", "open" or "auto": see :mod:`med_mat.export.turns`. Records without such a turn are left out.
        boxes: How boxes are written in text: see :mod:`med_mat.conventions`.
        messages: One column ``messages`` instead of ``prompt`` and ``completion``.

    Returns:
        A dataset whose records have ``images`` (a list of one RGB image, orientation applied), ``prompt`` and
        ``completion`` (lists of one message each, whose contents are plain strings), ``id`` and ``triplet``.

    Raises:
        ExportError: An argument is wrong, the part has no such record, or its images are not in this build.
    """
    given = {"part": part, "style": style, "boxes": boxes, "messages": messages}
    strict.arguments(_ARGUMENTS, given, "A chat", error=ExportError)
    every = dict(zip(PARTS, (experiment.train_positions, experiment.validation_positions, experiment.test_positions),
                     strict=True))[part]  # fmt: skip
    positions, left = passing(experiment, np.asarray(every), ("turn",), style)
    if NO_IMAGE in left:
        raise ExportError(
            f"A chat needs images, and those of {left[NO_IMAGE]:,} of {len(every):,} {part} records are not in this "
            "build: 'med-mat attach' restores them from the publishers' files."
        )
    if not len(positions):
        raise ExportError(
            f"There is nothing to talk about: the split has no {part} records of the style {style!r}"
            + (f" ({left[REASONS['turn']]:,} have no question with an answer in it)." if left else ".")
        )
    taken = experiment.mat.take(positions, questions=experiment.options.questions)
    return taken.select_columns(list(_COLUMNS)).with_transform(_talk(style, boxes, messages))


def _talk(style: Style, boxes: Convention, messages: bool) -> Callable[[Mapping[str, list[Any]]], dict[str, list[Any]]]:
    """What makes conversations of a batch of records."""

    def made(batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        records = [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]
        found: dict[str, list[Any]] = {"id": [], "triplet": [], "images": []}
        found |= {"messages": []} if messages else {"prompt": [], "completion": []}
        for record in records:
            asked = turn(record, style, boxes)
            if asked is None:  # the dataset was changed by its user
                raise ExportError(f"{record['id']} has no question with an answer in the style {style!r}.")
            question = {"role": "user", "content": asked.question}
            answer = {"role": "assistant", "content": asked.target}
            found["id"].append(record["id"])
            found["triplet"].append(f"{record['modality']}/{record['area']}/{record['task']}")
            found["images"].append([record["image"].convert("RGB")])
            if messages:
                found["messages"].append([question, answer])
            else:
                found["prompt"].append([question])
                found["completion"].append([answer])
        return found

    return made
