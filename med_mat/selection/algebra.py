"""Selections as trees: triplets, patterns and conditions, combined by and, or, not.

The words of a tree are plain text until it is applied to a catalog or a build, against whose vocabulary
:meth:`Selection.bound` checks them.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from med_mat.errors import VocabularyError
from med_mat.selection.fields import FIELDS
from med_mat.selection.hints import refuse_unknown, unknown_word
from med_mat.selection.parser import MAX_DEPTH, quoted
from med_mat.selection.triplets import Elements, Parts
from med_mat.taxonomy import ANY, AXES
from med_mat.vocabulary import STANDARD, Vocabulary

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]
    #: (field, wanted) -> which records have one of these values (a frozenset), or are within bounds (minimum, maximum)
    Column = Callable[[str, Any], Mask]


Known = Mapping[str, Collection[Any]]  # field -> its values


class Algebra:
    """The operators ``&``, ``|`` and ``~``; each returns a :class:`Selection`."""

    __slots__ = ()

    def __and__(self, other: Selector) -> Selection:
        return And.join(map(Selection.of, (self, other)))

    def __rand__(self, other: Selector) -> Selection:
        return Selection.of(other) & self

    def __or__(self, other: Selector) -> Selection:
        return Or.join(map(Selection.of, (self, other)))

    def __ror__(self, other: Selector) -> Selection:
        return Selection.of(other) | self

    def __invert__(self) -> Selection:
        return Selection.of(self).opposite()


class MAT(Elements, Algebra):
    """A Modality, Anatomical area, Task triplet, e.g. ``CT/Lung/Cancer`` (arXiv 2412.20070, section 3).

    An omitted element is a wildcard: ``MAT(modality="CT")`` is ``CT/*/*``. The triplet of a record is complete.
    Words are checked when the triplet is used, since a catalog or a build may have more words than the built-in ones.

    Raises:
        VocabularyError: An element cannot be a word.
    """

    __slots__ = ()


class Pattern(Parts, Algebra):
    """A triplet with alternatives, wildcards and negation: ``CT|MRI/Brain/*``, ``!X-ray/*/*``.

    Each of the three parts is ``*`` (an empty set here), or words joined by ``|``. A ``!`` in front negates the whole
    pattern; a ``!`` before the area or the task negates that part alone, as in ``CT/!Lung/*``.
    """

    __slots__ = ()


class Selection(Algebra):
    """A condition on records; made by :meth:`of`, :func:`field`, and ``&``, ``|``, ``~``. It is immutable and hashable.

    Its text, ``str(selection)``, can be parsed by :meth:`parse`.
    """

    __slots__ = ()

    #: Converts text and arguments to a selection; set by :mod:`med_mat.selection.reading`, which imports the parser.
    read: ClassVar[Callable[[Any], Selection]]

    @staticmethod
    def of(selector: Selector, vocabulary: Vocabulary | None = None) -> Selection:
        """From text, a :class:`MAT`, :class:`Pattern` or selection, or several of these (their union); None is all.

        Args:
            selector: The selector.
            vocabulary: Vocabulary to check the words against; None leaves them unchecked until the selection is
                applied.

        Raises:
            VocabularyError: The text is not a selection, or a word is not in the vocabulary.
        """
        found = Selection.read(selector)
        return found if vocabulary is None else found.bound(vocabulary)

    @staticmethod
    def parse(text: str, vocabulary: Vocabulary | None = None) -> Selection:
        """Read the text of a selection.

        Args:
            text: See :mod:`med_mat.selection`.
            vocabulary: As for :meth:`of`.

        Raises:
            VocabularyError: The text is not a selection; the message says where parsing stopped, or which word is
                unknown.
        """
        return Selection.of(text, vocabulary)

    def bound(
        self, vocabulary: Vocabulary, known: Known = MappingProxyType({}), holder: str = "It", how: str = ""
    ) -> Selection:
        """The same selection in a vocabulary's spelling, after checking that its words and values are known.

        Args:
            vocabulary: Vocabulary of the catalog or build.
            known: Field -> its values; other fields accept any value, and null is always accepted.
            holder: What has these values, as the subject of a sentence.
            how: What lists the values of a field, as the subject of a sentence in which ``{}`` stands for the field.

        Raises:
            VocabularyError: A word or a value is unknown; the message suggests the nearest.
        """
        found = self.mapped(lambda leaf: leaf.known_to(vocabulary, known))
        refuse_unknown(found.fields(), known, holder, how)
        return found

    @property
    def depth(self) -> int:
        """The nesting depth of "and" and "or"; at most :data:`MAX_DEPTH`."""
        return 0

    def resolve(self, facts: Mapping[str, Any]) -> bool | Selection:
        """Simplifies the selection, given some facts, to True, False or a smaller selection.

        Args:
            facts: Facts shared by all records of a row, or of a row and a split, by axis or field: text; a number for
                ``row`` and ``subset``; True, False or None (unknown) for yes/no fields. Missing facts, and all fields
                of level "record", stay open.
        """
        raise NotImplementedError

    def mask(self, column: Column, length: int) -> Mask:
        """Which of ``length`` records are selected, (length,) of bool.

        Args:
            column: A function that returns for ``column(field, wanted)`` an array of shape (length,), dtype bool. It is
                called only for what :meth:`resolve` left open.
            length: Number of records.
        """
        raise NotImplementedError

    def rejects(self, column: Column, length: int) -> Mask:
        """Which of ``length`` records are known not to be selected: all but those of :meth:`mask`.

        A condition on an attribute of the person or the device neither selects nor rejects a record for which it is
        not stated, so that neither ``sex=female`` nor ``!sex=female`` selects it.

        Args:
            column: As for :meth:`mask`.
            length: Number of records.
        """
        return ~self.mask(column, length)

    def leaves(self) -> Iterator[Leaf]:
        """The patterns, words and conditions in it."""
        raise NotImplementedError

    def mapped(self, change: Callable[[Leaf], Selection]) -> Selection:
        """The same tree with each leaf replaced."""
        raise NotImplementedError

    def fields(self) -> dict[str, frozenset[Any]]:
        """Field -> the values in its conditions; empty for bounds."""
        found: dict[str, set[Any]] = {}
        for leaf in self.leaves():
            if isinstance(leaf, Field):
                found.setdefault(leaf.name, set()).update(leaf.values)
        return {name: frozenset(values) for name, values in found.items()}

    def opposite(self) -> Selection:
        """The complement."""
        return Not(self)

    def __repr__(self) -> str:
        return str(self)


#: Text, a :class:`MAT`, :class:`Pattern` or :class:`Selection`; several of these: their union; None: everything.
Selector = str | Algebra | Iterable[str | Algebra] | None


class Leaf(Selection):
    """A selection without parts."""

    __slots__ = ()

    def leaves(self) -> Iterator[Leaf]:
        """See :meth:`Selection.leaves`."""
        yield self

    def mapped(self, change: Callable[[Leaf], Selection]) -> Selection:
        """See :meth:`Selection.mapped`."""
        return change(self)

    def known_to(self, vocabulary: Vocabulary, known: Known) -> Selection:
        """The same in a vocabulary's spelling; see :meth:`Selection.bound`."""
        return self


@dataclass(frozen=True, slots=True, repr=False)
class Word(Leaf):
    """A single word that is not built in: it is checked when the selection is applied, since a card may declare it."""

    word: str

    def resolve(self, facts: Mapping[str, Any]) -> bool | Selection:
        """Always raises: a word must be checked against a vocabulary before it can be evaluated."""
        raise unknown_word(self.word, STANDARD, {})

    def known_to(self, vocabulary: Vocabulary, known: Known) -> Selection:
        """See :meth:`Leaf.known_to`."""
        place = vocabulary.find(self.word)
        if place is None:
            raise unknown_word(self.word, vocabulary, known)
        return element(*place)

    def __str__(self) -> str:
        return f"({self.word})"  # in parentheses it cannot be taken for a value of a condition before it


@dataclass(frozen=True, slots=True, repr=False)
class Triplets(Leaf):
    """The records whose triplet a pattern matches."""

    pattern: Pattern

    def resolve(self, facts: Mapping[str, Any]) -> bool | Selection:
        """See :meth:`Selection.resolve`."""
        if not all(axis in facts for axis in AXES):
            return self
        return self.pattern.holds(facts[axis] for axis in AXES)

    def mask(self, column: Column, length: int) -> Mask:
        """See :meth:`Selection.mask`."""
        import numpy as np

        inside = np.ones(length, dtype=bool)
        for axis, words, negated in zip(AXES, self.pattern.parts, self.pattern.negated_parts, strict=True):
            if words:
                inside &= column(axis, words) ^ negated
        return inside ^ self.pattern.negated

    def known_to(self, vocabulary: Vocabulary, known: Known) -> Selection:
        """See :meth:`Leaf.known_to`."""
        return Triplets(self.pattern.bound(vocabulary))

    def opposite(self) -> Selection:
        """The complement."""
        return Triplets(Pattern(self.pattern.parts, self.pattern.negated_parts, not self.pattern.negated))

    def __str__(self) -> str:
        return str(self.pattern).replace("*/*/*", ANY)


@dataclass(frozen=True, slots=True, repr=False)
class Field(Leaf):
    """The records whose field has one of the values, or is within bounds; made by :func:`field`."""

    name: str
    values: frozenset[Any] = frozenset()
    low: int | None = None
    high: int | None = None

    def resolve(self, facts: Mapping[str, Any]) -> bool | Selection:
        """See :meth:`Selection.resolve`."""
        asked = FIELDS[self.name].level != "record" and self.name in facts
        return facts[self.name] in self.values if asked else self

    def mask(self, column: Column, length: int) -> Mask:
        """See :meth:`Selection.mask`."""
        return column(self.name, (self.low, self.high) if FIELDS[self.name].type == "pixels" else self.values)

    def rejects(self, column: Column, length: int) -> Mask:
        """See :meth:`Selection.rejects`."""
        rest = ~self.mask(column, length)
        unknown = FIELDS[self.name].stated and None not in self.values
        return rest & ~column(self.name, frozenset({None})) if unknown else rest

    def __str__(self) -> str:
        if self.low is not None:
            return f"{self.name}>={self.low}"
        if self.high is not None:
            return f"{self.name}<={self.high}"
        one = FIELDS[self.name]
        return f"{self.name}=" + "|".join(map(quoted, sorted(map(one.spelled, self.values), key=one.order)))


@dataclass(frozen=True, slots=True, repr=False)
class _Several(Selection):
    parts: tuple[Selection, ...]

    every: ClassVar[bool]  # whether all parts must hold, or any

    def __post_init__(self) -> None:
        if self.depth > MAX_DEPTH:
            raise VocabularyError(f"A selection nests deeper than {MAX_DEPTH}: write it flatter.")

    @classmethod
    def join(cls, parts: Iterable[Selection]) -> Selection:
        """All of the parts, or any; nested lists of the same kind are flattened."""
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

    def rejects(self, column: Column, length: int) -> Mask:
        """See :meth:`Selection.rejects`."""
        masks = (part.rejects(column, length) for part in self.parts)
        return functools.reduce(operator.or_ if self.every else operator.and_, masks)

    def leaves(self) -> Iterator[Leaf]:
        """See :meth:`Selection.leaves`."""
        for part in self.parts:
            yield from part.leaves()

    def mapped(self, change: Callable[[Leaf], Selection]) -> Selection:
        """See :meth:`Selection.mapped`."""
        return self.join(part.mapped(change) for part in self.parts)


class And(_Several):
    """The intersection of its parts."""

    __slots__ = ()
    every = True

    def __str__(self) -> str:
        return " & ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)


class Or(_Several):
    """The union of its parts."""

    __slots__ = ()
    every = False

    def __str__(self) -> str:
        return ", ".join(map(str, self.parts))


@dataclass(frozen=True, slots=True, repr=False)
class Not(Selection):
    """The complement of its part."""

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
        return self.part.rejects(column, length)

    def rejects(self, column: Column, length: int) -> Mask:
        """See :meth:`Selection.rejects`."""
        return self.part.mask(column, length)

    def leaves(self) -> Iterator[Leaf]:
        """See :meth:`Selection.leaves`."""
        yield from self.part.leaves()

    def mapped(self, change: Callable[[Leaf], Selection]) -> Selection:
        """See :meth:`Selection.mapped`."""
        return self.part.mapped(change).opposite()

    def opposite(self) -> Selection:
        """The complement."""
        return self.part

    def __str__(self) -> str:
        return f"!({self.part})" if isinstance(self.part, _Several) else f"!{self.part}"


EVERYTHING: Selection = Triplets(Pattern.parse(ANY))
NOTHING: Selection = EVERYTHING.opposite()


def element(axis: str, *words: str) -> Selection:
    """The triplets with one of these words on an axis: ``element("area", "Lung")`` is ``*/Lung/*``."""
    return Triplets(Pattern.parse("/".join("|".join(sorted(words)) if axis == own else ANY for own in AXES)))
