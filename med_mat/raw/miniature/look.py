"""What a synthetic image shows: the rules by which a record's modality, area and labels determine the image.

The rules depend on nothing but what is in :class:`Look`:

- The **modality** is the rendering (:mod:`med_mat.raw.miniature.rendering`): gray or color, field of view, noise.
- The **area** is the anatomy (:mod:`med_mat.raw.miniature.anatomy`): the outline and what lies inside it.
- Each **label** is a finding: a form drawn into the anatomy, the same in every modality and area up to the rendering. A
  label of absence (:data:`ABSENT`) has none. A grade is shown by as many dots as its number. Labels that contain a word
  of a family (:data:`FAMILIES`) have the form of that family. All others have one of :data:`OTHER_FORMS` and are
  brighter or darker than what is around them, by the hash of the label.
- Two labels of a family differ only in :class:`Variant`: number of lobes, texture and satellites, by the hash of the
  label. So malignant tumors look similar, whatever they are called.
- Position, size, rotation, proportions of the anatomy, brightness and noise are random, from the seed of the image.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Form = Literal[
    "tumor", "benign", "patches", "crack", "crescent", "grains", "dots",
    "ring", "cross", "bars", "triangle", "checkers", "disk",
]  # fmt: skip
#: A box in fractions of the image's width and height: left, top, right, bottom.
Fractions = tuple[float, float, float, float]

#: Labels without a finding.
ABSENT = re.compile(
    r"(no|not|non|normal|healthy|negative|good|background|artifact)\b|(level|grade|stage) 0\b|benign \w+ tissue", re.I
)
#: Form -> the words of its labels; the first that fits counts.
FAMILIES: Mapping[Form, re.Pattern[str]] = MappingProxyType(
    {
        "benign": re.compile(r"benign|nevus|cyst|polyp|adenoma\b|fibroma|keratosis|circumscribed|low-grade", re.I),
        "tumor": re.compile(
            r"cancer|carcinoma|tumou?r|malignan|melanoma|glioma|meningioma|cytoma|schwannoma|lymphoma|leukemia|neoplasm"
            r"|mass|nodule|high-grade",
            re.I,
        ),
        "patches": re.compile(
            r"covid|pneumonia|tubercul|opacity|opacities|infiltrat|consolidat|respiratory syndrome|pox|measles|itis\b",
            re.I,
        ),
        "crack": re.compile(r"fractur|tear|break|caries", re.I),
        "crescent": re.compile(r"hemorrhag|bleed|detachment", re.I),
        "grains": re.compile(r"calci|calculus|stone|lithiasis|drusen|exudate|spots", re.I),
    }
)
OTHER_FORMS: tuple[Form, ...] = ("ring", "cross", "bars", "triangle", "checkers", "disk")
#: Word of a grade -> its number of dots; the first that fits counts.
GRADES: Mapping[str, int] = MappingProxyType({"mild": 1, "moderate": 2, "severe": 3, "proliferative": 4})

_NUMBERED = re.compile(r"(?:level|grade|stage|type) (\d+)", re.I)
_DARK: frozenset[Form] = frozenset({"crack"})


@dataclass(frozen=True, slots=True)
class Look:
    """What an image shows."""

    modality: str
    area: str
    #: Human labels of what is present, and where each is; None: somewhere inside the anatomy.
    present: tuple[tuple[str, Fractions | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Variant:
    """What tells the labels of one form apart."""

    lobes: int  # 5 to 9
    texture: Literal["plain", "striped", "dotted"]
    satellites: int  # smaller copies beside it, 0 to 2


@dataclass(frozen=True, slots=True)
class Finding:
    """A label as a form."""

    form: Form
    bright: bool  # brighter than what is around it, or darker
    count: int  # dots, for a grade
    variant: Variant


def finding(label: str) -> Finding | None:
    """The form of a label; None: nothing is drawn.

    Args:
        label: a human label, such as "Squamous cell carcinoma".
    """
    if ABSENT.match(label):
        return None
    digest = hashlib.sha256(label.lower().encode()).digest()
    variant = Variant(5 + digest[0] % 5, ("plain", "striped", "dotted")[digest[1] % 3], digest[2] % 3)
    if count := _grade(label):
        return Finding("dots", True, count, variant)
    for form, words in FAMILIES.items():
        if words.search(label):
            return Finding(form, form not in _DARK, 1, variant)
    return Finding(OTHER_FORMS[digest[3] % len(OTHER_FORMS)], digest[4] % 2 == 0, 1, variant)


def _grade(label: str) -> int:
    """The number of a grade; 0 for a label that is none."""
    if numbered := _NUMBERED.search(label):
        return min(int(numbered[1]), 16)
    words = re.findall(r"[a-z]+", label.lower())
    return next((count for word, count in GRADES.items() if word in words), 0)
