"""Offline demos on synthetic images: all steps up to a split, or an experiment and its table.

What the images show follows fixed rules (:mod:`med_mat.raw.miniature.look`), under which a finding looks the same in
every modality and area. So compositional generalization is possible on them, which says nothing about real images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from med_mat.building import Options, build, find
from med_mat.building.folders import check_apart
from med_mat.building.loader import has_loader, has_miniature, write_miniature
from med_mat.catalog import Source, load
from med_mat.errors import BuildError, MissingExtraError
from med_mat.experiment import launch, table
from med_mat.experiment.engine import engine
from med_mat.experiment.report import Report
from med_mat.storage.location import taken_for_pattern

#: The paper's first combination: Lung COVID + Brain Cancer -> Lung Cancer, all CT.
TARGET = "CT/Lung/Cancer"

_SYNTHETIC = (
    "The images of this demonstration are synthetic: Med-MAT draws them. No medical data is used or downloaded."
)

#: The sources of the demonstration of an experiment: of its target, related ones, and unrelated ones.
SOURCES = (
    *("covid_ct", "sars_cov_2_ct"),
    *("chest_ct_scan", "chest_xray_pd", "coronahack", "covid19_chest_xray_database", "covid19_ct_scan_images"),
    *("covidgr", "covidx_cxr4"),
    *("arthrosis", "bone_marrow_cell", "brain_tumor_dataset", "brain_tumor_mri", "busi", "cataract", "kvasir"),
    *("med_node", "oral_cancer", "retinal_oct_c8"),
)
#: Images in place of each one: a miniature has too few to test on.
COPIES = 4
#: The experiment: its labels, COVID-19 and none, occur in the related arm, in radiographs. All records of the target
#: are tested. Together with those of the two arms they are less than 600 images to encode.
EXPERIMENT: Mapping[str, Any] = {
    "engine": "probe",
    "target": "CT/Lung/COVID",
    "arms": ["unrelated", "related"],
    "seeds": [0],
    "max_records": 180,
    "validation": 0,  # the probe chooses by leaving groups out in turn: 20 validation records would choose by chance
    "options": {"test_on": "all"},
}
#: Settings of the engine with the pretrained encoder, and without it: raw pixels do not generalize.
PRETRAINED: Mapping[str, Any] = {"encoder": "lite0", "text": "minilm"}
PLAIN: Mapping[str, Any] = {"encoder": "pixels", "text": "hash"}


def miniature(
    folder: Path, names: Iterable[str] = (), *, series: int = 0, copies: int = 1, independent: bool = False
) -> dict[str, Path]:
    """Write ``folder/<source>/``, a tiny synthetic copy of each source's layout.

    Args:
        folder: the parent folder; created if missing.
        names: the sources; none means all whose loader writes a miniature.
        series: number of a series: each has other images of the same findings.
        copies: number of images in place of each one, for sources whose loader reads files that no table lists.
        independent: whether what an image shows is drawn independently of its labels: a control in which nothing
            can be learned.

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
        write_miniature(source, folder / source.name, series=series, copies=copies, independent=independent)
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
    _check(raw, out)
    say(_SYNTHETIC)
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


def demo_experiment(
    raw: Path,
    out: Path,
    *,
    jobs: int | None,
    say: Callable[[str], None],
    progress: bool = False,
    series: int = 0,
    independent: bool = False,
) -> Report:
    """Run an experiment on synthetic images: an unseen triplet, from related and from unrelated training data.

    Without the packages of the pretrained encoder, the report says what to install, and a probe on raw pixels is run.

    Args:
        raw: the folder for the synthetic raw folders.
        out: the folder for the Med-MAT; the results are written beside it.
        jobs: number of worker processes of the build.
        say: called with each line of the report.
        progress: whether to show progress bars.
        series: number of a series: each has other images of the same findings.
        independent: whether what an image shows is drawn independently of its labels: then there must be no effect.

    Returns:
        The report.

    Raises:
        BuildError: the build fails.
        MissingExtraError: not even pixels can be compared without a package that is missing.
    """
    from med_mat.dataset import open as open_build

    _check(raw, out)
    say(_SYNTHETIC)
    folders = miniature(raw, SOURCES, series=series, copies=COPIES, independent=independent)
    say(f"1. Miniature raw folders of {len(folders)} sources, {COPIES} images in place of one: {raw}")
    report = build(find(dict.fromkeys(folders), raw), out, Options(jobs=jobs), progress=progress)
    say(f"2. Built {out}: {report.written:,} records.")
    settings = PRETRAINED
    try:
        engine("probe").check({**asdict(engine("probe").Settings()), **settings})
    except MissingExtraError as error:
        settings = PLAIN
        say(f"The effect needs a pretrained encoder: {error}\nWithout it, this is what pixels alone give:")
    results = out.with_name(f"{out.name}-results")
    found = launch.run(open_build(out), {**EXPERIMENT, "settings": settings}, results, progress=progress)
    say(f"3. Trained on related and on unrelated data, and tested on {EXPERIMENT['target']}, which neither holds:\n")
    say(table.text(found))
    say(f"\nResults: {results}. The images are synthetic: these figures say nothing about medicine.")
    return found


def _check(raw: Path, out: Path) -> None:
    if taken_for_pattern(out):
        raise BuildError(
            f"{out.absolute()}: load_dataset reads *, ?, [...] and :: in a path as a pattern. Choose a folder without "
            "these for the demonstration (--out)."
        )
    check_apart(out, [raw])


def grid_text(counts: dict[tuple[str, str], int]) -> str:
    """Counts per (modality, area) as a text table with one line per area, narrow enough for a terminal."""
    modalities = sorted({modality for modality, _ in counts})
    areas = sorted({area for _, area in counts})
    lines = [" " * 13 + "".join(f"{modality:>7}" for modality in modalities)]
    for area in areas:
        cells = (str(counts.get((modality, area), "·")) for modality in modalities)
        lines.append(f"   {area:<10}" + "".join(f"{cell:>7}" for cell in cells))
    return "\n".join(lines)
