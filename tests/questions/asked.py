"""Rows and records that the tests of questions share."""

from __future__ import annotations

from med_mat.catalog import Row, Upstream
from med_mat.questions import LETTERS, Question
from med_mat.selection import MAT
from med_mat.taxonomy import AnnotationKind


def row(number: int, subset: int | None, kind: AnnotationKind, *names: str) -> Row:
    labels = {f"raw {name}": name for name in names}
    own = () if subset else ("What is this?",)
    return Row(
        number, f"source_{number}", MAT("CT", "Lung", "Diseases"), subset, kind, labels, Upstream("", "", ""), own
    )


LUNG = row(1, 28, "classes", "COVID-19", "Normal", "Tuberculosis")
CHEST = row(2, 28, "classes", "COVID-19", "Normal", "Pneumonia")
COUGH = row(3, 28, "classes", "Normal", "Bacterial pneumonia", "Viral pneumonia")
TUBERCULOSIS = row(4, 28, "classes", "Tuberculosis", "Normal")
KNEE = row(5, 25, "grades", *(f"Level {i}" for i in range(5)))
HEAD = row(6, 5, "classes", "Hemorrhage", "Normal")
BRAIN = row(7, 6, "classes", "Aneurysm", "Cancer", "Tumor")
FINDINGS = row(8, 31, "findings", "Atelectasis", "Edema", "Effusion", "Hernia", "Mass", "Pneumothorax", "No finding")
BREAST = row(9, 29, "classes", "Normal", "Calcification", "Other, ill-defined masses", "Asymmetry", "Spiculated masses")
DETECT = row(10, 50, "boxes", "Atelectasis", "Calcification", "Diffuse nodule", "No finding")
LIVER = row(11, 46, "masks", "Liver")
CELLS = row(12, 20, "findings", "Neutrophil", "Eosinophil", "Other, ill-defined masses", "Other", "ill-defined masses")
ROWS = (LUNG, CHEST, COUGH, TUBERCULOSIS, KNEE, HEAD, BRAIN, FINDINGS, BREAST, DETECT, LIVER, CELLS)


def right(question: Question) -> str:
    return question.options[LETTERS.index(question.answer)]
