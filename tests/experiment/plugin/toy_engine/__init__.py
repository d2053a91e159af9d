"""An engine for tests: it knows the share of answers that its settings say, and can stumble or dawdle."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from med_mat.errors import EngineError
from med_mat.experiment import Outcome, Task


@dataclass(frozen=True)
class Settings:
    """Settings of the toy.

    Args:
        related: Share of right answers of the arm "related".
        others: Share of right answers of other arms.
        answer: Form of the answers.
        stumble: Name of the task that fails, or "".
        how: How it fails.
        dawdle: Seconds that each task takes.
        log: File to which the name of each task that is run is added, or "".
    """

    related: float = 0.9
    others: float = 0.3
    answer: Literal["text", "scores", "always A"] = "text"
    stumble: str = ""
    how: Literal["engine", "bug", "disk", "incomplete", "nan"] = "engine"
    dawdle: float = 0.0
    log: str = ""


class Toy:
    """Answers at random, and right as often as it is told."""

    name = "toy"
    summary = "Answers at random."
    Settings = Settings
    untrained = True
    random = True

    def check(self, settings: Mapping[str, Any]) -> None:
        if settings["others"] > 1:
            raise EngineError("The engine toy: others must be at most 1.")

    def controls(self, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        return {"guess": {"related": 0.25, "others": 0.25}}

    def run(self, task: Task) -> Outcome:
        settings = Settings(**task.settings)
        if settings.log:
            with Path(settings.log).open("a") as file:
                file.write(f"{task.name}\n")
        time.sleep(settings.dawdle)
        test = self.answers(task, settings, task.experiment.test_positions)
        if task.name == settings.stumble:
            if settings.how == "engine":
                raise EngineError("The model does not fit.")
            if settings.how == "bug":
                raise ZeroDivisionError("a\nbug")
            if settings.how == "disk":
                raise OSError(28, os.strerror(28), "weights.bin")
            if settings.how == "incomplete":
                test.popitem()
            if settings.how == "nan":
                test[next(iter(test))] = {"A": float("nan"), "B": 1.0}
        validation = self.answers(task, settings, task.experiment.validation_positions)
        return Outcome(test, validation, {"selection": "validation accuracy within the arm", "epochs": 1})

    def answers(self, task: Task, settings: Settings, positions: Any) -> dict[str, Any]:
        ids = task.experiment.mat.facts(positions, ["id"])["id"].to_pylist()
        asked = task.experiment.mat.questions(positions, task.experiment.options.questions)
        share = settings.related if task.arm == "related" else settings.others
        draw, found = random.Random(f"{task.seed} {task.arm} {share}"), {}
        for one, options, right in zip(ids, asked["options"].to_pylist(), asked["answer"].to_pylist(), strict=True):
            letters = "ABCDEFGH"[: len(options)] or "A"
            letter = (
                right if right and draw.random() < share else draw.choice([c for c in letters if c != right] or "A")
            )
            if settings.answer == "always A":
                letter = "A"
            scores = {c: float(c == letter) for c in letters}
            found[one] = scores if settings.answer == "scores" else f"The answer is {letter}."
        return found


ENGINE = Toy()
