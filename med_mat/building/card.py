"""The cards of a built Med-MAT: one Hub dataset card for the whole, whose YAML tells ``load_dataset`` every
configuration, and one page per source, with what this build holds of it.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from med_mat.building.croissant import croissant
from med_mat.building.writer import write_atomically
from med_mat.catalog import Row, Source
from med_mat.location import INDEX
from med_mat.schema import LABEL_SEPARATOR
from med_mat.summary import MAY
from med_mat.taxonomy import AREAS, MODALITIES, SPLITS

#: In the order in which ``load_dataset`` lists them.
#: What readers look at first; a push sends these last.
HEADS = ("LICENSES.md", "croissant.json", "README.md")
#: The columns that :func:`write_cards` counts.
COUNTED = ("source", "row", "subset", "modality", "area", "task", "split", "label_set", "group")
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
    picture: str | None = None,
) -> None:
    """Write ``README.md``, ``LICENSES.md``, ``croissant.json`` and ``cards/<source>.md``, the first one last.

    Args:
        out: the folder.
        sources: those that have records.
        records: the columns :data:`COUNTED` of all records.
        files: the Parquet files, below ``out``.
        ledgers: per source, the counts of its ledger.
        name: what ``load_dataset`` calls it: a folder, or a dataset on the Hub.
        hosted: whether that is a dataset on the Hub.
        without_pixels: the sources whose records come without images and masks.
        picture: the file, below ``out``, of a picture of the grid.
    """
    front = {
        "pretty_name": "Med-MAT",
        "license": "other",
        "license_name": "the-licences-of-the-sources",
        "license_link": "LICENSES.md",
        "language": ["en"],
        "task_categories": sorted({task for source in sources for task in source.metadata["task_categories"]}),
        "tags": ["medical", "compositional-generalization", "med-mat"],
        "size_categories": [_size(records.num_rows)],
        "configs": configurations(sources, files),
    }
    template = (resources.files("med_mat.dataset_cards") / "TEMPLATE.md").read_text("utf-8")
    bare = [source.name for source in sources if source.name in without_pixels]
    body = template.format(
        notice=_notice([key for key, ledger in ledgers.items() if ledger["synthetic"]], len(ledgers))
        + _bare_notice(bare, len(sources), name),
        name=name,
        records=f"{records.num_rows:,}",
        sources=len(sources),
        grid=("" if picture is None else f"![Records per modality, area and task]({picture})\n\n") + grid(records),
        source_table=_source_table(sources, records, ledgers),
        leaks=_leaks(records),
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
    """The ``configs`` of the card: ``default``, one per source, one per subset, and ``index``."""
    present: defaultdict[tuple[str, int], set[str]] = defaultdict(set)  # source and row -> splits
    for file in files:
        _, source_name, number, name = file.split("/")
        present[source_name, int(number)].add(name.partition("-")[0])
    subset_of = {(row.source, row.number): row.subset for source in sources for row in source.rows}
    members = {"default": list(present)}
    members |= {source.name: [key for key in present if key[0] == source.name] for source in sources}
    for subset in sorted({number for number in map(subset_of.get, present) if number is not None}):
        members[f"subset-{subset:02d}"] = [key for key in present if subset_of[key] == subset]
    configs: list[dict[str, Any]] = []
    for name, keys in members.items():
        paths = {
            split: [
                f"data/{source}/{row:03d}/{split}-*.parquet" for source, row in keys if split in present[source, row]
            ]
            for split in SPLITS
        }
        data_files = [{"split": split, "path": where} for split, where in paths.items() if where]
        if data_files:
            configs.append({"config_name": name, "data_files": data_files} | ({"default": True} if not configs else {}))
    configs.append({"config_name": "index", "data_files": [{"split": "train", "path": INDEX}]})
    return configs


def grid(records: pa.Table) -> str:
    """The number of records per modality and area, as a Markdown table."""
    counts = _count(records, "modality", "area")
    modalities = [name for name in MODALITIES if any(key[0] == name for key in counts)]
    areas = [name for name in AREAS if any(key[1] == name for key in counts)]
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
        f"> **Without pixels.** {which} with labels, questions, splits and hashes, but `image` and `mask` are null: "
        "the terms of the sources do not let images be passed on. Whoever has the raw files puts the pixels back, "
        f"proven to be the same: `med-mat attach {name} --raw /data/raw --out Med-MAT`.\n\n"
    )


def _source_table(sources: Sequence[Source], records: pa.Table, ledgers: Mapping[str, Any]) -> str:
    counts = _count(records, "source", "row", "split")
    lines = [
        "| source | row | triplet | subset | train | validation | test | split | skipped of source | license |",
        "|---|---:|---|---:|---:|---:|---:|---|---:|---|",
    ]
    for source in sources:
        for row in source.rows:
            numbers = [counts[source.name, row.number, split] for split in SPLITS]
            if not any(numbers):
                continue
            lines.append(
                f"| [{source.title}]({source.homepage}) (`{source.name}`) | {row.number} | {row.mat} | "
                f"{row.subset or ''} | "
                + " | ".join(f"{number:,}" if number else "" for number in numbers)
                + f" | {ledgers[source.name]['split']} | {ledgers[source.name]['skipped'] or ''} | "
                f"{source.license} |"
            )
    return "\n".join(lines)


def _source_page(source: Source, records: pa.Table, ledger: Mapping[str, Any], *, bare: bool) -> str:
    """The card of one source: what is known of it, and what this build counted."""
    own = records.filter(pc.equal(records["source"], source.name))
    front = {
        "pretty_name": source.title,
        "license": source.license,
        "task_categories": list(source.metadata["task_categories"]),
        "tags": list(source.metadata["tags"]),
        "size_categories": [_size(own.num_rows)],
    }
    reasons = _bullets(
        f"{count:,} x {_plain(reason)}"
        for reason, count in (*ledger["skipped_by_reason"].items(), *ledger["notes"].items())
    )
    sections = [
        f"# {source.title}\n\n{source.summary}",
        f"{own.num_rows:,} records{', without pixels' if bare else ''}; split: {ledger['split']}; images checked: "
        f"{ledger['checked']}; {ledger['found']:,} found = {ledger['written']:,} written + {ledger['skipped']:,} "
        f"skipped.\n\n{reasons}",
        *(_row_section(row, own) for row in source.rows),
        f"## Terms\n\n- Licence: {source.license}. {source.terms}\n- Access: {source.access}. May be passed on: "
        f"{MAY[source.redistributable]}.\n- Home: <{source.homepage}>",
    ]
    if source.overlaps:
        sections.append("## Overlaps\n\n" + _bullets(f"`{other}`: {what}" for other, what in source.overlaps.items()))
    if source.errata:
        sections.append(
            "## Errata\n\n"
            + _bullets(
                f"row {one.row}, {one.field}: upstream says {_plain(one.upstream)}; here: {_plain(one.ours)}. {one.why}"
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
    for (split, labels), number in _count(own, "split", "label_set").items():
        for label in filter(None, labels.split(LABEL_SEPARATOR)):
            counts[split, label] += number
    subset = "" if row.subset is None else f", subset {row.subset}"
    lines = [
        f"## Row {row.number}: {row.mat}{subset}, {row.kind}",
        "",
        "| label | " + " | ".join(SPLITS) + " |",
        "|---|" + "---:|" * len(SPLITS),
        *(
            f"| {_plain(label)} | " + " | ".join(f"{counts[split, label]:,}" for split in SPLITS) + " |"
            for label in row.names
        ),
        "| *records* | "
        + " | ".join(f"{pc.sum(pc.equal(own['split'], split)).as_py() or 0:,}" for split in SPLITS)
        + " |",
    ]
    return "\n".join(lines)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_|<>\[\]&])", r"\\\1", " ".join(text.split()))


def _leaks(records: pa.Table) -> str:
    """How many groups reach over train and test, counted over the whole build."""
    sides = records.group_by("group").aggregate([("split", "count_distinct"), ("source", "count_distinct")])
    across = pc.sum(pc.greater(sides["split_count_distinct"], 1)).as_py() or 0
    shared = pc.sum(pc.greater(sides["source_count_distinct"], 1)).as_py() or 0
    return (
        f"{sides.num_rows:,} groups (same patient, file, pixels or published id, or near-duplicates); {across:,} of "
        f"them have records in more than one split, {shared:,} in more than one source. The split API of `med_mat` "
        "keeps groups on one side; `med-mat duplicates` shows the pairs."
    )


def _licenses(sources: Sequence[Source]) -> str:
    parts = ["# Licences of what is inside", "", "Each record names its licence in the column `license`.", ""]
    for source in sources:
        parts += [f"## {source.title} (`{source.name}`)", "", f"- Licence: {source.license}. {source.terms}"]
        may = MAY[source.redistributable]
        parts += [f"- Access: {source.access}. May be passed on: {may}.", f"- Home: <{source.homepage}>", ""]
        if source.citation:
            parts += ["```bibtex", source.citation.strip(), "```", ""]
    return "\n".join(parts)


def _size(records: int) -> str:
    return next((name for limit, name in _SIZES if records < limit), "1M<n<10M")
