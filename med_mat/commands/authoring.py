"""Commands for those who add a source: scaffold its files, and check that it keeps the contract."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from med_mat.commands import FOLDER
from med_mat.shell import counted, printable

_SHOWN = 5  # sentences about one broken promise


@click.command("new-source")
@click.argument("name")
@click.option("--package", is_flag=True, help="Write a package of its own, to be installed beside Med-MAT.")
@click.option("--folder", type=FOLDER, default=Path(), help="A checkout, or with --package where the package goes.")
@click.option("--triplet", default="X-ray/Bones/State", show_default=True, help="Modality/area/task of its row.")
def new_source(name: str, package: bool, folder: Path, triplet: str) -> None:
    """Write card and loader of a new source NAME, which keep the contract at once; then replace what they say.

    In a checkout the files go to dataset_cards/ and loaders/, where the tests find them. With --package they go to
    med-mat-NAME/, with an entry point and a test.

    \b
    Examples: med-mat new-source hand_xray --triplet X-ray/Bones/State
              med-mat new-source hand_xray --package
    """
    from med_mat import scaffold

    files = scaffold.write(name, folder, package=package, triplet=triplet)
    for file in files:
        click.echo(printable(str(file)))
    if package:
        click.echo(f"Next: pip install -e {files[0].parent}, edit card and loader, med-mat check-source {name}")
    else:
        click.echo(f"Next: edit both, med-mat check-source {name}, pytest tests/test_loaders.py -k {name}")


@click.command("check-source")
@click.argument("name", metavar="SOURCE|PACKAGE.MODULE")
@click.option("--keep", type=FOLDER, help="Write the miniature and what is built from it to this folder, and keep it.")
@click.option("--quiet", is_flag=True, help="Print only what is broken or could not be checked.")
def check_source(name: str, keep: Path | None, quiet: bool) -> None:
    """Check that a source keeps the contract: its card, its loader, its miniature and the records built from that.

    PACKAGE.MODULE is the module of a loader beside its card, installed or below the current folder. Each promise is
    kept, or broken with what to do. Exit status 1 where one is broken.

    \b
    Examples: med-mat check-source busi
              med-mat check-source med_mat_hand_xray.hand_xray
    """
    from med_mat import contract

    source, catalog = contract.find(name)
    click.echo(f"{source.title} ({source.name}), loader {source.loader}")
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="med_mat_") as scratch:
        for one in contract.check(source, catalog, keep or Path(scratch)):
            outcomes.append(one)
            word = "BROKEN" if one.broken else "not checked" if one.unchecked else "kept"
            if not (quiet and one.kept):
                click.echo(f"  {word:<11}  {one.says}")
            for sentence in (*one.broken[:_SHOWN], *filter(None, [one.unchecked])):
                click.echo(f"               {printable(sentence)}")
            if len(one.broken) > _SHOWN:
                click.echo(f"               and {len(one.broken) - _SHOWN:,} more of the kind")
    broken = sum(bool(one.broken) for one in outcomes)
    unchecked = sum(bool(one.unchecked) for one in outcomes)
    kept = len(outcomes) - broken - unchecked
    click.echo(f"{counted(kept, 'promise')} kept, {broken} broken, {unchecked} not checked.")
    raise click.exceptions.Exit(1 if broken else 0)
