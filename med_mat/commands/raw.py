"""Commands on raw folders: download, diagnose, validate and build them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from med_mat.commands import FOLDER, RAW, Size, follow, jobs, next_step, sources
from med_mat.errors import LayoutError, MedMATError
from med_mat.shell import printable

if TYPE_CHECKING:
    from med_mat.building import Report
    from med_mat.mounts.choice import Place
    from med_mat.raw import RawFolder


@click.command()
@click.argument("names", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--raw", type=FOLDER, required=True, help="Folder of raw sources; a source goes to RAW/<source>.")
@click.option("--dry-run", is_flag=True, help="Only print what would be downloaded, or how to get it by hand.")
@click.option("--accept-terms", is_flag=True, help="Accept the terms without asking.")
@click.option("--keep-archives", is_flag=True, help="Leave the archives in RAW/.downloads.")
@click.option("--allow-http", is_flag=True, help="Allow plain http also for files without a checksum.")
@click.option("--route", type=int, help="Number of the route in the list of --dry-run (default: the easiest).")
def download(
    names: tuple[str, ...],
    raw: Path,
    dry_run: bool,
    accept_terms: bool,
    keep_archives: bool,
    allow_http: bool,
    route: int | None,
) -> None:
    """Download SOURCE into RAW/<source>, or print the steps where it must be requested manually.

    An interrupted download is resumed.

    \b
    Example: med-mat download kvasir_seg --raw /data/raw
    """
    from med_mat import catalog
    from med_mat.download.command import consent, obtain
    from med_mat.download.http import Settings

    if route is not None and len(names) > 1:
        raise click.UsageError("--route is of one source: name only one.")
    failed = False
    for source in [catalog.load()[name] for name in names]:
        try:
            obtain(
                source,
                raw,
                say=click.echo,
                agree=None if accept_terms else consent,
                number=route,
                dry_run=dry_run,
                keep_archives=keep_archives,
                settings=Settings(progress=sys.stderr.isatty(), allow_http=allow_http),
            )
        except MedMATError as error:
            failed = True
            click.echo(f"Error: {error}", err=True)
    if failed:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("folder", metavar="PATH", type=RAW)
@click.option("--against", type=FOLDER, help="A Med-MAT, or its files/: an index of raw files to compare with.")
@click.option("--quick", is_flag=True, help="Use names only; do not read label tables to count images.")
@follow()
@click.option("--json", "as_json", is_flag=True, help="Output JSON.")
def doctor(folder: Place, against: Path | None, quick: bool, follow: bool, as_json: bool) -> None:
    """List the sources below PATH, what each is missing, and the command to run next.

    Changes and unpacks nothing. Exit status 1 if something is missing or nothing was found.

    \b
    Examples: med-mat doctor /data/raw
              med-mat doctor s3://bucket/raw
    """
    from med_mat import catalog
    from med_mat import doctor as module

    found = module.diagnose(folder, catalog.load(), against=against, tables=not quick, follow=follow)
    click.echo(json.dumps(module.to_json(found), indent=1) if as_json else module.to_text(found))
    raise click.exceptions.Exit(0 if module.healthy(found) else 1)


@click.command()
@sources()
@click.option("--raw", type=FOLDER, help="Folder of raw sources: RAW/<source>, or any name.")
@click.option("--out", type=FOLDER, help="A Med-MAT: read all of its files and report those that have changed.")
@click.option("--against", type=FOLDER, help="The expected index: a Med-MAT, its files/, or one SOURCE.parquet.")
@click.option("--compare", type=FOLDER, nargs=2, help="Two such indexes to compare; needs no raw files.")
@click.option(
    "--level",
    type=click.Choice(["quick", "hash", "decode"]),
    default="quick",
    show_default=True,
    help="Names and sizes; or sha256 too (resumed after an interruption); or also decode every image.",
)
@click.option(
    "--write", type=FOLDER, help="Write an index of these raw files to this folder, for others to compare with."
)
@jobs("Threads.")
@click.option("--json", "as_json", is_flag=True, help="Output JSON.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def validate(
    folders: dict[str, Path | None],
    raw: Path | None,
    out: Path | None,
    against: Path | None,
    compare: tuple[Path, Path] | None,
    level: Literal["quick", "hash", "decode"],
    write: Path | None,
    jobs: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare raw files with the index of a build, or the files of a Med-MAT with their checksums.

    Exit status 1 if something differs.

    \b
    Examples: med-mat validate --raw /data/raw --against Med-MAT --level hash
              med-mat validate busi=/data/BUSI --against colleague/busi.parquet --write mine --level hash
              med-mat validate --compare colleague/Med-MAT Med-MAT
              med-mat validate --out Med-MAT
    """
    from med_mat import differences
    from med_mat.building import sums
    from med_mat.validate import run

    if out is not None:
        if folders or raw or against or compare or write:
            raise click.UsageError(
                "--out checks a Med-MAT only: leave out raw folders and the options that compare them."
            )
        checked = sums.check(out, jobs=jobs, progress=not quiet)
        click.echo(json.dumps(checked.to_data(), indent=1) if as_json else str(checked))
        raise click.exceptions.Exit(0 if checked.ok else 1)
    found = run(folders, raw, against, compare, level=level, write=write, jobs=jobs, progress=not quiet)
    click.echo(json.dumps(differences.to_json(found), indent=1) if as_json else differences.to_text(found))
    raise click.exceptions.Exit(0 if all(one.ok for one in found) else 1)


@click.command()
@sources()
@click.option("--raw", type=RAW, help="Folder of raw sources, RAW/<source> or of any name, or its address (s3://...).")
@click.option(
    "--cache-size",
    type=Size(),
    help="Most bytes of addresses that are kept on this machine.  [default: MED_MAT_CACHE_SIZE, or 10GB]",
)
@click.option("--out", type=RAW, help="Output folder, or its address; an unfinished build is resumed.  [required]")
@click.option("--staging", type=FOLDER, help="Where to build what goes to an address; it stays, for the next build.")
@click.option("--list", "names_only", is_flag=True, help="Only print the sources that are found, one a line.")
@jobs()
@click.option("--cluster", metavar="ADDRESS", help="Build on dask://HOST:8786, ray://HOST:10001 or ray://auto.")
@click.option(
    "--on-error",
    type=click.Choice(["skip", "raise"]),
    default="skip",
    show_default=True,
    help="A bad file: note it in the ledger and continue, or stop.",
)
@click.option(
    "--check",
    type=click.Choice(["header", "decode"]),
    default="decode",
    show_default=True,
    help="Decode every image, or only check header and end: faster, but finds no duplicates.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Random seed of the 9:1 split, where none is published.",
)
@follow()
@click.option(
    "--max-file",
    type=Size(),
    default="2GB",
    show_default=True,
    help="Largest file that is read, in bytes on disk, unpacked, and 8 per pixel. Larger ones are skipped.",
)
@click.option("--allow-fewer", is_flag=True, help="Continue even if the Med-MAT would lose records that it holds.")
@click.option("--dry-run", is_flag=True, help="Only print what would be built, and how much would be decoded.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def build(
    folders: dict[str, Place | None],
    raw: Place | None,
    cache_size: int | None,
    out: Place | None,
    staging: Path | None,
    names_only: bool,
    jobs: int | None,
    cluster: str | None,
    on_error: Literal["raise", "skip"],
    check: Literal["header", "decode"],
    seed: int,
    follow: bool,
    max_file: int,
    allow_fewer: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Turn raw folders into a Med-MAT that load_dataset opens.

    Without SOURCE: every source that is recognized below --raw. An interrupted build is resumed.

    \b
    Examples: med-mat build --raw /data/raw --out Med-MAT
              med-mat build busi=/data/Dataset_BUSI_with_GT head_ct --raw /data/raw --out Med-MAT
              med-mat build --raw s3://bucket/raw --out Med-MAT
              med-mat build --raw /data/raw --out s3://bucket/Med-MAT --staging /scratch/Med-MAT
              med-mat build --raw /data/raw --out Med-MAT --cluster dask://scheduler:8786
    """
    from med_mat import catalog, limits

    if out is None and not names_only:
        raise click.UsageError("Missing option '--out': the folder of the Med-MAT.")
    to = None if out is None or isinstance(out, Path) else out
    if (to is None) != (staging is None):
        raise click.UsageError("--staging FOLDER is where a Med-MAT is built whose --out is an address, and only then.")
    if to is not None and to.scheme != "s3":
        raise click.UsageError(f"{to}: a Med-MAT is written to a folder or to s3://; to the Hub goes 'med-mat push'.")
    out = staging if to is not None else out
    from med_mat.building import Options, find, forecast, mirror, session, words
    from med_mat.building import build as run
    from med_mat.mounts import blocks

    if cache_size is not None:
        os.environ[blocks.VARIABLE] = str(cache_size)  # for worker processes too
    try:
        with limits.allowing(max_file):
            found = find(folders, raw, follow=follow)
    except LayoutError:
        _tell_unread(raw, folders, {}, err=True)
        raise
    if names_only or not isinstance(out, Path):
        click.echo("\n".join(found))
        return
    for source, place in found.items():
        click.echo(printable(f"{source}: {place.root}") + (f" (layout: {place.variant})" if place.variant else ""))
    jobs = jobs if cluster is None else None
    options = Options(seed=seed, check=check, on_error=on_error, jobs=jobs, max_file=max_file, allow_fewer=allow_fewer)
    if dry_run:
        for source, ahead in forecast(found, out, options).items():
            click.echo(f"{source}: {words.expected(ahead)}")
        _tell_unread(raw, folders, found)
        return
    with nullcontext() if cluster is None else session(cluster):
        report = run(found, out, options, progress=not quiet)
    known = catalog.load()
    for source, ledger in report.ledgers.items():
        for line in words.lines(known[source], ledger, f"{out / 'ledger' / source}.json"):
            click.echo(line)
    for source, told in report.contested.items():
        click.echo(printable(f"{source}: {told}; see med-mat duplicates --contradictory {out}"))
    for source, modules in report.stale.items():
        click.echo(f"{source}: made again, since this has changed: {', '.join(modules)}")
    _tell_unread(raw, folders, found)
    for source, error in report.failed.items():
        click.echo(f"{source}: nothing could be built. {printable(str(error))}", err=True)
    click.echo(_result(report, out))
    if to is not None and not report.failed:
        copied = mirror.mirror(out, to, progress=not quiet)
        click.echo(f"{to}: {copied.sent} files sent, {copied.kept} were there already, {copied.removed} removed")
    if report.failed:
        raise click.exceptions.Exit(1)


def _tell_unread(
    raw: Place | None, named: Collection[str], found: Mapping[str, RawFolder], *, err: bool = False
) -> None:
    """Prints what the folder of sources holds that no source reads, where the whole folder was to be built."""
    from med_mat.building import unrecognized

    if isinstance(raw, Path) and not named and raw.is_dir():
        roots = {source: place.root for source, place in found.items()}
        read = {place for one in found.values() for place in one.mount.places}
        for line in unrecognized.sentences(raw, unrecognized.unread(raw, roots, read)):
            click.echo(line, err=err)


def _result(report: Report, out: Path) -> str:
    """The last line: the records there are, those of this run, and what failed."""
    own = "" if report.written == report.total else f", {report.written:,} of them of the sources built now"
    kept = f", {report.kept} chunks kept from an earlier run" if report.kept else ""
    withheld = f", {report.withheld:,} withheld" if report.withheld else ""
    failed = f"; NOT BUILT, for the reason above: {', '.join(report.failed)}" if report.failed else ""
    then = next_step(out, next(iter(report.ledgers)))
    return f"{report.total:,} records in {printable(str(out))}{own}{withheld}{kept}. {then}{failed}"


@click.command()
@click.argument("parts", metavar="PART...", type=FOLDER, nargs=-1, required=True)
@click.option("--out", type=FOLDER, required=True, help="Output folder of the merged Med-MAT.")
@jobs()
@click.option("--allow-fewer", is_flag=True, help="Continue even if the Med-MAT would lose records that it holds.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def merge(parts: tuple[Path, ...], out: Path, jobs: int, allow_fewer: bool, quiet: bool) -> None:
    """Merge builds of some sources each into one Med-MAT, with the bytes of one build of all of them.

    For clusters without an engine: each task of an array builds its sources into a PART. A killed merge is resumed.

    \b
    Examples: med-mat build --raw /data/raw --list                            # one source a line
              med-mat build busi --raw /data/raw --out parts/busi            # a task of the array
              med-mat merge parts/* --out Med-MAT
    """
    from med_mat.building import merge as run

    found = run(parts, out, jobs=jobs, allow_fewer=allow_fewer, progress=not quiet)
    for source, part in found.sources.items():
        click.echo(printable(f"{source}: from {part}"))
    withheld = f", {found.withheld:,} withheld" if found.withheld else ""
    moved = f", {found.moved:,} chunks with records on other sides than in their part" if found.moved else ""
    then = next_step(out, next(iter(found.sources)))
    click.echo(f"{found.total:,} records in {printable(str(out))}{withheld}{moved}. {then}")


@click.command()
@click.argument("folder", type=FOLDER)
@click.argument("names", metavar="[SOURCE]...", nargs=-1)
@click.option("--copies", type=click.IntRange(min=1), default=1, show_default=True, help="Images in place of each one.")
@click.option("--series", type=click.IntRange(min=0), default=0, show_default=True, help="Other images of the same.")
@click.option("--independent", is_flag=True, help="Draw what an image shows independently of its labels: a control.")
def miniature(folder: Path, names: tuple[str, ...], copies: int, series: int, independent: bool) -> None:
    """Write FOLDER/<source>/: tiny copies of the sources' layouts, with synthetic images.

    What an image shows follows from the modality, area and labels of its record by fixed rules.

    \b
    Example: med-mat miniature /tmp/raw busi head_ct && med-mat build --raw /tmp/raw --out /tmp/Med-MAT
    """
    from med_mat.demo import miniature as write

    for name, place in write(folder, names, series=series, copies=copies, independent=independent).items():
        click.echo(f"{name}: {place}")
    click.echo("The images are synthetic.")


@click.command()
@click.option("--raw", type=FOLDER, help="Folder of the synthetic raw data.  [raw, or raw-experiment]")
@click.option("--out", type=FOLDER, help="Output folder of the Med-MAT.  [Med-MAT, or Med-MAT-experiment]")
@click.option("--experiment", is_flag=True, help="Train and test on synthetic images: a table in three minutes.")
@jobs()
def demo(raw: Path | None, out: Path | None, experiment: bool, jobs: int) -> None:
    """Run the whole pipeline on synthetic data, offline, in under a minute: raw folders, build, load, split.

    \b
    Examples: med-mat demo
              med-mat demo --experiment
    """
    from med_mat.demo import demo as run
    from med_mat.demo import demo_experiment

    if experiment:
        places = raw or Path("raw-experiment"), out or Path("Med-MAT-experiment")
        demo_experiment(*places, jobs=jobs, say=click.echo, progress=True)
    else:
        run(raw or Path("raw"), out or Path("Med-MAT"), jobs=jobs, say=click.echo)
