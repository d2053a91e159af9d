"""The vertebrae X-ray image: spine radiographs of 338 people, healthy, with scoliosis or with spondylolisthesis.

xkt857dsxk-1/
    ImagesOriginalSize/
        NormalFinal/N1,N,40,M_1_0.jpg    # the number starts again in each series; names tell the diagnosis
        ScolFinal/N1, Rt TAIS, F, 15 yrs.jpg
        SpondFinal/N10,S,63,F_1003_2.JPG
    224/224/Spond-224/N10,S,63,F_1003_2.JPG  # five further sizes of the same images, read only where alone
    331/331/{Normal,Scol,Spond}/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_CLASSES = ("Normal", "Scol", "Spond")


def examples(raw: RawFolder) -> Iterator[Example]:
    folders = "{Normal,Scol,Spond,Spond-224}" if raw.variant == "resized" else "{NormalFinal,ScolFinal,SpondFinal}"
    return class_folders(raw, f"{folders}/*", label=_label, patient=lambda path: f"{_label(path)}/{path.name}")


def _label(path: PurePosixPath) -> str:
    """The name that the class has in the original size."""
    return next(f"{name}Final" for name in _CLASSES if path.parent.name.lower().startswith(name.lower()))


def miniature(raw: Miniature) -> None:
    names = {
        "Normal": ("N1,N,40,M_1_0.jpg", "N1,N,F,21_1_0.jpg", "N2,N,33,F_2_0.jpg"),
        "Scol": ("N1, Rt TAIS, F, 15 yrs.jpg", "N1,S,20,F_1_0.jpg", "N2,S,14,F_2_0.png", "N3,S,17,M_3_0.jpg"),
        "Spond": ("N1, Olisthesis L5-S1, F, 34 yrs.jpg", "N10,S,63,F_1003_2.JPG", "N2,S,51,F_1004_1.png"),
    }
    for label, files in names.items():
        for number, name in enumerate(files):
            seed = f"{label} {name}"
            original = f"xkt857dsxk-1/ImagesOriginalSize/{label}Final/{name}"
            raw.image(original, size=(60 + number, 120), mode="RGB", seed=seed)
            for side in (22, 23, 26, 30, 33):  # of 224, 227, 256, 299 and 331 pixels
                size = {22: 224, 23: 227, 26: 256, 30: 299, 33: 331}[side]
                folder = "Spond-224" if (label, size) == ("Spond", 224) else label
                path = f"xkt857dsxk-1/{size}/{size}/{folder}/{name}"
                raw.image(path, size=(side, side), mode="RGB", format="JPEG", seed=seed)  # also those named .png
