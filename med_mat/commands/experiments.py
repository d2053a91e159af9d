"""Commands that split a built Med-MAT. Experiments, their arguments and options come from the registry."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from med_mat.commands import FOLDER, MED_MAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from med_mat.dataset import MedMAT
    from med_mat.parameters import Parameter
    from med_mat.splits import Experiment


class NumberOrText(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """A number if it can be read as one, otherwise text."""

    name = "number or text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """The number, or the text."""
        try:
            return float(value)
        except ValueError:
            return str(value)


class WholeNumbers(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """Whole numbers with commas between them."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(one) for one in value.split(","))
        except ValueError:
            self.fail(f"{value!r} must be whole numbers with commas between them, such as 0,1,2.", param, ctx)


class ExperimentCommand(click.Command):
    """A command with the options of all experiments, read from the registry when the command is used."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters and those of the experiments."""
        own = super().get_params(ctx)
        taken = {one.name for one in own}
        return [*own, *(one for one in self.shared() if one.name not in taken)]

    def shared(self) -> Sequence[click.Parameter]:
        """The options that all experiments share."""
        return _shared()


class SplitCommand(ExperimentCommand):
    """The same, with the arguments of each experiment too."""

    def shared(self) -> Sequence[click.Parameter]:
        """The arguments of every experiment, then the options that all share."""
        return _all()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The experiments and what they do."""
        from med_mat.splits import experiments

        with formatter.section("Experiments"):
            formatter.write_dl([(one.name, one.summary) for one in experiments().values()])


@functools.cache
def _shared() -> tuple[click.Parameter, ...]:
    from med_mat.splits.registry import options

    return tuple(_option(one, one.summary) for one in options())


@functools.cache
def _all() -> tuple[click.Parameter, ...]:
    from med_mat.splits.registry import experiments, options

    users: dict[str, list[str]] = {}
    first: dict[str, Parameter] = {}
    for kind in experiments().values():
        for one in kind.parameters:
            if one.name != "target":
                users.setdefault(one.name, []).append(kind.name)
                first.setdefault(one.name, one)
    shared = {one.name for one in options()}
    own = [
        _option(one, f"{one.summary.rstrip('.')} (only with {', '.join(users[name])}).")
        for name, one in first.items()
        if name not in shared
    ]
    # an experiment may take more than the option of that name does, such as a list in place of a share
    return (*own, *(_option(first.get(one.name, one), one.summary) for one in options()))


def _option(one: Parameter, text: str) -> click.Option:
    """A parameter as an option; it has no default here: the experiment has its own."""
    flag = "--" + one.name.replace("_", "-")
    if one.several:
        return click.Option([flag.removesuffix("s"), one.name], multiple=True, help=f"{text.rstrip('.')} (repeatable).")
    if one.scalar is bool:
        return click.Option([flag], is_flag=True, help=text)
    if one.choices:
        return click.Option([flag], type=click.Choice(one.choices), help=text)
    scalars: dict[Any, Any] = {int: int, float: NumberOrText() if one.or_text else float}
    return click.Option([flag], type=scalars.get(one.scalar, str), help=text)


def given_options(options: dict[str, Any]) -> dict[str, Any]:
    """Those options of a command line that were given."""
    return {name: value for name, value in options.items() if value is not None and value is not False and value != ()}


@click.command(cls=SplitCommand)
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.argument("name", metavar="[EXPERIMENT | FILE]")
@click.argument("target", required=False)
@click.option("--seeds", type=WholeNumbers(), help="Repeat with each of these random seeds, such as 0,1,2.")
@click.option(
    "--save",
    type=FOLDER,
    help="Write the split: .parquet or .json to be loaded again, or .csv. Several are numbered by what differs.",
)
@click.option(
    "--audit", "audits", type=FOLDER, multiple=True, help="Write the audit as .json, .txt, .svg or .png (repeatable)."
)
def split(
    where: str,
    name: str,
    target: str | None,
    save: Path | None,
    audits: tuple[Path, ...],
    seeds: tuple[int, ...] | None,
    **options: Any,
) -> None:
    """Make a CG experiment for TARGET, audit it, and print the audit.

    EXPERIMENT is one of those listed below, or a YAML or JSON file with its definition.

    \b
    Examples: med-mat split Med-MAT related CT/Lung/Cancer --size 3000 --save related.parquet --audit related.svg
              med-mat split Med-MAT combination CT/Lung/Cancer --part CT/Lung/COVID --part CT/Brain/Cancer
              med-mat split Med-MAT leave_source_out CT/Lung/COVID --source covid_ct --validation 0.1
              med-mat split Med-MAT fold X-ray/Lung/COVID --k 5 --save folds.parquet
              med-mat split Med-MAT split --train mine.csv --test mine.csv
              med-mat split Med-MAT single_task X-ray/Lung/COVID --seeds 0,1,2
              med-mat split Med-MAT experiment.yaml
    """
    import med_mat

    found = made(med_mat.open(where), name, target, options)
    _prove(where, [again for one in found for again in (one.repeat(seeds) if seeds else [one])], save, audits)


def made(mat: MedMAT, name: str, target: str | None, options: dict[str, Any]) -> list[Experiment]:
    """The experiments that a command line names.

    Args:
        mat: An opened Med-MAT.
        name: An experiment, or a YAML or JSON file with its definition.
        target: A triplet; None where the experiment takes none, or with a file.
        options: Of the experiment, as they were given on the command line.

    Raises:
        click.UsageError: They do not go together.
        SplitError: The experiment cannot be made.
    """
    from med_mat.splits import registry

    given = given_options(options)
    if target is None and Path(name).suffix in (".yaml", ".yml", ".json"):
        if given:
            raise click.UsageError(f"{name} defines the whole experiment: leave out --{next(iter(given))}.")
        return [mat.experiment(name)]
    kind = registry.kind(name, "The command line")
    if target is not None:
        given["target"] = target
    elif any(one.name == "target" and one.required for one in kind.parameters):
        raise click.UsageError("name a TARGET, such as CT/Lung/Cancer, or give a .yaml or .json file.")
    series = [make for missing, make in kind.series.items() if missing not in given]
    return list(series[0](mat, **given)) if series else [mat.experiment({"experiment": name, **given})]


def _prove(where: str, made: list[Experiment], save: Path | None, audits: tuple[Path, ...]) -> None:
    """Audit experiments one by one, print the audits, and write the files."""
    from med_mat.splits import overlap

    several = overlap(made) if len(made) > 1 else None
    for number, one in enumerate(made):
        beside = "" if several is None else "-" + several.names[number].replace(", ", "-").replace(" ", "-")
        proof = one.audit()
        click.echo(proof)
        for path in audits:
            proof.save(path.with_name(f"{path.stem}{beside}{path.suffix}"))
        if save is not None:
            path = save.with_name(f"{save.stem}{beside}{save.suffix}")
            one.save(path)
            if path.suffix != ".csv":
                click.echo(f"Saved. Open it with: med_mat.open({where!r}).load_split({str(path)!r})")
    if several is not None:
        click.echo(several)


@click.command(cls=ExperimentCommand)
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.argument("target")
@click.option("--direction", help="fixed modality, fixed area, fixed task, fixed pair or three elements.")
@click.option("--elements", type=click.IntRange(2, 3), help="Number of parts: 2 or 3.")
def combinations(where: str, target: str, **options: Any) -> None:
    """List every way to compose TARGET from other triplets that have training records.

    \b
    Example: med-mat combinations Med-MAT CT/Lung/Cancer --elements 2
    """
    import med_mat

    found = med_mat.open(where).combinations(target, **given_options(options))
    for one in found:
        click.echo(one)
    click.echo(
        f"{len(found)} combinations. Train on one: med-mat split {where} combination '{target}' --part ... --part ..."
    )


@click.command(cls=ExperimentCommand)
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.argument("target")
@click.option("--budget", type=click.IntRange(min=1), help="Total number of training records to recommend.")
def recommend(where: str, target: str, budget: int | None, **options: Any) -> None:
    """Recommend which sources to train on for TARGET, the best first, and why.

    \b
    Example: med-mat recommend Med-MAT CT/Lung/Cancer --budget 3000
    """
    import med_mat

    click.echo(med_mat.open(where).recommend(target, budget, **given_options(options)))
