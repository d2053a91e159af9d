"""The catalog as one table: a line per row, for ``dataset_cards/README.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from med_mat.catalog import Source
from med_mat.taxonomy import LicenseCertainty

MAY = {True: "yes", False: "no", None: "unknown"}
#: How a licence is known.
CERTAINTY: Mapping[LicenseCertainty, str] = {
    "confirmed": "read where the publisher states it",
    "reported": "told by a copy, a catalogue or public code, and not read at the publisher's",
    "unknown": "as remembered, or as is usual at that place",
}

_HEAD = """# All sources

{sources} sources, {rows} rows. Each name leads to its card: layout, labels, how to get it, terms,
pitfalls. `med-mat sources --markdown` prints this page.

**Verified** says what a layout was checked against: *real data* (the loader ran over the publisher's files), *label
tables* (the publisher's tables or some of its files were read), *public listings* (several public sources show it),
*facts only* (the layout is known from descriptions: expect to have to adapt). **Sure** is how sure the card is of
its facts. Behind a **license** stands how it is known: *confirmed* (read where the publisher states it), *reported*
(by a copy, a catalogue or public code), or *unknown* (as remembered, or as is usual at that place). A source marked
*augmented* ships transformed copies of its own images, not all of which can be found.

| row | source | triplet | subset | labels | access | may be passed on | license | verified | sure |
|---:|---|---|---:|---|---|---|---|---|---|
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
            MAY[source.redistributable],
            licence(source),
            source.verified,
            source.certainty,
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    head = _HEAD.format(sources=len(sources), rows=len(lines))
    return head + "\n".join(lines) + "\n"


def licence(source: Source) -> str:
    """A source's licence, and how it is known."""
    return source.license if source.license == "unknown" else f"{source.license}, {source.license_certainty}"
