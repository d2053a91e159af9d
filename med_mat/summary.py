"""The catalog in words: the terms of a source, the table of all sources, and who labeled them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from med_mat.catalog import Labeler, Source
from med_mat.markdown import table
from med_mat.taxonomy import LicenseCertainty

#: The paper whose experiments these are (arXiv 2412.20070).
PAPER = """\
@inproceedings{cai2025exploring,
  title     = {Exploring Compositional Generalization of Multimodal {LLM}s for Medical Imaging},
  author    = {Cai, Zhenyang and Chen, Junying and Wang, Rongsheng and Wang, Weihong and Deng, Yonglin and
               Song, Dingjie and Chen, Yize and Zhang, Zixu and Wang, Benyou},
  booktitle = {Proceedings of the 63rd Annual Meeting of the Association for Computational Linguistics (Volume 1: Long
               Papers)},
  pages     = {13057--13079},
  year      = {2025},
  address   = {Vienna, Austria},
  publisher = {Association for Computational Linguistics},
  doi       = {10.18653/v1/2025.acl-long.639},
  note      = {arXiv:2412.20070}
}"""

YES_NO = {True: "yes", False: "no", None: "unknown"}
#: How a license is known.
CERTAINTY: Mapping[LicenseCertainty, str] = {
    "confirmed": "read where the publisher states it",
    "reported": "stated by a copy, a catalog or public code, and not read at the publisher's",
    "unknown": "not known",
}

_NOT_CHECKED = "not checked, so file names and raw labels are treated as identifying"


def words(source: Source) -> dict[str, str]:
    """The terms of a source in words: question -> answer, the same on every page and card."""
    how = "none is known" if source.license == "unknown" else CERTAINTY[source.license_certainty]
    identifiers, labeler = source.identifying, source.labeled_by
    return {
        "license": f"{source.license} ({source.license_read or how})",
        "terms": source.terms,
        "access": source.access,
        "images may be redistributed": YES_NO[source.redistributable],
        "labels may be redistributed": YES_NO[source.labels_redistributable],
        "commercial use": YES_NO[source.commercial],
        "labels given by": "not checked" if labeler is None else f"{labeler.who}: {labeler.how}",
        "what identifies": _NOT_CHECKED
        if identifiers is None
        else "; ".join(f"{one.where}: {one.what}" for one in identifiers) or "nothing is known to",
    }


_HEAD = """# All sources

{sources} sources, {rows} rows. Each name links to a card with the layout, the labels, how to get the data, the terms
and known pitfalls. `med-mat sources --markdown` prints this page.

- **Verified** says what the layout was checked against: *real data* (the loader ran over the publisher's files), *label
  tables* (the publisher's tables or some of its files were read), *public listings* (several public sources show it),
  *facts only* (known from descriptions: it may have to be adapted).
- **Certainty** says how sure the card is of its facts.
- The **license** is followed by how it is known: *confirmed* (read where the publisher states it), *reported* (by a
  copy, a catalog or public code), or *unknown*.
- **Redistributable** answers for images and for labels with *yes*, *no* or *unknown*; unknown never counts as yes.
- *Augmented* sources ship transformed copies of their own images, not all of which can be detected.

"""


def page(sources: Sequence[Source]) -> str:
    """The table of these sources, one line per row, as a page in Markdown."""
    rows = sorted(((row, source) for source in sources for row in source.rows), key=lambda pair: pair[0].number)
    cells = [
        (
            str(row.number),
            f"[{source.title}]({source.name}.md)" + (", augmented" if source.augmented else ""),
            str(row.mat),
            str(row.subset or ""),
            row.kind,
            source.access,
            f"images {YES_NO[source.redistributable]}, labels {YES_NO[source.labels_redistributable]}",
            YES_NO[source.commercial],
            license_of(source),
            source.verified,
            source.certainty,
        )
        for row, source in rows
    ]
    head = ["row", "source", "triplet", "subset", "labels", "access", "redistributable", "commercial use", "license",
            "verified", "certainty"]  # fmt: skip
    lines = [[cell.replace("|", "\\|") for cell in line] for line in cells]
    return f"{_HEAD.format(sources=len(sources), rows=len(rows))}{table(head, lines, right=['row', 'subset'])}\n"


def labelers(sources: Sequence[Source]) -> str:
    """Who labeled which sources, as a table in Markdown for ``docs/ethics.md``."""
    rows = []
    for who in get_args(Labeler):
        names = [source.name for source in sources if source.labeled_by is not None and source.labeled_by.who == who]
        rows.append((who, str(len(names)), ", ".join(names)))
    return table(["labels given by", "sources", "which"], rows, right=["sources"]) + "\n"


def license_of(source: Source) -> str:
    """A source's license, and how it is known."""
    return source.license if source.license == "unknown" else f"{source.license}, {source.license_certainty}"
