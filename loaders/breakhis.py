"""BreakHis: histopathology of breast tumors at four magnifications, in four benign and four malignant types.

Folds.csv                                # five folds of the authors, each image in each
BreaKHis_v1/
    BreaKHis_v1/                         # once more in the Kaggle copy
        histology_slides/breast/
            benign/SOB/adenosis/SOB_B_A_14-22549AB/40X/SOB_B_A-14-22549AB-40-001.png
            malignant/SOB/ductal_carcinoma/SOB_M_DC_14-10926/400X/SOB_M_DC-14-10926-400-001.png
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_TYPES = (
    *("adenosis", "fibroadenoma", "phyllodes_tumor", "tubular_adenoma"),
    *("ductal_carcinoma", "lobular_carcinoma", "mucinous_carcinoma", "papillary_carcinoma"),
)


def examples(raw: RawFolder) -> Iterator[Example]:
    pattern = f"**/{{benign,malignant}}/SOB/{{{','.join(_TYPES)},*}}/*/*/*.png"
    return class_folders(raw, pattern, label=lambda path: path.parts[-4], patient=_patient)


def _patient(path: PurePosixPath) -> str | None:
    """Year and number, without the letters of the parts of one patient: 14-22549 of SOB_B_A-14-22549AB-40-001."""
    found = re.match(r"SOB_[BM]_[A-Z]+-(\d+-\d+)[A-Z]*-", path.name, re.IGNORECASE)
    return found[1] if found else None


def miniature(raw: Miniature) -> None:
    top = "BreaKHis_v1/BreaKHis_v1/histology_slides/breast"
    slides = (
        ("benign", "adenosis", "B_A", ("14-22549AB", "14-22549CD")),
        ("benign", "fibroadenoma", "B_F", ("14-14134E",)),
        ("benign", "phyllodes_tumor", "B_PT", ("14-29315EF",)),
        ("benign", "tubular_adenoma", "B_TA", ("14-3411F",)),
        ("malignant", "ductal_carcinoma", "M_DC", ("14-10926", "14-13412")),
        ("malignant", "lobular_carcinoma", "M_LC", ("14-13412",)),  # the same patient as before
        ("malignant", "mucinous_carcinoma", "M_MC", ("14-13418DE",)),
        ("malignant", "papillary_carcinoma", "M_PC", ("15-190EF",)),
    )
    rows = []
    for side, kind, short, names in slides:
        for slide in names:
            for scale in (40, 400):
                name = f"SOB_{short}-{slide}-{scale}-001.png"
                path = f"histology_slides/breast/{side}/SOB/{kind}/SOB_{short}_{slide}/{scale}X/{name}"
                raw.image(f"BreaKHis_v1/BreaKHis_v1/{path}", size=(96, 63), mode="RGB")
                rows.append((scale, "train", f"BreaKHis_v1/{path}"))
    raw.csv("Folds.csv", [(fold, *row) for fold in range(1, 6) for row in rows], header="fold,mag,grp,filename")
    raw.text(f"{top}/README.txt", "BreaKHis\n")
