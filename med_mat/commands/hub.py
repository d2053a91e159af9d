"""Commands that publish a built Med-MAT, and put back its pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from med_mat.commands import FOLDER, MED_MAT, jobs, next_step, sources

if TYPE_CHECKING:
    from med_mat.permission import Pixels


@click.command()
@click.argument("folder", type=FOLDER)
@click.argument("repo_id", metavar="ORG/NAME")
@click.option("--only", multiple=True, metavar="SOURCE", help="Push this source alone (repeatable).")
@click.option("--except", "leave_out", multiple=True, metavar="SOURCE", help="Leave this source out (repeatable).")
@click.option(
    "--pixels",
    type=click.Choice(["all", "allowed", "none"]),
    default="all",
    show_default=True,
    help="all: every source with pixels, or refuse; allowed: of each what its terms let go; none: records alone.",
)
@click.option("--without-pixels", "pixels", flag_value="none", help="The same as --pixels none.")
@click.option(
    "--without-pixels-of", multiple=True, metavar="SOURCE", help="Of this source, records alone (repeatable)."
)
@click.option(
    "--allow",
    multiple=True,
    metavar="SOURCE",
    help="You know that what the terms of this source leave open may be passed on (repeatable).",
)
@click.option("--names", is_flag=True, help="Records without pixels keep file names that identify people.")
@click.option("--private", is_flag=True, help="A repository that is made is private.")
@click.option("--revision", metavar="BRANCH", help="Push to this branch; it is made where there is none.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
def push(
    folder: Path,
    repo_id: str,
    only: tuple[str, ...],
    leave_out: tuple[str, ...],
    pixels: Pixels,
    without_pixels_of: tuple[str, ...],
    allow: tuple[str, ...],
    names: bool,
    private: bool,
    revision: str | None,
    dry_run: bool,
) -> None:
    """Publish the Med-MAT in FOLDER on the Hugging Face Hub; log in with 'hf auth login' before.

    Before anything is sent, a table says what goes of each source, and why. A push that was stopped, by whatever, goes
    on where it was: what the Hub has is not sent again.

    \b
    Examples: med-mat push Med-MAT my-org/Med-MAT --pixels allowed
              med-mat push Med-MAT my-org/Med-MAT --except chexpert_small --allow busi
              med-mat push Med-MAT my-org/Med-MAT-records --without-pixels
    """
    from med_mat.hub.upload import push as run

    done = run(
        folder,
        repo_id,
        only=only,
        leave_out=leave_out,
        pixels=pixels,
        without_pixels=without_pixels_of,
        allow=allow,
        names=names,
        private=private,
        revision=revision,
        dry_run=dry_run,
        show=click.echo,
    )
    without = f", {len(done.without_pixels)} of them without pixels" if done.without_pixels else ""
    click.echo(
        f"{len(done.sources)} sources{without}: {len(done.sent):,} files ({sum(done.sent.values()) / 1e6:,.1f} MB) "
        f"{'would be sent' if dry_run else 'sent'}, {len(done.kept):,} there already, {len(done.removed):,} stale ones "
        f"{'would be ' if dry_run else ''}removed."
    )
    if not dry_run:
        click.echo(f'Next: load_dataset("{repo_id}", split="train")')


@click.command()
@click.argument("dataset", metavar="ORG/NAME", type=MED_MAT)
@sources()
@click.option("--raw", type=FOLDER, help="Folder of raw sources: RAW/<source>, or any name that a layout identifies.")
@click.option("--out", type=FOLDER, required=True, help="Where the Med-MAT with pixels goes.")
@click.option("--revision", metavar="COMMIT", help="A branch, tag or commit of the dataset.")
@jobs()
@click.option("--quiet", is_flag=True, help="No progress bar.")
def attach(
    dataset: str,
    folders: dict[str, Path | None],
    raw: Path | None,
    out: Path,
    revision: str | None,
    jobs: int,
    quiet: bool,
) -> None:
    """Put the pixels back into records that were published without them, from your own raw files.

    Every raw file, record and picture is compared with what was published. Without SOURCE: all of the dataset.

    \b
    Example: med-mat attach my-org/Med-MAT-records --raw /data/raw --out Med-MAT
    """
    from med_mat.hub.pixels import attach as run

    mat = run(dataset, raw, out, sources=folders, revision=revision, jobs=jobs, progress=not quiet)
    click.echo(f"{mat}: the same as {dataset}. {next_step(out)}")
