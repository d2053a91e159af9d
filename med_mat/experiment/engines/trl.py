"""The engine ``trl``: any vision-language model that transformers can load, fine-tuned with TRL.

The loss is computed on the answer only, which is checked before the first step. A single process is this one;
several are started by ``accelerate launch``. Checkpoints are in the folder of the task, answers in the cache of all
tasks, so that a killed task resumes where it stopped.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from med_mat.errors import EngineError
from med_mat.experiment.engine import Outcome, Task
from med_mat.experiment.finetune import models, training
from med_mat.experiment.finetune.job import Job
from med_mat.experiment.finetune.settings import Settings
from med_mat.experiment.processes import run_logged

#: The packages whose versions decide what is answered.
_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate")


class _Trl:
    name = "trl"
    summary = "Fine-tune a vision-language model with TRL, all weights or LoRA."
    Settings = Settings
    untrained = True
    random = True

    def check(self, settings: Mapping[str, Any], /) -> None:
        """Check that the packages are installed, and that the model and its processor are there."""
        made = Settings(**settings)
        models.check_installed(made)
        family = models.load_config(made).model_type
        models.load_processor(made)
        made.divided(made.recipe(family).batch)
        if made.accelerate_config is not None and not Path(made.accelerate_config).is_file():
            raise EngineError(f"There is no configuration of accelerate at {made.accelerate_config}.")

    def controls(self, settings: Mapping[str, Any], /) -> Mapping[str, Mapping[str, Any]]:
        """The same without images. The untrained model is an arm of its own."""
        return {"gray images": {"images": "gray"}} if settings["control"] else {}

    def run(self, task: Task, /) -> Outcome:
        """Train, choose the weights, and answer."""
        settings = Settings(**task.settings)
        models.check_installed(settings)
        task.folder.mkdir(parents=True, exist_ok=True)
        kept = task.cache / "trl"
        job = Job(task.experiment, settings, (task.seed, task.order), task.folder, kept, task.name, task.progress)
        path = job.save()
        facts: dict[str, Any] = {"model": settings.model, "predict": settings.predict, "style": settings.style}
        facts["images"] = settings.images
        checkpoint: str | None = None
        validated = bool(len(task.experiment.validation_positions))
        if len(task.experiment.train_positions):
            self._do(job, path, ["train"])
            trained = job.train()  # what is done already is read
            facts |= trained["facts"]
            checkpoint, chosen = self._chosen(job, path, trained["checkpoints"], validated)
            facts |= chosen
        answers = {part: self._answers(job, path, part, checkpoint) for part in ("test", "validation")[: 1 + validated]}
        facts |= {
            "answered_by": models.identity(settings, _weights(job, checkpoint)),
            "left_out": len(task.experiment.test_positions) - len(answers["test"]),
            "versions": {name: metadata.version(name) for name in _PACKAGES if _installed(name)},
        }
        if not settings.keep_weights:
            shutil.rmtree(task.folder / training.CHECKPOINTS, ignore_errors=True)
        return Outcome(answers["test"], answers.get("validation", {}), facts)

    def _chosen(self, job: Job, path: Path, checkpoints: list[str], validated: bool) -> tuple[str, dict[str, Any]]:
        """The checkpoint that answers, and how it was chosen."""
        if job.settings.selection == "last":
            return checkpoints[-1], {"selection": "last epoch"}
        if not validated:
            raise EngineError(
                "selection='validation accuracy' needs a validation part: make the experiment with validation=0.1, or "
                "choose selection=last."
            )
        correct = [job.correct("validation", self._answers(job, path, "validation", one)) for one in checkpoints]
        best = correct.index(max(correct))
        facts = {
            "selection": "validation accuracy within the arm",
            "chosen_epoch": best + 1,
            "validation_correct": correct,
            "validation_records": len(job.experiment.validation_positions),
        }
        return checkpoints[best], facts

    def _answers(self, job: Job, path: Path, part: str, checkpoint: str | None) -> Mapping[str, Any]:
        self._do(job, path, ["answer", part, checkpoint or "-"])
        with _memory_freed():
            return job.answer(part, checkpoint)  # what the processes have answered is read

    def _do(self, job: Job, path: Path, what: Sequence[str]) -> None:
        """Let several processes do the work; one process does it where it is asked for."""
        if job.settings.processes > 1:
            run_logged(
                _launch(job.settings, [str(path), *what]),
                job.folder / "log.txt",
                what=f"The {'training' if what[0] == 'train' else 'prediction'} of {job.name}",
                folder=job.folder,
                environment={"PYTHONPATH": os.pathsep.join(one for one in sys.path if one)},
            )


def _launch(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The command that starts the processes: ``torchrun`` on CPUs, where ``accelerate launch`` starts only one."""
    import torch

    several = ["--num_processes", str(settings.processes)]
    if settings.accelerate_config is not None:
        several += ["--config_file", str(Path(settings.accelerate_config).absolute())]
    elif torch.cuda.is_available():
        several += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--multi_gpu"]
        several += ["--main_process_port", "0"]  # any free one: several tasks may run on one machine
    if settings.accelerate_config is not None or torch.cuda.is_available():
        launcher = ["accelerate.commands.launch", *several]
    else:
        launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(settings.processes)]
    return [sys.executable, "-m", *launcher, "-m", "med_mat.experiment.finetune.worker", *arguments]


def _weights(job: Job, checkpoint: str | None) -> Path | None:
    return None if checkpoint is None else job.folder / training.CHECKPOINTS / checkpoint


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


@contextmanager
def _memory_freed() -> Iterator[None]:
    """Give the memory of a model back to the device, for the next one."""
    import torch

    try:
        yield
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


ENGINE = _Trl()
