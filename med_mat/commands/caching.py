"""The command on what selections leave in the cache of ``datasets``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from med_mat.shell import printable

if TYPE_CHECKING:
    from med_mat.storage.copies import Copy


@click.command()
@click.option("--clear", is_flag=True, help="Remove copies of files that are gone or were built anew.")
@click.option("--all", "every", is_flag=True, help="With --clear: remove those in use too; they are made again.")
def cache(clear: bool, every: bool) -> None:
    """Show the Arrow copies that selections are memory-mapped from: of which build, how large, and whether stale.

    They lie in the folder med_mat of HF_DATASETS_CACHE. Nothing else there is touched.

    \b
    Example: med-mat cache --clear
    """
    from med_mat.storage import copies

    if every and not clear:
        raise click.UsageError("--all goes with --clear.")
    found = copies.copies()
    groups: defaultdict[tuple[str, str], list[Copy]] = defaultdict(list)
    for one in found:
        groups[one.build or "of no known build", one.state].append(one)
    click.echo(f"{printable(str(copies.folder()))}: {_sum(found)}")
    for (build, state), some in groups.items():
        click.echo(f"  {printable(build)}: {_sum(some)}, {state}")
    if clear:
        gone = [one for one in found if every or one.stale]
        copies.clear(gone)
        click.echo(f"Removed: {_sum(gone)}." if gone else "Nothing of it is stale.")
    elif any(one.stale for one in found):
        click.echo(f"Stale: {_sum([one for one in found if one.stale])}. med-mat cache --clear removes them.")


def _sum(found: Sequence[Copy]) -> str:
    size = sum(one.size for one in found)
    return f"{len(found):,} {'copy' if len(found) == 1 else 'copies'}, {size / 1e6:,.1f} MB"
