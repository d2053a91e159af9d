"""The README of a built Med-MAT: a Hub dataset card whose YAML tells ``load_dataset`` every configuration."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from med_mat.build.writer import write_atomically
from med_mat.catalog import Source
from med_mat.summary import MAY
from med_mat.taxonomy import AREAS, MODALITIES

#: In the order in which ``load_dataset`` lists them.
SPLITS = ("train", "validation", "test")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(
    out: Path, sources: Sequence[Source], records: pa.Table, files: Sequence[str], ledgers: Mapping[str, Any]
) -> None:
    """Write ``README.md`` and ``LICENSES.md``.

    Args:
        records: the columns source, row, subset, modality, area, task, split, published_split, label and group.
        files: the Parquet files, below ``out``.
        ledgers: per source, the counts of its ledger.
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
    synthetic = [name for name, ledger in ledgers.items() if ledger["synthetic"]]
    body = template.format(
        notice=_notice(synthetic, len(ledgers)),
        records=f"{records.num_rows:,}",
        sources=len(sources),
        grid=grid(records),
        source_table=_source_table(sources, records, ledgers),
        leaks=_leaks(records),
        example=sources[0].name,
        subset=next((f"subset-{row.subset:02d}" for s in sources for row in s.rows if row.subset), "index"),
    )
    text = f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=120)}---\n\n{body}"
    write_atomically(out / "LICENSES.md", _licenses(sources).encode())
    write_atomically(out / "README.md", text.encode())


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
    configs.append({"config_name": "index", "data_files": [{"split": "train", "path": "index.parquet"}]})
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


def _leaks(records: pa.Table) -> str:
    """How many groups reach over train and test, counted over the whole build."""
    sides = records.group_by("group").aggregate([("split", "count_distinct"), ("source", "count_distinct")])
    across = pc.sum(pc.greater(sides["split_count_distinct"], 1)).as_py() or 0
    shared = pc.sum(pc.greater(sides["source_count_distinct"], 1)).as_py() or 0
    return (
        f"{sides.num_rows:,} groups (same patient, same file or same pixels); {across:,} of them have records in more "
        f"than one split, {shared:,} in more than one source. The split API of `med_mat` keeps groups on one side."
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
