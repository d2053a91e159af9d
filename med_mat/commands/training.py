"""Commands that train on the arms of an experiment, answer its test, and print the table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from med_mat.commands import FOLDER, MED_MAT
from med_mat.commands.experiments import SplitCommand, WholeNumbers, given_options
from med_mat.shell import printable

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT
    from med_mat.experiment.definition import Definition
    from med_mat.experiment.runner import Ended

_YAML = (".yaml", ".yml", ".json")
#: Options of splits that the definition of an experiment has under another name.
_RENAMED = {"seed": "--split-seed", "size": "--max-records", "like": "--arm"}


class EngineCommand(SplitCommand):
    """A command whose help lists the engines with their settings."""

    def shared(self) -> Sequence[click.Parameter]:
        """The arguments of every experiment, then the options that all share."""
        return [one for one in super().shared() if one.name not in _RENAMED]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The engines, with what --set takes."""
        write_engines(formatter)


class ReproduceCommand(click.Command):
    """The same, without the arguments of experiments."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The engines, with what --set takes."""
        write_engines(formatter)


def write_engines(formatter: click.HelpFormatter) -> None:
    """All engines: a section for each, which lists its settings."""
    from med_mat.experiment.engine import parameters, training_engines

    for name, one in training_engines().items():
        with formatter.section(f"Engine {name}"):
            alike = "" if one.random else " Nothing is random: repetitions have a split each."
            formatter.write_text(f"{one.summary}{alike}")
            settings = [
                (each.name if each.required else f"{each.name}={each.default}", each.summary)
                for each in parameters(one)
            ]
            if settings:
                formatter.write_dl(settings)


def _engine_options(command: Any) -> Any:
    """The options that choose an engine, its tasks, and where the results are."""
    for option in reversed(
        (
            click.option("--engine", "engine_name", help="The engine, which trains and answers: see below."),
            click.option("--set", "texts", metavar="NAME=VALUE", multiple=True, help="A setting of it (repeatable)."),
            click.option(
                "--seeds",
                type=WholeNumbers(),
                help="Seeds, one for each repetition: of the model, or, if nothing is random in the engine, of the "
                "split.  [0,1,2]",
            ),
            click.option(
                "--split-seed",
                type=click.IntRange(min=0),
                help="Seed of the split, for all repetitions; the only one if nothing is random in the engine.  [0]",
            ),
            click.option("--max-records", type=click.IntRange(min=1), help="Most training records of an arm."),
            click.option("--out", type=FOLDER, help="Folder of the results; what is done there is not run again."),
            click.option("--cache", type=FOLDER, help="Folder of what tasks share, such as features.  [OUT/cache]"),
            click.option("--list", "listed", is_flag=True, help="Print the tasks with their numbers, and run none."),
            click.option("--task", metavar="NAME|N", help="Run this task alone, as in a SLURM array."),
            click.option("--dry-run", is_flag=True, help="Print what would be run, and write nothing."),
            click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Tasks at a time."),
        )
    ):
        command = option(command)
    return command


@click.command(cls=EngineCommand)
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.argument("name", metavar="EXPERIMENT | FILE")
@click.argument("targets", metavar="[TARGET]...", nargs=-1)
@click.option("--arm", "arms", multiple=True, help="A further arm, such as all_related or single_task (repeatable).")
@_engine_options
def experiment(
    where: str,
    name: str,
    targets: tuple[str, ...],
    arms: tuple[str, ...],
    engine_name: str | None,
    texts: tuple[str, ...],
    seeds: tuple[int, ...] | None,
    split_seed: int | None,
    max_records: int | None,
    out: Path | None,
    cache: Path | None,
    listed: bool,
    task: str | None,
    dry_run: bool,
    jobs: int,
    **options: Any,
) -> int:
    """Train on the arms of an experiment for each TARGET, answer its test, and print the table.

    The arms are untrained (if the engine supports it), unrelated (Baseline+) and EXPERIMENT, of equal size and audited
    before anything is trained; the engine's controls run on the same arms. FILE is a YAML or JSON file with the
    whole definition.

    \b
    Examples: med-mat experiment Med-MAT related CT/Lung/Cancer --engine probe
              med-mat experiment Med-MAT related CT/Lung/Cancer MRI/Brain/Diseases --engine probe --max-records 600
              med-mat experiment Med-MAT experiment.yaml --out results
              med-mat experiment Med-MAT experiment.yaml --out results --task 3
    """
    import med_mat
    from med_mat.experiment import definition as definitions

    given = given_options(options)
    if Path(name).suffix in _YAML:
        beside: dict[str, Any] = {
            "TARGET": targets,
            "--arm": arms,
            "--engine": engine_name,
            "--set": texts,
            "--seeds": seeds,
        }
        beside |= {"--split-seed": split_seed, "--max-records": max_records}
        beside |= {f"--{one.replace('_', '-')}": value for one, value in given.items()}
        if twice := [flag for flag, value in beside.items() if value not in (None, ())]:
            raise click.UsageError(f"{name} defines the whole experiment: leave out {', '.join(twice)}.")
        asked = definitions.read(name)
        place = out or Path(f"{Path(name).stem}-{asked.engine}")
    else:
        if not targets:
            raise click.UsageError("name a TARGET, such as CT/Lung/Cancer, or give a .yaml or .json file.")
        asked = definitions.read(
            _written(name, targets, arms, given, _engine(engine_name, texts, seeds, split_seed, max_records))
        )
        place = out or Path(f"{asked.studies[0].name}-{name}-{asked.engine}")
    return _perform(med_mat.open(where), asked, place, cache, listed, task, dry_run, jobs)


@click.command(cls=ReproduceCommand)
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.option("--only", default="", help="Parts: two,three,detection,scaling,disruption,limited.  [all]")
@_engine_options
def reproduce(
    where: str,
    only: str,
    engine_name: str | None,
    texts: tuple[str, ...],
    seeds: tuple[int, ...] | None,
    split_seed: int | None,
    max_records: int | None,
    out: Path | None,
    cache: Path | None,
    listed: bool,
    task: str | None,
    dry_run: bool,
    jobs: int,
) -> int:
    """Run the experiments of the paper that MED-MAT allows, and print the results beside the published ones.

    Experiments that it does not allow are listed with the sources that would provide their data.

    \b
    Examples: med-mat reproduce Med-MAT --engine probe --max-records 600
              med-mat reproduce Med-MAT --engine probe --only two,disruption --out paper --list
    """
    import med_mat
    from med_mat.experiment import report
    from med_mat.experiment.reproduce import definition, page
    from med_mat.files import write_atomically

    mat, parts = med_mat.open(where), [one for one in only.split(",") if one]
    asked = definition(mat, _engine(engine_name, texts, seeds, split_seed, max_records), parts)
    place = out or Path(f"paper-{asked.engine}")
    status = _perform(mat, asked, place, cache, listed, task, dry_run, jobs)
    if not (listed or dry_run or task):
        path = place / "paper.md"
        write_atomically(path, page(report.collect(mat, place)).encode())
        click.echo(f"Written: {path}")
    return status


@click.command
@click.argument("out", metavar="FOLDER", type=FOLDER)
@click.option("--med-mat", "where", type=MED_MAT, help="The Med-MAT, if it was moved since.")
@click.option("--save", "paths", type=FOLDER, multiple=True, help="Also as .md, .tex, .csv, .json, .svg or .png.")
def collect(out: Path, where: str | None, paths: tuple[Path, ...]) -> int:
    """Collect the results of the complete tasks in FOLDER, and print the table.

    \b
    Example: med-mat collect results --save table.tex --save table.svg
    """
    import med_mat
    from med_mat.experiment import plan, table
    from med_mat.experiment import report as reports
    from med_mat.experiment.launch import write

    found = reports.collect(med_mat.open(where or plan.load(out).where), out)
    written = write(found, out)
    for path in paths:
        table.save(found, path)
    click.echo(table.text(found))
    click.echo(f"Written: {', '.join(map(str, (*written, *paths)))}")
    return 1 if found.failed else 0


def _engine(
    name: str | None,
    texts: tuple[str, ...],
    seeds: tuple[int, ...] | None,
    split_seed: int | None,
    max_records: int | None,
) -> dict[str, Any]:
    """What the command line says of engine, seeds and size, as keys of a definition."""
    from med_mat.experiment import engine

    if name is None:
        known = ", ".join(engine.training_engines())
        raise click.UsageError(f"name an --engine: {known}.")
    one = engine.engine(name, "--engine")
    found: dict[str, Any] = {"engine": name, "settings": engine.read_settings(one, texts)}
    found |= {} if seeds is None else {"seeds": list(seeds)}
    found |= {} if split_seed is None else {"split_seeds": [split_seed]}
    return found | ({} if max_records is None else {"max_records": max_records})


def _written(
    name: str, targets: tuple[str, ...], arms: tuple[str, ...], given: dict[str, Any], engine: dict[str, Any]
) -> dict[str, Any]:
    """The definition that the command line stands for."""
    from med_mat.experiment.definition import BASELINE_PLUS, UNTRAINED
    from med_mat.experiment.engine import engine as engine_of
    from med_mat.splits import registry

    own = {one.name for one in registry.kind(name, "The command line").parameters}
    arguments = {key: given.pop(key) for key in list(given) if key in own}
    whole: dict[str, Any] = {key: given.pop(key) for key in ("validation", "max_per_subset") if key in given}
    first = [UNTRAINED] if engine_of(engine["engine"]).untrained else []
    listed = [*first, BASELINE_PLUS, {"arm": name, **arguments}, *arms]
    return {**engine, **whole, "targets": list(targets), "arms": listed, "options": given}


def _perform(
    mat: MedMAT,
    asked: Definition,
    out: Path,
    cache: Path | None,
    listed: bool,
    task: str | None,
    dry_run: bool,
    jobs: int,
) -> int:
    """Run what is asked for, and print the table; the exit status is 1 if a task failed."""
    from med_mat.experiment import launch, plan, report, runner, table

    if dry_run or listed:
        there = (out / plan.PLAN).exists()
        made = plan.planned(mat, asked, out) if there else plan.prepare(mat, asked, progress=True).plan
        if dry_run:
            click.echo(made.text())
        else:
            width = len(str(len(made.steps)))
            for number, step in enumerate(made.steps):
                click.echo(f"{number:{width}} {step.name}")
        return 0
    made = plan.planned(mat, asked, out, progress=True)
    for study in made.studies:
        for text in (*study.warnings, *(f"{study.target}: {note}" for note in study.notes)):
            click.echo(f"Warning: {text}", err=True)
    steps = None if task is None else [made.step(task)]
    ended = runner.run_tasks(mat, made, out, steps, jobs=1 if steps else jobs, cache=cache, progress=True)
    bad = _said(ended)
    if task is None:
        found = report.collect(mat, out)
        written = launch.write(found, out)
        click.echo(table.text(found))
        click.echo(f"Written: {', '.join(map(str, written))}")
    else:
        click.echo("\n".join(f"{one.task}: {one.ending}" for one in ended))
    return 1 if bad else 0


def _said(ended: Sequence[Ended]) -> bool:
    """Print which tasks failed or are run by another process; whether there are any."""
    for one in ended:
        if one.ending == "failed":
            click.echo(f"Error: {one.task}: {printable(one.reason)}", err=True)
        elif one.ending == "elsewhere":
            click.echo(f"{one.task} is being run by another process.", err=True)
    return any(one.ending in ("failed", "elsewhere") for one in ended)
