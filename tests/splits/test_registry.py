"""An experiment is one decorated function, of which Python, command line, YAML files and the web page learn."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from workshop import Workshop
from worlds import LUNG, World, made_rows, made_up, many

from med_mat.dataset import MedMAT
from med_mat.errors import SplitError
from med_mat.parameters import TEXT
from med_mat.splits import Options, experiments
from med_mat.splits.options import ExperimentOptions
from med_mat.splits.registry import options

TARGET = "CT/Lung/Cancer"
#: An experiment of another package.
EXPERIMENT = '''
from typing import Literal

from med_mat.splits import Experiment, Index, Options, Rule, Study, experiment


@experiment()
def every_nth(index: Index, target: str, n: int, order: Literal["up", "down"] = "up", **options) -> Experiment:
    """Train on every n-th row.

    Args:
        index: An opened Med-MAT.
        target: Triplet to test on.
        n: Distance between rows. More words.
        order: Which end comes first.
    """
    study = Study.of(index, target, Options.of(options))
    rows = sorted(study.others(), reverse=order == "down")[::n]
    return study.make("every_nth", rows, Rule(), n=n, order=order)
'''
#: All ways to make it.
USE = """
import json, sys
from click.testing import CliRunner
import med_mat
from med_mat.cli import cli
from med_mat.splits import experiments

mat = med_mat.open(sys.argv[1])
said = {}
made = mat.every_nth(sys.argv[2], 1, order="down", size=2, seed=3)
said["python"] = [made.fingerprint, len(made.train_positions)]
said["yaml"] = mat.experiment(made.definition).fingerprint
given = ["--n", "1", "--order", "down", "--size", "2", "--seed", "3"]
ran = CliRunner().invoke(cli, ["split", sys.argv[1], "every_nth", sys.argv[2], *given])
said["command"] = ran.output + repr(ran.exception)
said["help"] = CliRunner().invoke(cli, ["split", "--help"]).output
said["page"] = [[one.name, one.summary, one.required] for one in experiments()["every_nth"].parameters]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def world() -> World:
    return made_up(many({(2, "a"): 5, (3, "a"): 5, (4, "b"): 5}), made_rows())


def plugin(folder: Path, code: str) -> dict[str, str]:
    """A folder with an installed package that adds the experiment; the environment in which Python finds it."""
    (folder / "nth_rows.py").write_text(code, "utf-8")
    info = folder / "nth_rows-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nth-rows\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text("[med_mat.experiments]\nevery_nth = nth_rows:every_nth\n", "utf-8")
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_an_experiment_of_another_package_appears_everywhere(workshop: Workshop, tmp_path: Path) -> None:
    environment = plugin(tmp_path, EXPERIMENT)
    given = [sys.executable, "-c", USE, str(workshop.out), TARGET]
    ran = subprocess.run(given, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    fingerprint, trained = said["python"]
    assert trained == 2
    assert said["yaml"] == fingerprint
    assert f"every_nth for {TARGET}" in said["command"]
    assert fingerprint in said["command"]
    assert "--order [up|down]" in said["help"]
    assert "Train on every n-th row." in " ".join(said["help"].split())
    assert said["page"] == [
        ["target", "Triplet to test on.", True],
        ["n", "Distance between rows.", True],
        ["order", "Which end comes first.", False],
    ]


def test_one_that_cannot_be_imported_is_left_out(workshop: Workshop, tmp_path: Path) -> None:
    environment = plugin(tmp_path, "raise ValueError('broken')")
    code = f"import med_mat; print(med_mat.open({str(workshop.out)!r}).related({TARGET!r}))"
    code += "; from med_mat.splits import experiments; print(len(experiments()))"
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert f"Experiment(related for {TARGET}" in ran.stdout
    assert "'every_nth' of the package 'nth-rows' is left out. " in ran.stderr


def test_each_experiment_of_this_package_is_a_method_that_type_checkers_know() -> None:
    for name, kind in experiments().items():
        assert vars(MedMAT)[name] is kind.make


def test_an_unknown_method_is_answered_with_the_nearest(world: World) -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'relatd'\. Did you mean 'related'"):
        world.mat.relatd  # noqa: B018


def test_the_options_of_type_checkers_are_those_that_are_checked() -> None:
    hints = get_type_hints(Options)
    assert get_type_hints(ExperimentOptions) == {one.name: hints[one.name] for one in fields(Options)}


@pytest.mark.parametrize("name", experiments())
def test_every_argument_is_documented_and_shown_by_help(name: str) -> None:
    kind = experiments()[name]
    assert kind.summary.endswith(".")
    shown = inspect.signature(kind.make).parameters
    for one in (*kind.parameters, *options()):
        assert one.summary.endswith("."), one
        assert "`" not in one.summary
        assert one.name in shown
        own = {named.name for named in kind.parameters}
        assert one.name in own or f"{one.name}: {one.doc}" in (inspect.getdoc(kind.make) or "")
        assert one.scalar in (bool, int, float, TEXT)
    assert list(inspect.signature(getattr(MedMAT, name)).parameters)[1:] == list(shown)[1:]


def test_help_of_a_method_lists_the_options(world: World) -> None:
    shown = inspect.signature(world.mat.related)
    assert shown.parameters["max_per_subset"].default is None
    assert "index" not in shown.parameters
    assert "seed: Random seed of all sampling" in (inspect.getdoc(world.mat.related) or "")


SNIPPETS = {
    'mat.related("CT/Lung/Cancer", size=3, seed=1)': "",
    'mat.related("CT/Lung/Cancer", siz=3)': 'Unexpected keyword argument "siz"',
    'mat.related("CT/Lung/Cancer", size="a")': 'Argument "size"',
    'mat.related("CT/Lung/Cancer", balanced_test="no")': 'Argument "balanced_test"',
    'mat.related("CT/Lung/Cancer", avoid="narrow")': 'Argument "avoid"',
    'mat.without("CT/Lung/Cancer", "organ")': "Argument 2 has incompatible type",
    'mat.recommend("CT/Lung/Cancer", x=1)': 'Unexpected keyword argument "x"',
    'mat.recommend("CT/Lung/Cancer", budget=5, kinds="any")': "",
    'mat.folds("CT/Lung/Cancer", 5, over="train", seed=2)[0].audit().violations': "",
    'mat.split(train="a.csv", test=[1, 2], validation=0.1, leaks="drop")': "",
    'mat.split(train="a.csv", test="b.csv", among="source=busi")': 'Unexpected keyword argument "among"',
    'mat.relatd("CT/Lung/Cancer")': '"MedMAT" has no attribute "relatd"',
    "med_mat.paper.combinations()[0].experiment(mat)": "",
    "med_mat.splits.Options(siz=1)": 'Unexpected keyword argument "siz"',
}


def test_a_type_checker_refuses_what_an_experiment_does_not_take(tmp_path: Path) -> None:
    lines = ["import med_mat", 'mat = med_mat.open("Med-MAT")', *SNIPPETS]
    (tmp_path / "snippets.py").write_text("\n".join(lines) + "\n", "utf-8")
    config = tmp_path / "mypy.ini"
    config.write_text(
        textwrap.dedent("""\
        [mypy]
        strict = true
        follow_imports = silent
        ignore_missing_imports = true
    """)
    )
    given = [sys.executable, "-m", "mypy", "--config-file", str(config), str(tmp_path / "snippets.py")]
    given += ["--cache-dir", str(tmp_path / "cache"), "--no-error-summary"]
    root = Path(__file__).parents[2]
    ran = subprocess.run(given, cwd=root, capture_output=True, text=True, check=False)
    found: dict[int, str] = {}
    for line in ran.stdout.splitlines():
        _, number, text = line.split(":", 2)
        found[int(number)] = found.get(int(number), "") + text
    said: dict[str, Any] = {code: found.get(number, "") for number, code in enumerate(SNIPPETS, 3)}
    for code, expected in SNIPPETS.items():
        assert (expected in said[code]) if expected else not said[code], (code, said[code])


def test_arguments_of_unrelated_are_refused_with_another_base(world: World) -> None:
    like = world.mat.related(LUNG, size=5)
    for given in ({"places": 1}, {"like": like}):
        with pytest.raises(SplitError, match="are arguments of base='unrelated', and not of base='related'"):
            world.mat.limited(LUNG, 0, **given)
    made = world.mat.limited(LUNG, 0, base="unrelated", like=like)
    assert made.test_positions.tolist() == like.test_positions.tolist()
