"""Reports the duplicates of a build: counts between sources, pairs of records, and an HTML page that shows them."""

from __future__ import annotations

import html
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import gallery
from med_mat.imaging.hashing import BITS
from med_mat.leakage.contradictions import SCHEMA
from med_mat.leakage.groups import DUPLICATES, REASONS
from med_mat.shell import printable
from med_mat.storage.location import need, read_index, reading

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

#: The links that a build does not list.
UNLISTED = (
    "Copies within one patient or file are listed only where they are in different splits or belong to an image whose "
    "labels contradict each other."
)


@dataclass(frozen=True, slots=True)
class Side:
    """One record of a pair."""

    id: str
    source: str
    split: str
    labels: str
    place: int  # position in the index


@dataclass(frozen=True, slots=True)
class Pair:
    """Two linked records, and the reason."""

    first: Side
    second: Side
    reason: str
    distance: int | None  # Hamming distance of the perceptual hashes
    score: float | None  # score of the geometric verification
    kind: str  # "same picture", "same scan" or "same patient"
    contradictory: bool  # the labels of the two are mutually exclusive

    @property
    def apart(self) -> bool:
        """Whether the two are in different splits."""
        return self.first.split != self.second.split

    @property
    def why(self) -> str:
        """The reason in words."""
        if self.distance is not None:
            return f"{self.reason} ({self.distance} of {BITS} bits differ)"
        return self.reason if self.score is None else f"{self.reason} (score {self.score:.2f})"

    @property
    def warnings(self) -> list[str]:
        """The warnings on the pair, in words."""
        return ["in different splits"] * self.apart + ["labels contradict"] * self.contradictory


def links(
    mat: MedMAT,
    *,
    between: bool = False,
    reasons: Iterable[str] = (),
    kind: str | None = None,
    contradictory: bool = False,
    apart: bool = False,
) -> pa.Table:
    """The links of a build (:data:`med_mat.leakage.contradictions.SCHEMA`), all or filtered.

    Args:
        mat: an opened Med-MAT.
        between: keep links between two sources.
        reasons: keep links with these reasons ("near" includes flipped and rotated copies); none keeps all.
        kind: keep links of the kind "same picture", "same scan" or "same patient".
        contradictory: keep links whose labels contradict each other.
        apart: keep links whose records are in different splits.

    Raises:
        BuildError, HubError: the build has no such file.
    """
    with reading(mat.location, DUPLICATES):
        table = pq.read_table(mat.location.local(DUPLICATES))
    need(mat.location, DUPLICATES, table.schema, SCHEMA.names)
    if between:
        table = table.filter(pc.not_equal(table["first_source"], table["second_source"]))
    if kind is not None:
        table = table.filter(pc.equal(table["kind"], kind))
    if contradictory:
        table = table.filter(table["contradictory"])
    if apart:
        table = table.filter(pa.array(_apart(mat, table)))
    wanted = [reason for reason in REASONS for asked in reasons if reason == asked or reason.startswith(f"{asked},")]
    return table.filter(pc.is_in(table["reason"], pa.array(wanted, pa.string()))) if wanted else table


def counts(table: pa.Table) -> dict[tuple[str, str], Counter[str]]:
    """The number of links of each reason between two sources (or within one), in descending order."""
    found: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    each = table.group_by(["first_source", "second_source", "reason"]).aggregate([([], "count_all")])
    for one in each.to_pylist():
        first, second = sorted((one["first_source"], one["second_source"]))
        found[first, second][one["reason"]] += one["count_all"]
    return dict(sorted(found.items(), key=lambda item: (-item[1].total(), item[0])))


def _apart(mat: MedMAT, table: pa.Table) -> list[bool]:
    """Whether the records of each link are in different splits."""
    names = _names(table)
    index = read_index(mat.location, ["id", "split"])
    index = index.filter(pc.is_in(index["id"], names))
    sides = dict(zip(index["id"].to_pylist(), index["split"].to_pylist(), strict=True))
    ends = (table[end].to_pylist() for end in ("first", "second"))
    return [sides[first] != sides[second] for first, second in zip(*ends, strict=True)]


def _names(table: pa.Table) -> pa.Array:
    """The ids of all records of the links."""
    return pc.unique(pa.chunked_array([*table["first"].chunks, *table["second"].chunks], pa.string()))


def pairs(mat: MedMAT, table: pa.Table) -> list[Pair]:
    """The pairs of records of the links."""
    index = read_index(mat.location, ["id", "source", "split", "label_set"])
    places = np.flatnonzero(pc.is_in(index["id"], _names(table)))
    sides = {
        one["id"]: Side(one["id"], one["source"], one["split"], one["label_set"], int(place))
        for one, place in zip(index.take(pa.array(places)).to_pylist(), places, strict=True)
    }
    return [
        Pair(
            sides[one["first"]],
            sides[one["second"]],
            *(one[name] for name in ("reason", "distance", "score", "kind", "contradictory")),
        )
        for one in table.to_pylist()
    ]


def told(mat: MedMAT, table: pa.Table) -> str:
    """A summary: the number of links, of those between splits and of contradictory ones, and what is not listed."""
    if not table.num_rows:
        found = "No links between records match."
    else:
        apart, contrary = sum(_apart(mat, table)), pc.sum(table["contradictory"]).as_py()
        found = (
            f"{table.num_rows:,} link{'s'[: table.num_rows != 1]} between records, {apart:,} of them between "
            f"different splits, {contrary:,} with labels that contradict each other."
        )
    return f"{found} {UNLISTED}"


def unseen(mat: MedMAT) -> str:
    """A sentence about records that were not searched for near-duplicates; "" if all were."""
    number = mat.manifest["near_duplicates"].get("records without hash", 0)
    return (
        f"{number:,} of {len(mat):,} records were not searched for near-duplicates: built with '--check header'."
        if number
        else ""
    )


def to_json(mat: MedMAT, table: pa.Table, shown: Sequence[Pair]) -> dict[str, Any]:
    """Counts and pairs as JSON data."""
    return {
        "links": table.num_rows,
        "on_two_sides": sum(_apart(mat, table)),
        "contradictory": pc.sum(table["contradictory"]).as_py() or 0,
        "not_listed": UNLISTED,
        "near_duplicates": mat.manifest["near_duplicates"],
        "sources": [{"first": a, "second": b, **number} for (a, b), number in counts(table).items()],
        "pairs": [
            {
                "reason": one.reason,
                "distance": one.distance,
                "score": one.score,
                "kind": one.kind,
                "on_two_sides": one.apart,
                "contradictory": one.contradictory,
            }
            | {
                name: {"id": side.id, "source": side.source, "split": side.split, "labels": side.labels}
                for name, side in (("first", one.first), ("second", one.second))
            }
            for one in shown
        ],
    }


def to_text(mat: MedMAT, table: pa.Table, shown: Sequence[Pair]) -> str:
    """Counts and pairs as text."""
    found = counts(table)
    reasons = [reason for reason in REASONS if any(number[reason] for number in found.values())]
    titles = [a if a == b else f"{a} - {b}" for a, b in found]
    width = max(map(len, ["sources", *titles]))
    lines = ["  ".join([f"{'sources':<{width}}", *reasons])] if found else []
    for title, number in zip(titles, found.values(), strict=True):
        cells = [
            f"{number[reason] or '':>{len(reason)},}" if number[reason] else " " * len(reason) for reason in reasons
        ]
        lines.append("  ".join([f"{title:<{width}}", *cells]).rstrip())
    lines.append(told(mat, table))
    lines += [_line(one) for one in shown]
    if len(shown) < table.num_rows:
        lines.append(f"... and {table.num_rows - len(shown):,} more (--limit).")
    return "\n".join([*lines, *filter(None, [unseen(mat)])])


def _line(one: Pair) -> str:
    sides = " = ".join(
        f"{printable(side.id)} ({side.split}: {printable(side.labels) or 'no label'})"
        for side in (one.first, one.second)
    )
    return f"{one.why}: {sides}" + "".join(f"; {text}" for text in one.warnings)


def to_page(mat: MedMAT, table: pa.Table, shown: Sequence[Pair]) -> str:
    """A self-contained HTML page: pairs side by side, with images, labels, sources, splits and reasons."""
    pictures = _thumbnails(mat, [side for one in shown for side in (one.first, one.second)])
    head = f"{told(mat, table)} {len(shown):,} of them are shown. {unseen(mat)}"
    return gallery.page(f"Duplicates in {mat.location}", head, (_item(one, pictures) for one in shown))


def _item(one: Pair, pictures: Mapping[str, str]) -> str:
    figures = (_figure(side, pictures.get(side.id), one) for side in (one.first, one.second))
    return gallery.item("; ".join([one.why, *one.warnings]), figures)


def _figure(side: Side, picture: str | None, pair: Pair) -> str:
    labels, name, source, split = map(html.escape, (side.labels or "no label", side.id, side.source, side.split))
    part = f'<b class="apart">{split}</b>' if pair.apart else split
    stated = f'<b class="apart">{labels}</b>' if pair.contradictory else labels
    caption = f"{stated}<span>{source}, {part}</span><span>{name}</span>"
    return gallery.figure(picture, f"{side.source}: {side.labels or 'no label'}", caption)


def _thumbnails(mat: MedMAT, sides: Iterable[Side]) -> dict[str, str]:
    """The images of records as data URIs, by id."""
    shown = list(dict.fromkeys(sides))
    read = mat.read(np.array([side.place for side in shown], dtype=np.int64), columns=("image",))
    return {
        side.id: gallery.data_uri(record["image"]["bytes"])
        for side, record in zip(shown, read, strict=True)
        if record["image"] is not None and record["image"]["bytes"]
    }
