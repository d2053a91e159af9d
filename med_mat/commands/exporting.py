"""The command that exports records as files for other programs. Formats and their options come from the registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from med_mat.commands import FOLDER, MED_MAT
from med_mat.commands.experiments import SplitCommand, made
from med_mat.conventions import CONVENTIONS

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT
    from med_mat.index import Parts


class ExportCommand(SplitCommand):
    """A command with the options of all experiments, and the list of formats in its help."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The formats, what they are, and their own options."""
        from med_mat.export import export_formats

        with formatter.section("Formats"):
            formatter.write_dl([(one.name, one.summary) for one in export_formats().values()])
        own = [
            (f"{one.name}: {option.name}", option.summary)
            for one in export_formats().values()
            for option in one.options
        ]
        with formatter.section("Options of formats (--set NAME=VALUE)"):
            formatter.write_dl(own or [("none", "")])
        super().format_epilog(ctx, formatter)


class Setting(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """``NAME=VALUE``; the value is a number, true, false or text, as in YAML."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """The name, and the value as plain data."""
        from med_mat import strict
        from med_mat.errors import CardError

        if isinstance(value, tuple):
            return value
        name, given, text = value.partition("=")
        if not given or not name:
            self.fail(f"{value!r} must be NAME=VALUE.", param, ctx)
        try:
            return name.replace("-", "_"), strict.yaml_load(text)
        except CardError:
            return name.replace("-", "_"), text


@click.command(cls=ExportCommand)
@click.argument("where", metavar="MED-MAT", type=MED_MAT)
@click.argument("name", metavar="[EXPERIMENT | FILE]", required=False)
@click.argument("target", required=False)
@click.option("--split", "file", type=FOLDER, help="A split file that 'med-mat split --save' wrote.")
@click.option(
    "--select", metavar="PATTERN", help="Selected records, such as 'CT|MRI/*/*', each in the part that its split names."
)
@click.option("--format", "form", required=True, metavar="FORMAT", help="One of the formats listed below.")
@click.option("--out", type=FOLDER, help="The folder to write. The same command continues an interrupted export.")
@click.option(
    "--style",
    type=click.Choice(["auto", "choice", "open"]),
    default="auto",
    show_default=True,
    help="choice: questions with options; open: without; auto: options where a record has them.",
)
@click.option(
    "--boxes",
    metavar="CONVENTION",
    help=f"How boxes are written in text: {', '.join(CONVENTIONS)} (default: that of the format).",
)
@click.option(
    "--pixels",
    type=click.Choice(["all", "allowed"]),
    default="all",
    show_default=True,
    help="all: every record, or refuse; allowed: leave out sources whose terms do not allow redistribution.",
)
@click.option(
    "--own-use", is_flag=True, help="The copy is for your own use only, so terms on redistribution do not apply."
)
@click.option(
    "--order-seed", type=int, default=0, show_default=True, help="Random seed of the order of the training records."
)
@click.option("--set", "settings", type=Setting(), multiple=True, help="An option of the format (repeatable).")
@click.option("--dry-run", is_flag=True, help="Only print how much would be written.")
@click.option("--quiet", is_flag=True, help="Show no progress bar.")
def export(
    where: str,
    name: str | None,
    target: str | None,
    file: Path | None,
    select: str | None,
    form: str,
    out: Path | None,
    style: Any,
    boxes: Any,
    pixels: Any,
    own_use: bool,
    order_seed: int,
    settings: tuple[tuple[str, Any], ...],
    dry_run: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write a CG experiment, or selected records, as files that a trainer or another program reads.

    EXPERIMENT and TARGET, with their options, are those of 'med-mat split'; FILE is a YAML or JSON file with the
    definition. Images are copied as stored. export.json lists the contents, LICENSES.md the terms.

    \b
    Examples: med-mat export Med-MAT related CT/Lung/Cancer --format trl --out related
              med-mat export Med-MAT --split related.parquet --format llama-factory --out related --set name=related
              med-mat export Med-MAT --select 'CT/*/*' --format ms-swift --out ct --own-use
              med-mat export Med-MAT related CT/Lung/Cancer --format llava --dry-run
    """
    import med_mat
    from med_mat import export as exporting

    if out is None and not dry_run:
        raise click.UsageError("name the folder to write with --out, or look first with --dry-run.")
    wanted = _wanted(med_mat.open(where), name, target, file, select, options)
    own: dict[str, Any] = dict(settings)
    if dry_run or out is None:
        click.echo(exporting.plan(wanted, format=form, style=style, pixels=pixels, own_use=own_use, **own))
        return
    done = exporting.export(
        wanted, out, format=form, style=style, boxes=boxes, pixels=pixels, own_use=own_use, seed=order_seed,
        progress=not quiet, **own,
    )  # fmt: skip
    click.echo(done)


def _wanted(
    mat: MedMAT, name: str | None, target: str | None, file: Path | None, select: str | None, options: dict[str, Any]
) -> Parts:
    """What the command line names: an experiment, a split file, or a selection."""
    from med_mat.export import Form, Selected

    if [name, file, select].count(None) != 2:
        raise click.UsageError("name one of EXPERIMENT, --split FILE and --select PATTERN.")
    if file is not None:
        return mat.load_split(file)
    if select is not None:
        return Selected(mat, mat.where(select), Form(options.get("questions") or "default"))
    found = made(mat, str(name), target, options)
    if len(found) != 1:
        raise click.UsageError(f"{name} makes {len(found)} experiments: name one of them, or save and export each.")
    return found[0]
