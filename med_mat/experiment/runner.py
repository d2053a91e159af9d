"""Running the tasks of a plan: each once, resumable, while other processes may work on the same folder.

A task is complete once its JSON file exists; that is written after the files of answers and contains their hash. A task
that is killed or fails does not affect the others, and is run again by the next call.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import math
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import filelock
import numpy as np

from med_mat import __version__, strict
from med_mat.errors import EngineError, MedMATError
from med_mat.experiment import plan as planning
from med_mat.experiment.engine import Answers, Engine, Outcome, Task, engine, settings
from med_mat.experiment.plan import Plan, Step
from med_mat.files import write_atomically, writing
from med_mat.progress import Bar
from med_mat.splits import Experiment

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

log = logging.getLogger(__name__)

#: How a task ended.
Ending = Literal["done", "there", "elsewhere", "failed"]


@dataclass(frozen=True, slots=True)
class Done:
    """A finished task, as its JSON file says."""

    task: str
    study: str
    arm: str
    control: str
    seed: int
    order: int
    split_seed: int
    split: str  # fingerprint
    engine: str
    settings: Mapping[str, Any]
    answers: str  # blake2b of the file of answers to the test
    facts: Mapping[str, Any]
    med_mat: str
    digest: str  # of the definition


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task ended, and if it failed, why."""

    task: str
    ending: Ending
    reason: str = ""


def run_tasks(
    mat: MedMAT,
    plan: Plan,
    out: Path,
    steps: Iterable[Step] | None = None,
    *,
    jobs: int = 1,
    cache: Path | None = None,
    progress: bool = False,
) -> list[Ended]:
    """Run tasks that are not done yet; one that fails does not stop the others.

    Args:
        mat: The Med-MAT that the plan was made for.
        plan: The plan in ``out``.
        out: The folder of the experiment.
        steps: The tasks (default: all).
        jobs: Number of processes.
        cache: The folder that tasks share (default: ``out/cache``).
        progress: Whether to show progress bars.
    """
    wanted = list(plan.steps if steps is None else steps)
    ended: list[Ended] = []
    with Bar(len(wanted), desc="tasks", unit="task", shown=progress) as bar:
        for one in _run_all(mat, plan, out, wanted, jobs, cache, progress):
            ended.append(one)
            bar.update()
    return ended


def finished(plan: Plan, out: Path) -> dict[str, Done]:
    """The tasks of a plan that are done, by name.

    Raises:
        EngineError: The file of a task is damaged, or belongs to another definition.
    """
    found = {}
    for step in plan.steps:
        path = result_path(out, step.name)
        try:
            data = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError) as error:
            raise EngineError(f"{path} cannot be read ({error}): remove it, and run the task again.") from error
        done: Done = strict.read(Done, data, str(path), error=EngineError)
        if done.digest != plan.digest or done.task != step.name:
            raise EngineError(f"{path} is the result of another definition: remove it, and run the task again.")
        found[step.name] = done
    return found


def checked_answers(out: Path, done: Done) -> Path:
    """The file of the answers of a finished task to the test.

    Raises:
        EngineError: It is not there, or is not the one that the task wrote.
    """
    path = answers_path(out, done.task)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EngineError(f"{path} cannot be read ({error}).") from error
    if _hash(content) != done.answers:
        raise EngineError(f"{path} is not what the task wrote: remove its .json, and run the task again.")
    return path


def failures(plan: Plan, out: Path) -> dict[str, str]:
    """Why tasks that are not done failed when they were last run, by name."""
    found = {}
    for step in plan.steps:
        if not result_path(out, step.name).exists():
            with suppress(OSError):
                found[step.name] = _failure_path(out, step.name).read_text("utf-8", "replace").strip()
    return found


def result_path(out: Path, name: str) -> Path:
    """The file of a finished task."""
    return out / "tasks" / f"{name}.json"


def answers_path(out: Path, name: str, part: str = "test") -> Path:
    """The answers of a task to a part, in the format of :mod:`med_mat.score`."""
    return out / "tasks" / f"{name}.{part}.jsonl"


def _failure_path(out: Path, name: str) -> Path:
    return out / "tasks" / f"{name}.failed.txt"


def _run_all(
    mat: MedMAT, plan: Plan, out: Path, steps: Sequence[Step], jobs: int, cache: Path | None, progress: bool
) -> Iterable[Ended]:
    if jobs == 1 or len(steps) < 2:
        return (_attempt(mat, plan, step, out, cache, progress) for step in steps)
    import joblib

    where, commit = str(mat.location), getattr(mat.location, "commit", None)
    return joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(  # type: ignore[no-any-return]
        joblib.delayed(_in_process)(where, commit, str(out), step.name, cache) for step in steps
    )


def _in_process(where: str, commit: str | None, out: str, name: str, cache: Path | None) -> Ended:
    """A task in a process of its own."""
    plan = planning.load(Path(out))
    return _attempt(_opened(where, commit), plan, plan.step(name), Path(out), cache, progress=False)


@functools.cache
def _opened(where: str, commit: str | None) -> MedMAT:
    from med_mat.dataset import open as open_build

    return open_build(where, revision=commit)


def _attempt(mat: MedMAT, plan: Plan, step: Step, out: Path, cache: Path | None, progress: bool) -> Ended:
    """Run a task, unless it is done or another process has it; a failure becomes a sentence."""
    if result_path(out, step.name).exists():
        return Ended(step.name, "there")
    lock = out / "locks" / step.name
    try:
        with writing(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(lock, timeout=0):
            if result_path(out, step.name).exists():
                return Ended(step.name, "there")
            _perform(mat, plan, step, out, cache or out / "cache", progress)
    except filelock.Timeout:
        return Ended(step.name, "elsewhere")
    except Exception as error:  # engines may be of other packages, and raise any exception
        reason = _sentence(error)
        with suppress(OSError):
            write_atomically(_failure_path(out, step.name), f"{reason}\n".encode("utf-8", "replace"), tidy=False)
        if not isinstance(error, MedMATError | OSError):
            with suppress(OSError):
                trace = "".join(traceback.format_exception(error)).encode("utf-8", "replace")
                write_atomically(out / "tasks" / f"{step.name}.traceback.txt", trace, tidy=False)
        return Ended(step.name, "failed", reason)
    return Ended(step.name, "done")


def _sentence(error: Exception) -> str:
    """An exception as one line."""
    if isinstance(error, MedMATError):
        text = str(error)
    elif isinstance(error, OSError):
        text = f"{error.filename or 'the system'}: {error.strerror or error}."
    elif isinstance(error, MemoryError):
        text = "the memory is full: give a smaller batch, or fewer --jobs."
    else:
        text = f"{type(error).__name__}: {error}".rstrip(".") + "; see the .traceback.txt beside the task."
    return " ".join(text.split())


def _perform(mat: MedMAT, plan: Plan, step: Step, out: Path, cache: Path, progress: bool) -> None:
    trains = engine(plan.engine, str(out / planning.PLAN))
    chosen = settings(trains, plan.settings, str(out / planning.PLAN))
    if step.control:
        chosen |= trains.controls(chosen)[step.control]
    split = mat.load_split(planning.split_path(out, planning.split_name(step.study, step.arm, step.split_seed)))
    planned = plan.study(step.study).arms[step.arm][str(step.split_seed)]
    if split.fingerprint != planned.split:
        raise EngineError(f"The split of {step.name} is not the one that was planned.")
    folder = out / "work" / step.name
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        cache.mkdir(parents=True, exist_ok=True)
    task = Task(step.name, step.arm, step.seed, split, chosen, folder, cache, step.order, progress)
    outcome = trains.run(task)
    _write(plan, step, split, trains, chosen, outcome, out)


def _write(
    plan: Plan,
    step: Step,
    split: Experiment,
    trains: Engine,
    chosen: Mapping[str, Any],
    outcome: Outcome,
    out: Path,
) -> None:
    """Check the answers of a task and write its files, the one that says that it is done last."""
    common = {"split": split.fingerprint, "model": f"{trains.name} {step.arm}".strip(), "seed": step.seed}
    test = _lines(_checked(split, split.test_positions, outcome.test, "test"), common)
    write_atomically(answers_path(out, step.name), test, tidy=False)
    if outcome.validation:
        held = _checked(split, split.validation_positions, outcome.validation, "validation")
        write_atomically(answers_path(out, step.name, "validation"), _lines(held, common), tidy=False)
    done = Done(
        step.name, step.study, step.arm, step.control, step.seed, step.order, step.split_seed, split.fingerprint,
        trains.name, chosen, _hash(test), outcome.facts, __version__, plan.digest,
    )  # fmt: skip
    try:
        text = json.dumps(asdict(done), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise EngineError(f"The engine {trains.name} returned facts that JSON cannot hold ({error}).") from error
    write_atomically(result_path(out, step.name), text.encode("utf-8", "backslashreplace"), tidy=False)
    with suppress(OSError):
        _failure_path(out, step.name).unlink(missing_ok=True)


def _checked(split: Experiment, positions: Any, given: Answers, part: str) -> Answers:
    """The answers in the order of the records, if each record has one and nothing else has."""
    ids = split.mat.facts(positions, ["id"])["id"].to_pylist()
    known = set(ids)
    strange = [one for one in given if one not in known]
    missing = [one for one in ids if one not in given]
    if strange or missing:
        what = [
            *([f"{len(missing):,} of {len(ids):,} records have no answer, such as {missing[0]}"] if missing else []),
            *([f"{len(strange):,} answers are of other records, such as {strange[0]!r:.80}"] if strange else []),
        ]
        raise EngineError(f"The engine answered the {part} part incompletely: {'; '.join(what)}.")
    for one in ids:
        answer = given[one]
        if isinstance(answer, str):
            continue
        if not isinstance(answer, Mapping) or not answer:
            raise EngineError(f"The engine answered {one} with {answer!r:.80}: expected text, or a score per option.")
        if bad := [letter for letter, score in answer.items() if not _is_score(score)]:
            raise EngineError(f"The engine gave option {bad[0]} of {one} the score {answer[bad[0]]!r:.80}.")
    return {one: given[one] for one in ids}


def _is_score(score: object) -> bool:
    """Whether a score can be ranked."""
    return isinstance(score, int | float | np.number) and not isinstance(score, bool) and math.isfinite(float(score))


def _lines(found: Answers, common: Mapping[str, Any]) -> bytes:
    rows = []
    for one, answer in found.items():
        said: dict[str, Any] = (
            {"answer": answer}
            if isinstance(answer, str)
            else {"scores": {letter: float(score) for letter, score in answer.items()}}
        )
        rows.append(json.dumps({"id": one, **said, **common}, ensure_ascii=False))
    return "".join(f"{row}\n" for row in rows).encode("utf-8", "backslashreplace")


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
