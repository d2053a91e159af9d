"""Commands that show what a built Med-MAT holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from med_mat.commands import FOLDER, MED_MAT
from med_mat.files import write_atomically
from med_mat.shell import printable, quote


@click.command()
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.argument("selection", required=False)
@click.option(
    "--kind",
    type=click.Choice(["grid", "labels", "sheet"]),
    default="grid",
    show_default=True,
    help="Records per triplet, records per label, or thumbnails with boxes and masks.",
)
@click.option("--split", help="train, validation or test alone.")
@click.option("--against", help="Another split, beside the first (grid and labels).")
@click.option("--limit", type=click.IntRange(min=1), help="Labels (30) or thumbnails (24) at most.")
@click.option("--out", type=FOLDER, required=True, help="Where the picture goes: .svg or .png; a sheet is .png.")
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True, help="Background.")
def plot(where: str, selection: str | None, out: Path, **options: Any) -> None:
    """Draw the records of MED-MAT that SELECTION keeps.

    \b
    Examples: med-mat plot Med-MAT --split train --against test --out grid.svg
              med-mat plot Med-MAT 'US/*/*' --kind sheet --split train --out sheet.png --theme dark
    """
    import med_mat
    from med_mat import plot as module

    module.check_suffix(out, sheet=options["kind"] == "sheet")
    module.save(module.picture(med_mat.open(where), selection, **options), out)
    click.echo(printable(str(out)))


@click.command()
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.option("--between", is_flag=True, help="Only between two sources.")
@click.option(
    "--reason",
    "reasons",
    type=click.Choice(["same file", "same pixels", "shared id", "near", "transformed", "same scan", "same patient"]),
    multiple=True,
    help="Only for this reason (repeatable).",
)
@click.option("--kind", type=click.Choice(["same picture", "same scan", "same patient"]), help="Only what shows this.")
@click.option("--contradictory", is_flag=True, help="Only where the labels of the two contradict each other.")
@click.option("--apart", is_flag=True, help="Only where the two lie on two sides of a split.")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="So many pairs.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--page", type=FOLDER, help="Write a page of HTML that shows the pairs side by side.")
def duplicates(where: str, limit: int, as_json: bool, page: Path | None, **filters: Any) -> None:
    """List records that show the same, over all sources: how that is known, and with which labels, on which sides.

    Whatever is linked here is in one group, and no experiment has it on both sides.

    \b
    Examples: med-mat duplicates Med-MAT --between
              med-mat duplicates Med-MAT --contradictory
              med-mat duplicates Med-MAT --reason near --limit 200 --page pairs.html
    """
    import med_mat
    from med_mat import duplicates

    mat = med_mat.open(where)
    found = duplicates.links(mat, **filters)
    shown = duplicates.pairs(mat, found.slice(0, limit))
    if page is not None:
        write_atomically(page, duplicates.to_page(mat, found, shown).encode())
    click.echo(
        json.dumps(duplicates.to_json(mat, found, shown), indent=1)
        if as_json
        else duplicates.to_text(mat, found, shown)
    )


@click.command()
@click.argument("where", metavar="MED-MAT|SPLIT", type=MED_MAT)
@click.argument("selection", required=False)
def cite(where: str, selection: str | None) -> None:
    """Print what to cite, as BibTeX: the paper, and the sources of the records of MED-MAT that SELECTION keeps.

    Instead of MED-MAT, name a SPLIT: a file that 'med-mat split --save' wrote, or a list of ids as .csv, .json or .txt.

    \b
    Examples: med-mat cite Med-MAT > references.bib
              med-mat cite Med-MAT 'CT/*/* & split=train'
              med-mat cite related.parquet
    """
    import med_mat

    if Path(where).is_file():
        if selection is not None:
            raise click.UsageError(f"A selection needs a Med-MAT; {where} is a file, all of which is cited.")
        from med_mat import terms
        from med_mat.splits.ids import read_ids

        click.echo(terms.bibtex(terms.of_ids(read_ids(Path(where), None))))
    else:
        click.echo(med_mat.open(where).cite(selection))


@click.command()
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; the default is this machine only."
)
@click.option("--port", type=click.IntRange(1, 65535), default=7860, show_default=True, help="Port to listen on.")
@click.option("--open/--no-open", "open_page", default=True, help="Open the page in a browser.")
@click.option("--embed-in", "frames", metavar="ORIGIN", multiple=True, help="A site that may show the page in a frame.")
@click.option("--space", type=FOLDER, help="Write the files of a Hugging Face Space that shows MED-MAT, and stop.")
def browse(where: str, host: str, port: int, open_page: bool, frames: tuple[str, ...], space: Path | None) -> None:
    """Look at MED-MAT on a web page: records with large images, statistics, a split builder, duplicates.

    The page is read-only. Each view has an address of its own, which can be sent to others.

    \b
    Examples: med-mat browse Med-MAT
              med-mat browse org/Med-MAT --port 8000 --no-open
              med-mat browse org/Med-MAT --space my-space
    """
    if space is not None:
        from med_mat.browse.space import write

        for path in write(where, space):
            click.echo(printable(str(path)))
        click.echo(f"Next: hf upload ORG/NAME {quote(str(space))} . --repo-type space")
        return
    import med_mat
    from med_mat.browse.serve import serve

    mat = med_mat.open(where)
    serve(mat, where, host=host, port=port, open_page=open_page, say=click.echo, frames=frames)
