"""A whole experiment in one call: plan, tasks, report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from med_mat.experiment import definition as definitions
from med_mat.experiment import plan as planning
from med_mat.experiment import runner, table
from med_mat.experiment.definition import Definition
from med_mat.experiment.engine import engine
from med_mat.experiment.report import Report, collect

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

#: The files that a report is written to, and the names of the plots, which need matplotlib.
FILES = ("results.json", "table.md", "table.tex", "table.csv")
PICTURES = ("table.svg",)


def run(
    mat: MedMAT,
    definition: Definition | Mapping[str, Any] | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    jobs: int = 1,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Report:
    """Run an experiment, or the tasks of it that are left, and write its report.

    Args:
        mat: An opened Med-MAT.
        definition: What is run: a mapping, or a YAML or JSON file (see :mod:`med_mat.experiment.definition`).
        out: Folder of the results. Tasks that are complete there are not run again.
        jobs: Number of processes.
        cache: Folder that tasks share, such as features of images (default: ``cache`` in ``out``).
        progress: Whether to show progress bars.

    Returns:
        The report; ``failed`` says which tasks failed, and why.

    Raises:
        SplitError: The definition is wrong, or no target can be studied.
        EngineError: An unknown engine or setting, or the folder has the results of another definition.
        MissingExtraError: The engine lacks a package.
    """
    asked = definition if isinstance(definition, Definition) else definitions.read(definition)
    folder = Path(out)
    plan = planning.planned(mat, asked, folder, progress=progress)
    trains = engine(plan.engine)
    trains.check(asked.settings)
    runner.run_tasks(mat, plan, folder, jobs=jobs, cache=None if cache is None else Path(cache), progress=progress)
    report = collect(mat, folder)
    write(report, folder)
    return report


def write(report: Report, out: Path) -> list[Path]:
    """Write a report in all formats, and its plot if matplotlib is installed and there is something to plot.

    Raises:
        WriteError: A file cannot be written.
    """
    from importlib.util import find_spec

    drawn = PICTURES if report.studies and find_spec("matplotlib") else ()
    paths = [out / name for name in (*FILES, *drawn)]
    for path in paths:
        table.save(report, path)
    return paths
