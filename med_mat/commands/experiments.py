"""Commands that split a built Med-MAT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from med_mat.commands import FOLDER, MED_MAT, Command

if TYPE_CHECKING:
    from med_mat.splits import Experiment


def _share_or_list(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | str | None:
    """A number where it is one, else the text."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return value


def _whole_numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(one) for one in value.split(",")) if value else ()
    except ValueError as error:
        text = f"{value!r} is to be whole numbers with commas between them, such as 0,1,2."
        raise click.BadParameter(text, ctx, param) from error


def _options(command: Command) -> Command:
    """The options that every experiment has."""
    for option in reversed((
        click.option("--among", help="Records that may be used at all, such as 'source=busi|head_ct'."),
        click.option("--among-train", help="The same for training alone."),
        click.option("--among-test", help="The same for testing alone."),
        click.option("--size", type=int, help="Training records, even over subsets and labels; all where not given."),
        click.option("--even", type=click.Choice(["subset", "source"]), help="What --size is even over first: subset."),
        click.option("--shots", type=int, help="At most so many training records of each label of a subset."),
        click.option("--cap", type=int, help="At most so many training records of each subset (the paper: 3000)."),
        click.option("--balanced-test", is_flag=True, help="Equally many test records of each label."),
        click.option(
            "--kinds",
            type=click.Choice(["matched", "any"]),
            help="Train on rows of labels alone where the target has labels, or also on rows of boxes and masks.",
        ),
        click.option(
            "--avoid",
            type=click.Choice(["wide", "literal"]),
            help="Unrelated data leaves out what is the target's under another name (Chest for Lung), or not.",
        ),
        click.option(
            "--questions", type=click.Choice(["default", "paper", "row"]), help="The form of the questions."
        ),
        click.option(
            "--contradictory",
            type=click.Choice(["keep", "drop"]),
            help="Pictures that carry contradictory labels: keep them (and count them), or leave them out.",
        ),
        click.option("--withheld", is_flag=True, help="Also train on what is held out elsewhere, but not tested."),
        click.option("--test-on", type=click.Choice(["test", "all"]), help="The target's test part, or all of it."),
        click.option("--reading", type=click.Choice(["own", "paper"]), help="Our corrected triplets, or the paper's."),
        click.option("--pool-tasks", is_flag=True, help="COVID and Cancer also count as State."),
        click.option("--cross-tasks", is_flag=True, help="Detection tasks also count as what they find."),
        click.option(
            "--validation",
            callback=_share_or_list,
            help="The share of the training records to set apart, such as 0.1; of 'split' a list of records, too.",
        ),
        click.option("--seed", type=int, help="Of every draw; 0 where not given."),
    )):  # fmt: skip
        command = option(command)
    return command


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None and value is not False and value != ()}


@click.command()
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.argument("name", metavar="[EXPERIMENT | FILE]")
@click.argument("target", required=False)
@_options
@click.option("--axis", type=click.Choice(["modality", "area", "task"]), help="Of 'without'.")
@click.option("--places", type=int, help="Training records of rows of boxes and masks, of 'unrelated'.")
@click.option("--n", type=int, help="Records of the target in train, of 'limited'.")
@click.option("--base", help="The arm that 'limited' adds to: related, unrelated, all_data...")
@click.option("--part", "parts", multiple=True, help="A triplet to train on, of 'combination' (repeatable).")
@click.option("--source", help="The source to leave out, of 'leave_source_out'; each in turn where not given.")
@click.option("--k", type=int, help="How many folds, of 'fold'.")
@click.option("--fold", type=int, help="Which of them, from 0; all where not given.")
@click.option("--over", type=click.Choice(["all", "train"]), help="What 'fold' divides: all, or the training part.")
@click.option("--train", help="What to train on: of 'split' a list of records; of others a selection.")
@click.option(
    "--test", help="What to test on, of 'split': a selection, or a file of ids (.txt, .csv, .json, .parquet)."
)
@click.option("--leaks", type=click.Choice(["keep", "drop"]), help="Of 'split': keep the lists, or drop what leaks.")
@click.option("--seeds", callback=_whole_numbers, help="The same with each of these seeds, such as 0,1,2.")
@click.option(
    "--save",
    type=FOLDER,
    help="Write the split: .parquet or .json, to be loaded again, or .csv. Of several, each beside the others.",
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
    seeds: tuple[int, ...],
    **options: Any,
) -> None:
    """Make a CG experiment for TARGET, prove that it keeps its rules, and print the proof.

    EXPERIMENT is related, unrelated, all_related, all_unrelated, all_data, without, combination, held_out,
    leave_source_out, fold, split (one's own lists), limited, single_task or multi_task; or a YAML or JSON file that
    says the same.

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

    mat = med_mat.open(where)
    given = _given(options)
    if target is None and Path(name).suffix in (".yaml", ".yml", ".json"):
        if given:
            raise click.UsageError(f"{name} says all of its experiment: leave out --{next(iter(given))}.")
        found = [mat.experiment(name)]
    elif target is None and name != "split":
        raise click.UsageError("name a TARGET, such as CT/Lung/Cancer, or give a .yaml or .json file.")
    elif name == "fold" and "fold" not in given:
        found = mat.folds(target, **given)
    elif name == "leave_source_out" and "source" not in given:
        found = list(mat.leave_one_out("source", target=target, **given))
    else:
        found = [mat.experiment({"experiment": name, **({} if target is None else {"target": target}), **given})]
    _prove(where, [again for one in found for again in (one.repeat(seeds) if seeds else [one])], save, audits)


def _prove(where: str, made: list[Experiment], save: Path | None, audits: tuple[Path, ...]) -> None:
    """Audit experiments one by one, print the proofs, and write what is to be written."""
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


@click.command()
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.argument("target")
@_options
@click.option("--direction", help="fixed modality, fixed area, fixed task, fixed pair or three elements.")
@click.option("--elements", type=click.IntRange(2, 3), help="Of two parts, or of three.")
def combinations(where: str, target: str, **options: Any) -> None:
    """List every way to compose TARGET from other triplets that have training records.

    \b
    Example: med-mat combinations Med-MAT CT/Lung/Cancer --elements 2
    """
    import med_mat

    found = med_mat.open(where).combinations(target, **_given(options))
    for one in found:
        click.echo(one)
    click.echo(
        f"{len(found)} combinations. Train on one: med-mat split {where} combination '{target}' --part ... --part ..."
    )


@click.command()
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.argument("target")
@_options
@click.option("--budget", type=click.IntRange(min=1), help="Training records to spread over what is recommended.")
def recommend(where: str, target: str, budget: int | None, **options: Any) -> None:
    """Say which sources to train on for TARGET, the best first, and why.

    \b
    Example: med-mat recommend Med-MAT CT/Lung/Cancer --budget 3000
    """
    import med_mat

    click.echo(med_mat.open(where).recommend(target, budget, **_given(options)))
