"""A shuffled epoch of training images: from a build, and from raw files as a user of PyTorch or ``datasets`` would.

Needs PyTorch. Each way decodes the same JPEGs to float32 tensors, in batches of 32, with two worker processes; they are
run in turn, and the best epoch of each counts, by the clock.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import med_mat
from benchmarks.passthrough import raw_folder
from med_mat.building import Options, build, find
from med_mat.torch import Classification, collate

#: (number, side, quality): tiles of 16 kB, and slices of about 70 kB.
CASES = ((4_000, 192, 86), (1_500, 512, 80))
EPOCHS = 3


class RawFiles:
    """What a user of PyTorch writes: paths and labels in memory, files opened one by one."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = [str(path) for path in paths]
        names = sorted({path.parent.name for path in paths})
        self.targets = [names.index(path.parent.name) for path in paths]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        with Image.open(self.paths[index]) as image:
            return _tensor(image.convert("RGB")), self.targets[index]


class Rows:
    """What a user of ``datasets`` writes: its rows, images decoded by it."""

    def __init__(self, records: Any) -> None:
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        row = self.records[index]
        return _tensor(row["image"].convert("RGB")), row["label"]


def _tensor(image: Image.Image) -> Any:
    """As ``torchvision.transforms.ToTensor`` makes it."""
    import torch

    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().to(torch.float32).div(255)


def epoch(data: Any) -> float:
    """Seconds of one shuffled epoch; workers are started before."""
    import torch
    from torch.utils.data import DataLoader

    torch.manual_seed(0)
    loader = DataLoader(data, 32, shuffle=True, num_workers=2, collate_fn=collate, persistent_workers=True)
    next(iter(loader))
    start = time.perf_counter()
    seen = sum(len(images) for images, _ in loader)
    assert seen == len(data)
    return time.perf_counter() - start


def run(root: Path, images: int, side: int, quality: int) -> None:
    import datasets

    datasets.disable_progress_bars()
    raw = raw_folder(root / "ct_kidney", images, side, "RGB", quality)
    paths = sorted(raw.rglob("*.jpg"))
    build(find({"ct_kidney": raw}, None), root / "out", Options(check="header"))
    mat = med_mat.open(root / "out")
    folder = datasets.load_dataset("imagefolder", data_dir=str(paths[0].parents[1]), cache_dir=str(root / "cache"))
    ways: dict[str, Callable[[], Any]] = {
        "med_mat.torch.Classification": lambda: Classification(mat, np.arange(len(mat))),
        "raw files, Pillow": lambda: RawFiles(paths),
        "datasets imagefolder": lambda: Rows(folder["train"]),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(EPOCHS):
        for name, way in ways.items():
            best[name] = min(best[name], epoch(way()))
    size = sum(path.stat().st_size for path in paths) / len(paths) / 1000
    print(f"\n{images:,} JPEGs of {size:.0f} kB ({side} x {side}), shuffled, 2 workers")
    ours = next(iter(best.values()))
    for name, seconds in best.items():
        print(
            f"  {name:<32}{images / seconds:>8,.0f} /s"
            + (f"   ours: {seconds / ours:.2f} x" if seconds != ours else "")
        )


def main() -> None:
    if importlib.util.find_spec("torch") is None:
        print("\ntraining: needs PyTorch (pip install torch)")
        return
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            run(Path(folder), *case)


if __name__ == "__main__":
    main()
