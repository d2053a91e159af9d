"""Many small JPEGs into one data set: builds against bare loops and other writers, in turn, in one run.

A number on the command line is how many JPEGs there are. The ratios are of processor time, which a busy machine bends
least; two workers are compared by the clock.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.passthrough import bare, decode, raw_folder
from med_mat.building import Options, build, find
from med_mat.imaging.decoding import Check

#: Like the tiles of a histology set: how many JPEGs (16 kB each), their side and their quality.
IMAGES, SIDE, QUALITY = 17_092, 192, 86
REPEATS = 3


def tar(paths: list[Path], out: Path) -> None:
    """What a user of WebDataset would write."""
    import webdataset

    with webdataset.TarWriter(str(out)) as writer:
        for path in paths:
            writer.write({"__key__": path.stem, "jpg": path.read_bytes(), "cls": path.parent.name})


def image_folder(folder: Path, out: Path) -> None:
    """What a user of ``datasets`` would write."""
    import datasets

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory(dir=out.parent) as cache:
        found = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=cache, split="train")
        found.to_parquet(str(out))


def cost(ways: Mapping[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, tuple[float, float]]:
    """Run the ways in turn; the best of each, in seconds: by the clock, and of this process's processor time."""
    best = dict.fromkeys(ways, (float("inf"), float("inf")))
    for _ in range(repeats):
        for name, way in ways.items():
            clock, processor = time.perf_counter(), time.process_time()
            way()
            took = time.perf_counter() - clock, time.process_time() - processor
            best[name] = min(best[name][0], took[0]), min(best[name][1], took[1])
    return best


def table(title: str, best: Mapping[str, tuple[float, float]], images: int) -> None:
    """Print the rates, and how many times faster than each other way the first one is."""
    print(f"\n{title}")
    ours = next(iter(best.values()))
    for name, (clock, processor) in best.items():
        ratios = f"   ours is {clock / ours[0]:.2f} x as fast by the clock, {processor / ours[1]:.2f} x per CPU second"
        rates = f"{images / clock:>8,.0f} /s{images / processor:>8,.0f} per CPU second"
        print(f"  {name:<48}{rates}{'' if (clock, processor) == ours else ratios}")


def main() -> None:
    images = next((int(one) for one in sys.argv[1:] if one.isdecimal()), IMAGES)
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), images)


def run(root: Path, images: int) -> None:
    raw = raw_folder(root / "ct_kidney", images, SIDE, "RGB", QUALITY)
    paths = sorted(raw.rglob("*.jpg"))
    size = sum(path.stat().st_size for path in paths) / len(paths) / 1000

    def ours(jobs: int, check: Check) -> None:
        shutil.rmtree(root / "out", ignore_errors=True)
        build(find({"ct_kidney": raw}, None), root / "out", Options(jobs=jobs, check=check))

    ours(1, "header")  # imports, and the digests of the code, once a process
    through = cost(
        {
            "med-mat build --check header, 1 worker": lambda: ours(1, "header"),
            "bare read + sha256 + ParquetWriter": lambda: bare(paths, root / "bare.parquet"),
            "WebDataset TarWriter": lambda: tar(paths, root / "bare.tar"),
            "datasets imagefolder -> to_parquet": lambda: image_folder(paths[0].parent.parent, root / "set.parquet"),
        }
    )
    table(f"{images:,} JPEGs of {size:.0f} kB, bytes through", through, images)
    checked = cost(
        {
            "med-mat build, 1 worker": lambda: ours(1, "decode"),
            "bare decode by Pillow": lambda: decode(paths),
        }
    )
    table("Every image decoded and hashed, as by default", checked, images)
    ours(2, "decode")  # worker processes are started once
    two = cost({name: lambda jobs=jobs: ours(jobs, "decode") for name, jobs in (("2 workers", 2), ("1 worker", 1))})
    print(f"  2 workers: {images / two['2 workers'][0]:,.0f} /s, {two['1 worker'][0] / two['2 workers'][0]:.2f} x one")


if __name__ == "__main__":
    main()
