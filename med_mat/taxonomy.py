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

from med_mat.errors import VocabularyError

AXES = ("modality", "area", "task")

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


@dataclass(frozen=True, slots=True, order=True)
class MAT:
    """A Modality, Anatomical area, Task triplet, e.g. ``CT/Lung/Cancer`` (arXiv 2412.20070, section 3).

    Raises:
        VocabularyError: an element is not in its closed vocabulary; the message suggests the nearest word.
    """

    modality: str
    area: str
    task: str

    def __post_init__(self) -> None:
        for axis in AXES:
            _check(axis, getattr(self, axis))

    @classmethod
    def parse(cls, text: str) -> MAT:
        """Read ``CT/Lung/Cancer``."""
        parts = [part.strip() for part in text.split("/")]
        if len(parts) != 3:
            raise VocabularyError(f"{text!r} is not a triplet: expected MODALITY/AREA/TASK, such as 'CT/Lung/Cancer'.")
        return cls(*parts)

    def __str__(self) -> str:
        return f"{self.modality}/{self.area}/{self.task}"

    def shared(self, other: MAT) -> frozenset[str]:
        """The axes on which both triplets agree, a subset of {"modality", "area", "task"}."""
        return frozenset(axis for axis in AXES if getattr(self, axis) == getattr(other, axis))


@dataclass(frozen=True, slots=True)
class Pattern:
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


Selector = str | MAT | Pattern | Iterable[str | MAT | Pattern] | None


@dataclass(frozen=True, slots=True)
class Patterns:
    """A union of patterns: a triplet is selected when any of them matches. No pattern at all selects everything."""

    members: tuple[Pattern, ...]

    @classmethod
    def of(cls, selector: Selector) -> Patterns:
        """From a pattern's text (several joined by ``,``), a :class:`MAT`, a :class:`Pattern`, or a list of these."""
        if selector is None:
            return cls(())
        if isinstance(selector, str):
            return cls(tuple(Pattern.parse(text) for text in selector.split(",")))
        if isinstance(selector, MAT):
            return cls((Pattern.parse(str(selector)),))
        if isinstance(selector, Pattern):
            return cls((selector,))
        return cls(tuple(member for item in selector for member in cls.of(item).members))

    def matches(self, mat: MAT) -> bool:
        """Whether any member selects the triplet."""
        return not self.members or any(member.matches(mat) for member in self.members)

    def __str__(self) -> str:
        return ",".join(map(str, self.members)) or "*"


def ancestors(task: str) -> tuple[str, ...]:
    """The task and the coarser tasks that it is a kind of: ``("COVID", "State")``."""
    chain = [task]
    while parent := TASK_PARENTS.get(chain[-1]):
        chain.append(parent)
    return tuple(chain)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``, whatever its case, or None where nothing is near."""
    folded = {name.casefold(): name for name in known}
    match = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.5)
    return folded[match[0]] if match else None


def _check(axis: str, word: str) -> None:
    known = _VOCABULARIES[axis]
    if word in known:
        return
    synonym = _SYNONYMS.get(word.casefold())
    suggestion = synonym if synonym in known else nearest(word, known)
    hint = f" Did you mean {suggestion!r}?" if suggestion else ""
    raise VocabularyError(f"{word!r} is not a Med-MAT {axis}.{hint} Known: {', '.join(known)}.")
