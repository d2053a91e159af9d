"""Commands that measure what a built Med-MAT, or an experiment made of it, gives away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from med_mat.commands import FOLDER, MED_MAT, jobs
from med_mat.files import write_atomically
from med_mat.shell import printable

if TYPE_CHECKING:
    from med_mat.blind.guessing import Blind
    from med_mat.splits import Experiment


@click.command()
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.option(
    "--experiment", "files", type=FOLDER, multiple=True, metavar="FILE", help="Of this experiment alone (repeatable)."
)
@click.option("--split", "splits", type=FOLDER, multiple=True, metavar="FILE", help="Of this saved split (repeatable).")
@click.option("--text", is_flag=True, help="Also by a classifier of the words of question and options: minutes.")
@click.option("--json", "as_json", is_flag=True, help="For programs, with intervals.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def blind(
    where: str, files: tuple[Path, ...], splits: tuple[Path, ...], text: bool, as_json: bool, quiet: bool
) -> None:
    """Measure how many single-choice questions can be answered without their image.

    For each subset and each row, or each given experiment: the accuracy on its test questions of strategies learned
    from its training questions (the most frequent label; the number, length and position of options), against chance.

    \b
    Examples: med-mat blind Med-MAT
              med-mat blind Med-MAT --text --json > blind.json
              med-mat blind Med-MAT --experiment related.yaml --split unrelated.parquet
    """
    import med_mat
    from med_mat.blind import report
    from med_mat.progress import Bar

    mat = med_mat.open(where)
    parts: dict[str, Iterator[report.Entry]]
    if files or splits:
        made = [(str(file), mat.experiment(file)) for file in files]
        made += [(str(file), mat.load_split(file)) for file in splits]
        parts = {"experiment": (report.Entry(name, _measured(one, text)) for name, one in made)}
        total, unit = len(made), "experiments"
    else:
        parts = {"subset": report.of_subsets(mat, text=text), "row": report.of_each_row(mat, text=text)}
        total = len(mat.tags.facts) + len({row.subset for row in mat.tags.facts.values()} - {None})
        unit = "subsets and rows"
    found: dict[str, list[report.Entry]] = {}
    with Bar(total, desc="measuring", unit=unit, shown=not quiet) as bar:
        for title, entries in parts.items():
            found[title] = []
            for one in entries:
                found[title].append(one)
                bar.update()
    if as_json:
        data = {f"{title}s": [one.to_data() for one in entries] for title, entries in found.items()}
        click.echo(json.dumps(data, indent=1, ensure_ascii=False))
    else:
        click.echo(report.to_text(found))


@click.command()
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.argument("reference", metavar="IMAGES", type=FOLDER)
@click.option("--split", type=FOLDER, metavar="FILE", help="Also say in which part of this saved split records are.")
@click.option("--transformed", is_flag=True, help="Also search for rotated, shifted, zoomed and inverted copies.")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="Number of pairs to show.")
@click.option("--json", "as_json", is_flag=True, help="For programs, with all pairs.")
@click.option("--markdown", is_flag=True, help="As Markdown.")
@click.option("--page", type=FOLDER, help="Write an HTML page that shows the pairs side by side.")
@jobs()
@click.option("--quiet", is_flag=True, help="No progress bar.")
def contamination(
    where: str,
    reference: Path,
    split: Path | None,
    transformed: bool,
    limit: int,
    as_json: bool,
    markdown: bool,
    page: Path | None,
    jobs: int,
    quiet: bool,
) -> None:
    """Find the images of another dataset, such as a public benchmark, in MED-MAT.

    IMAGES is a folder of images (ZIP archives and tables in it count too), a .zip of them, or a .parquet or .arrow file
    with a column of images. Images match by the hashes that group the records of a build: equal files, equal pixels,
    and near-duplicates, verified by aligning them.

    \b
    Examples: med-mat contamination Med-MAT VQA-RAD/images
              med-mat contamination Med-MAT slake/imgs.zip --split related.parquet --page found.html
              med-mat contamination Med-MAT path_vqa/data --transformed --json > found.json
    """
    import med_mat
    from med_mat.contamination import check, report

    mat = med_mat.open(where)
    experiment = None if split is None else mat.load_split(split)
    found = check(mat, reference, experiment, transformed=transformed, jobs=jobs, progress=not quiet)
    if page is not None:
        write_atomically(page, report.to_page(found, mat, max(limit, 1)).encode())
    if as_json:
        click.echo(json.dumps(report.to_json(found), indent=1, ensure_ascii=False))
    else:
        click.echo(report.to_markdown(found).rstrip() if markdown else report.to_text(found, limit))


@click.command()
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.argument("split", metavar="SPLIT", type=FOLDER)
@click.option(
    "--axis",
    type=click.Choice(["modality", "area"]),
    default="modality",
    show_default=True,
    help="What the easy question asks for.",
)
@click.option("--export", "out", type=FOLDER, help="Write the easy questions to this folder.")
@click.option("--format", "form", default="trl", show_default=True, help="The format of --export.")
@click.option("--own-use", is_flag=True, help="For --export: the copy is for your own use only.")
@click.option("--hard", type=FOLDER, help="Answers of a model to the questions of SPLIT.")
@click.option("--easy", type=FOLDER, help="Its answers to the easy questions.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def shortcut(
    where: str,
    split: Path,
    axis: Any,
    out: Path | None,
    form: str,
    own_use: bool,
    hard: Path | None,
    easy: Path | None,
    as_json: bool,
) -> None:
    """Measure how often a model is right about test images of SPLIT whose modality or area it does not recognize.

    Run it twice: first write the easy questions with --export, and have the model answer them; then give its answers to
    both, with --hard and --easy.

    \b
    Examples: med-mat shortcut Med-MAT related.parquet --axis area --export easy --format lmms-eval
              med-mat shortcut Med-MAT related.parquet --axis area --hard answers.jsonl --easy easy.jsonl
    """
    import med_mat
    from med_mat.shortcut import compare

    mat = med_mat.open(where)
    asked = mat.shortcut(mat.load_split(split), axis)
    if out is not None and hard is None and easy is None:
        click.echo(printable(str(asked.export(out, format=form, own_use=own_use))))
    elif out is None and hard is not None and easy is not None:
        found = compare(asked, hard, easy)
        click.echo(json.dumps(found.to_json(), indent=1, ensure_ascii=False) if as_json else str(found))
    else:
        raise click.UsageError("Give either --export, or --hard and --easy.")


def _measured(one: Experiment, text: bool) -> Blind:
    from med_mat.blind.report import of_parts

    return of_parts(one.mat, one.train_positions, one.test_positions, one.options.questions, text=text)
