"""Cataract dataset: fundus photographs, normal or with cataract, glaucoma or another retinal disease.

1_normal/NL_001.png
2_cataract/cataract_001.png          # two folders begin with 2, and users rename them: the words count
2_glaucoma/Glaucoma_001.png
3_retina_disease/Retina_001.PNG      # a few suffixes are in upper case
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_FOLDERS = ("1_normal", "2_cataract", "2_glaucoma", "3_retina_disease")


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "*_{normal,cataract,glaucoma,retina_disease}/*.png", label=_label)


def _label(path: PurePosixPath) -> str:
    """The published name of the folder, by the words after its digit."""
    words = path.parent.name.lower().partition("_")[2]
    return next((folder for folder in _FOLDERS if folder.partition("_")[2] == words), path.parent.name)


def miniature(raw: Miniature) -> None:
    sizes = ((113, 76), (123, 82), (130, 86))
    for folder, name in zip(_FOLDERS, ("NL", "cataract", "Glaucoma", "Retina"), strict=True):
        for number in range(1, 6):
            suffix = "PNG" if (folder, number) == ("3_retina_disease", 2) else "png"
            raw.image(f"dataset/{folder}/{name}_{number:03d}.{suffix}", size=sizes[number % 3], mode="RGB")
    raw.corrupt("dataset/1_normal/NL_005.png")
    raw.text("README.md", "retina_dataset\n")
