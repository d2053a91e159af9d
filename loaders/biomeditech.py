"""BioMediTech: phase-contrast microscopy of maturing retinal pigment epithelium, cut into patches of four classes.

Images/1_00001.tif                   # whole views: without a class
Subwindows/1_00001_001_1_1.tif       # <a>_<image>_<subwindow>_<d>_<e>; which of a, d, e is the class is not published
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder

_PUBLISHED = {"1": 216, "2": 547, "3": 949, "4": 150}
_NEAR = 0.1  # the share of the subwindows that may be counted otherwise


def examples(raw: RawFolder) -> Iterator[Example]:
    windows = []
    for image in raw.images("Subwindows/*.{tif,tiff}"):
        if len(image.stem.split("_")) == 5:
            windows.append(image)
        else:
            raw.skip(image, "its name is not five numbers, of which one is the class")
    place = _place_of_class(windows)
    for image in windows:
        fields = image.stem.split("_")
        if place is None:
            raw.skip(image, "no number in the names is distributed as the classes are: see Description.pdf")
        else:
            yield Example(image, label=fields[place], patient=f"view {fields[0]}_{fields[1]}", raw_label=image.stem)
    for image in raw.images("Images/*.{tif,tiff}"):
        raw.skip(image, "a whole view: only its subwindows have a class")


def _place_of_class(windows: Sequence[PurePosixPath]) -> int | None:
    """Which of a, d and e is distributed most like the published classes; None where none comes near."""
    total = sum(_PUBLISHED.values())
    distances = []
    for place in (0, 3, 4):
        counts = Counter(window.stem.split("_")[place] for window in windows)
        if counts.keys() <= _PUBLISHED.keys():
            shares = (abs(counts[key] / len(windows) - number / total) for key, number in _PUBLISHED.items() if windows)
            distances.append((sum(shares) / 2, place))
    distance, best = min(distances, default=(1.0, 0))
    return best if distance <= _NEAR else None


def miniature(raw: Miniature) -> None:
    views = ("1_00001", "1_00002", "2_00003", "1_00004")
    for view in views:
        raw.image(f"RPE_dataset/Images/{view}.tif", size=(128, 96))
    for number in range(20):
        label = "11222222333333333344"[number]
        first = "2" if number % 7 == 0 else label  # the first expert's view of it
        name = f"{views[number % 4]}_{number // 4 + 1:03d}_{first}_{label}.tif"
        raw.image(f"RPE_dataset/Subwindows/{name}", size=(64, 48), mode="RGB" if number == 9 else "L")
    raw.image("RPE_dataset/Subwindows/legend.tif", size=(64, 48))
    raw.text("RPE_dataset/license.txt", "Synthetic.\n")
    raw.text("RPE_dataset/Description.pdf", "%PDF-1.4\n")
    raw.text("ToolRPE/main.m", "% features\n")
