"""Selections: triplet patterns and conditions on further fields, combined by and, or, not; in Python and as text.

>>> MAT(modality="CT") & ~MAT(task="Cancer") & field("source", ["busi", "head_ct"])
CT/*/* & !*/*/Cancer & source=busi|head_ct

The grammar of the text, from the loosest to the tightest::

    union      all , all                    any of them
    all        one & one                    every one of them
    one        !one   (union)   pattern   condition
    pattern    CT|MRI/Brain/*               see med_mat.taxonomy.Pattern
    condition  source=busi|head_ct   width>=256   label="Other, ill-defined masses"

A value that holds one of ``, & | ( ) ! = < > " \\`` stands in double quotes, in which a backslash keeps the character
after it. What is null, such as the published split of a source without one, has none of the values.

These hold of all records of one row and split: ``source``, ``row``, ``subset`` (a number, or none), ``split``,
``license``, ``license_certainty`` (confirmed, reported, unknown), ``access``, ``redistributable``,
``labels_redistributable`` and ``commercial`` (yes, no, unknown: whether images and labels may be passed on, and used
commercially), ``augmented`` (yes: the source ships transformed copies of its own images) and ``annotation`` (classes,
grades, findings, boxes, masks). These are facts of single records: ``label`` (has at least one of these),
``published_split``, ``patient`` (yes: the publisher says whose image it is), ``width`` and ``height`` (in pixels, as
shown).
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from med_mat.errors import VocabularyError
from med_mat.taxonomy import (
    ANY,
    AXES,
    MAT,
    SPLITS,
    WITHHELD,
    Access,
    Algebra,
    AnnotationKind,
    LicenseCertainty,
    Pattern,
    did_you_mean,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]
    #: (field, wanted) -> which records have one of the wanted values (a frozenset), or lie within wanted bounds (least
    #: and most, both included, None where open). An axis of the triplet is asked like a field.
    Column = Callable[[str, Any], Mask]

#: How deep "and" and "or" may nest: a text comes from a file that anybody may have written.
MAX_DEPTH = 32

_YES_NO: Mapping[str, bool | None] = MappingProxyType({"yes": True, "no": False, "unknown": None})
_YES_NO_FIELDS = ("redistributable", "labels_redistributable", "commercial", "augmented", "patient")
_CLOSED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "split": (*SPLITS, WITHHELD),
        "access": get_args(Access),
        "annotation": get_args(AnnotationKind),
        "license_certainty": get_args(LicenseCertainty),
        "redistributable": ("yes", "no", "unknown"),
        "labels_redistributable": ("yes", "no", "unknown"),
        "commercial": ("yes", "no", "unknown"),
        "augmented": ("yes", "no"),
        "patient": ("yes", "no"),
    }
)
_WHOLE = ("row", "subset")
_BOUNDED = ("width", "height")
#: What a card says of a row, so that it can be asked without a build.
CARD_FIELDS = (
    "source",
    *_WHOLE,
    "license",
    "license_certainty",
    "access",
    "redistributable",
    "labels_redistributable",
    "commercial",
    "augmented",
    "annotation",
)
#: What differs between the records of one row and split.
RECORD_FIELDS = ("label", "published_split", "patient", *_BOUNDED)
FIELDS = (*CARD_FIELDS, "split", *RECORD_FIELDS)


class Selection(Algebra):
    """What selects records; made by :meth:`of`, :func:`field`, and ``&``, ``|``, ``~``. It is immutable and hashable.

    Its text, ``str(selection)``, is read back by :meth:`parse`.
    """

    __slots__ = ()

    @staticmethod
    def of(selector: Selector) -> Selection:
        """From text, a :class:`MAT`, a :class:`Pattern`, a selection, or several of these (any of them); None is all.

        Raises:
            VocabularyError: text that is no selection, or a word that is not in its vocabulary.
        """
        if selector is None:
            return EVERYTHING
        if isinstance(selector, str | Algebra) or not isinstance(selector, Iterable):
            return _single(selector)
        return Or.join(map(_single, selector))

    @staticmethod
    def parse(text: str) -> Selection:
        """Read the text of a selection.

        Raises:
            VocabularyError: it says where reading stopped, or which word is unknown.
        """
        return _Parser(text).whole()

    @property
    def depth(self) -> int:
        """How many "and" and "or" nest in it; at most :data:`MAX_DEPTH`."""
        return 0

    def resolve(self, facts: Mapping[str, Any]) -> bool | Selection:
        """What is left to ask when these facts are known: True, False, or a smaller selection.

        Args:
            facts: what holds of every record of a row, or of a row and a split, by axis or field: text; a number for
                ``row`` and ``subset``; True, False or None (unknown) for those of yes and no. What is missing stays a
                question, and so does every one of :data:`RECORD_FIELDS`.
        """
        raise NotImplementedError

    def mask(self, column: Column, length: int) -> Mask:
        """Which of ``length`` records are selected.

        Args:
            column: answers ``column(field, wanted)`` with an array of shape (length,), dtype bool. It is asked only for
                what :meth:`resolve` left open.
            length: the number of records.
        """
        raise NotImplementedError

    def leaves(self) -> Iterator[Triplets | Field]:
        """The patterns and conditions in it."""
        raise NotImplementedError

    def fields(self) -> dict[str, frozenset[Any]]:
        """Field -> the values that are asked of it; no value where it is asked for bounds."""
        found: dict[str, set[Any]] = {}
        for leaf in self.leaves():
            if isinstance(leaf, Field):
                found.setdefault(leaf.name, set()).update(leaf.values)
        return {name: frozenset(values) for name, values in found.items()}

    def check(self, known: Mapping[str, Collection[Any]], holder: str) -> None:
        """Refuse values that nothing has; null is never refused.

        Args:
            known: field -> its values; of other fields any value will do.
            holder: what has these values, as the subject of a sentence.

        Raises:
            VocabularyError: the selection asks for another value; it suggests the nearest.
        """
        for name, values in self.fields().items():
            strange = sorted(_spelt(name, value) for value in values - {None, *known.get(name, values)})
            if strange:
                words = [_spelt(name, value) for value in known[name]]
                raise VocabularyError(
                    f"{holder} has no {name} {strange[0]!r}.{did_you_mean(strange[0], words)} "
                    f"It has: {', '.join(sorted(words, key=_order(name)))}."
                )

    def opposite(self) -> Selection:
        """Everything else."""
        return Not(self)

    def __repr__(self) -> str:
        return str(self)


#: Text, or a :class:`MAT`, :class:`Pattern` or :class:`Selection`; several of these: any of them; None: everything.
Selector = str | Algebra | Iterable[str | Algebra] | None


@dataclass(frozen=True, slots=True, repr=False)
class Triplets(Selection):
    """The records whose triplet a pattern matches."""

    pattern: Pattern

    def resolve(self, facts: Mapping[str, Any]) -> bool | Selection:
        """See :meth:`Selection.resolve`."""
        if not all(axis in facts for axis in AXES):
            return self
        return self.pattern.matches(MAT(*(facts[axis] for axis in AXES)))

    def mask(self, column: Column, length: int) -> Mask:
        """See :meth:`Selection.mask`."""
        import numpy as np

        inside = np.ones(length, dtype=bool)
        for axis, words, negated in zip(AXES, self.pattern.parts, self.pattern.negated_parts, strict=True):
            if words:
                inside &= column(axis, words) ^ negated
        return inside ^ self.pattern.negated

    def leaves(self) -> Iterator[Triplets | Field]:
        """See :meth:`Selection.leaves`."""
        yield self

    def opposite(self) -> Selection:
        """Everything else."""
        return Triplets(Pattern(self.pattern.parts, self.pattern.negated_parts, not self.pattern.negated))

    def __str__(self) -> str:
        return str(self.pattern).replace("*/*/*", ANY)


@dataclass(frozen=True, slots=True, repr=False)
class Field(Selection):
    """The records that have one of the values of a field, or lie within bounds; made by :func:`field`."""

    name: str
    values: frozenset[Any] = frozenset()
    low: int | None = None
    high: int | None = None

    def resolve(self, facts: Mapping[str, Any]) -> bool | Selection:
        """See :meth:`Selection.resolve`."""
        return facts[self.name] in self.values if self.name in facts and self.name not in RECORD_FIELDS else self

    def mask(self, column: Column, length: int) -> Mask:
        """See :meth:`Selection.mask`."""
        return column(self.name, (self.low, self.high) if self.name in _BOUNDED else self.values)

    def leaves(self) -> Iterator[Triplets | Field]:
        """See :meth:`Selection.leaves`."""
        yield self

    def __str__(self) -> str:
        if self.low is not None:
            return f"{self.name}>={self.low}"
        if self.high is not None:
            return f"{self.name}<={self.high}"
        words = sorted((_spelt(self.name, value) for value in self.values), key=_order(self.name))
        return f"{self.name}=" + "|".join(map(_quoted, words))


@dataclass(frozen=True, slots=True, repr=False)
class _Several(Selection):
    parts: tuple[Selection, ...]

    every: ClassVar[bool]  # whether all parts have to hold, or any

    def __post_init__(self) -> None:
        if self.depth > MAX_DEPTH:
            raise VocabularyError(f"A selection nests deeper than {MAX_DEPTH}: write it flatter.")

    @classmethod
    def join(cls, parts: Iterable[Selection]) -> Selection:
        """All of the parts, or any; those that are such a list themselves are taken apart."""
        neutral = EVERYTHING if cls.every else NOTHING
        flat = (one for part in parts for one in (part.parts if isinstance(part, cls) else (part,)))
        kept = tuple(dict.fromkeys(one for one in flat if one != neutral))
        return cls(kept) if len(kept) > 1 else kept[0] if kept else neutral

    @property
    def depth(self) -> int:
        """See :attr:`Selection.depth`."""
        return 1 + max(part.depth for part in self.parts)

    def resolve(self, facts: Mapping[str, Any]) -> bool | Selection:
        """See :meth:`Selection.resolve`."""
        left = []
        for part in self.parts:
            found = part.resolve(facts)
            if isinstance(found, Selection):
                left.append(found)
            elif found is not self.every:
                return found
        return self.join(left) if left else self.every

    def mask(self, column: Column, length: int) -> Mask:
        """See :meth:`Selection.mask`."""
        masks = (part.mask(column, length) for part in self.parts)
        return functools.reduce(operator.and_ if self.every else operator.or_, masks)

    def leaves(self) -> Iterator[Triplets | Field]:
        """See :meth:`Selection.leaves`."""
        for part in self.parts:
            yield from part.leaves()


class And(_Several):
    """What every part selects."""

    __slots__ = ()
    every = True

    def __str__(self) -> str:
        return " & ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)


class Or(_Several):
    """What any part selects."""

    __slots__ = ()
    every = False

    def __str__(self) -> str:
        return ", ".join(map(str, self.parts))


@dataclass(frozen=True, slots=True, repr=False)
class Not(Selection):
    """What a part does not select."""

    part: Selection

    @property
    def depth(self) -> int:
        """See :attr:`Selection.depth`."""
        return self.part.depth

    def resolve(self, facts: Mapping[str, Any]) -> bool | Selection:
        """See :meth:`Selection.resolve`."""
        found = self.part.resolve(facts)
        return found.opposite() if isinstance(found, Selection) else not found

    def mask(self, column: Column, length: int) -> Mask:
        """See :meth:`Selection.mask`."""
        return ~self.part.mask(column, length)

    def leaves(self) -> Iterator[Triplets | Field]:
        """See :meth:`Selection.leaves`."""
        yield from self.part.leaves()

    def opposite(self) -> Selection:
        """Everything else."""
        return self.part

    def __str__(self) -> str:
        return f"!({self.part})" if isinstance(self.part, _Several) else f"!{self.part}"


EVERYTHING: Selection = Triplets(Pattern.parse(ANY))
NOTHING: Selection = EVERYTHING.opposite()


def field(name: str, values: Any = (), *, at_least: int | None = None, at_most: int | None = None) -> Selection:
    """A condition on a field.

    Args:
        name: one of :data:`FIELDS`.
        values: a value or several, any of which will do; what is yes, no or unknown, such as ``commercial``, also
            takes True, False and None.
        at_least: for width and height, in pixels.
        at_most: likewise.

    Raises:
        VocabularyError: an unknown field or value, or one of the wrong kind.
    """
    if name not in FIELDS:
        raise VocabularyError(
            f"Records have no field {name!r} to select by.{did_you_mean(name, FIELDS)} Known: {', '.join(FIELDS)}."
        )
    several = [values] if isinstance(values, str) or not isinstance(values, Iterable) else list(values)
    if name in _BOUNDED:
        if several or (at_least is None and at_most is None):
            raise VocabularyError(f"{name} is a number of pixels: ask {name}>=N or {name}<=N (at_least=, at_most=).")
        lower = () if at_least is None else (Field(name, low=_number(name, at_least)),)
        upper = () if at_most is None else (Field(name, high=_number(name, at_most)),)
        return And.join((*lower, *upper))
    if at_least is not None or at_most is not None:
        raise VocabularyError(f"{name} has no bounds: ask {name}=VALUE, or several separated by |.")
    if not several:
        raise VocabularyError(f"No value is given for {name}: ask {name}=VALUE, or several separated by |.")
    return Field(name, frozenset(_value(name, value) for value in several))


def _single(selector: Any) -> Selection:
    if isinstance(selector, Selection):
        return selector
    if isinstance(selector, str):
        return Selection.parse(selector)
    if isinstance(selector, MAT):
        return Triplets(Pattern.parse(str(selector)))
    if isinstance(selector, Pattern):
        return Triplets(selector)
    raise VocabularyError(f"{selector!r} selects nothing: expected a text such as 'CT|MRI/Brain/*', or several.")


def _value(name: str, value: Any) -> Any:
    """A value as the facts hold it."""
    if name in _WHOLE:
        return None if name == "subset" and value in (None, "none") else _number(name, value)
    if name in _YES_NO_FIELDS and (value is None or isinstance(value, bool)):
        value = _spelt(name, value)
    if not isinstance(value, str):
        raise VocabularyError(f"{name}={value!r} is no text.")
    known = _CLOSED.get(name, (value,))
    if value not in known:
        raise VocabularyError(f"{name}={value!r} is not one of {', '.join(known)}.{did_you_mean(value, known)}")
    return _YES_NO[value] if name in _YES_NO_FIELDS else value


def _number(name: str, value: Any) -> int:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
        return int(value)
    if not isinstance(value, bool) and isinstance(value, Integral) and 0 <= int(value) < 10**9:
        return int(value)
    raise VocabularyError(f"{name}: {value!r} is not a whole number below 1,000,000,000.")


def _spelt(name: str, value: Any) -> str:
    """A value as the text of a selection has it."""
    if name in _YES_NO_FIELDS:
        return next(word for word, meaning in _YES_NO.items() if meaning is value)
    return "none" if value is None else str(value)


def _order(name: str) -> Callable[[str], Any]:
    """The key by which the spelt values of a field are sorted: numbers by size."""
    return (lambda word: (len(word), word)) if name in _WHOLE else str


def _quoted(text: str) -> str:
    if text and text == text.strip() and not re.search(r'[,&|()!=<>"\\]', text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Parser:
    """Reads one text, from left to right, once."""

    _blank = re.compile(r"\s*")
    _head = re.compile(r'[^,&()"=<>]*')  # a pattern, or the name of a field
    _sign = re.compile("[<>=]*")
    _plain = re.compile(r'[^,&|()!=<>"\\]*')
    _string = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def whole(self) -> Selection:
        found = self.union()
        if self.at < len(self.text):
            raise self.fault("expected , or & or the end")
        return found

    def union(self) -> Selection:
        parts = [self.all()]
        while self.accept(","):
            parts.append(self.all())
        return Or.join(parts)

    def all(self) -> Selection:
        parts = [self.one()]
        while self.accept("&"):
            parts.append(self.one())
        return And.join(parts)

    def one(self) -> Selection:
        negated = False
        while self.accept("!"):
            negated = not negated
        found = self.nested() if self.accept("(") else self.leaf()
        return found.opposite() if negated else found

    def nested(self) -> Selection:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fault(f"parentheses nest deeper than {MAX_DEPTH}")
        found = self.union()
        if not self.accept(")"):
            raise self.fault("expected )")
        self.depth -= 1
        return found

    def leaf(self) -> Selection:
        head = self.take(self._head).strip()
        sign = self.take(self._sign)
        if not head:
            raise self.fault("expected a pattern such as CT|MRI/Brain/*, or a condition such as source=busi")
        if not sign:
            return Triplets(Pattern.parse(head))
        if sign not in ("=", ">=", "<="):
            raise self.fault("expected =, >= or <=")
        values = [self.value()]
        while self.accept("|"):
            values.append(self.value())
        if sign == "=":
            return field(head, values)
        if len(values) > 1 or head in set(FIELDS) - set(_BOUNDED):
            raise self.fault(f"{sign} is asked of {' and '.join(_BOUNDED)}, with one number")
        bound = _number(head, values[0])
        return field(head, at_least=bound) if sign == ">=" else field(head, at_most=bound)

    def value(self) -> str:
        self.take(self._blank)
        quoted = self._string.match(self.text, self.at)
        if quoted is not None:
            self.at = quoted.end()
            return re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL)
        found = self.take(self._plain).strip()
        if not found:
            raise self.fault("expected a value")
        return found

    def take(self, token: re.Pattern[str]) -> str:
        """Step over a token, which may be empty."""
        start = self.at
        match = token.match(self.text, start)
        self.at = match.end() if match else start
        return self.text[start : self.at]

    def accept(self, sign: str) -> bool:
        """Step over blanks, and over a sign if it comes next."""
        self.take(self._blank)
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True

    def fault(self, why: str) -> VocabularyError:
        before, after = self.text[max(0, self.at - 30) : self.at], self.text[self.at : self.at + 30]
        return VocabularyError(
            f"The selection cannot be read at character {self.at + 1}, between {before!r} and {after!r}: {why}."
        )
