"""The engine ``command``: the user's own trainer and predictor, as programs that read an export and write answers.

The records of the arm are exported into the folder of the task. The trainer and the predictor are commands in which
placeholders stand for paths and seeds (:data:`PLACEHOLDERS`). Their output is in ``train.log`` and ``predict.log`` in
the folder of the task. The predictor writes an answers file (:mod:`med_mat.score.answers`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from med_mat.errors import EngineError, ScoreError
from med_mat.experiment.engine import Outcome, Task
from med_mat.experiment.processes import run_logged
from med_mat.experiment.templates import arguments, filled
from med_mat.export.place import ACCOUNT
from med_mat.export.registry import format_named
from med_mat.files import write_atomically
from med_mat.score import answers

if TYPE_CHECKING:
    from med_mat.splits import Experiment

#: What is filled in, and what it stands for.
PLACEHOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "train": "the exported training records: a file, or a folder, as the format has it",
        "validation": "the exported validation records",
        "test": "the exported records to answer: those of the test part, or of the validation part",
        "export": "the folder of the export",
        "out": "a folder for what is trained; kept, so that a killed trainer can go on there",
        "answers": "the answers file that the predictor must write",
        "seed": "the seed of the model",
        "order": "the seed of the order of the training records",
        "arm": "the name of the arm, such as related",
        "python": "the Python of this process",
    }
)
#: Folders and files of a task.
_EXPORT, _OUT, _TRAINED = "export", "out", "trained.json"
#: Placeholders that the trainer cannot use: there is nothing to answer yet.
_OF_PREDICTION = frozenset({"answers"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the engine ``command``.

    Args:
        train: The trainer, as text or as a list of arguments, with placeholders such as {train}, {out} and {seed}. It
            runs in the current folder, without a shell.
        predict: The predictor, with placeholders such as {test}, {out} and {answers}. For the untrained arm it runs
            without a trainer before it, and {out} is empty.
        format: The export format, as in ``med-mat export --format``.
        options: Options of the format.
        style: Form of the questions: "choice" (with options), "open", or "auto" (options where the record has them).
        suffix: Extension of the answers file: ".jsonl", ".json", ".csv" or ".parquet".
        validation: Let the predictor answer the validation records too.
        timeout: Seconds after which a command is stopped; 0: never.
    """

    train: str | tuple[str, ...]
    predict: str | tuple[str, ...]
    format: str = "trl"
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    style: Literal["choice", "open", "auto"] = "choice"
    suffix: Literal[".jsonl", ".json", ".csv", ".parquet"] = ".jsonl"
    validation: bool = False
    timeout: float = 0.0


class _Command:
    name = "command"
    summary = "Export, then run your own trainer and predictor."
    Settings = Settings
    untrained = True
    random = True

    def check(self, settings: Mapping[str, Any], /) -> None:
        """Check the commands, that their programs are there, and the format."""
        made = Settings(**settings)
        format_named(made.format).checked(made.options)
        if not made.timeout >= 0:
            raise EngineError(f"The setting timeout of the engine command must be 0 or more, not {made.timeout}.")
        for where, command in _commands(made).items():
            program = filled(command[:1], {"python": sys.executable})[0]
            if shutil.which(program) is None:
                raise EngineError(f"{where}: there is no program {program!r}, here or on the PATH.")
        if not any("{answers}" in one for one in _commands(made)["predict"]):
            raise EngineError("predict: the command has no {answers}, the file that it must write.")

    def controls(self, settings: Mapping[str, Any], /) -> Mapping[str, Mapping[str, Any]]:
        """None: an external trainer cannot be run without images here."""
        return {}

    def run(self, task: Task, /) -> Outcome:
        """Export, train, predict, and read the answers."""
        settings, experiment = Settings(**task.settings), task.experiment
        commands = _commands(settings)
        export = task.folder / _EXPORT
        made = experiment.export(
            export,
            format=settings.format,
            style=settings.style,
            own_use=True,  # the copy stays in the folder of the task
            seed=task.order,
            progress=task.progress,
            **settings.options,
        )
        out = task.folder / _OUT
        out.mkdir(parents=True, exist_ok=True)
        values = {
            **{part: _path(export, part) for part in ("train", "validation", "test")},
            **{"export": str(export.absolute()), "out": str(out.absolute()), "python": sys.executable},
            **{"seed": str(task.seed), "order": str(task.order), "arm": task.arm},
        }
        if len(experiment.train_positions):
            _once(task, filled(commands["train"], values), settings, "train", "The trainer")
        parts = ["test", *(["validation"] if settings.validation and len(experiment.validation_positions) else [])]
        found = {part: _answers(task, part, commands["predict"], values, settings) for part in parts}
        facts = {
            "format": made.format,
            "style": settings.style,
            "records": dict(made.records),
            "left_out": {part: dict(reasons) for part, reasons in made.left_out.items()},
            **{name: shlex.join(command) for name, command in commands.items()},
        }
        return Outcome(found["test"], found.get("validation", {}), facts)


def _commands(settings: Settings) -> dict[str, list[str]]:
    """The commands as arguments.

    Raises:
        EngineError: one is empty, or has an unknown placeholder.
    """
    trainer = [one for one in PLACEHOLDERS if one not in _OF_PREDICTION]
    return {
        "train": arguments(settings.train, "train", trainer),
        "predict": arguments(settings.predict, "predict", PLACEHOLDERS),
    }


def _path(export: Path, part: str) -> str:
    """Where a format has written a part: a file or folder of its name, or else the whole export."""
    named = sorted(path for path in export.glob(f"{part}*") if path.name == part or path.stem == part)
    return str((named or [export])[0].absolute())


def _once(task: Task, command: Sequence[str], settings: Settings, name: str, what: str) -> None:
    """Run a command, unless the same one has succeeded before in this folder."""
    done = task.folder / _TRAINED
    line = json.dumps([*command])
    if done.exists() and done.read_text("utf-8") == line:
        return
    _run(task, command, settings, name, what)
    write_atomically(done, line.encode())


def _run(task: Task, command: Sequence[str], settings: Settings, name: str, what: str) -> None:
    run_logged(command, task.folder / f"{name}.log", what=what, folder=Path.cwd(), timeout=settings.timeout or None)


def _answers(
    task: Task, part: str, command: Sequence[str], values: Mapping[str, str], settings: Settings
) -> dict[str, Any]:
    """The answers to a part: those of an earlier run of the same command, or new ones.

    Raises:
        EngineError: the predictor fails, or does not write answers to exactly these records.
    """
    path = task.folder / f"answers-{part}{settings.suffix}"
    given = filled(command, {**values, "test": values[part], "answers": str(path.absolute())})
    done = path.with_name(f"answered-{part}.json")
    if not (done.exists() and path.exists() and json.loads(done.read_text("utf-8")) == _said(given, path)):
        path.unlink(missing_ok=True)  # of an earlier, interrupted run
        _run(task, given, settings, "predict", "The predictor")
        if not path.exists():
            raise EngineError(f"The predictor has not written {path}: it must write the file that {{answers}} names.")
    read = _read(task.experiment, part, path)
    write_atomically(done, json.dumps(_said(given, path)).encode())
    return read


def _said(command: Sequence[str], path: Path) -> list[Any]:
    return [[*command], hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()]


def _read(experiment: Experiment, part: str, path: Path) -> dict[str, Any]:
    """The answers of a file, one for each record of the part that was exported.

    Raises:
        EngineError: the file is damaged, or has answers to other records, or to another split.
    """
    account = json.loads((path.parent / _EXPORT / ACCOUNT).read_text("utf-8"))
    ids = list(account["files"].get(part, {}))
    try:
        given = answers.read(path)
        found, _ = answers.aligned(given, ids, [True] * len(ids), experiment.fingerprint)
    except ScoreError as error:
        raise EngineError(f"The predictor has not answered the {part} part: {error}") from error
    return {one: answer for one, answer in zip(ids, found, strict=True) if answer is not None}


ENGINE = _Command()
