"""DRIMDB: fundus photographs of good or bad quality, and images that do not show a fundus.

DRIMDB/
    Good/drimdb_good (1).jpg
    Bad/drimdb_bad (1).jpg
    Outlier/drimdb_outlier (10).jpg  # this one, 11 and 20 are larger
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "{Good,Bad,Outlier}/*", label=lambda path: path.parent.name.capitalize())


def miniature(raw: Miniature) -> None:
    for label, numbers in (("Good", range(1, 9)), ("Bad", range(1, 7)), ("Outlier", range(8, 12))):
        for number in numbers:
            size = (114, 85) if label == "Outlier" and number in (10, 11) else (76, 57)
            raw.image(f"DRIMDB/{label}/drimdb_{label.lower()} ({number}).jpg", size=size, mode="RGB")
    raw.corrupt("DRIMDB/Bad/drimdb_bad (6).jpg")
