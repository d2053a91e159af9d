"""Commands that publish a built Med-MAT, and put back its pixels."""

from __future__ import annotations

from pathlib import Path

import click

from med_mat.commands import FOLDER, MED_MAT, jobs, sources


@click.command()
@click.argument("folder", type=FOLDER)
@click.argument("repo_id", metavar="ORG/NAME")
@click.option("--only", multiple=True, metavar="SOURCE", help="Push this source alone (repeatable).")
@click.option("--except", "leave_out", multiple=True, metavar="SOURCE", help="Leave this source out (repeatable).")
@click.option("--without-pixels", is_flag=True, help="Records, labels, questions, splits and hashes, but no pixels.")
@click.option("--without-pixels-of", multiple=True, metavar="SOURCE", help="The same for this source (repeatable).")
@click.option(
    "--allow",
    multiple=True,
    metavar="SOURCE",
    help="Its terms are unclear, but you know that its images may be passed on (repeatable).",
)
@click.option("--private", is_flag=True, help="A repository that is made is private.")
@click.option("--revision", metavar="BRANCH", help="Push to this branch; it is made where there is none.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
def push(
    folder: Path,
    repo_id: str,
    only: tuple[str, ...],
    leave_out: tuple[str, ...],
    without_pixels: bool,
    without_pixels_of: tuple[str, ...],
    allow: tuple[str, ...],
    private: bool,
    revision: str | None,
    dry_run: bool,
) -> None:
    """Publish the Med-MAT in FOLDER on the Hugging Face Hub; log in with 'hf auth login' before.

    A push that was stopped, by whatever, goes on where it was: what the Hub has is not sent again.

    \b
    Examples: med-mat push Med-MAT my-org/Med-MAT --except chexpert --allow busi
              med-mat push Med-MAT my-org/Med-MAT-records --without-pixels
    """
    from med_mat.hub.upload import push as run

    done = run(
        folder,
        repo_id,
        only=only,
        leave_out=leave_out,
        without_pixels=without_pixels or without_pixels_of,
        allow=allow,
        private=private,
        revision=revision,
        dry_run=dry_run,
    )
    bare = f", {len(done.bare)} of them without pixels" if done.bare else ""
    click.echo(
        f"{len(done.sources)} sources{bare}: {len(done.sent):,} files ({sum(done.sent.values()) / 1e6:,.1f} MB) "
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
    click.echo(f'{mat}: the same as {dataset}. Next: load_dataset("{out}", split="train")')
