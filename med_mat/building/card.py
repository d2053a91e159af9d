"""The cards of a built Med-MAT: one Hub dataset card for the whole, whose YAML tells ``load_dataset`` every
configuration, and one page per source, with what this build holds of it.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from med_mat.building.account import account, plain
from med_mat.building.croissant import croissant
from med_mat.catalog import Row, Source
from med_mat.files import write_atomically
from med_mat.schema import LABEL_SEPARATOR
from med_mat.storage.location import INDEX
from med_mat.summary import CERTAINTY, MAY, licence, words
from med_mat.taxonomy import SPLITS, WITHHELD
from med_mat.terms import PAPER
from med_mat.vocabulary import in_order

#: What readers look at first; a push sends these last.
HEADS = ("LICENSES.md", "croissant.json", "README.md")
#: The columns that :func:`write_cards` counts.
COUNTED = ("source", "row", "subset", "modality", "area", "task", "split", "label_set", "group", "withheld")
#: The splits of files, in the order in which ``load_dataset`` lists them.
PARTS = (*SPLITS, WITHHELD)
#: What an augmented source means for who tests on it.
_AUGMENTED = (
    "> **Augmented.** This source ships transformed copies of its own images. A copy that is found shares a group with "
    "its\n> original, so that none is trained on while the other is tested. Those that are not found may lie on both "
    "sides: take a\n> score on its test part as an upper bound."
)
_WIDTH = 125  # of prose, as in the template
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_cards(
    out: Path,
    sources: Sequence[Source],
    records: pa.Table,
    files: Sequence[str],
    ledgers: Mapping[str, Any],
    *,
    name: str = "Med-MAT",
    hosted: bool = False,
    without_pixels: Collection[str] = (),
    without_names: Collection[str] = (),
    picture: str | None = None,
) -> None:
    """Write ``README.md``, ``LICENSES.md``, ``croissant.json`` and ``cards/<source>.md``, the first one last.

    Args:
        out: the folder to write to.
        sources: those that have records.
        records: the columns :data:`COUNTED` of all records.
        files: the Parquet files, below ``out``.
        ledgers: per source, the counts of its ledger.
        name: what ``load_dataset`` calls it: a folder, or a dataset on the Hub.
        hosted: whether that is a dataset on the Hub.
        without_pixels: the sources whose records come without images and masks.
        without_names: of these, those whose names are left out too.
        picture: the file, below ``out``, of a picture of the grid.
    """
    records = records.append_column("part", _parts(records))
    front = {
        "pretty_name": "Med-MAT",
        "license": "other",
        "license_name": "the-licences-of-the-sources",
        "license_link": "LICENSES.md",
        "language": ["en"],
        "task_categories": sorted({task for source in sources for task in source.task_categories}),
        "tags": ["medical", "compositional-generalization", "med-mat"],
        "size_categories": [_size(records.num_rows)],
        "configs": configurations(sources, files),
    }
    template = (resources.files("med_mat.dataset_cards") / "TEMPLATE.md").read_text("utf-8")
    bare = [source.name for source in sources if source.name in without_pixels]
    body = template.format(
        notice=_notice([key for key, ledger in ledgers.items() if ledger["synthetic"]], len(ledgers))
        + _bare_notice(bare, len(sources), name)
        + _nameless_notice([source.name for source in sources if source.name in without_names], len(sources)),
        name=name,
        records=f"{records.num_rows:,}",
        sources=len(sources),
        grid=("" if picture is None else f"![Records per modality, area and task]({picture})\n\n") + grid(records),
        source_table=_source_table(sources, records, ledgers),
        leaks=_leaks(records),
        withheld=_withheld(sources, records),
        paper=PAPER,
        example=sources[0].name,
        subset=next((f"subset-{row.subset:02d}" for s in sources for row in s.rows if row.subset), "index"),
    )
    for source in sources:
        page = _source_page(source, records, ledgers[source.name], bare=source.name in bare)
        write_atomically(out / "cards" / f"{source.name}.md", page.encode())
    write_atomically(out / "LICENSES.md", _licenses(sources).encode())
    text = json.dumps(croissant(sources, name if hosted else None), indent=1, ensure_ascii=False)
    write_atomically(out / "croissant.json", f"{text}\n".encode())
    write_atomically(out / "README.md", f"{_front_matter(front)}{body}".encode())


def _front_matter(values: Mapping[str, Any]) -> str:
    return f"---\n{yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=120)}---\n\n"


def configurations(sources: Sequence[Source], files: Sequence[str]) -> list[dict[str, Any]]:
    """The ``configs`` of the card: ``default``, one for each source and subset, and ``index``.

    Each has a version that follows from the content of its files, which their names tell: ``datasets`` keeps what it
    has read by the text of these lines, and would give the old records of a folder that was built anew.
    """
    subset_of = {(row.source, row.number): row.subset for source in sources for row in source.rows}
    members: dict[str, dict[str, list[str]]] = {"default": {"data/*/*": list(files)}}
    subsets: defaultdict[int, dict[str, list[str]]] = defaultdict(dict)
    for file in files:
        where, _, _ = file.rpartition("/")
        _, source, number = where.split("/")
        members.setdefault(source, {}).setdefault(f"data/{source}/*", []).append(file)
        subset = subset_of[source, int(number)]
        if subset is not None:
            subsets[subset].setdefault(where, []).append(file)
    members |= {f"subset-{subset:02d}": subsets[subset] for subset in sorted(subsets)}
    configs: list[dict[str, Any]] = []
    for name, folders in members.items():
        data_files = []
        for part in PARTS:
            paths = [f"{folder}/{part}-*.parquet" for folder, held in folders.items() if any(map(_is(part), held))]
            if paths:
                data_files.append({"split": part, "path": paths[0] if len(paths) == 1 else paths})
        held = [file for files_of in folders.values() for file in files_of]
        configs.append({"config_name": name, "version": _version(held), "data_files": data_files})
    configs[0]["default"] = True
    # "all" itself is a word of datasets: the union of all splits, of which this is the only one
    index = {"config_name": "index", "version": _version(files), "data_files": [{"split": "records", "path": INDEX}]}
    return [*configs, index]


def _is(part: str) -> Callable[[str], bool]:
    return lambda file: file.rpartition("/")[2].startswith(f"{part}-")


def _version(files: Iterable[str]) -> str:
    """A version, in the form that ``datasets`` knows, that changes with the content of any of the files."""
    digest = hashlib.blake2b("\n".join(sorted(files)).encode(), digest_size=4).digest()
    return f"0.0.{int.from_bytes(digest, 'big')}"


def _parts(records: pa.Table) -> pa.ChunkedArray:
    """In which split of files each record lies."""
    return pc.if_else(pc.is_valid(records["withheld"]), WITHHELD, records["split"].cast(pa.string()))


def grid(records: pa.Table) -> str:
    """The number of records per modality and area, as a Markdown table."""
    counts = _count(records, "modality", "area")
    modalities = in_order("modality", (key[0] for key in counts))
    areas = in_order("area", (key[1] for key in counts))
    lines = ["| | " + " | ".join(areas) + " |", "|---|" + "---:|" * len(areas)]
    for modality in modalities:
        cells = (f"{counts[modality, area]:,}" if counts[modality, area] else "" for area in areas)
        lines.append(f"| **{modality}** | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _count(records: pa.Table, *columns: str) -> Counter[tuple[Any, ...]]:
    """How many records hold each combination of values."""
    table = records.group_by(list(columns)).aggregate([([], "count_all")])
    keys = zip(*(table[name].to_pylist() for name in columns), strict=True)
    return Counter(dict(zip(keys, table["count_all"].to_pylist(), strict=True)))


def _notice(synthetic: Sequence[str], total: int) -> str:
    if not synthetic:
        return ""
    which = (
        "All its sources" if len(synthetic) == total else f"{len(synthetic)} of its sources ({', '.join(synthetic)})"
    )
    return f"> **Synthetic images.** {which} are miniatures that Med-MAT drew itself: for trying the software only.\n\n"


def _bare_notice(bare: Sequence[str], total: int, name: str) -> str:
    if not bare:
        return ""
    which = "Its records come" if len(bare) == total else f"The records of {', '.join(bare)} come"
    return (
        f"> **Without pixels.** {which} with labels, questions, splits and hashes, but `image` and `mask` are null. "
        "Whoever has the raw files puts the pixels back, "
        f"proven to be the same: `med-mat attach {name} --raw /data/raw --out Med-MAT`.\n\n"
    )


def _nameless_notice(nameless: Sequence[str], total: int) -> str:
    if not nameless:
        return ""
    which = "all its sources" if len(nameless) == total else ", ".join(nameless)
    return (
        f"> **Without names.** File names, raw labels or tables of {which} identify people, or nobody has looked "
        "whether they do. In place of a file's name, `id` and `image_id` have the first digits of its sha256; `path` "
        "is null, and so is a `raw_label` that is not in the card. With the pixels, the names come back too.\n\n"
    )


def _source_table(sources: Sequence[Source], records: pa.Table, ledgers: Mapping[str, Any]) -> str:
    counts = _count(records, "source", "row", "part")
    lines = [
        "| source | row | triplet | subset | " + " | ".join(PARTS) + " | split | skipped of source | license |",
        "|---|---:|---|---:|---:|---:|---:|---:|---|---:|---|",
    ]
    for source in sources:
        mark = ", augmented" if source.augmented else ""
        for row in source.rows:
            numbers = [counts[source.name, row.number, part] for part in PARTS]
            if not any(numbers):
                continue
            lines.append(
                f"| [{source.title}]({source.homepage}) (`{source.name}`){mark} | {row.number} | {row.mat} | "
                f"{row.subset or ''} | "
                + " | ".join(f"{number:,}" if number else "" for number in numbers)
                + f" | {ledgers[source.name]['split']} | {ledgers[source.name]['skipped'] or ''} | "
                f"{licence(source)} |"
            )
    return "\n".join(lines)


def _source_page(source: Source, records: pa.Table, ledger: Mapping[str, Any], *, bare: bool) -> str:
    """The card of one source: what is known of it, and what this build counted."""
    own = records.filter(pc.equal(records["source"], source.name))
    front = {
        "pretty_name": source.title,
        "license": source.license,
        "task_categories": list(source.task_categories),
        "tags": list(source.tags),
        "size_categories": [_size(own.num_rows)],
    }
    pixels = ", without pixels" if bare else ""
    sections = [
        f"# {source.title}\n\n{source.summary}",
        *([_AUGMENTED] if source.augmented else []),
        f"## In this build\n\n{_bullets([f'{own.num_rows:,} records{pixels}.', *account(ledger)])}",
        *(_row_section(row, own) for row in source.rows),
        f"## Terms\n\n{_terms(source)}",
    ]
    if source.overlaps:
        sections.append("## Overlaps\n\n" + _bullets(f"`{other}`: {what}" for other, what in source.overlaps.items()))
    if source.errata:
        sections.append(
            "## Errata\n\n"
            + _bullets(
                f"row {one.row}, {one.field}: upstream says {plain(one.upstream)}; here: {plain(one.ours)}. {one.why}"
                for one in source.errata
            )
        )
    if source.citation:
        sections.append(f"## Citation\n\n```bibtex\n{source.citation.strip()}\n```")
    return _front_matter(front) + "\n\n".join(section.rstrip() for section in sections) + "\n"


def _row_section(row: Row, records: pa.Table) -> str:
    """The labels of a row, counted per split; a record with several labels counts for each."""
    own = records.filter(pc.equal(records["row"], row.number))
    counts: Counter[tuple[str, str]] = Counter()
    for (part, labels), number in _count(own, "part", "label_set").items():
        for label in filter(None, labels.split(LABEL_SEPARATOR)):
            counts[part, label] += number
    subset = "" if row.subset is None else f", subset {row.subset}"
    lines = [
        f"## Row {row.number}: {row.mat}{subset}, {row.kind}",
        "",
        "| label | " + " | ".join(PARTS) + " |",
        "|---|" + "---:|" * len(PARTS),
        *(
            f"| {plain(label)} | " + " | ".join(f"{counts[part, label]:,}" for part in PARTS) + " |"
            for label in row.names
        ),
        "| *records* | " + " | ".join(f"{pc.sum(pc.equal(own['part'], part)).as_py() or 0:,}" for part in PARTS) + " |",
    ]
    return "\n".join(lines)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _leaks(records: pa.Table) -> str:
    """How many groups there are, and the largest of each source."""
    sizes = records.group_by(["source", "group"]).aggregate([([], "count_all")])
    largest = sizes.group_by("source").aggregate([("count_all", "max")])
    most = sorted(zip(largest["count_all_max"].to_pylist(), largest["source"].to_pylist(), strict=True), reverse=True)
    spans = records.group_by("group").aggregate([("source", "count_distinct")])
    shared = pc.sum(pc.greater(spans["source_count_distinct"], 1)).as_py() or 0
    told = ", ".join(f"{name} {count:,}" for count, name in most[:8])
    text = (
        f"{spans.num_rows:,} groups (same patient, file, pixels or published id, or near-duplicates), {shared:,} of "
        f"them with records of more than one source. The largest within a source, in records: {told}. `med-mat "
        "duplicates` shows the pairs."
    )
    return "\n".join(textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False))


def _withheld(sources: Sequence[Source], records: pa.Table) -> str:
    """How many records each configuration withholds, and whose held-out parts have their like."""
    held = records.filter(pc.is_valid(records["withheld"]))
    if not held.num_rows:
        return "None in this build."
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (source, subset, reason), count in _count(held, "source", "subset", "withheld").items():
        for name in ("default", source, *([] if subset is None else [f"subset-{subset:02d}"])):
            counted[name][reason] += count
    order = ["default", *(source.name for source in sources)]
    order += sorted(name for name in counted if name not in order)
    lines = ["| configuration | withheld | like records in |", "|---|---:|---|"]
    for name in (name for name in order if name in counted):
        reasons = counted[name].most_common(3)
        more = len(counted[name]) - len(reasons)
        text = "; ".join(f"{reason} ({count:,})" for reason, count in reasons) + (f"; {more} more" if more else "")
        lines.append(f"| `{name}` | {counted[name].total():,} | {text} |")
    return "\n".join(lines)


def _licenses(sources: Sequence[Source]) -> str:
    known = Counter(source.license_certainty for source in sources)
    parts = [
        "# Licences of what is inside",
        "",
        "Each record names its licence in the column `license`, and how it is known in `license_certainty`:",
        "",
        _bullets(f"*{word}*, {known[word]:,} of {len(sources):,} sources: {CERTAINTY[word]}." for word in CERTAINTY),
        "",
        "Only what is confirmed may be relied on; look up the others at their publishers before you pass anything on.",
        "",
        "| source | licence | images may be passed on | labels may be passed on | commercial use |",
        "|---|---|---|---|---|",
        *(
            f"| `{source.name}` | {licence(source)} | {MAY[source.redistributable]} | "
            f"{MAY[source.labels_redistributable]} | {MAY[source.commercial]} |"
            for source in sources
        ),
        "",
    ]
    for source in sources:
        parts += [f"## {source.title} (`{source.name}`)", "", _terms(source), ""]
        if source.citation:
            parts += ["```bibtex", source.citation.strip(), "```", ""]
    return "\n".join(parts)


def _terms(source: Source) -> str:
    """The terms in words, and the publisher's page, as bullets."""
    told = [f"{what[0].upper()}{what[1:]}: {answer}" for what, answer in words(source).items()]
    return _bullets(f"{one}{'' if one.endswith('.') else '.'}" for one in told) + f"\n- Home: <{source.homepage}>"


def _size(records: int) -> str:
    return next((name for limit, name in _SIZES if records < limit), "1M<n<10M")
