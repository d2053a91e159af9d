"""Commands that split a built Med-MAT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from med_mat.commands import FOLDER, Command


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
        click.option("--seed", type=int, help="Of every draw; 0 where not given."),
    )):  # fmt: skip
        command = option(command)
    return command


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None and value is not False and value != ()}


@click.command()
@click.argument("where", metavar="MED-MAT")
@click.argument("name", metavar="[EXPERIMENT | FILE]")
@click.argument("target", required=False)
@_options
@click.option("--axis", type=click.Choice(["modality", "area", "task"]), help="Of 'without'.")
@click.option("--n", type=int, help="Records of the target in train, of 'limited'.")
@click.option("--base", help="The arm that 'limited' adds to: related, unrelated, all_data...")
@click.option("--part", "parts", multiple=True, help="A triplet to train on, of 'combination' (repeatable).")
@click.option("--save", type=FOLDER, help="Write the split: the records of train and test, to be loaded again.")
@click.option(
    "--audit", "audits", type=FOLDER, multiple=True, help="Write the audit as .json, .txt, .svg or .png (repeatable)."
)
def split(
    where: str, name: str, target: str | None, save: Path | None, audits: tuple[Path, ...], **options: Any
) -> None:
    """Make a CG experiment for TARGET, prove that it keeps its rules, and print the proof.

    EXPERIMENT is related, unrelated, all_related, all_unrelated, all_data, without, combination, held_out, limited,
    single_task or multi_task; or a YAML or JSON file that says the same.

    \b
    Examples: med-mat split Med-MAT related CT/Lung/Cancer --size 3000 --save related.parquet --audit related.svg
              med-mat split Med-MAT combination CT/Lung/Cancer --part CT/Lung/COVID --part CT/Brain/Cancer
              med-mat split Med-MAT experiment.yaml
    """
    import med_mat

    mat = med_mat.open(where)
    given = _given(options)
    if target is None and Path(name).suffix in (".yaml", ".yml", ".json"):
        if given:
            raise click.UsageError(f"{name} says all of its experiment: leave out --{next(iter(given))}.")
        made = mat.experiment(name)
    elif target is None:
        raise click.UsageError("name a TARGET, such as CT/Lung/Cancer, or give a .yaml or .json file.")
    else:
        made = mat.experiment({"experiment": name, "target": target, **given})
    proof = made.audit()
    click.echo(proof)
    for path in audits:
        proof.save(path)
    if save is not None:
        made.save(save)
        click.echo(f"Saved. Open it with: med_mat.open({where!r}).load_split({str(save)!r})")


@click.command()
@click.argument("where", metavar="MED-MAT")
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
@click.argument("where", metavar="MED-MAT")
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
