"""C-NMC 2019: single white blood cells of bone marrow smears, leukemic blasts (all) or normal cells (hem).

training_data/fold_0/all/UID_1_1_1_all.bmp       # UID_<patient>_<image>_<cell>_<class>; C-NMC_training_data/ at TCIA
training_data/fold_0/hem/UID_H10_1_1_hem.bmp
validation_data/C-NMC_test_prelim_phase_data_labels.csv    # Patient_ID,new_names,labels: UID_57_29_1_all.bmp,1.bmp,1
validation_data/C-NMC_test_prelim_phase_data/1.bmp         # may lie without the folder around it, or alone
testing_data/C-NMC_test_final_phase_data/1.bmp             # the same numbers again; no labels
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders, folded, listed_or_skipped

_PRELIMINARY = "C-NMC_test_prelim_phase_data"
_FINAL = "C-NMC_test_final_phase_data"


def examples(raw: RawFolder) -> Iterator[Example]:
    yield from class_folders(
        raw,
        "{C-NMC_,}training_data/**/{all,hem}/*.bmp",
        splits={"training_data": "train", "c-nmc_training_data": "train"},
        patient=lambda path: _patient(path.name),
    )
    images = raw.by_name(f"**/{_PRELIMINARY}/*.bmp")
    columns = ["Patient_ID", "labels"]
    for row, image in listed_or_skipped(raw, f"**/{_PRELIMINARY}_labels.csv", images, "new_names", columns=columns):
        patient = _patient(row["Patient_ID"])
        yield Example(image, label=row["labels"], patient=patient, split="validation", key=f"validation/{image.name}")
    for image in raw.images([f"**/{_FINAL}/**", "testing_data/**"]):
        raw.skip(image, "a cell of the final test: its class was never published")


def _patient(name: str) -> str | None:
    """Patient 57 of UID_57_29_1_all.bmp, subject h10 of UID_H10_1_1_hem.bmp."""
    fields = folded(name).split("_")
    return fields[1] if fields[0] == "uid" and len(fields) > 2 else None


def miniature(raw: Miniature) -> None:
    top = "C-NMC_Leukemia"
    rows: list[tuple[object, ...]] = []
    for fold in range(3):
        for cell in range(1, 4):
            raw.image(f"{top}/training_data/fold_{fold}/all/UID_{fold + 1}_1_{cell}_all.bmp", size=(64, 64), mode="RGB")
            if cell < 3:
                name = f"UID_H{fold + 10}_1_{cell}_hem.bmp"
                raw.image(f"{top}/training_data/fold_{fold}/hem/{name}", size=(64, 64), mode="RGB")
    for number, former in enumerate(("57_29_1_all", "57_29_2_all", "H47_3_1_hem", "H47_3_4_hem", "58_1_1_all"), 1):
        raw.image(f"{top}/validation_data/{_PRELIMINARY}/{number}.bmp", size=(64, 64), mode="RGB")
        rows.append((f"UID_{former}.bmp", f"{number}.bmp", int(former.endswith("all"))))
    rows.append(("UID_58_1_2_all.bmp", "6.bmp", 1))  # not on disk
    raw.csv(f"{top}/validation_data/{_PRELIMINARY}_labels.csv", rows, header="Patient_ID,new_names,labels")
    raw.corrupt(f"{top}/training_data/fold_2/all/UID_3_1_3_all.bmp")
    for number in (1, 2):
        raw.image(f"{top}/testing_data/{_FINAL}/{number}.bmp", size=(64, 64), mode="RGB")
