"""The dialog of ``med-mat download``."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import click

from med_mat.catalog import Source
from med_mat.download.http import Settings
from med_mat.download.routes import Plan, Route, next_step, plan
from med_mat.download.run import download, there
from med_mat.errors import DownloadError
from med_mat.summary import words


def obtain(
    source: Source,
    raw: Path,
    *,
    say: Callable[[str], object],
    agree: Callable[[], bool] | None,
    number: int | None = None,
    dry_run: bool = False,
    keep_archives: bool = False,
    settings: Settings | None = None,
) -> None:
    """Download one source, or print the steps of a manual download.

    Args:
        source: the source.
        raw: the folder of all raw sources.
        say: prints a line.
        agree: asks for consent to the printed terms; None if it was given beforehand.
        number: the route; None: the one with the least effort.
        dry_run: only print what would be done.
        keep_archives: keep the archives in ``raw/.downloads``.
        settings: retries and timeouts.

    Raises:
        DownloadError: the download is manual, and its steps were printed; or it failed.
    """
    ways = plan(source, raw)
    route = ways.choose(number)
    say(f"{source.title} ({source.name})")
    for what, answer in words(source).items():
        say(f"  {what}: {answer}")
    say(f"  home: {source.homepage}")
    present = there(ways)
    if present is not None and number is None:
        say(f"  It is there already: {present.root} (layout: {present.variant}).")
        say(f"  {next_step(source, raw)}")
        return
    for one in ways.routes:
        say(f"  {'->' if one is route else '  '} {one}; verified {one.verified}")
    if number is None and ways.by_hand(route):
        _tell(ways, route, say)
        if dry_run:
            return
        automatic = [str(one.number) for one in ways.routes if one.automatic]
        also = f" A route that is fetched without you: --route {' or '.join(automatic)}." if automatic else ""
        raise DownloadError(f"{source.name} has to be downloaded by hand, in the steps above.{also}")
    if not route.automatic:
        _tell(ways, route, say)
        if dry_run:
            return
        raise DownloadError(f"Route {route.number} of {source.name} is done by hand, in the steps above.")
    for note in (part.note for part in route.downloads if part.note):
        say(f"     {note}")
    if route.needs:
        say(f"     {route.needs}")
    if dry_run:
        say(f"  It would be fetched and unpacked into {ways.target}.")
        return
    if agree is not None and not agree():
        raise DownloadError(f"Nothing of {source.name} was fetched, for its terms were not accepted.")
    try:
        result = download(ways, route, settings=settings, keep_archives=keep_archives, say=say)
    except DownloadError as error:
        others = [one for one in ways.routes if one is not route]
        hint = f" Other routes (--route N): {'; '.join(map(str, others))}." if others else ""
        raise DownloadError(f"{error}{hint}") from error
    say(f"  It lies in {result.folder.root} (layout: {result.folder.variant}).")
    if keep_archives:
        say(f"  Its archives are kept in {shlex.quote(str(raw / '.downloads' / source.name))}.")
    say(f"  {next_step(source, raw)}")


def consent() -> bool:
    """Ask whether the printed terms are accepted.

    Raises:
        DownloadError: there is no answer.
    """
    try:
        return click.confirm("Do you accept these terms?")
    except click.Abort:
        raise DownloadError("Nothing was fetched, for nobody answered. Pass --accept-terms where nobody can.") from None


def _tell(ways: Plan, route: Route, say: Callable[[str], object]) -> None:
    """Print the steps of a manual download, numbered."""
    for number, step in enumerate(route.steps, start=1):
        say(f"  {number}. {step}")
