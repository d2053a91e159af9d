"""Maps the authors' entries to records, or says why an entry has none."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from med_mat.official.files import LAST_ROW, Entry, File
from med_mat.official.images import SEVERAL, Images
from med_mat.official.paths import How

Outcome = (
    How
    | Literal[
        "mask used as an image",
        "file gives no record",
        "another distribution",
        "source not in this build",
        "row unknown",
        "path unknown",
    ]
)
#: How an entry is attached, or why not, in the order of reports.
ATTACHED: tuple[Outcome, ...] = ("path", "renamed folder", "converted")
WHY_NOT: dict[Outcome, str] = {
    "mask used as an image": "the path is that of a mask",
    "file gives no record": "the file is here, but the build took no record of this row from it: see the ledger",
    "ambiguous": "several files, or several images of one file, match",
    "missing": "the source is here, but not this file",
    "another distribution": "the source is here, but none of the row's files: the authors had another copy",
    "source not in this build": "build it, and run this again",
    "row unknown": "neither the entry nor its file name says which row it belongs to",
    "path unknown": "the later layout does not say where the image came from",
}
#: Minimum number of missing entries of a row before it is reported as another distribution.
_FEW = 5


@dataclass(frozen=True, slots=True)
class Match:
    """An entry, and the record that it is attached to."""

    entry: Entry
    outcome: Outcome
    row: int | None = None  # upstream's, from the entry or its file's name; None if unknown
    path: str | None = None  # inside the source
    record: int | None = None  # position in the index of a build

    @property
    def attached(self) -> bool:
        """Whether it has a record."""
        return self.record is not None


def match(file: File, entries: Sequence[Entry], images: Images) -> list[Match]:
    """The match of each entry of a file, in their order.

    If two paths of the authors claim the same file of a row, the less certain one is left unattached.
    """
    possible = tuple(row for row in file.rows(images.catalog) if row in images.rows)
    found = [_match(entry, possible, images) for entry in entries]
    claims: defaultdict[tuple[int | None, str | None], dict[str, int]] = defaultdict(dict)
    for one in found:
        if one.attached:
            claims[one.row, one.path][one.entry.image] = ATTACHED.index(one.outcome)
    lost = {(*claimed, image) for claimed, ranks in claims.items() for image in _losers(ranks)}
    known = {one.row for one in found if one.outcome != "missing"}
    missing = Counter(one.row for one in found if one.outcome == "missing")
    elsewhere = {row for row, count in missing.items() if row not in known and count >= _FEW}
    return [
        replace(one, outcome="ambiguous", record=None)
        if (one.row, one.path, one.entry.image) in lost
        else replace(one, outcome="another distribution")
        if one.row in elsewhere
        else one
        for one in found
    ]


def _losers(ranks: Mapping[str, int]) -> list[str]:
    """Which of the authors' paths lose a file that all of them claim."""
    best = min(ranks.values())
    sole = list(ranks.values()).count(best) == 1
    return [image for image, rank in ranks.items() if rank > best or not sole]


def _match(entry: Entry, possible: tuple[int, ...], images: Images) -> Match:
    row = entry.row if entry.row is not None else possible[0] if len(possible) == 1 else None
    if row is not None and (row > LAST_ROW or row not in images.rows):
        return Match(entry, "row unknown")
    if not entry.located:
        return Match(entry, "path unknown", row)
    if row is not None:
        return _in_row(entry, row, images)
    tried = [_in_row(entry, one, images) for one in possible]
    attached = [one for one in tried if one.attached]
    return attached[0] if len(attached) == 1 else Match(entry, "row unknown")


def _in_row(entry: Entry, row: int, images: Images) -> Match:
    paths = images.paths(row)
    if paths is None:
        return Match(entry, "source not in this build", row)
    path, how = paths.find(entry.image)
    if path is None:
        return Match(entry, how, row)
    record = images.record(row, path)
    if record == SEVERAL:
        return Match(entry, "ambiguous", row, path)
    if record is None:
        masked = paths.roles[path] == "mask"
        return Match(entry, "mask used as an image" if masked else "file gives no record", row, path)
    return Match(entry, how, row, path, record)
