"""PBC dataset normal DIB: single normal blood cells of eight types.

PBC_dataset_normal_DIB/              # sometimes doubled
    basophil/BA_100102.jpg  erythroblast/ERB_1.jpg  lymphocyte/LY_1.jpg  monocyte/MO_1.jpg
    platelet/PLATELET_1.jpg
    ig/IG_1.jpg  MMY_1.jpg  MY_1.jpg  PMY_1.jpg
    neutrophil/BNE_7323.jpg
    neutrophil/.DS_169665.jpg        # hidden, and no image
    eosinophil/EO_225902.jpg         # the same file as neutrophil/BNE_191112.jpg
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_CELLS = {
    "basophil": ("BA",),
    "eosinophil": ("EO",),
    "erythroblast": ("ERB",),
    "ig": ("IG", "MMY", "MY", "PMY"),
    "lymphocyte": ("LY",),
    "monocyte": ("MO",),
    "neutrophil": ("BNE", "SNE", "NEUTROPHIL"),
    "platelet": ("PLATELET",),
}
_ONE_FILE = ("eosinophil/EO_225902.jpg", "neutrophil/BNE_191112.jpg")


def examples(raw: RawFolder) -> Iterator[Example]:
    twice = [path for path in raw.glob(_ONE_FILE) if raw.first(_ONE_FILE[0]) and raw.first(_ONE_FILE[1])]
    for path in twice:
        raw.skip(path, f"{' and '.join(_ONE_FILE)} are one file under two labels: which holds is not known")
    yield from class_folders(raw, f"{{{','.join(_CELLS)}}}/*.jpg", exclude=_ONE_FILE if twice else None)


def miniature(raw: Miniature) -> None:
    top = "PBC_dataset_normal_DIB/PBC_dataset_normal_DIB"
    for label, prefixes in _CELLS.items():
        for number in range(max(2, len(prefixes))):
            prefix = prefixes[number % len(prefixes)]
            raw.image(f"{top}/{label}/{prefix}_{100102 + number}.jpg", size=(72 + number, 73), mode="RGB")
    for path in _ONE_FILE:
        raw.image(f"{top}/{path}", size=(72, 73), mode="RGB", seed="one file")
    raw.image(f"{top}/monocyte/MO_100102.jpg", size=(72, 73), mode="RGB", seed="twice")
    raw.image(f"{top}/monocyte/MO_200000.jpg", size=(72, 73), mode="RGB", seed="twice")  # one file, one label
    raw.text(f"{top}/neutrophil/.DS_169665.jpg", "not an image")
    raw.text(f"{top}/__MACOSX/ig/._IG_100102.jpg", "not an image")
