"""The engine command: a user's own programs train on an export, and write the answers."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workshop import Workshop

import med_mat
from med_mat.errors import EngineError, ExportError
from med_mat.experiment import engine
from med_mat.experiment.engine import Task
from med_mat.experiment.templates import arguments, filled
from med_mat.splits import Experiment

COMMAND = engine.engine("command")

#: A trainer of twenty lines: the mean gray value and size of an image, and the options, by a nearest neighbor.
TRAINER = """
import json, sys
from pathlib import Path
import numpy as np
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier

def features(export, entries):
    rows = []
    for entry in entries:
        with Image.open(Path(export, entry["image"])) as image:
            gray = np.asarray(image.convert("L").resize((16, 16)), dtype=float).ravel() / 255
        rows.append(gray)
    return np.array(rows)

what, export, path, out, *rest = sys.argv[1:]
entries = json.loads(Path(path).read_text("utf-8"))
model = Path(out, "model.npz")
if what == "train":
    letters = [entry["conversations"][1]["value"] for entry in entries]
    np.savez(model, x=features(export, entries), y=letters)
    print(f"trained on {len(entries)} records with seed {rest[0]}")
else:
    with np.load(model) as saved:
        known = KNeighborsClassifier(1).fit(saved["x"], saved["y"])
    with open(rest[0], "w", encoding="utf-8") as file:
        for entry, letter in zip(entries, known.predict(features(export, entries))):
            file.write(json.dumps({"id": entry["id"], "answer": f"The answer is {letter}."}) + "\\n")
"""


@pytest.fixture(scope="module")
def experiment(workshop: Workshop) -> Experiment:
    return med_mat.open(workshop.out).related("CT/Lung/Cancer", validation=0.2)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "my own scripts" / "trainer.py"
    path.parent.mkdir()
    path.write_text(TRAINER, "utf-8")
    return path


def task(experiment: Experiment, folder: Path, **given: Any) -> Task:
    settings = engine.settings(COMMAND, {"format": "llava", **given})
    return Task("related-seed3", "related", 3, experiment, settings, folder / "a task" / "related-seed3", folder / "c")


def commands(script: Path) -> dict[str, Any]:
    return {
        "train": ["{python}", str(script), "train", "{export}", "{train}", "{out}", "{seed}"],
        "predict": ["{python}", str(script), "predict", "{export}", "{test}", "{out}", "{answers}"],
    }


def test_a_trainer_of_ones_own_learns_and_answers(experiment: Experiment, script: Path, tmp_path: Path) -> None:
    made = task(experiment, tmp_path, **commands(script), validation=True)
    COMMAND.check(made.settings)
    outcome = COMMAND.run(made)
    assert set(outcome.test) == set(experiment.test["id"])
    assert set(outcome.validation) == set(experiment.validation["id"])
    assert all(str(answer).startswith("The answer is ") for answer in outcome.test.values())
    assert (
        f"trained on {len(experiment.train_positions)} records with seed 3" in (made.folder / "train.log").read_text()
    )
    assert json.loads(json.dumps(outcome.facts)) == outcome.facts
    learned = dataclasses.replace(experiment, test_positions=experiment.train_positions)
    again = COMMAND.run(dataclasses.replace(made, experiment=learned, folder=tmp_path / "seen"))
    right = dict(zip(experiment.train["id"], experiment.train["target"], strict=True))
    hits = sum(answer == f"The answer is {right[one]}." for one, answer in again.test.items())
    assert hits > 0.9 * len(right), "it knows what it has seen"


def test_what_is_done_is_not_done_again(experiment: Experiment, script: Path, tmp_path: Path) -> None:
    made = task(experiment, tmp_path, **commands(script))
    first = COMMAND.run(made)
    logs = {path: path.read_bytes() for path in made.folder.glob("*.log")}
    assert COMMAND.run(made) == first
    assert {path: path.read_bytes() for path in made.folder.glob("*.log")} == logs
    (made.folder / "answers-test.jsonl").write_text("torn", "utf-8")
    assert COMMAND.run(made) == first
    assert (made.folder / "train.log").read_bytes() == logs[made.folder / "train.log"]


def test_the_untrained_arm_runs_the_predictor_alone(experiment: Experiment, tmp_path: Path) -> None:
    none = experiment.train_positions[:0]
    untrained = dataclasses.replace(experiment, train_positions=none, validation_positions=none)
    predict = tmp_path / "predict.py"
    predict.write_text(
        "import json, sys\n"
        "entries = json.load(open(sys.argv[1], encoding='utf-8'))\n"
        "json.dump({one['id']: 'A' for one in entries}, open(sys.argv[2], 'w', encoding='utf-8'))\n",
        "utf-8",
    )
    made = task(
        untrained, tmp_path, train="false", predict=f"{{python}} {predict} {{test}} {{answers}}", suffix=".json"
    )
    assert COMMAND.run(made).test == dict.fromkeys(experiment.test["id"], "A")
    assert not (made.folder / "train.log").exists()


def test_a_trainer_that_fails_is_one_sentence_with_the_end_of_its_log(experiment: Experiment, tmp_path: Path) -> None:
    code = "print('step 1'); raise RuntimeError('out of memory')"
    made = task(experiment, tmp_path, train=["{python}", "-c", code], predict="true {answers}")
    with pytest.raises(EngineError, match=r"The trainer failed with exit status 1: .*out of memory") as caught:
        COMMAND.run(made)
    assert "\n" not in str(caught.value)


def test_a_trainer_that_hangs_is_stopped_with_all_that_it_started(experiment: Experiment, tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])\n"
        f"pathlib.Path({str(tmp_path / 'child')!r}).write_text(str(child.pid))\n"
        "time.sleep(100)\n"
    )
    made = task(experiment, tmp_path, train=["{python}", "-c", code], predict="true {answers}", timeout=2)
    with pytest.raises(EngineError, match="The trainer was stopped after its timeout of 2 s"):
        COMMAND.run(made)
    status = Path(f"/proc/{(tmp_path / 'child').read_text()}/stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "has not written"),
        ("open(sys.argv[1], 'w').write('no answers')", "has not answered the test part"),
        ("open(sys.argv[1], 'w').write(json.dumps({'id': 'nobody', 'answer': 'A'}))", "such as 'nobody'"),
        ("open(sys.argv[1], 'w').write('')", "questions have no answer|no rows|empty"),
    ],
)
def test_a_predictor_that_answers_other_records_or_none_is_refused(
    experiment: Experiment, tmp_path: Path, code: str, message: str
) -> None:
    predict = ["{python}", "-c", f"import json, sys\n{code}", "{answers}"]
    with pytest.raises(EngineError, match=message):
        COMMAND.run(task(experiment, tmp_path, train="true", predict=predict))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"train": "no-such-program {train}"}, "train: there is no program 'no-such-program'"),
        ({"train": ""}, "train is empty"),
        ({"train": "python 'open"}, "is not a command"),
        ({"train": "python {trian}"}, r"there is no \{trian\} to fill in.*train"),
        ({"train": "python {answers}"}, r"there is no \{answers\} to fill in"),
        ({"predict": "true {test}"}, r"has no \{answers\}"),
        ({"format": "llavaa"}, "no export format 'llavaa'.*llava"),
        ({"timeout": -1.0}, "must be 0 or more"),
        ({"timeout": float("nan")}, "must be 0 or more"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_runs(given: Mapping[str, Any], message: str) -> None:
    settings = {"train": "true", "predict": "true {answers}", "format": "llava", **given}
    with pytest.raises((EngineError, ExportError), match=message):
        COMMAND.check(engine.settings(COMMAND, settings))


@given(st.lists(st.text(st.characters(exclude_characters="{}\0", exclude_categories=["Cs"])), min_size=1))
def test_a_path_stays_one_argument_whatever_it_contains(parts: list[str]) -> None:
    path = "/".join(parts)
    assert filled(arguments("run --in={train} 'a b'", "train", ["train"]), {"train": path}) == [
        "run",
        f"--in={path}",
        "a b",
    ]


def test_braces_that_are_no_placeholder_stay() -> None:
    command = arguments(["sh", "-c", "echo '{\"a\": 1}' ${HOME} {}", "{train}"], "train", ["train"])
    assert filled(command, {"train": "{seed}"})[2:] == ["echo '{\"a\": 1}' ${HOME} {}", "{seed}"]


def test_no_shell_sees_a_command_unless_it_is_one(experiment: Experiment, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    made = task(experiment, tmp_path, train=f"{sys.executable} -c pass ; touch {trap}", predict="true {answers}")
    with pytest.raises(EngineError, match="The predictor has not written"):
        COMMAND.run(made)
    assert not trap.exists()
