"""Commands on the JSON that the authors of arXiv 2412.20070 published."""

from __future__ import annotations

import json
from pathlib import Path

import click

from med_mat.commands import FOLDER, MED_MAT, next_step
from med_mat.files import write_atomically
from med_mat.shell import printable


@click.group()
def official() -> None:
    """Attach images to the JSON that the authors of arXiv 2412.20070 published, and check it.

    \b
    Examples: med-mat official check Med-MAT-JSON --build Med-MAT
              med-mat official attach Med-MAT-JSON --build Med-MAT --out upstream
    """


@official.command("check")
@click.argument("place", metavar="JSONFOLDER", type=FOLDER)
@click.option("--build", "where", type=MED_MAT, help="A Med-MAT: say what attaches to it, and what shares a group.")
@click.option("--raw", type=FOLDER, help="Raw folders instead of a build.")
@click.option("--json", "target", type=FOLDER, help="Write all that was found to this file.")
def official_check(place: Path, where: str | None, raw: Path | None, target: Path | None) -> None:
    """Say how many of the authors' entries have an image here, why the others have none, and what is wrong with them.

    Exit status 1 where a file could not be read.

    \b
    Example: med-mat official check Med-MAT-JSON --build Med-MAT --json report.json
    """
    import med_mat
    from med_mat import official as module
    from med_mat.building import find

    if where is not None and raw is not None:
        raise click.UsageError("give --build or --raw, not both.")
    images = module.BuiltImages(med_mat.open(where)) if where else module.RawImages(find({}, raw)) if raw else None
    report = module.check(place, images)
    click.echo(report.to_text())
    if target is not None:
        write_atomically(target, (json.dumps(report.to_json(), indent=1) + "\n").encode())
    raise click.exceptions.Exit(1 if report.unreadable else 0)


@official.command("attach")
@click.argument("place", metavar="JSONFOLDER", type=FOLDER)
@click.option("--build", "where", type=MED_MAT, required=True, help="The Med-MAT to take records from.")
@click.option("--out", type=FOLDER, required=True, help="Where the Parquet files go.")
def official_attach(place: Path, where: str, out: Path) -> None:
    """Write the authors' questions with our records as Parquet, their columns beside ours.

    \b
    Example: med-mat official attach Med-MAT-JSON --build Med-MAT --out upstream
    """
    import med_mat
    from med_mat import official as module

    for name, (entries, attached) in module.write(place, med_mat.open(where), out).items():
        click.echo(f"{printable(name)}: {attached:,} of {entries:,} entries attached")
    click.echo(f"'med-mat official check' says why others are not. {next_step(out, built=False)}")


@official.command("overlaps")
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.option("--json", "target", type=FOLDER, help="Write all that was found to this file.")
def official_overlaps(where: str, target: Path | None) -> None:
    """Say, for each of the paper's 60 combinations, how many images of the target its training data shows too.

    A split by subset, as upstream makes it, would test on these. Ours never does.

    \b
    Example: med-mat official overlaps Med-MAT --json overlaps.json
    """
    import med_mat
    from med_mat.official.overlaps import overlaps, to_text

    found = overlaps(med_mat.open(where))
    click.echo(to_text(found))
    if target is not None:
        write_atomically(target, (json.dumps([one.to_data() for one in found], indent=1) + "\n").encode())
