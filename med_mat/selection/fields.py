"""The fields of selections: one table with the type, level, values and meaning of each.

A new field is one entry of :data:`FIELDS`, and one key of :class:`CardFields` or :class:`Fields` for type checkers and
completion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from med_mat.errors import VocabularyError
from med_mat.taxonomy import SPLITS, WITHHELD, Access, AnnotationKind, LicenseCertainty, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_ANSWERS: Mapping[str, bool | None] = MappingProxyType({"yes": True, "no": False, "unknown": None})
_UNKNOWN = "unknown"
_LARGEST = 10**9  # maximum number in a condition


@dataclass(frozen=True, slots=True)
class FieldType:
    """The conditions that a selection supports for one field."""

    name: str
    #: "element": a word of the triplet's axis; "text"; "number"; "answer": yes, no or unknown; "pixels": a number that
    #: also supports comparisons.
    type: Literal["element", "text", "number", "answer", "pixels"]
    #: Whether it is the same for all records of a row ("card": known without a build), of a row and split, or varies.
    level: Literal["card", "split", "record"]
    meaning: str
    words: tuple[str, ...] = ()  # the allowed values, if fixed
    nullable: bool = False  # whether "none" selects records without a value
    stated: bool = False  # whether null means that it was not stated: "unknown" selects it, no other condition does

    def value(self, value: Any) -> Any:
        """A value in the type of the records' facts.

        Raises:
            VocabularyError: The value has another type, or is not an allowed value.
        """
        if self.type in ("number", "pixels"):
            return None if self.nullable and value in (None, "none") else self.number(value)
        if self.stated and value in (None, _UNKNOWN):
            return None
        if self.type == "answer" and (value is None or isinstance(value, bool)):
            value = self.spelled(value)
        if not isinstance(value, str):
            raise VocabularyError(f"{self.name}={value!r} is not a text.")
        if self.words and value not in self.words:
            raise VocabularyError(
                f"{self.name}={value!r} is not one of {', '.join(self.words)}.{did_you_mean(value, self.words)}"
            )
        return _ANSWERS[value] if self.type == "answer" else value

    def number(self, value: Any) -> int:
        """The value as an integer.

        Raises:
            VocabularyError: It is not an integer.
        """
        if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
            return int(value)
        if not isinstance(value, bool) and isinstance(value, Integral) and 0 <= int(value) < _LARGEST:
            return int(value)
        raise VocabularyError(f"{self.name}: {value!r} is not a whole number below 1,000,000,000.")

    def spelled(self, value: Any) -> str:
        """A value as written in the text of a selection."""
        if self.type == "answer":
            return next(word for word, meaning in _ANSWERS.items() if meaning is value)
        return (_UNKNOWN if self.stated else "none") if value is None else str(value)

    @property
    def order(self) -> Callable[[str], Any]:
        """The key by which spelled values are sorted: numbers by size."""
        return (lambda word: (len(word), word)) if self.type == "number" else str

    def matches(self, values: npt.NDArray[Any], names: Sequence[str], wanted: Any) -> npt.NDArray[np.bool_]:
        """Which records have one of the wanted values, or are within the wanted bounds: (records,) of bool.

        Args:
            values: (records,) numbers of pixels, yes or no as bool, or positions in ``names``, -1 for null.
            names: The texts that the records have.
            wanted: Values as a set; for pixels, the minimum and maximum, both inclusive, None if unbounded.
        """
        import numpy as np

        if self.type == "pixels":
            low, high = wanted
            inside: npt.NDArray[np.bool_] = values >= (low or 0)
            return inside if high is None else inside & (values <= high)
        if self.type == "answer":
            values, having = values.view(np.uint8), [False in wanted, True in wanted]
        else:
            having = [*(name in wanted for name in names), None in wanted]  # the last one is at -1
        chosen: npt.NDArray[np.bool_] = np.array(having)[values]
        return chosen


_YES_NO_UNKNOWN = tuple(_ANSWERS)
#: Every field by name.
FIELDS: Mapping[str, FieldType] = MappingProxyType(
    {
        one.name: one
        for one in (
            FieldType("modality", "element", "card", "how the image was made, such as CT"),
            FieldType("area", "element", "card", "the part of the body, such as Lung"),
            FieldType("task", "element", "card", "what is asked of the image, such as Cancer"),
            FieldType("source", "text", "card", "the source, such as busi"),
            FieldType("row", "number", "card", "the number of the row"),
            FieldType("subset", "number", "card", "the number of the subset, or none", nullable=True),
            FieldType("license", "text", "card", "the license, as an identifier of the Hub"),
            FieldType(
                "license_certainty", "text", "card", "how the license is known", words=get_args(LicenseCertainty)
            ),
            FieldType("access", "text", "card", "what it takes to get the files", words=get_args(Access)),
            FieldType("redistributable", "answer", "card", "images may be passed on", words=_YES_NO_UNKNOWN),
            FieldType("labels_redistributable", "answer", "card", "labels may be passed on", words=_YES_NO_UNKNOWN),
            FieldType("commercial", "answer", "card", "commercial use is allowed", words=_YES_NO_UNKNOWN),
            FieldType(
                "augmented", "answer", "card", "the source ships transformed copies of its images", words=("yes", "no")
            ),
            FieldType("annotation", "text", "card", "how the labels come", words=get_args(AnnotationKind)),
            FieldType("split", "text", "split", "the split", words=(*SPLITS, WITHHELD)),
            FieldType("label", "text", "record", "the record has at least one of these labels"),
            FieldType("published_split", "text", "record", "the split as published"),
            FieldType("patient", "answer", "record", "the publisher says whose image it is", words=("yes", "no")),
            FieldType("width", "pixels", "record", "width in pixels, as shown"),
            FieldType("height", "pixels", "record", "height in pixels, as shown"),
            FieldType("age_group", "text", "record", "age of the person, such as 40-49, or unknown", stated=True),
            FieldType("sex", "text", "record", "sex of the person: female, male, or unknown", stated=True),
            FieldType("device", "text", "record", "camera or scanner, or unknown", stated=True),
            FieldType("view", "text", "record", "projection, such as PA, or unknown", stated=True),
        )
    }
)

#: The fields that the column ``attributes`` has: of the person and the device, as far as publishers state them.
ATTRIBUTES = tuple(name for name, one in FIELDS.items() if one.stated)

Text = str | Iterable[str]
Number = int | str | None | Iterable[int] | Iterable[str]
Answer = bool | str | None | Iterable[bool | None] | Iterable[str]


class CardFields(TypedDict, total=False):
    """Conditions on a card's facts of a row: one value, or several, any of which may match. None is no condition."""

    modality: Text | None
    area: Text | None
    task: Text | None
    source: Text | None
    row: Number
    subset: Number
    license: Text | None
    license_certainty: Text | None
    access: Text | None
    redistributable: Answer
    labels_redistributable: Answer
    commercial: Answer
    augmented: Answer
    annotation: Text | None


class Fields(CardFields, total=False):
    """Conditions on records: those of :class:`CardFields`, and those that require a build."""

    split: Text | None
    label: Text | None
    published_split: Text | None
    patient: Answer
    width: Number
    height: Number
    age_group: Text | None
    sex: Text | None
    device: Text | None
    view: Text | None


def positions_in(selector: Any, length: int) -> npt.NDArray[np.int64] | None:
    """Converts an array or list of integers, or a mask, to positions; None for any other selector.

    Args:
        selector: The selector.
        length: Number of records.

    Raises:
        VocabularyError: A position is out of range, a mask has another length, or an array has another type.
    """
    import numpy as np

    numbers = isinstance(selector, list | tuple | range) and all(isinstance(one, Integral) for one in selector)
    array = hasattr(selector, "__array__") and np.asarray(selector).dtype.kind in "biuf"
    if not array and not (numbers and len(selector)):
        return None
    given = np.asarray(selector)
    if given.dtype == bool and given.shape == (length,):
        return np.flatnonzero(given)
    if given.dtype.kind not in "iu" or given.ndim != 1:
        raise VocabularyError(
            f"An array of {given.dtype} and the shape {given.shape} selects nothing: expected positions in the index, "
            f"as mat.where gives them, or a mask of the shape ({length},)."
        )
    if len(given) and not 0 <= int(given.min()) <= int(given.max()) < length:
        raise VocabularyError(
            f"The positions reach from {int(given.min()):,} to {int(given.max()):,}, and the index has those from 0 to "
            f"{length - 1:,}. A row or a subset is asked as row=48, subset=24."
        )
    return given.astype(np.int64)


def field_type(name: str) -> FieldType:
    """The field of this name.

    Raises:
        VocabularyError: There is none; the message suggests the nearest.
    """
    if name not in FIELDS:
        raise VocabularyError(
            f"There is no field {name!r} to select by.{did_you_mean(name, FIELDS)} Known: {', '.join(FIELDS)}."
        )
    return FIELDS[name]
