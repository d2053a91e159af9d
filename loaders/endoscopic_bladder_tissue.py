"""Endoscopic Bladder Tissue: cystoscopy frames of carcinoma, other lesions and non-suspicious tissue.

baldder_tissue_classification/       # spelled like this
    annotations.csv                  # HLY,imaging type,tissue type,sub_dataset: HLY is the file name
    HGC/case_002_pt_003_frame_0009.png
    LGC/case_005_pt_001_frame_0000.png
    NST/case_6_cys_pt1_0039.png      # another way of naming; 6 is 006
    NTL/case_002_pt_001_frame_0000.png
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, aligned, class_folders, numbered


def examples(raw: RawFolder) -> Iterator[Example]:
    table = raw.first("annotations*.csv")
    rows = raw.table(table, columns=["HLY", "sub_dataset"]) if table else ()
    pattern = "{HGC,LGC,NST,NTL}/*"
    names = (image.name for image in raw.images(pattern))
    parts = aligned({row["HLY"]: SPLITS.get(row["sub_dataset"].lower()) for row in rows}, names)
    absent = set(parts)
    for example in class_folders(raw, pattern, patient=numbered("case", r"case_(\d+)_")):
        absent.discard(example.path.name)
        yield replace(example, split=parts.get(example.path.name))
    for name in sorted(absent):
        raw.miss(name, str(table))


def miniature(raw: Miniature) -> None:
    top = "baldder_tissue_classification"
    rows: list[tuple[str, str, str, str]] = [("case_023_pt_001_frame_0000.png", "WLI", "LGC", "train")]
    for place, label in enumerate(("HGC", "LGC", "NST", "NTL")):
        for number in range(5):
            case = (2, 5, 6, 9, 11)[(place + number) % 5]
            part = {6: "val", 11: "test"}.get(case, "train")
            name = f"case_{case:03d}_pt_{place + 1:03d}_frame_{9 + 13 * number:04d}.png"
            if label == "NST":
                name = f"case_{case}_cys_pt{place}_{39 + 126 * number:04d}.png"
            raw.image(f"{top}/{label}/{name}", size=(75 + number,) * 2, mode="RGB")
            rows.append((name, "NBI" if number % 2 else "WLI", label, part))
    raw.csv(f"{top}/annotations.csv", rows, header="HLY,imaging type,tissue type,sub_dataset")
    raw.image(f"{top}/NTL/case_002_pt_001_frame_0990.png", mode="RGB")  # not in the table
    raw.corrupt(f"{top}/NTL/case_002_pt_001_frame_0990.png", keep=0.01)
