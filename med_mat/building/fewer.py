"""Finds records of an existing build that the next build would lose, and refuses to lose them silently."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat.building import sums
from med_mat.errors import BuildError
from med_mat.files import sha256
from med_mat.shell import printable
from med_mat.storage.location import INDEX

log = logging.getLogger(__name__)

_NAMED = 5


def held(out: Path, sources: Collection[str]) -> pa.ChunkedArray:
    """The ids of the records of the given sources in a build, in the order of its index; empty without a build."""
    index, nothing = out / INDEX, pa.chunked_array([], pa.string())
    if not index.is_file():
        return nothing
    try:
        with suppress(BuildError):  # no hashes to compare with
            if sums.read(out).get(INDEX) != sha256(index):
                log.warning("%s is damaged: whether records of it would be gone cannot be told", index)
                return nothing
        table = pq.read_table(index, columns=["id", "source"])
    except (OSError, pa.ArrowException):  # unreadable: the build writes it again
        return nothing
    return table.filter(pc.is_in(table["source"], pa.array(sources, pa.string())))["id"].cast(pa.string())


def fewer(before: pa.ChunkedArray, after: pa.ChunkedArray) -> list[str]:
    """The ids of ``before`` that are not in ``after``, in the order of ``before``, without repetition.

    Args:
        before: ids of the records of the sources that are rebuilt, in the existing build.
        after: ids of their records in the new build.
    """
    gone = before.filter(pc.invert(pc.is_in(before, after.cast(before.type).combine_chunks())))
    return [str(one) for one in pc.unique(gone).to_pylist()]


def refusal(gone: Collection[str], out: Path, before: int, reasons: Mapping[str, str]) -> BuildError:
    """The error to raise if records would be lost, before any file of the build is replaced.

    Args:
        gone: the ids that the new build lacks.
        out: the folder of the build.
        before: the number of records of the same sources in the existing build.
        reasons: id of a skipped record -> reason; lost records without a reason no longer have an image or a label.
    """
    first = [f"{one} ({reasons.get(one, 'no longer found').rstrip('.')})" for one in list(gone)[:_NAMED]]
    more = f" and {len(gone) - len(first):,} more" if len(gone) > len(first) else ""
    are = "records" if len(gone) != 1 else "record"
    return BuildError(
        f"{len(gone):,} {are} of {before:,} that {out.absolute()} had of these sources would no longer be there: "
        f"{printable(', '.join(first))}{more}. Nothing was replaced: the build is as it was. Repair or restore the "
        "raw files, or pass --allow-fewer (allow_fewer=True) if they are meant to go."
    )
