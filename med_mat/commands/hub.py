"""Commands that publish a Med-MAT, and attach its images again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from med_mat.commands import FOLDER, MED_MAT, jobs, load_lines, next_step, sources

if TYPE_CHECKING:
    from med_mat.permission import Pixels


@click.command()
@click.argument("folder", type=FOLDER)
@click.argument("repo_id", metavar="ORG/NAME")
@click.option("--only", multiple=True, metavar="SOURCE", help="Push only this source (repeatable).")
@click.option("--except", "leave_out", multiple=True, metavar="SOURCE", help="Leave this source out (repeatable).")
@click.option(
    "--pixels",
    type=click.Choice(["all", "allowed", "none"]),
    default="all",
    show_default=True,
    help="all: every source with images, or refuse; allowed: what the terms of each source permit; none: records only.",
)
@click.option("--without-pixels", "pixels", flag_value="none", help="Same as --pixels none.")
@click.option(
    "--without-pixels-of",
    multiple=True,
    metavar="SOURCE",
    help="Push records of this source without images (repeatable).",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="SOURCE",
    help="You confirm that this source may be redistributed where its terms leave it open (repeatable).",
)
@click.option("--names", is_flag=True, help="Keep file names that identify people in records without images.")
@click.option("--private", is_flag=True, help="If the repository is created, make it private.")
@click.option("--revision", metavar="BRANCH", help="Push to this branch, created if missing.")
@click.option("--dry-run", is_flag=True, help="Only print what would be sent.")
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
    """Publish the Med-MAT in FOLDER on the Hugging Face Hub (log in first: 'hf auth login').

    Before anything is sent, a table shows what is published of each source, and why. An interrupted push resumes where
    it stopped: files that the Hub has are not sent again.

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
    without = f", {len(done.without_pixels)} of them without images" if done.without_pixels else ""
    click.echo(
        f"{len(done.sources)} sources{without}: {len(done.sent):,} files ({sum(done.sent.values()) / 1e6:,.1f} MB) "
        f"{'would be sent' if dry_run else 'sent'}, {len(done.kept):,} already there, {len(done.removed):,} stale ones "
        f"{'would be ' if dry_run else ''}removed."
    )
    if not dry_run:
        click.echo(load_lines(repo_id, done.sources[0] if done.sources else ""))
        if done.without_pixels:
            click.echo(
                f"image and mask are null in the records of {len(done.without_pixels)} sources. To restore them from "
                f"the publishers' files: med-mat attach {repo_id} --raw RAW --out FOLDER"
            )


@click.command()
@click.argument("dataset", metavar="ORG/NAME", type=MED_MAT)
@sources()
@click.option(
    "--raw",
    type=FOLDER,
    help="Folder of raw sources: RAW/<source>, or any name; sources are recognized by their layout.",
)
@click.option("--out", type=FOLDER, required=True, help="Folder to write the Med-MAT with images to.")
@click.option("--partial", is_flag=True, help="Leave out sources whose raw files are missing or differ.")
@click.option("--revision", metavar="COMMIT", help="Branch, tag or commit of the dataset.")
@jobs()
@click.option("--quiet", is_flag=True, help="Show no progress bar.")
def attach(
    dataset: str,
    folders: dict[str, Path | None],
    raw: Path | None,
    out: Path,
    partial: bool,
    revision: str | None,
    jobs: int,
    quiet: bool,
) -> None:
    """Attach images to records that were published without them, from your own copies of the raw files.

    Every raw file, record and image is compared with what was published. Default: all sources of the dataset.

    \b
    Example: med-mat attach my-org/Med-MAT-records --raw /data/raw --out Med-MAT
    """
    from med_mat.hub.pixels import attach as run

    mat = run(dataset, raw, out, sources=folders, partial=partial, revision=revision, jobs=jobs, progress=not quiet)
    click.echo(f"{mat}: the same as {dataset}. {next_step(out)}")
