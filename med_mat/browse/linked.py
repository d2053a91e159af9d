"""Linked records side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from med_mat import duplicates
from med_mat.browse.records import pages
from med_mat.browse.thumbnails import Thumbnails
from med_mat.leakage.groups import REASONS

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

#: Pairs on one page.
PAIRS = 12
#: The id of a record without its row: what the records of one image share.
_ROW = r"^([^/]*)/[^/]*/"


@dataclass(frozen=True, slots=True)
class Duplicates:
    """One page of links between records of different images.

    Attributes:
        pairs: those on this page.
        count: of all links that fulfil the conditions.
        page, pages: from 1.
        sources: source -> links that it has.
        others: the same of the sources that are linked with the chosen one.
        source, other: the chosen sources; "" for any.
        reason: the chosen reason; "" for any.
    """

    pairs: tuple[duplicates.Pair, ...]
    count: int
    page: int
    pages: int
    sources: Mapping[str, int]
    others: Mapping[str, int]
    source: str
    other: str
    reason: str


def page(mat: MedMAT, thumbnails: Thumbnails, query: Mapping[str, str]) -> Duplicates:
    """The page that an address asks for.

    Raises:
        BuildError, HubError: the build does not list its links.
    """
    reason = query.get("reason", "")
    reason = reason if reason in REASONS else ""
    found = linked(mat, reason, between=bool(query.get("between")), contradictory=bool(query.get("contradictory")))
    sources = partners(found)
    source = query.get("source", "")
    source = source if source in sources else ""
    others = partners(found, source) if source else {}
    other = query.get("other", "")
    other = other if other in others else ""
    found = between_sources(found, source, other)
    last = pages(found.num_rows, PAIRS)
    number = query.get("page", "")
    current = min(max(int(number), 1), last) if number.isascii() and number.isdecimal() and len(number) < 10 else 1
    shown = duplicates.pairs(mat, found.slice((current - 1) * PAIRS, PAIRS))
    places = [side.place for pair in shown for side in (pair.first, pair.second)]
    thumbnails.expect(np.unique(np.array(places, dtype=np.int64)))
    return Duplicates(tuple(shown), found.num_rows, current, last, sources, others, source, other, reason)


def linked(mat: MedMAT, reason: str = "", *, between: bool = False, contradictory: bool = False) -> pa.Table:
    """The links between records of different images, and between rows of one image whose labels contradict."""
    found = duplicates.links(mat, between=between, reasons=[reason] if reason else [], contradictory=contradictory)
    first, second = (pc.replace_substring_regex(found[end], _ROW, r"\1/") for end in ("first", "second"))
    return found.filter(pc.or_(pc.not_equal(first, second), found["contradictory"]))


def partners(links: pa.Table, source: str = "") -> dict[str, int]:
    """The sources that have links, with any source or with this one, and how many; the most first."""
    found: Counter[str] = Counter()
    for sides, reasons in duplicates.counts(links).items():
        if not source or source in sides:
            others = {side for side in sides if side != source} or {sides[0]}
            found.update(dict.fromkeys(others, reasons.total()))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def between_sources(links: pa.Table, one: str, other: str = "") -> pa.Table:
    """The links of a source, or between two (of which both may be the same); "" is any."""
    first, second = links["first_source"], links["second_source"]
    if not one:
        return links
    if not other:
        return links.filter(pc.or_(pc.equal(first, one), pc.equal(second, one)))
    straight = pc.and_(pc.equal(first, one), pc.equal(second, other))
    return links.filter(pc.or_(straight, pc.and_(pc.equal(first, other), pc.equal(second, one))))
