"""The engine ``probe``: a frozen encoder, and a small convex model from its features to the options of a question."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal, cast

import numpy as np

from med_mat.errors import EngineError, UsageError
from med_mat.experiment.engine import Outcome, Task
from med_mat.experiment.probe import encoders, features, heads, texts
from med_mat.experiment.probe.heads import Known
from med_mat.experiment.probe.questions import Matrix, Questions, balanced, letters

log = logging.getLogger(__name__)

Head = Literal["options", "linear"]


@dataclass(frozen=True)
class Settings:
    """Settings of the probe.

    Args:
        encoder: The image encoder: lite0, timm:NAME, open_clip:NAME/TAG, transformers:NAME, each also as
            random:ENCODER; pixels (16 x 16 gray values); or text (no image).
        text: The encoder of the options' texts: minilm, transformers:NAME, or hash (character n-grams, no weights).
        head: "options" fits the embedding of the right option, so it answers with labels that were never trained;
            "linear" is a logistic regression over the labels, for a target whose labels are those of its arm.
        strengths: Strengths of the ridge penalty to choose among.
        weights_seed: Seed of the weights of random:ENCODER.
    """

    encoder: str = "lite0"
    text: str = "minilm"
    head: Head = "options"
    strengths: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    weights_seed: int = 0


class Probe:
    """The engine: see :class:`med_mat.experiment.engine.Engine`."""

    name = "probe"
    summary = "A frozen image encoder and ridge regression to the text of the options; minutes on a CPU."
    Settings = Settings
    untrained = False
    random = False

    def check(self, settings: Mapping[str, Any], /) -> None:
        """Check the settings, and that the packages that they need are installed.

        Raises:
            EngineError: No encoder has this name, or a strength is not positive.
            MissingExtraError: A package is missing; the message says what to install.
        """
        given = Settings(**settings)
        if not given.strengths or not all(0 < one < float("inf") for one in given.strengths):
            raise EngineError(f"The engine probe: strengths must be positive numbers, not {list(given.strengths)}.")
        try:
            encoders.check(given.encoder)
            if given.head == "options" or given.encoder == encoders.TEXT:
                texts.check(given.text)
        except UsageError as error:
            raise EngineError(f"The engine probe: {error}") from error

    def controls(self, settings: Mapping[str, Any], /) -> Mapping[str, Mapping[str, Any]]:
        """The same probe on random features, on raw pixels, and without images, except the one that it is itself."""
        encoder = Settings(**settings).encoder
        found: dict[str, Mapping[str, Any]] = {}
        if encoder not in ("pixels", encoders.TEXT) and not encoder.startswith("random:"):
            found["random"] = {"encoder": f"random:{encoder}"}
        if encoder != "pixels":
            found["pixels"] = {"encoder": "pixels"}
        if encoder != encoders.TEXT:
            found["text"] = {"encoder": encoders.TEXT}
        return found

    def run(self, task: Task, /) -> Outcome:
        """Fit the probe on the training records of an arm, and score the options of the others.

        Nothing is random: results differ between seeds only if the training records do.

        Raises:
            EngineError: No record has options, or an image is missing.
        """
        settings = Settings(**task.settings)
        questions = Questions.of(task.experiment)
        inputs, encoder = _inputs(task, settings, questions)
        parts = {name: _known(task, questions, inputs, name) for name in ("train", "validation", "test")}
        if settings.encoder != encoders.TEXT:  # whose mean is what it says
            parts = heads.centered(parts)
        train = parts["train"]
        validation = parts["validation"] if len(parts["validation"].asked) else None
        if settings.head == "linear":
            fitted = heads.linear(train, validation, settings.strengths)
        else:
            vectors = heads.compact(texts.embed(settings.text, questions.asked.texts.to_pylist()))
            fitted = heads.options(train, validation, vectors, settings.strengths)
        answers = {}
        for name in ("test", "validation"):
            chosen = questions.of_part(name)
            ids = task.experiment.mat.facts(questions.position[chosen], ["id"])["id"].to_pylist()
            known = parts[name]
            found = letters(known.asked, fitted.scores(known.asked, known.features)) if len(chosen) else []
            answers[name] = dict(zip(ids, found, strict=True))
        facts = {
            "encoder": encoder,
            "text": settings.text,
            "head": settings.head,
            "selection": fitted.selection,
            "selected": round(fitted.selected, 6),
            "strength": fitted.strength,
            "strengths": {f"{strength:g}": round(reached, 6) for strength, reached in fitted.tried.items()},
            "questions": {name: len(part.asked) for name, part in parts.items()},
            "records without options, left out": questions.left_out,
            "versions": {one: metadata.version(one) for one in ("numpy", "scipy")},
        }
        return Outcome(answers["test"], answers["validation"], facts)


def _inputs(task: Task, settings: Settings, questions: Questions) -> tuple[Matrix, Mapping[str, Any]]:
    """The features of each question, (questions, d), each of length 1, and the identity of what made them."""
    asked = questions.asked
    if settings.encoder == encoders.TEXT:
        told = texts.embed(settings.text, asked.said.to_pylist())
        found = heads.compact(np.column_stack((told, np.ones(len(told)))))[asked.instruction]
        return heads.scaled(found), {"encoder": encoders.TEXT}
    encoder = encoders.load(settings.encoder, settings.weights_seed)
    mat = cast(features.Images, task.experiment.mat)
    once, back = np.unique(questions.position, return_inverse=True)
    found = heads.scaled(features.features(mat, once, encoder, task.cache, shown=task.progress))[back]
    return found, encoder.identity


def _known(task: Task, questions: Questions, inputs: Matrix, part: str) -> Known:
    chosen = questions.of_part(part)
    tags, position = task.experiment.mat.tags, questions.position[chosen]
    asked = questions.asked.pick(chosen)
    numbers = tags.row[position]
    subsets = {row: tags.facts[row].subset for row in np.unique(numbers).tolist()}
    subset = np.array([subsets[row] or -row for row in numbers.tolist()], dtype=np.int64)
    weights = balanced(subset, asked.label) if len(chosen) else np.zeros(0)
    return Known(asked, inputs[chosen], weights, tags.group[position].astype(np.int64), subset)


ENGINE = Probe()
