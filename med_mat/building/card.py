"""The cards of a built Med-MAT: a Hub dataset card, one page per source, ``LICENSES.md`` and Croissant."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from med_mat.building import source_page
from med_mat.building.configurations import PARTS, configurations, front_matter
from med_mat.building.counts import count, with_part
from med_mat.building.croissant import croissant
from med_mat.catalog import Source
from med_mat.files import write_atomically
from med_mat.markdown import details, escape, table
from med_mat.summary import PAPER, license_of
from med_mat.taxonomy import MODALITIES, WITHHELD
from med_mat.vocabulary import in_order

#: The files that readers open first; a push uploads these last.
HEADS = ("LICENSES.md", "croissant.json", "README.md")
#: The target of the example experiment, if the build contains it.
_TARGET = ("CT", "Lung", "Cancer")
_NAMED = 5  # maximum number of sources that a notice lists by name
_PART_MEANS = {
    "train": "for training; no record of a group that is held out",
    "validation": "validation records as published; no record of a group that is tested",
    "test": "test records, as published or held out by Med-MAT",
    WITHHELD: "train and validation records whose group has a record in a held-out split of any source. "
    'Everything that is not tested is `split="train+validation+withheld"`',
}


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
    """Write ``cards/<source>.md``, ``LICENSES.md``, ``croissant.json`` and finally ``README.md``.

    Args:
        out: the folder to write to.
        sources: the sources that have records.
        records: the columns :data:`med_mat.building.counts.COUNTED` of all records.
        files: the Parquet files, relative to ``out``.
        ledgers: per source, the counts of its ledger.
        name: the argument for ``load_dataset``: a folder, or a dataset on the Hub.
        hosted: whether ``name`` is a dataset on the Hub.
        without_pixels: the sources whose records come without images and masks.
        without_names: the subset of these whose file names are omitted too.
        picture: a plot of the records per modality, area and task, as a path relative to ``out``.
    """
    records = with_part(records)
    without, synthetic, nameless = (
        [source.name for source in sources if source.name in names]
        for names in (without_pixels, {name for name, one in ledgers.items() if one["synthetic"]}, without_names)
    )
    marks = {"augmented": [source.name for source in sources if source.augmented]}
    for word, names in (("synthetic", synthetic), ("no images", without), ("no file names", nameless)):
        marks[word] = [] if len(names) == len(sources) else names  # if it applies to all, the notice above says so
    for source in sources:
        page = source_page.page(source, records, ledgers[source.name], without_pixels=source.name in without)
        write_atomically(out / "cards" / f"{source.name}.md", page.encode())
    write_atomically(out / "LICENSES.md", source_page.licenses(sources).encode())
    text = json.dumps(croissant(sources, name if hosted else None), indent=1, ensure_ascii=False)
    write_atomically(out / "croissant.json", f"{text}\n".encode())
    front = {
        "pretty_name": "Med-MAT",
        "license": "other",
        "license_name": "licenses-of-the-sources",
        "license_link": "LICENSES.md",
        "language": ["en"],
        "task_categories": sorted({task for source in sources for task in source.task_categories}),
        "tags": ["medical", "compositional-generalization", "med-mat"],
        "size_categories": [source_page.size_category(records.num_rows)],
        "configs": configurations(sources, files),
    }
    template = (resources.files("med_mat.data") / "hub_card.md").read_text("utf-8")
    body = template.format(
        notices="".join(f"> {one}\n\n" for one in _notices(name, len(sources), synthetic, without, nameless)),
        name=name,
        records=f"{records.num_rows:,}",
        sources=len(sources),
        load=_load(name, sources[0].name, hosted=hosted),
        leakage=_leakage(records),
        grid=grid(records) if picture is None else f"![Records per modality, area and task]({picture})",
        source=sources[0].name,
        subset=next((f"subset-{row.subset:02d}" for s in sources for row in s.rows if row.subset), "subset-01"),
        splits=_splits(records),
        experiment=_experiment(records),
        source_tables=_source_tables(sources, records, ledgers, marks),
        paper=PAPER,
    )
    write_atomically(out / "README.md", f"{front_matter(front)}{body}".encode())


def grid(records: pa.Table) -> str:
    """The number of records per area and modality, as a Markdown table."""
    counts = count(records, "modality", "area")
    modalities = in_order("modality", (modality for modality, _ in counts))
    areas = in_order("area", (area for _, area in counts))
    rows: list[list[str | int]] = [
        [f"**{area}**", *(counts[modality, area] for modality in modalities)] for area in areas
    ]
    return table(["", *modalities], rows, right=modalities)


def _notices(
    name: str, total: int, synthetic: Sequence[str], without: Sequence[str], nameless: Sequence[str]
) -> Iterable[str]:
    """The warnings at the top of the card."""
    if synthetic:
        yield (
            f"**Synthetic images.** The images of {_named(synthetic, total)} were generated by Med-MAT to try out the "
            "software. They show no patient and are of no use for research."
        )
    if without:
        yield (
            f"**Without images.** `image` and `mask` are null in the records of {_named(without, total)}; labels, "
            "questions, splits and hashes are included. If you have the publishers' files, attach the images, verified "
            f"to be the same: `med-mat attach {name} --raw /data/raw --out Med-MAT`."
        )
    if nameless:
        yield (
            f"**Without file names.** File names, raw labels or tables of {_named(nameless, total)} identify people or "
            "have not been checked for it. There, `id` and `image_id` contain the first digits of the file's sha256 in "
            "place of its name, `path` is null, and so is a `raw_label` that is not in the card of the source. "
            "Attaching the images brings the names back."
        )


def _named(names: Sequence[str], total: int) -> str:
    """The names of the sources, or their number if there are many."""
    if len(names) == total:
        return "all sources"
    if len(names) > _NAMED:
        return f"{len(names)} of the {total} sources (marked [below](#sources))"
    return ", ".join(f"`{name}`" for name in names)


def _load(name: str, source: str, *, hosted: bool) -> str:
    """The lines of Python that load the dataset, ready to paste."""
    every = f'train = load_dataset("{name}", split="train")'
    one = f'source = load_dataset("{name}", "{source}", split="train")'
    where = "" if hosted else f'  # "{name}" is the path of this folder'
    return f"{every}{where}\n{one}"


def _leakage(records: pa.Table) -> str:
    """How many groups contain several records, and what that means for splits."""
    spans = records.group_by("group").aggregate([("source", "count_distinct"), ([], "count_all")])
    several = pc.sum(pc.greater(spans["count_all"], 1)).as_py() or 0
    shared = pc.sum(pc.greater(spans["source_count_distinct"], 1)).as_py() or 0
    withheld = records.num_rows - records["withheld"].null_count
    return (
        f"Do not split these records at random. {several:,} groups hold several records that show the same patient or "
        f"the same image (equal files or pixels, near-duplicates, published ids), {shared:,} of them records of more "
        "than one source. `train` shares no group with `validation` or `test`, and `validation` none with `test`: "
        f"{withheld:,} records that would have are in the split `{WITHHELD}`. In splits of your own, keep records with "
        "the same `group` together. Where a source does not publish its patients, images of one patient may be in "
        "several groups."
    )


def _splits(records: pa.Table) -> str:
    counts = count(records, "part")
    rows = [(f"`{part}`", counts[part,], _PART_MEANS[part]) for part in PARTS if counts[part,]]
    return table(["split", "records", "holds"], rows, right=["records"])


def _experiment(records: pa.Table) -> str:
    """A line of Python that works on these records: an experiment if one is possible, otherwise a selection."""
    triplets = sorted(count(records, "modality", "area", "task"))
    tested = sorted(count(records.filter(pc.equal(records["part"], "test")), "modality", "area", "task"))
    for target in sorted(tested, key=lambda one: one != _TARGET):
        others = [one for one in triplets if one != target]
        if all(any(one[axis] == target[axis] for one in others) for axis in range(3)):
            return f'experiment = mat.related("{"/".join(target)}")  # .train, .test, .audit()'
    return f'train = mat.select("{triplets[0][0]}/*/*", split="train")'


def _source_tables(
    sources: Sequence[Source], records: pa.Table, ledgers: Mapping[str, Any], marks: Mapping[str, Collection[str]]
) -> str:
    """A collapsible table of sources for each modality.

    Args:
        sources: the sources that have records.
        records: all records, with the column ``part``.
        ledgers: per source, the counts of its ledger.
        marks: mark -> the sources that are shown with it.
    """
    counts = count(records, "source", "modality", "part")
    places: dict[tuple[str, str], dict[str, list[str]]] = {}  # (source, modality) -> area -> tasks
    for source, modality, area, task in sorted(count(records, "source", "modality", "area", "task")):
        places.setdefault((source, modality), {}).setdefault(area, []).append(task)
    parts = [part for part in PARTS if any(key[2] == part for key in counts)]
    sections = []
    for modality in in_order("modality", (key[1] for key in counts)):
        rows = []
        for source in sources:
            where = places.get((source.name, modality))
            if where is None:
                continue
            mark = ", ".join(word for word, names in marks.items() if source.name in names)
            rows.append((
                f"[{escape(source.title)}](cards/{source.name}.md)" + (f" *({mark})*" if mark else ""),
                f"`{source.name}`",
                "; ".join(f"{area}: {', '.join(tasks)}" for area, tasks in where.items()),
                *(counts[source.name, modality, part] for part in parts),
                "published" if ledgers[source.name]["seed"] is None else "Med-MAT",
                license_of(source),
            ))  # fmt: skip
        head = ["source", "configuration", "area: tasks", *parts, "split by", "[license](LICENSES.md)"]
        total = sum(number for (_, one, _), number in counts.items() if one == modality)
        title = MODALITIES.get(modality, modality)
        plural = "" if len(rows) == 1 else "s"
        sections.append(
            details(f"<b>{title}</b> ({modality}): {len(rows)} source{plural}, {total:,} records",
                    table(head, rows, right=parts))
        )  # fmt: skip
    return "\n\n".join(sections)
