"""An offline demonstration of all steps: synthetic raw folders, a build, ``load_dataset``, a CG split and its audit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from med_mat.building import Options, build, find
from med_mat.building.folders import check_apart
from med_mat.building.loader import has_loader, has_miniature, write_miniature
from med_mat.catalog import Source, load
from med_mat.errors import BuildError
from med_mat.storage.location import taken_for_pattern

#: The paper's first combination: Lung COVID + Brain Cancer -> Lung Cancer, all CT.
TARGET = "CT/Lung/Cancer"


def miniature(folder: Path, names: Iterable[str] = ()) -> dict[str, Path]:
    """Write ``folder/<source>/``, a tiny synthetic copy of each source's layout.

    Args:
        folder: the parent folder; created if missing.
        names: the sources; none means all whose loader writes a miniature.

    Returns:
        The name of each source -> the folder of its copy.

    Raises:
        UnknownSourceError: a name is unknown.
        LoaderError: a source has no loader, or its loader writes no miniature or fails.
        WriteError: the files cannot be written.
    """
    catalog = load()
    all_ = (source for source in catalog.values() if has_loader(source) and has_miniature(source))
    chosen: list[Source] = [catalog[name] for name in names] or list(all_)
    for source in chosen:
        write_miniature(source, folder / source.name)
    return {source.name: folder / source.name for source in chosen}


def demo(raw: Path, out: Path, *, jobs: int | None, say: Callable[[str], None], progress: bool = False) -> None:
    """Run the demonstration.

    Args:
        raw: the folder for the synthetic raw folders.
        out: the folder for the Med-MAT.
        jobs: number of worker processes.
        say: called with each line of the report.
        progress: whether to show progress bars.

    Raises:
        BuildError: ``load_dataset`` cannot open a path like ``out``, or the build fails.
    """
    if taken_for_pattern(out):
        raise BuildError(
            f"{out.absolute()}: load_dataset reads *, ?, [...] and :: in a path as a pattern. Choose a folder without "
            "these for the demonstration (--out)."
        )
    check_apart(out, [raw])
    say("The images of this demonstration are synthetic: Med-MAT draws them. No medical data is used or downloaded.")
    folders = miniature(raw)
    say(f"1. Miniature raw folders of {len(folders)} sources, as their publishers lay them out: {raw}")
    report = build(find(dict.fromkeys(folders), raw), out, Options(jobs=jobs), progress=progress)
    say(f"2. Built {out}: {report.written:,} records, {report.skipped} skipped with a reason (ledger.json).")

    from datasets import load_dataset

    train = load_dataset(str(out), split="train")
    first = train[0]
    say(f"3. load_dataset({str(out)!r}, split='train'): {len(train):,} records. The first:")
    say(f"   {first['id']}  {first['modality']}/{first['area']}/{first['task']}  {first['image'].size}")
    say("   " + first["question"].replace("\n", "\n   "))

    from med_mat.dataset import open as open_build

    mat = open_build(out)
    say("4. Records per modality and area:")
    say(grid_text(mat.grid()))
    experiment = mat.related(TARGET)
    say(f"5. mat.related({TARGET!r}), and its audit:")
    say(str(experiment.audit()))
    say(f"   train: {experiment.train.num_rows} x {experiment.train.column_names[:6]}…")
    say(f"""
Next:
  python -c "from datasets import load_dataset; print(load_dataset('{out}', 'busi'))"
  med-mat sources 'CT|MRI/Brain/*'              what there is, before downloading anything
  med-mat show busi                             where to get it, its layout, labels and terms
  med-mat build --raw /data/raw --out Med-MAT2  your own raw folders""")


def grid_text(counts: dict[tuple[str, str], int]) -> str:
    """Counts per (modality, area) as a text table with one line per area, narrow enough for a terminal."""
    modalities = sorted({modality for modality, _ in counts})
    areas = sorted({area for _, area in counts})
    lines = [" " * 13 + "".join(f"{modality:>7}" for modality in modalities)]
    for area in areas:
        cells = (str(counts.get((modality, area), "·")) for modality in modalities)
        lines.append(f"   {area:<10}" + "".join(f"{cell:>7}" for cell in cells))
    return "\n".join(lines)
