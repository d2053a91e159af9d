"""OCT2017: slices of optical coherence tomography of the retina, with one of three conditions or none.

"OCT2017 "/                              # a blank at the end; Kaggle has the tree twice
    train/CNV/CNV-1016042-1.jpeg         # <class>-<patient>-<number>
    train/DRUSEN/DRUSEN-1001666-1.jpeg
    val/NORMAL/NORMAL-1001666-1.jpeg     # of Kaggle; copies of training images
    test/DME/DME-1072015-1.jpeg
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "{train,val,test}/{CNV,DME,DRUSEN,NORMAL}/*", splits=SPLITS, patient=_patient)


def _patient(path: PurePosixPath) -> str | None:
    """The number between the hyphens; a patient may be in several classes."""
    found = re.match(r"[A-Za-z]+-(\d+)-", path.name)
    return found[1] if found else None


def miniature(raw: Miniature) -> None:
    for label in ("CNV", "DME", "DRUSEN", "NORMAL"):
        for patient in (1001666, 1016042):  # the same in all classes
            for number in (1, 2):
                name = f"{label}/{label}-{patient}-{number}.jpeg"
                raw.image(f"OCT2017 /train/{name}", size=(96, 62), seed=name)
                if number == 1:
                    raw.image(f"oct2017/OCT2017 /train/{name}", size=(96, 62), seed=name)
        copy = f"{label}/{label}-1016042-2.jpeg"
        raw.image(f"OCT2017 /val/{copy}", size=(96, 62), seed=copy)
        for number in (1, 2):
            raw.image(f"OCT2017 /test/{label}/{label}-1072015-{number}.jpeg", size=(64, 62))
        raw.image(f"oct2017/OCT2017 /test/{label}/{label}-1072015-1.jpeg", size=(64, 62))
    raw.text("OCT2017 /train/.DS_Store", "\n")
