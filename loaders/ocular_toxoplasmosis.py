"""Ocular toxoplasmosis: fundus photographs from Paraguay, each both unprocessed and enhanced.

Data_Processed_Paper/Data_Processed_Paper/   # folders are doubled, or not; one part may lack
    Diseased/GG_100.jpg                      # 100.jpg, enhanced
    Healthy/GG_10.jpg
Data_Raw_6class_All/Data_Raw_6class_All/
    active_inactive/101.jpg
    inactive/100.jpg
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders, folded

_CLASSES = {
    "Data_Processed_Paper": ("Diseased", "Healthy"),
    "Data_Raw_6class_All": (
        *("active", "active_active", "active_inactive", "healthy", "inactive", "inactive_active", "inactive_inactive"),
    ),
}


def examples(raw: RawFolder) -> Iterator[Example]:
    pattern = f"{{{','.join(_CLASSES)}}}/**/*"
    return class_folders(raw, pattern, label=_label, patient=_photograph)


def _label(path: PurePosixPath) -> str:
    """The folder as its part of the data spells it: Healthy in one is healthy in the other."""
    known = {folded(name): name for name in _CLASSES[path.parts[0]]}
    return known.get(folded(path.parent.name), path.parent.name)


def _photograph(path: PurePosixPath) -> str:
    """Both forms of one photograph have its number."""
    return f"photograph {folded(path.stem).removeprefix('gg_')}"


def miniature(raw: Miniature) -> None:
    processed, original = (f"{name}/{name}" for name in ("Data_Processed_Paper", "Data_Raw_6class_All"))
    folders = ["healthy"] * 4 + ["active", "inactive", "active_inactive"] * 2 + ["active_active", "inactive_inactive"]
    for number, folder in enumerate(folders, 100):
        size = (106, 103) if number % 3 else (76, 57)
        raw.image(f"{original}/{folder}/{number}.jpg", size=size, mode="RGB")
        if number != 105:
            raw.image(
                f"{processed}/{'Healthy' if folder == 'healthy' else 'Diseased'}/GG_{number}.jpg", size=size, mode="RGB"
            )
    raw.corrupt(f"{original}/healthy/103.jpg")
    for place in ("", "Data_Processed_Paper/", f"{processed}/", "Data_Raw_6class_All/", f"{original}/"):
        raw.text(f"{place}.DS_Store", "\0\0\0\1Bud1")
