"""The vocabularies of Med-MAT: the words of the three axes of a triplet, and their relations.

Modalities and areas are those of arXiv 2412.20070 v2 (Table 17 and appendix B.1). The paper never lists its 13 tasks:
the 13 here are ours, coarse, and each of the 53 subsets maps to one of them (``data/subsets.yaml``). The paper pools
COVID and Cancer into State to obtain more combinations; ``TASK_PARENTS`` is that hierarchy.

For checking words, and for words declared by cards, see :mod:`med_mat.vocabulary`.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Literal

#: Kinds of annotation of a row: one class, one grade of a scale, several findings, boxes or masks.
AnnotationKind = Literal["classes", "grades", "findings", "boxes", "masks"]
#: Kinds of rows with boxes or masks: their questions ask where a label is, all others what an image shows.
DRAWN = ("boxes", "masks")
#: What a user must do to access the files of a source.
Access = Literal["open", "account", "competition", "request", "credentialed"]
#: Evidence for a license: read where the publisher states it, reported by a copy or a catalog, or unknown.
LicenseCertainty = Literal["confirmed", "reported", "unknown"]

SPLITS = ("train", "validation", "test")
#: The split of train and validation records whose group is in a held-out part.
WITHHELD = "withheld"
AXES = ("modality", "area", "task")
#: A wildcard element.
ANY = "*"

#: A message counts, rather than lists, more words than this.
_LISTED = 20

#: Modality, in upstream's abbreviation -> its meaning.
MODALITIES: Mapping[str, str] = MappingProxyType(
    {
        "Co": "Colposcopy",
        "CT": "Computed tomography",
        "Der": "Dermatology image (dermoscopy or clinical photograph)",
        "DP": "Digital photography",
        "End": "Endoscopy",
        "FP": "Fundus photography",
        "Mic": "Microscopy",
        "MRI": "Magnetic resonance imaging",
        "OCT": "Optical coherence tomography",
        "US": "Ultrasound",
        "X-ray": "Radiography, mammography included",
    }
)

#: Anatomical area -> its meaning: the paper's 14, and two (Liver, Thyroid) that only detection subsets have.
AREA_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "Bladder": "the urinary bladder",
        "Bones": "bones and joints of any part, the spine included",
        "Brain": "the brain and the head around it",
        "Breast": "the breast",
        "Cell": "single cells and tissue under the microscope",
        "Cervix": "the cervix of the uterus",
        "Chest": "the chest as a whole",
        "Fundus": "the back of the eye, seen from the front",
        "Intestine": "stomach, bowel and the rest of the digestive tract",
        "Kidney": "the kidneys",
        "Liver": "the liver",
        "Lung": "the lungs",
        "Mouth": "the mouth and the teeth",
        "Retina": "the layers of the retina",
        "Skin": "the skin",
        "Thyroid": "the thyroid",
    }
)
AREAS: tuple[str, ...] = tuple(AREA_MEANINGS)

#: Coarse task -> its meaning. Tasks that end in "Detection" have boxes or masks.
TASKS: Mapping[str, str] = MappingProxyType(
    {
        "Quality": "is the image good enough to be used",
        "State": "is the organ healthy or affected (bleeding, fracture, decay)",
        "COVID": "is there COVID-19, a kind of State",
        "Cancer": "is there a tumor, and is it malignant, a kind of State",
        "Level": "which grade, stage or age band",
        "Diseases": "which of several diseases or findings",
        "Recognition": "which kind of cell, tissue or structure",
        "Cancer Detection": "where is the tumor or suspicious lesion",
        "Diseases Detection": "where are the findings",
        "Anomaly Detection": "where does the spine depart from the normal",
        "Organ Detection": "where is the organ",
        "Structure Detection": "where is a structure inside an organ (vessels, optic disc and cup)",
        "Instrument Detection": "where are the surgical instruments",
    }
)

#: Task -> the coarser task that it is a kind of (arXiv 2412.20070 v2, appendix B.1).
TASK_PARENTS: Mapping[str, str] = MappingProxyType({"COVID": "State", "Cancer": "State"})

#: Detection task -> the classification task of what it detects (arXiv 2412.20070 v2, section 6).
DETECTION_OF: Mapping[str, str] = MappingProxyType({"Cancer Detection": "Cancer", "Diseases Detection": "Diseases"})

#: Pairs of overlapping areas: a chest radiograph shows the lungs, and the fundus is the retina seen from the front.
#: Data that share no element with a target must not show its area under another name either.
AREA_OVERLAPS: tuple[tuple[str, str], ...] = (("Chest", "Lung"), ("Fundus", "Retina"))

#: Common synonyms, used only for suggestions.
SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "ultrasound": "US",
        "xray": "X-ray",
        "x-rays": "X-ray",
        "radiography": "X-ray",
        "mammography": "X-ray",
        "mr": "MRI",
        "fundus photography": "FP",
        "endoscopy": "End",
        "colonoscopy": "End",
        "colposcopy": "Co",
        "dermoscopy": "Der",
        "dermatology": "Der",
        "microscopy": "Mic",
        "pathology": "Mic",
        "photography": "DP",
        "teeth": "Mouth",
        "oral": "Mouth",
        "bone": "Bones",
        "spine": "Bones",
        "head": "Brain",
        "lungs": "Lung",
        "eye": "Fundus",
        "colon": "Intestine",
        "disease": "Diseases",
        "tumor": "Cancer",
        "tumour": "Cancer",
        "covid-19": "COVID",
        "covid19": "COVID",
        "grading": "Level",
        "segmentation": "Organ Detection",
        "detection": "Diseases Detection",
        "cell type": "Recognition",
    }
)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most similar to ``word``, ignoring case; None if none is similar."""
    found = closest(word, known, 1)
    return found[0] if found else None


def closest(word: str, known: Iterable[str], most: int, *, cutoff: float = 0.5) -> list[str]:
    """At most ``most`` of the known words similar to ``word``, ignoring case, the closest first.

    Args:
        word: the word asked for.
        known: the words to choose from.
        most: the maximum number of words.
        cutoff: the minimum similarity, 0 to 1, as for ``difflib.get_close_matches``.
    """
    folded = {name.casefold(): name for name in known}
    return [folded[name] for name in difflib.get_close_matches(word.casefold(), folded, n=most, cutoff=cutoff)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion for an unknown word: ``" Did you mean 'benign'?"``, or ""."""
    return suggested(nearest(word, known))


def choices(word: str, known: Collection[str], how: str) -> str:
    """The choices in a message: all words if they are few, else the nearest word and how to list all.

    Args:
        word: The unknown word.
        known: The known words, in the order in which to list them.
        how: What lists all of them, as the subject of a sentence.
    """
    hint = did_you_mean(word, known)
    if len(known) <= _LISTED:
        return f"{hint} It has: {', '.join(known)}."
    near = closest(word, known, 4)[1:]
    also = f" Also near: {', '.join(map(repr, near))}." if near else ""
    return f"{hint}{also} There are {len(known):,}; {how} lists them."


def suggested(word: str | None) -> str:
    """The suggestion of this word; "" for None."""
    return f" Did you mean {word!r}?" if word else ""
