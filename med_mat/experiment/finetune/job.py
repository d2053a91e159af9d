"""What trains and answers for one task, as a file, so that processes of their own can do it too."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from med_mat import dataset
from med_mat.errors import EngineError
from med_mat.experiment.finetune import answering, training
from med_mat.experiment.finetune.answering import Answer, Asked
from med_mat.experiment.finetune.settings import Settings
from med_mat.export.turns import turn
from med_mat.files import write_atomically
from med_mat.questions import LETTERS

if TYPE_CHECKING:
    import datasets

    from med_mat.splits import Experiment

#: Files of a job in the folder of its task.
JOB, SPLIT = "job.json", "split.parquet"
#: Columns that say what a record is asked.
_ASKED = ["id", "question", "target", "options", "answer", "open_question", "open_answer", "boxes", "width", "height"]


@dataclass(frozen=True)
class Job:
    """A task of the engine: one arm, one seed of the model, one of the order."""

    experiment: Experiment
    settings: Settings
    seeds: tuple[int, int]
    folder: Path
    kept: Path  # answers, shared by tasks
    name: str
    progress: bool = False

    def save(self) -> Path:
        """Write the job and its split into its folder, or check that those there are the same.

        Raises:
            EngineError: the folder is that of another job.
        """
        location = self.experiment.mat.location
        facts = {
            "where": getattr(location, "repo_id", str(location)),
            "revision": getattr(location, "commit", None),
            "fingerprint": self.experiment.fingerprint,
            "settings": dataclasses.asdict(self.settings),
            "seeds": list(self.seeds),
            "kept": str(self.kept),
            "name": self.name,
        }
        path = self.folder / JOB
        if path.exists() and (there := json.loads(path.read_text("utf-8"))) != facts:
            changed = sorted(name for name in facts if there.get(name) != facts[name])
            raise EngineError(
                f"{self.folder} has the checkpoints of another run: its {', '.join(changed)} differ. Remove it, or use "
                "another folder."
            )
        if not path.exists():
            self.experiment.save(self.folder / SPLIT)
            write_atomically(path, (json.dumps(facts, indent=1) + "\n").encode())
        return path

    @classmethod
    def load(cls, path: Path) -> Job:
        """The job of a file that :meth:`save` wrote."""
        facts: dict[str, Any] = json.loads(path.read_text("utf-8"))
        mat = dataset.open(facts["where"], revision=facts["revision"])
        first, second = facts["seeds"]
        return cls(
            mat.load_split(path.parent / SPLIT),
            Settings(**facts["settings"]),
            (first, second),
            path.parent,
            Path(facts["kept"]),
            facts["name"],
        )

    def train(self) -> dict[str, Any]:
        """Train: see :func:`med_mat.experiment.finetune.training.train`."""
        records, asked = self._part("train")
        if not asked:
            raise EngineError(
                f"None of the {len(self.experiment.train_positions):,} training records has a question in the style "
                f"{self.settings.style!r}: use style=auto."
            )
        turns = {one.id: (one.question, target) for one, target in asked}
        return training.train(records, turns, self.settings, self.seeds, self.folder, progress=self.progress)

    def answer(self, part: str, checkpoint: str | None, share: tuple[int, int] = (0, 1)) -> dict[str, Answer]:
        """Answer the records of a part: see :func:`med_mat.experiment.finetune.answering.answer`.

        Args:
            part: "validation" or "test".
            checkpoint: name of a checkpoint of the training, or None for the model as published.
            share: number of this process, and how many there are.
        """
        records, asked = self._part(part)
        return answering.answer(
            records,
            [one for one, _ in asked],
            self.settings,
            weights=None if checkpoint is None else self.folder / training.CHECKPOINTS / checkpoint,
            kept=self.kept,
            writer=f"{self.name}-{share[0]}",
            share=share,
            progress=self.progress,
        )

    def correct(self, part: str, answers: Mapping[str, Answer]) -> int:
        """How many records of a part are answered correctly."""
        return sum(_is_correct(one, target, answers.get(one.id, "")) for one, target in self._part(part)[1])

    def _part(self, part: str) -> tuple[datasets.Dataset, list[tuple[Asked, str]]]:
        """The records of a part that have a turn in the style of the settings, and their questions and targets."""
        records = getattr(self.experiment, part)
        places, asked = [], []
        positions = getattr(self.experiment, f"{part}_positions")
        for place, (one, target) in enumerate(_turns(records, self.experiment.mat.tags.key[positions], self.settings)):
            if one is not None:
                places.append(place)
                asked.append((one, target))
        return records.select(places), asked


def _turns(records: datasets.Dataset, keys: Any, settings: Settings) -> Iterator[tuple[Asked | None, str]]:
    """The question and the target of each record; None where it has none in this style. Images are not read."""
    for facts, key in zip(records.select_columns(_ASKED), keys.tolist(), strict=True):
        asked = turn(facts, settings.style)
        if asked is None:
            yield None, ""
            continue
        letters = tuple(LETTERS[: len(asked.options)])
        yield Asked(asked.id, f"{key:016x}", asked.question, letters), asked.target


def _is_correct(one: Asked, target: str, answer: Answer) -> bool:
    """Whether an answer is right, for choosing an epoch: the same letter, or the same words."""
    if isinstance(answer, dict):
        best = [letter for letter, score in answer.items() if score == max(answer.values())]
        return best == [target]
    return " ".join(answer.split()).rstrip(".") == " ".join(target.split()).rstrip(".")
