"""The terms of the sources of records: license, redistribution, commercial use, and citation.

The license in the columns of records and in audits is what the build recorded (:class:`~med_mat.catalog.RowFacts`);
terms in words, home pages and citations come from the installed cards.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from med_mat import catalog
from med_mat.errors import SplitError
from med_mat.summary import CERTAINTY, PAPER, YES_NO
from med_mat.tags import Positions, Tags
from med_mat.taxonomy import LicenseCertainty

if TYPE_CHECKING:
    import datasets

Records = TypeVar("Records", "datasets.Dataset", "datasets.IterableDataset")


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one source."""

    source: str
    title: str
    license: str  # a Hub license identifier; "other" and "unknown" are among them
    certainty: LicenseCertainty  # how the license is known
    redistributable: bool | None  # whether its images may be redistributed; None: unknown
    labels_redistributable: bool | None  # the same for labels, boxes, masks and questions
    commercial: bool | None  # whether it may be used commercially; None: unknown
    words: str  # the terms in words
    homepage: str
    citation: str  # BibTeX; "" where none is known

    def __str__(self) -> str:
        return (
            f"{self.source} ({self.title}): license {self.license} ({CERTAINTY[self.certainty]}); images may be "
            f"redistributed: {YES_NO[self.redistributable]}; labels: {YES_NO[self.labels_redistributable]}; commercial "
            f"use: {YES_NO[self.commercial]}. {self.words} {self.homepage}".rstrip()
        )


def of(tags: Tags, positions: Positions) -> tuple[Terms, ...]:
    """The terms of the sources that have records at these positions, in the order of their first rows.

    Args:
        tags: of a build. A source whose card is not installed has what the build knows, and no citation.
        positions: in its index, in any order.
    """
    cards = catalog.load()
    found: dict[str, Terms] = {}
    for row in map(tags.facts.__getitem__, sorted(tags.counts(positions))):
        if row.source not in found:
            found[row.source] = replace(
                _of_card(row.source, cards.get(row.source)),
                license=row.license,
                certainty=row.license_certainty,
                redistributable=row.redistributable,
                labels_redistributable=row.labels_redistributable,
                commercial=row.commercial,
            )
    return tuple(found.values())


def of_ids(ids: Iterable[str]) -> tuple[Terms, ...]:
    """The terms of the sources of records, from the ids of the records alone, in the order of their first rows.

    Args:
        ids: as in the column ``id``: ``source/row/…``.

    Raises:
        SplitError: a text that is not an id.
        UnknownSourceError: no card of a source is installed.
    """
    rows: dict[str, int] = {}
    for one in ids:
        source, _, rest = one.partition("/")
        number = rest.partition("/")[0]
        if not number.isdecimal():
            raise SplitError(f"{one!r} is not the id of a record, such as busi/48/benign/benign (1).png.")
        rows[source] = min(int(number), rows.get(source, int(number)))
    cards = catalog.load()
    return tuple(_of_card(source, cards[source]) for source in sorted(rows, key=rows.__getitem__))


def _of_card(source: str, card: catalog.Source | None) -> Terms:
    if card is None:
        return Terms(source, source, "unknown", "unknown", None, None, None, "Its card is not installed here.", "", "")
    return Terms(
        source=source,
        title=card.title,
        license=card.license,
        certainty=card.license_certainty,
        redistributable=card.redistributable,
        labels_redistributable=card.labels_redistributable,
        commercial=card.commercial,
        words=card.terms,
        homepage=card.homepage,
        citation=card.citation,
    )


def put_terms(dataset: Records, tags: Tags, positions: Positions) -> Records:
    """A dataset of the records at these positions, after its ``info`` was given the terms of their sources."""
    for name, text in info(of(tags, positions)).items():
        setattr(dataset.info, name, text)
    return dataset


def info(sources: Iterable[Terms]) -> dict[str, str]:
    """What ``datasets`` keeps with records of these sources: ``license``, ``citation``, ``homepage``, ``description``.

    Args:
        sources: the terms of each.
    """
    every = tuple(sources)
    lines = "\n".join(f"- {one}" for one in every)
    return {
        "license": "; ".join(f"{one.source}: {one.license} ({one.certainty})" for one in every),
        "citation": bibtex(every),
        "homepage": "\n".join(dict.fromkeys(one.homepage for one in every if one.homepage)),
        "description": (
            "Records of a Med-MAT. Each source keeps its own terms, and they hold for every copy: push_to_hub does not "
            f"ask about them, 'med-mat push' does.\n{lines}"
        ),
    }


def bibtex(sources: Iterable[Terms]) -> str:
    """The citations of the paper and of these sources, each work once; sources without one are named in a comment.

    Args:
        sources: the terms of each, in the order in which they are to be cited.
    """
    every = tuple(sources)
    works: dict[str, str] = {}  # what tells a work from others -> its entry
    keys: set[str] = set()
    remarks = []
    for source, citation in (("", PAPER), *((one.source, one.citation) for one in every)):
        entries, rest = _entries(citation)
        remarks += [f"% {source}: {_mute(line)}" for line in rest]
        for kind, key, body in entries:
            work = _work(body)
            if work not in works:
                name = key if key.casefold() not in keys else f"{key}-{source}"
                keys.add(name.casefold())
                works[work] = f"@{kind}{{{name},{body}}}"
    silent = [one for one in every if not one.citation]
    if silent:
        remarks.append("% No citation is known of these sources; they are named by their pages:")
        remarks += [f"% {one.source}: {_mute(one.homepage or 'no page is known')}" for one in silent]
    return "\n\n".join([*works.values(), *(["\n".join(remarks)] if remarks else [])])


@functools.cache
def _entries(text: str) -> tuple[list[tuple[str, str, str]], list[str]]:
    """The BibTeX entries of a text, as kind, key and what follows the key; and the lines that are in none."""
    found, rest, place = [], [], 0
    for match in re.finditer(r"@(\w+)\s*\{\s*([^\s,{}]+)\s*,", text):
        if match.start() < place:
            continue
        end = _closing(text, match.end())
        if end is not None:
            found.append((match[1], match[2], text[match.end() : end]))
            rest.append(text[place : match.start()])
            place = end + 1
    rest.append(text[place:])
    return found, [line.strip() for part in rest for line in part.splitlines() if line.strip()]


def _closing(text: str, start: int) -> int | None:
    """Where the brace is closed that was opened before; None: nowhere."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return place
    return None


def _work(body: str) -> str:
    """What tells a work from others: the letters and digits of its title; without one, all of its entry."""
    start = re.search(r"(?<![\w-])title\s*=\s*([{\"])", body, re.IGNORECASE)
    if start is None:
        return body
    end = _closing(body, start.end()) if start[1] == "{" else body.find('"', start.end())
    return "".join(one for one in body[start.end() : end].casefold() if one.isalnum()) or body


def _mute(text: str) -> str:
    """Without the sign that begins an entry, which even a comment of BibTeX may not hold."""
    return text.replace("@", "(at)")
