"""Selections as trees: triplets, patterns and conditions, combined by and, or, not.

The words of a tree are plain texts until the tree meets what it selects from: a catalog or a build knows its
vocabulary, and :meth:`Selection.bound` checks them against it.
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
    #: (field, wanted) -> which records have one of these values (a frozenset), or lie within bounds (least and most)
    Column = Callable[[str, Any], Mask]


Known = Mapping[str, Collection[Any]]  # field -> its values


class Algebra:
    """``&``, ``|`` and ``~`` on whatever selects; each gives a :class:`Selection`."""

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

    An element that is not given is open: ``MAT(modality="CT")`` is ``CT/*/*``. The triplet of a record is complete.
    Whether the words are known is checked where the triplet is used: a catalog or a build may know more than ours.

    Raises:
        VocabularyError: an element cannot be a word.
    """

    __slots__ = ()


class Pattern(Parts, Algebra):
    """A triplet with alternatives, wildcards and negation: ``CT|MRI/Brain/*``, ``!X-ray/*/*``.

    Each of the three parts is ``*`` (an empty set here), or words joined by ``|``. A ``!`` in front negates the whole
    pattern; a ``!`` before the area or the task negates that part alone, as in ``CT/!Lung/*``.
    """

    __slots__ = ()


class Selection(Algebra):
    """What selects records; made by :meth:`of`, :func:`field`, and ``&``, ``|``, ``~``. It is immutable and hashable.

    Its text, ``str(selection)``, is read back by :meth:`parse`.
    """

    __slots__ = ()

    #: How text and arguments become a selection; :mod:`med_mat.selection.reading` sets it, which knows text and trees.
    read: ClassVar[Callable[[Any], Selection]]

    @staticmethod
    def of(selector: Selector, vocabulary: Vocabulary | None = None) -> Selection:
        """From text, a :class:`MAT`, a :class:`Pattern`, a selection, or several of these (any of them); None is all.

        Args:
            selector: what selects.
            vocabulary: that has to have the words; None leaves them unchecked, until what is selected from is known.

        Raises:
            VocabularyError: text that is no selection, or a word that is not in the vocabulary.
        """
        found = Selection.read(selector)
        return found if vocabulary is None else found.bound(vocabulary)

    @staticmethod
    def parse(text: str, vocabulary: Vocabulary | None = None) -> Selection:
        """Read the text of a selection.

        Args:
            text: see :mod:`med_mat.selection`.
            vocabulary: as for :meth:`of`.

        Raises:
            VocabularyError: it says where reading stopped, or which word is unknown.
        """
        return Selection.of(text, vocabulary)

    def bound(
        self, vocabulary: Vocabulary, known: Known = MappingProxyType({}), holder: str = "It", how: str = ""
    ) -> Selection:
        """The same with words as a vocabulary spells them, after what is asked for was found to be known.

        Args:
            vocabulary: of what is selected from.
            known: field -> its values; of other fields any value will do, and null is never refused.
            holder: what has these values, as the subject of a sentence.
            how: what lists the values of a field, as the subject of a sentence in which ``{}`` stands for the field.

        Raises:
            VocabularyError: a word or a value that is not known; the message suggests the nearest.
        """
        found = self.mapped(lambda leaf: leaf.known_to(vocabulary, known))
        refuse_unknown(found.fields(), known, holder, how)
        return found

    @property
    def depth(self) -> int:
        """How many "and" and "or" nest in it; at most :data:`MAX_DEPTH`."""
        return 0

    def resolve(self, facts: Mapping[str, Any]) -> bool | Selection:
        """What is left to ask when these facts are known: True, False, or a smaller selection.

        Args:
            facts: what holds of every record of a row, or of a row and a split, by axis or field: text; a number for
                ``row`` and ``subset``; True, False or None (unknown) for those of yes and no. What is missing stays a
                question, and so does every field of the level "record".
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

    def leaves(self) -> Iterator[Leaf]:
        """The patterns, words and conditions in it."""
        raise NotImplementedError

    def mapped(self, change: Callable[[Leaf], Selection]) -> Selection:
        """The same tree with each leaf changed."""
        raise NotImplementedError

    def fields(self) -> dict[str, frozenset[Any]]:
        """Field -> the values that are asked of it; no value where it is asked for bounds."""
        found: dict[str, set[Any]] = {}
        for leaf in self.leaves():
            if isinstance(leaf, Field):
                found.setdefault(leaf.name, set()).update(leaf.values)
        return {name: frozenset(values) for name, values in found.items()}

    def opposite(self) -> Selection:
        """Everything else."""
        return Not(self)

    def __repr__(self) -> str:
        return str(self)


#: Text, or a :class:`MAT`, :class:`Pattern` or :class:`Selection`; several of these: any of them; None: everything.
Selector = str | Algebra | Iterable[str | Algebra] | None


class Leaf(Selection):
    """A selection that is not made of others."""

    __slots__ = ()

    def leaves(self) -> Iterator[Leaf]:
        """See :meth:`Selection.leaves`."""
        yield self

    def mapped(self, change: Callable[[Leaf], Selection]) -> Selection:
        """See :meth:`Selection.mapped`."""
        return change(self)

    def known_to(self, vocabulary: Vocabulary, known: Known) -> Selection:
        """The same with words as a vocabulary spells them; see :meth:`Selection.bound`."""
        return self


@dataclass(frozen=True, slots=True, repr=False)
class Word(Leaf):
    """A word that stands alone and is none of ours: whether a card declares it is known where it is used."""

    word: str

    def resolve(self, facts: Mapping[str, Any]) -> bool | Selection:
        """Only a word that a vocabulary knows can be asked for."""
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
        """Everything else."""
        return Triplets(Pattern(self.pattern.parts, self.pattern.negated_parts, not self.pattern.negated))

    def __str__(self) -> str:
        return str(self.pattern).replace("*/*/*", ANY)


@dataclass(frozen=True, slots=True, repr=False)
class Field(Leaf):
    """The records that have one of the values of a field, or lie within bounds; made by :func:`field`."""

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

    def leaves(self) -> Iterator[Leaf]:
        """See :meth:`Selection.leaves`."""
        for part in self.parts:
            yield from part.leaves()

    def mapped(self, change: Callable[[Leaf], Selection]) -> Selection:
        """See :meth:`Selection.mapped`."""
        return self.join(part.mapped(change) for part in self.parts)


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

    def leaves(self) -> Iterator[Leaf]:
        """See :meth:`Selection.leaves`."""
        yield from self.part.leaves()

    def mapped(self, change: Callable[[Leaf], Selection]) -> Selection:
        """See :meth:`Selection.mapped`."""
        return self.part.mapped(change).opposite()

    def opposite(self) -> Selection:
        """Everything else."""
        return self.part

    def __str__(self) -> str:
        return f"!({self.part})" if isinstance(self.part, _Several) else f"!{self.part}"


EVERYTHING: Selection = Triplets(Pattern.parse(ANY))
NOTHING: Selection = EVERYTHING.opposite()


def element(axis: str, *words: str) -> Selection:
    """What has one of these words on an axis: ``element("area", "Lung")`` is ``*/Lung/*``."""
    return Triplets(Pattern.parse("/".join("|".join(sorted(words)) if axis == own else ANY for own in AXES)))
