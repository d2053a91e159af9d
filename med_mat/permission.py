"""What the terms of sources let one pass on: decided for each source, and shown as one table before anything goes.

Images and labels are asked for apart, each with three answers: yes, no, unknown. Unknown counts as no, unless the user
knows better and says so; a plain no is never overruled. What Med-MAT drew itself may go, whole.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from med_mat.catalog import Source
from med_mat.errors import HubError
from med_mat.summary import MAY, licence

#: "all": every source with pixels, or none goes; "allowed": of each what may go; "none": every source without pixels.
Pixels = Literal["allowed", "none", "all"]
Goes = Literal["with pixels", "without pixels", "left out"]

_HEAD = ("source", "goes", "records", "MB", "licence", "images", "labels", "why")
_NUMBERS = ("records", "MB")


@dataclass(frozen=True, slots=True)
class Decision:
    """What of one source goes, and why."""

    source: Source
    goes: Goes
    why: str
    barred: tuple[str, ...] = ()  # of "images" and "labels", those that were asked for and whose terms forbid it
    unclear: tuple[str, ...] = ()  # those of which the terms do not say it, nor the user


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the table."""

    source: str
    goes: Goes
    records: int
    size: int  # bytes of the files that go
    licence: str  # with how it is known
    images: bool | None  # whether they may be passed on; None: unknown
    labels: bool | None
    why: str


def decide(source: Source, wanted: Pixels, *, synthetic: bool = False, allowed: bool = False) -> Decision:
    """What of a source goes.

    Args:
        source: whose card has the terms.
        wanted: of it: "all" is with pixels, "none" without, "allowed" as much as may go.
        synthetic: whether its images are miniatures that Med-MAT drew.
        allowed: whether the user says that what its terms leave open may go.
    """
    bare = wanted == "none"
    if synthetic:
        return Decision(source, "without pixels" if bare else "with pixels", "synthetic: drawn by Med-MAT")
    asked = {"labels": source.labels_redistributable} | ({} if bare else {"images": source.redistributable})
    barred = tuple(what for what, may in asked.items() if may is False)
    unclear = tuple(what for what, may in asked.items() if may is None and not allowed)
    if not (barred or unclear):
        opened = [what for what, may in asked.items() if may is None]
        why = f"you allow it: of {' and '.join(opened)} it is not known" if opened else "its terms allow it"
        return Decision(source, "without pixels" if bare else "with pixels", f"as asked; {why}" if bare else why)
    why = "; ".join(
        [*(f"its terms forbid that {what} are passed on" for what in barred),
         *(f"whether {what} may be passed on is not known" for what in unclear)]
    )  # fmt: skip
    left = "labels" in barred or "labels" in unclear
    return Decision(source, "left out" if left else "without pixels", why, barred, unclear)


def check_all_may_go(decisions: Sequence[Decision]) -> None:
    """Refuse where something that was asked for may not go.

    Raises:
        HubError: it names the sources, and the ways out.
    """
    parts = []
    for what in ("images", "labels"):
        forbidden = [one.source.name for one in decisions if what in one.barred]
        unclear = [one.source.name for one in decisions if what in one.unclear]
        if forbidden:
            parts.append(f"The terms of {', '.join(forbidden)} forbid that {what} are passed on.")
        if unclear:
            parts.append(f"Whether the {what} of {', '.join(unclear)} may be passed on is not known.")
    if not parts:
        return
    ways = ["take of each source what may go (--pixels allowed)", "leave such sources out (--except SOURCE)"]
    if any("labels" not in (*one.barred, *one.unclear) for one in decisions if one.barred or one.unclear):
        ways.append("send records without images where labels may go (--without-pixels-of SOURCE)")
    if any(one.unclear for one in decisions):
        ways.append("where you know that what is not known may go, say so (--allow SOURCE)")
    raise HubError(f"{' '.join(parts)} Ways out: {'; '.join(ways)}. 'med-mat show SOURCE' has the terms.")


def entry(decision: Decision, records: int, size: int) -> Entry:
    """A line of the table.

    Args:
        decision: on the source.
        records: that the source has.
        size: bytes of the files that go.
    """
    source = decision.source
    return Entry(
        source.name,
        decision.goes,
        records,
        size,
        licence(source),
        source.redistributable,
        source.labels_redistributable,
        decision.why,
    )


def table(entries: Collection[Entry]) -> str:
    """A line for each source, as text: what goes, records, size, licence, what may be passed on, and why."""
    rows = [
        (one.source, one.goes, f"{one.records:,}", f"{one.size / 1e6:,.1f}" if one.size else "", one.licence,
         MAY[one.images], MAY[one.labels], one.why)
        for one in entries
    ]  # fmt: skip
    widths = [max(len(row[place]) for row in (_HEAD, *rows)) for place in range(len(_HEAD))]
    lines = []
    for row in (_HEAD, *rows):
        cells = [
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for name, cell, width in zip(_HEAD, row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
