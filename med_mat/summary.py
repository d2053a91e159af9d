"""The catalog as one table: a line per row, for ``dataset_cards/README.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from med_mat.catalog import Labeler, Source
from med_mat.taxonomy import LicenseCertainty

MAY = {True: "yes", False: "no", None: "unknown"}
#: How a licence is known.
CERTAINTY: Mapping[LicenseCertainty, str] = {
    "confirmed": "read where the publisher states it",
    "reported": "told by a copy, a catalogue or public code, and not read at the publisher's",
    "unknown": "not known",
}

#: Where nobody has looked at what identifies.
_NOT_LOOKED = "not looked at, so that file names and raw labels count as identifying"


def words(source: Source) -> dict[str, str]:
    """The terms of a source in words: what is asked -> the answer, as every page and card gives it."""
    how = "none is known" if source.license == "unknown" else CERTAINTY[source.license_certainty]
    found, made = source.identifying, source.labeled_by
    return {
        "licence": f"{source.license} ({source.license_read or how})",
        "terms": source.terms,
        "access": source.access,
        "images may be passed on": MAY[source.redistributable],
        "labels may be passed on": MAY[source.labels_redistributable],
        "commercial use": MAY[source.commercial],
        "labels given by": "not looked at" if made is None else f"{made.who}: {made.how}",
        "what identifies": _NOT_LOOKED
        if found is None
        else "; ".join(f"{one.where}: {one.what}" for one in found) or "nothing is known to",
    }


_HEAD = """# All sources

{sources} sources, {rows} rows. Each name leads to its card: layout, labels, how to get it, terms,
pitfalls. `med-mat sources --markdown` prints this page.

**Verified** says what a layout was checked against: *real data* (the loader ran over the publisher's files), *label
tables* (the publisher's tables or some of its files were read), *public listings* (several public sources show it),
*facts only* (the layout is known from descriptions: expect to have to adapt). **Sure** is how sure the card is of
its facts. Behind a **license** stands how it is known: *confirmed* (read where the publisher states it), *reported*
(by a copy, a catalogue or public code), or *unknown*. **May be passed on** tells it of images and labels, with *yes*,
*no* or *unknown*, and unknown is never taken for yes. A source marked *augmented* ships transformed copies of its own
images, not all of which can be found.

| row | source | triplet | subset | labels | access | may be passed on | commercial use | license | verified | sure |
|---:|---|---|---:|---|---|---|---|---|---|---|
"""


def page(sources: Sequence[Source]) -> str:
    """The page over these sources, in Markdown."""
    lines = []
    rows = sorted(((row, source) for source in sources for row in source.rows), key=lambda pair: pair[0].number)
    for row, source in rows:
        cells = (
            str(row.number),
            f"[{source.title}]({source.name}.md)" + (", augmented" if source.augmented else ""),
            str(row.mat),
            str(row.subset or ""),
            row.kind,
            source.access,
            f"images {MAY[source.redistributable]}, labels {MAY[source.labels_redistributable]}",
            MAY[source.commercial],
            licence(source),
            source.verified,
            source.certainty,
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    head = _HEAD.format(sources=len(sources), rows=len(lines))
    return head + "\n".join(lines) + "\n"


def labelers(sources: Sequence[Source]) -> str:
    """Who gave the labels, and in which sources, as a table in Markdown for ``docs/ethics.md``."""
    lines = ["| labels given by | sources | which |", "|---|---:|---|"]
    for who in get_args(Labeler):
        names = [source.name for source in sources if source.labeled_by is not None and source.labeled_by.who == who]
        lines.append(f"| {who} | {len(names)} | {', '.join(names)} |")
    return "\n".join(lines) + "\n"


def licence(source: Source) -> str:
    """A source's licence, and how it is known."""
    return source.license if source.license == "unknown" else f"{source.license}, {source.license_certainty}"
