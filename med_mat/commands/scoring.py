"""The command that scores the answers of models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from med_mat.commands import FOLDER, MED_MAT
from med_mat.shell import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from med_mat.dataset import MedMAT
    from med_mat.score import Comparison, Result
    from med_mat.splits import Experiment

_CONVENTIONS = "pixels, unit, qwen2-vl, qwen2.5-vl, qwen3-vl, paligemma, florence-2, internvl or llava"
_BASE = "against"


@click.command()
@click.argument("paths", metavar="[MED-MAT] SPLIT ANSWERS...", type=FOLDER, nargs=-1, required=True)
@click.option("--med-mat", "where", type=MED_MAT, help="The built Med-MAT, if it is not the first argument.")
@click.option(
    "--against",
    multiple=True,
    metavar="[NAME=]FILE",
    help="Answers of another model to the same records (repeatable; several files of one NAME are its seeds).",
)
@click.option(
    "--against-split",
    "splits",
    multiple=True,
    metavar="[NAME=]SPLIT",
    help="Its split, if it was trained on another one, such as unrelated.parquet (default: SPLIT).",
)
@click.option("--name", help="Name of the model in the comparison (default: the experiment).")
@click.option("--reference", help="The model that the others are compared with (default: the first of --against).")
@click.option(
    "--part",
    type=click.Choice(("test", "validation")),
    default="test",
    show_default=True,
    help="The part of the split that is answered.",
)
@click.option(
    "--style",
    type=click.Choice(("auto", "choice", "open")),
    default="auto",
    show_default=True,
    help="Which question was asked: that of the record, with options alone, or the open one.",
)
@click.option("--boxes", default="pixels", show_default=True, help=f"How answers write boxes: {_CONVENTIONS}.")
@click.option(
    "--missing",
    type=click.Choice(("refuse", "wrong")),
    default="refuse",
    show_default=True,
    help="Questions without an answer: refuse them, or count them as wrong.",
)
@click.option(
    "--save",
    "saves",
    type=FOLDER,
    multiple=True,
    help="Write the result or the comparison as .json, .md, .tex, .csv, .svg or .png (repeatable).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def score(
    paths: tuple[Path, ...],
    where: str | None,
    against: tuple[str, ...],
    splits: tuple[str, ...],
    name: str | None,
    reference: str | None,
    saves: tuple[Path, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Score the answers of a model to the test records of a split, and compare it with others.

    SPLIT is a file that 'med-mat split --save' wrote, or the definition of an experiment (.yaml). ANSWERS is JSON
    Lines, JSON, CSV or Parquet with the columns id and answer (or scores, a number for each letter); several files
    are the seeds of one model.

    \b
    Examples: med-mat score Med-MAT related.parquet answers.jsonl
              med-mat score Med-MAT related.parquet s0.jsonl s1.jsonl s2.jsonl --save result.json --save result.svg
              med-mat score Med-MAT related.parquet answers.jsonl --against base.jsonl --against-split unrelated.parquet
              med-mat score related.parquet answers.jsonl --med-mat Med-MAT --against untrained=base.jsonl
    """
    import json

    import med_mat
    from med_mat import plot
    from med_mat.score import compare

    folder, split, files = _named(paths, where)
    for path in saves:
        if path.suffix.lower() not in (".json", ".md", ".tex", ".csv"):
            plot.check_suffix(path, sheet=False)
    mat = med_mat.open(folder)
    made = _split(mat, split)
    own = name or made.name
    arms: dict[str, list[Result]] = {own: [mat.score(made, file, **options) for file in files]}
    others = dict(_pair(one) for one in splits)
    for arm, file in map(_pair, against):
        if arm == own:
            raise click.UsageError(f"{arm!r} is the name of the model that is scored: name the other one differently.")
        other = _split(mat, Path(others.get(arm, split)))
        arms.setdefault(arm, []).append(mat.score(other, file, **options))
    first = arms[own][0]
    several = len(arms) > 1 or len(files) > 1
    shown: Comparison | Result = first
    if several:
        shown = compare(arms, reference=reference or list(arms)[min(1, len(arms) - 1)])
    if as_json:
        click.echo(json.dumps(shown.to_data(), ensure_ascii=False, indent=1))
    else:
        click.echo(f"{shown}\n\n{first}" if several else first)
    for path in saves:  # after printing: a full disk takes no figure away
        if path.suffix.lower() in (".svg", ".png"):
            plot.save(plot.scores(shown), path)
        else:
            shown.save(path)


def _named(paths: tuple[Path, ...], where: str | None) -> tuple[str, Path, Sequence[Path]]:
    """The build, the split and the files of answers."""
    if where is None and len(paths) > 1 and paths[0].suffix.lower() in (".parquet", ".json", ".yaml", ".yml"):
        here = "Med-MAT" if Path("Med-MAT", "index.parquet").is_file() else "MED-MAT"
        words = " ".join(quote(str(path)) for path in paths)
        raise click.UsageError(f"name the built Med-MAT: med-mat score {here} {words}")
    given = paths if where is None else (Path(where), *paths)
    if len(given) < 3:
        raise click.UsageError("name a built Med-MAT, a split, and a file of answers.")
    return where or str(given[0]), given[1], given[2:]


def _split(mat: MedMAT, path: Path) -> Experiment:
    return mat.experiment(path) if path.suffix.lower() in (".yaml", ".yml") else mat.load_split(path)


def _pair(text: str) -> tuple[str, str]:
    """NAME=FILE, or a file alone."""
    name, given, file = text.partition("=")
    if not given:
        return _BASE, text
    if not name or not file:
        raise click.UsageError(f"{text!r} must be a file, or NAME=FILE.")
    return name, file
