"""The closed vocabularies of Med-MAT, the MAT triplet, and the patterns that select triplets.

Modalities and areas are those of arXiv 2412.20070 v2 (Table 17 and appendix B.1). The paper never lists its 13 tasks:
the 13 here are ours, coarse, and each of the 53 subsets maps to one of them (``data/subsets.yaml``). The paper pools
COVID and Cancer into State to obtain more combinations; ``TASK_PARENTS`` holds that hierarchy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from med_mat.errors import VocabularyError

if TYPE_CHECKING:
    from med_mat import selection

#: How the labels of a row come: one class, one grade of a scale, several findings, boxes or masks.
AnnotationKind = Literal["classes", "grades", "findings", "boxes", "masks"]
#: Kinds of rows whose labels are those of boxes and masks: their records are asked where, all others what.
DRAWN = ("boxes", "masks")
#: What stands between a user and the files of a source.
Access = Literal["open", "account", "competition", "request", "credentialed"]
#: How a licence is known: read where the publisher states it, told by a copy or a catalogue, or not known.
LicenseCertainty = Literal["confirmed", "reported", "unknown"]

SPLITS = ("train", "validation", "test")
#: The split of files that takes the train and validation records whose group lies in a held-out part.
WITHHELD = "withheld"
AXES = ("modality", "area", "task")
#: An element that is left open.
ANY = "*"

#: Upstream's short name -> what it stands for.
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

#: Anatomical areas: the paper's 14 and the two (Liver, Thyroid) that only detection subsets have.
AREAS: tuple[str, ...] = (
    "Bladder",
    "Bones",
    "Brain",
    "Breast",
    "Cell",
    "Cervix",
    "Chest",
    "Fundus",
    "Intestine",
    "Kidney",
    "Liver",
    "Lung",
    "Mouth",
    "Retina",
    "Skin",
    "Thyroid",
)

#: Coarse task -> what it asks of an image. Tasks that end in "Detection" come with boxes or masks.
TASKS: Mapping[str, str] = MappingProxyType(
    {
        "Quality": "is the image good enough to be used",
        "State": "is the organ sound or affected (bleeding, fracture, decay)",
        "COVID": "is there COVID-19, a kind of State",
        "Cancer": "is there a tumour, and is it malignant, a kind of State",
        "Level": "which grade, stage or age band",
        "Diseases": "which of several diseases or findings",
        "Recognition": "which kind of cell, tissue or structure",
        "Cancer Detection": "where is the tumour or suspicious lesion",
        "Diseases Detection": "where are the findings",
        "Anomaly Detection": "where does the spine depart from the normal",
        "Organ Detection": "where is the organ",
        "Structure Detection": "where is a structure inside an organ (vessels, optic disc and cup)",
        "Instrument Detection": "where are the surgical instruments",
    }
)

#: A task -> the coarser task that it is a kind of (arXiv 2412.20070 v2, appendix B.1).
TASK_PARENTS: Mapping[str, str] = MappingProxyType({"COVID": "State", "Cancer": "State"})

#: A detection task -> the classification task that names what it finds (arXiv 2412.20070 v2, section 6).
DETECTION_OF: Mapping[str, str] = MappingProxyType({"Cancer Detection": "Cancer", "Diseases Detection": "Diseases"})

#: Areas of which one shows the other: a radiograph of the chest shows the lungs, and the fundus is the retina seen from
#: the front. What shares no element with a target shows none of its area under another name either.
AREA_OVERLAPS: frozenset[frozenset[str]] = frozenset({frozenset({"Chest", "Lung"}), frozenset({"Fundus", "Retina"})})

_VOCABULARIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"modality": tuple(MODALITIES), "area": AREAS, "task": tuple(TASKS)}
)

#: Other words for ours, used only to suggest the right one.
_SYNONYMS: Mapping[str, str] = MappingProxyType(
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


class Algebra:
    """``&``, ``|`` and ``~`` on whatever selects; each gives a :class:`med_mat.selection.Selection`."""

    __slots__ = ()

    def __and__(self, other: selection.Selector) -> selection.Selection:
        from med_mat.selection import And, Selection

        return And.join(map(Selection.of, (self, other)))

    def __rand__(self, other: selection.Selector) -> selection.Selection:
        from med_mat.selection import Selection

        return Selection.of(other) & self

    def __or__(self, other: selection.Selector) -> selection.Selection:
        from med_mat.selection import Or, Selection

        return Or.join(map(Selection.of, (self, other)))

    def __ror__(self, other: selection.Selector) -> selection.Selection:
        from med_mat.selection import Selection

        return Selection.of(other) | self

    def __invert__(self) -> selection.Selection:
        from med_mat.selection import Selection

        return Selection.of(self).opposite()


@dataclass(frozen=True, slots=True, order=True)
class MAT(Algebra):
    """A Modality, Anatomical area, Task triplet, e.g. ``CT/Lung/Cancer`` (arXiv 2412.20070, section 3).

    An element that is not given is open: ``MAT(modality="CT")`` is ``CT/*/*``. The triplet of a record is complete.

    Raises:
        VocabularyError: an element is not in its closed vocabulary; the message suggests the nearest word.
    """

    modality: str = ANY
    area: str = ANY
    task: str = ANY

    def __post_init__(self) -> None:
        for axis in AXES:
            if getattr(self, axis) != ANY:
                _check(axis, getattr(self, axis))

    @classmethod
    def parse(cls, text: str) -> MAT:
        """Read ``CT/Lung/Cancer``, or ``CT/*/*``."""
        parts = [part.strip() for part in text.split("/")]
        if len(parts) != 3:
            raise VocabularyError(f"{text!r} is not a triplet: expected MODALITY/AREA/TASK, such as 'CT/Lung/Cancer'.")
        return cls(*parts)

    def __str__(self) -> str:
        return f"{self.modality}/{self.area}/{self.task}"

    @property
    def complete(self) -> bool:
        """Whether no element is open."""
        return ANY not in (self.modality, self.area, self.task)

    def shared(self, other: MAT) -> frozenset[str]:
        """The axes on which both triplets name the same element, a subset of {"modality", "area", "task"}."""
        return frozenset(axis for axis in AXES if ANY != getattr(self, axis) == getattr(other, axis))


@dataclass(frozen=True, slots=True)
class Pattern(Algebra):
    """A triplet with alternatives, wildcards and negation: ``CT|MRI/Brain/*``, ``!X-ray/*/*``.

    Each of the three parts is ``*`` (an empty set here), or words joined by ``|``. A ``!`` in front negates the whole
    pattern; a ``!`` before the area or the task negates that part alone, as in ``CT/!Lung/*``.
    """

    parts: tuple[frozenset[str], frozenset[str], frozenset[str]]
    negated_parts: tuple[bool, bool, bool] = (False, False, False)
    negated: bool = False

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern; ``*`` alone stands for ``*/*/*``.

        Raises:
            VocabularyError: not three parts, or a word that its axis does not know.
        """
        body = text.strip()
        negated = body.startswith("!")
        body = body.removeprefix("!").strip()
        if body == "*":
            body = "*/*/*"
        pieces = body.split("/")
        if len(pieces) != 3:
            raise VocabularyError(
                f"{text!r} is not a pattern: expected MODALITY/AREA/TASK with *, | and !, such as 'CT|MRI/Brain/*'."
            )
        words: list[frozenset[str]] = []
        flags: list[bool] = []
        for axis, piece in zip(AXES, pieces, strict=True):
            piece = piece.strip()
            flag = axis != "modality" and piece.startswith("!")  # before the modality it negates the whole
            names = [name.strip() for name in piece[flag:].split("|")]
            if names == ["*"]:
                if flag:
                    raise VocabularyError(f"{text!r} can match nothing: '!*' excludes every {axis}.")
                words.append(frozenset())
            else:
                for name in names:
                    _check(axis, name)
                words.append(frozenset(names))
            flags.append(flag)
        return cls((words[0], words[1], words[2]), (flags[0], flags[1], flags[2]), negated)

    def matches(self, mat: MAT) -> bool:
        """Whether the triplet is selected."""
        inside = all(
            not words or ((getattr(mat, axis) in words) != flag)
            for axis, words, flag in zip(AXES, self.parts, self.negated_parts, strict=True)
        )
        return inside != self.negated

    def __str__(self) -> str:
        pieces = [
            ("!" if flag else "") + ("|".join(sorted(words)) or "*")
            for words, flag in zip(self.parts, self.negated_parts, strict=True)
        ]
        return ("!" if self.negated else "") + "/".join(pieces)


def ancestors(task: str) -> tuple[str, ...]:
    """The task and the coarser tasks that it is a kind of: ``("COVID", "State")``."""
    chain = [task]
    while parent := TASK_PARENTS.get(chain[-1]):
        chain.append(parent)
    return tuple(chain)


def counts_as(task: str, *, pool_tasks: bool, cross_tasks: bool) -> frozenset[str]:
    """The tasks whose element a triplet of this task provides, under the readings of an experiment.

    Args:
        task: a word of :data:`TASKS`.
        pool_tasks: a task also counts as those that it is a kind of, COVID as State (appendix B.1).
        cross_tasks: a detection task also counts as what it is the detection of, Cancer Detection as Cancer
            (section 6). With ``pool_tasks``, as State too.

    Raises:
        VocabularyError: no such task.
    """
    _check("task", task)
    names = [task]
    if cross_tasks and task in DETECTION_OF:
        names.append(DETECTION_OF[task])
    return frozenset(pooled for name in names for pooled in (ancestors(name) if pool_tasks else (name,)))


def overlaps(axis: str, one: str, other: str) -> bool:
    """Whether two words of an axis are one, or one holds the other: Lung and Chest, Cancer and Cancer Detection.

    Two kinds of one task, such as COVID and Cancer, do not overlap.

    Raises:
        VocabularyError: no such task.
    """
    if one == other:
        return True
    if axis == "area":
        return frozenset({one, other}) in AREA_OVERLAPS
    if axis == "task":
        return one in counts_as(other, pool_tasks=True, cross_tasks=True) or other in counts_as(
            one, pool_tasks=True, cross_tasks=True
        )
    return False


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``, whatever its case, or None where nothing is near."""
    folded = {name.casefold(): name for name in known}
    match = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.5)
    return folded[match[0]] if match else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What a message says of a word that is not known: ``" Did you mean 'benign'?"``, or nothing."""
    return _suggested(nearest(word, known))


def _suggested(word: str | None) -> str:
    return f" Did you mean {word!r}?" if word else ""


def _check(axis: str, word: str) -> None:
    known = _VOCABULARIES[axis]
    if word in known:
        return
    synonym = _SYNONYMS.get(word.casefold())
    hint = _suggested(synonym if synonym in known else nearest(word, known))
    raise VocabularyError(f"{word!r} is not a Med-MAT {axis}.{hint} Known: {', '.join(known)}.")
