"""The pages of single sources, with their facts and the counts of a build, and ``LICENSES.md``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from med_mat.building.account import account
from med_mat.building.configurations import PARTS, front_matter
from med_mat.building.counts import count
from med_mat.catalog import Row, Source
from med_mat.markdown import bullets, escape, table
from med_mat.schema import LABEL_SEPARATOR
from med_mat.summary import CERTAINTY, YES_NO, license_of, words

#: The warning on an augmented source.
_AUGMENTED = (
    "> **Augmented.** This source ships transformed copies of its own images. A copy that is detected shares a group "
    "with its\n> original, so they are never on two sides of a split. Copies that are not detected may be: treat a "
    "score on its test\n> split as an upper bound."
)
#: The size categories of the Hub: upper limit of records -> category.
_SIZES = {
    10**3: "n<1K",
    10**4: "1K<n<10K",
    10**5: "10K<n<100K",
    10**6: "100K<n<1M",
    10**7: "1M<n<10M",
    10**8: "10M<n<100M",
    10**9: "100M<n<1B",
}


def page(source: Source, records: pa.Table, ledger: Mapping[str, Any], *, without_pixels: bool) -> str:
    """The page of one source: its facts, and the counts of this build.

    Args:
        source: the source.
        records: the records of all sources, from :func:`med_mat.building.counts.with_part`.
        ledger: the counts of its ledger.
        without_pixels: whether its records come without images and masks.
    """
    own = records.filter(pc.equal(records["source"], source.name))
    front = {
        "pretty_name": source.title,
        "license": source.license,
        "task_categories": list(source.task_categories),
        "tags": list(source.tags),
        "size_categories": [size_category(own.num_rows)],
    }
    without = ", without images" if without_pixels else ""
    sections = [
        f"# {source.title}\n\n{source.summary}",
        *([_AUGMENTED] if source.augmented else []),
        f"## In this build\n\n{bullets([f'{own.num_rows:,} records{without}.', *account(ledger), *_withheld(own)])}",
        *(_row_section(row, own) for row in source.rows),
        f"## Terms\n\n{_terms(source)}",
    ]
    if source.overlaps:
        sections.append("## Overlaps\n\n" + bullets(f"`{other}`: {what}" for other, what in source.overlaps.items()))
    if source.errata:
        sections.append(
            "## Errata\n\n"
            + bullets(
                f"row {one.row}, {one.field}: upstream says {escape(one.upstream)}; here: {escape(one.ours)}. {one.why}"
                for one in source.errata
            )
        )
    if source.citation:
        sections.append(f"## Citation\n\n```bibtex\n{source.citation.strip()}\n```")
    return front_matter(front) + "\n\n".join(section.rstrip() for section in sections) + "\n"


def licenses(sources: Sequence[Source]) -> str:
    """``LICENSES.md``: the license and the terms of every source."""
    known = Counter(source.license_certainty for source in sources)
    rows = [
        (
            f"[`{source.name}`](cards/{source.name}.md)",
            license_of(source),
            YES_NO[source.redistributable],
            YES_NO[source.labels_redistributable],
            YES_NO[source.commercial],
        )
        for source in sources
    ]
    parts = [
        "# Licenses of the sources",
        "Each record has its license in the column `license`, and how it is known in `license_certainty`:",
        bullets(f"*{word}*, {known[word]:,} of {len(sources):,} sources: {CERTAINTY[word]}." for word in CERTAINTY),
        "Rely only on what is confirmed; check the others with their publishers before you redistribute anything.",
        table(["source", "license", "redistribute images", "redistribute labels", "commercial use"], rows),
    ]
    for source in sources:
        parts += [f"## {source.title} (`{source.name}`)", _terms(source)]
        if source.citation:
            parts.append(f"```bibtex\n{source.citation.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def size_category(records: int) -> str:
    """The Hub's size category for a number of records."""
    return next((name for limit, name in _SIZES.items() if records < limit), "1B<n<10B")


def _row_section(row: Row, records: pa.Table) -> str:
    """The labels of a row with the number of records per split; a record with several labels counts for each."""
    own = records.filter(pc.equal(records["row"], row.number))
    counts: Counter[tuple[str, str]] = Counter()
    for (part, labels), number in count(own, "part", "label_set").items():
        for label in filter(None, labels.split(LABEL_SEPARATOR)):
            counts[part, label] += number
    of_parts = count(own, "part")
    subset = "" if row.subset is None else f", subset {row.subset}"
    rows = [
        *((escape(label), *(f"{counts[part, label]:,}" for part in PARTS)) for label in row.names),
        ("*records*", *(f"{of_parts[part,]:,}" for part in PARTS)),
    ]
    return f"## Row {row.number}: {row.mat}{subset}, {row.kind}\n\n{table(['label', *PARTS], rows, right=PARTS)}"


def _withheld(own: pa.Table) -> list[str]:
    """The number of withheld records of a source, and the held-out splits that they share a group with."""
    reasons = Counter({reason: number for (reason,), number in count(own, "withheld").items() if reason is not None})
    if not reasons:
        return []
    named = "; ".join(f"{escape(reason)} ({number:,})" for reason, number in reasons.most_common())
    return [f"Withheld: {reasons.total():,} records that share a group with records in {named}."]


def _terms(source: Source) -> str:
    """The terms in words, and the link to the publisher's page, as a bulleted list."""
    said = [f"{what[0].upper()}{what[1:]}: {answer}" for what, answer in words(source).items()]
    return bullets([*(f"{one}{'' if one.endswith('.') else '.'}" for one in said), f"Home: <{source.homepage}>"])
