"""The elements of triplets and patterns, and their parsers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from med_mat.errors import VocabularyError
from med_mat.taxonomy import ANY, AXES
from med_mat.vocabulary import STANDARD, Vocabulary, is_word

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, slots=True, order=True)
class Elements:
    """The three elements of a triplet: see :class:`~med_mat.selection.MAT`."""

    described: ClassVar[str] = "a triplet"

    modality: str = ANY
    area: str = ANY
    task: str = ANY

    def __post_init__(self) -> None:
        for axis, word in self.elements:
            if word not in STANDARD.words(axis):
                _well_formed(axis, word)

    @classmethod
    def parse(cls, text: str, vocabulary: Vocabulary | None = None) -> Self:
        """Read ``CT/Lung/Cancer``, or ``CT/*/*``.

        Args:
            text: Three elements.
            vocabulary: Vocabulary that must have the words in this exact spelling; None leaves them unchecked.

        Raises:
            VocabularyError: There are not three elements, or one cannot be a word or is not in the vocabulary.
        """
        parts = [part.strip() for part in text.split("/")]
        if len(parts) != 3:
            raise VocabularyError(f"{text!r} is not a triplet: expected MODALITY/AREA/TASK, such as 'CT/Lung/Cancer'.")
        found = cls(*parts)
        if vocabulary is not None:
            found.check(vocabulary)
        return found

    def check(self, vocabulary: Vocabulary) -> None:
        """Raises unless all words are in a vocabulary, in exact spelling.

        Raises:
            VocabularyError: A word is not; the message suggests the nearest word.
        """
        for axis, word in self.elements:
            vocabulary.check(axis, word)

    @property
    def elements(self) -> tuple[tuple[str, str], ...]:
        """The axis and word of each element that is not a wildcard."""
        return tuple((axis, getattr(self, axis)) for axis in AXES if getattr(self, axis) != ANY)

    def __str__(self) -> str:
        return f"{self.modality}/{self.area}/{self.task}"

    @property
    def complete(self) -> bool:
        """Whether no element is a wildcard."""
        return ANY not in (self.modality, self.area, self.task)

    def shared(self, other: Elements) -> frozenset[str]:
        """The axes on which both triplets name the same element, a subset of {"modality", "area", "task"}."""
        return frozenset(axis for axis in AXES if ANY != getattr(self, axis) == getattr(other, axis))


@dataclass(frozen=True, slots=True)
class Parts:
    """The three parts of a pattern: see :class:`~med_mat.selection.Pattern`."""

    parts: tuple[frozenset[str], frozenset[str], frozenset[str]]
    negated_parts: tuple[bool, bool, bool] = (False, False, False)
    negated: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a pattern; ``*`` alone stands for ``*/*/*``. Built-in words are case-insensitive.

        Raises:
            VocabularyError: There are not three parts, or one cannot be a word.
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
                f"{_completed(pieces)}"
            )
        words: list[frozenset[str]] = []
        flags: list[bool] = []
        for axis, piece in zip(AXES, pieces, strict=True):
            piece = piece.strip()
            flag = axis != "modality" and piece.startswith("!")  # before the modality, it negates the whole pattern
            names = [name.strip() for name in piece[flag:].split("|")]
            if names == ["*"]:
                if flag:
                    raise VocabularyError(f"{text!r} can match nothing: '!*' excludes every {axis}.")
                words.append(frozenset())
            else:
                words.append(frozenset(_well_formed(axis, name) for name in names))
            flags.append(flag)
        return cls((words[0], words[1], words[2]), (flags[0], flags[1], flags[2]), negated)

    def matches(self, mat: Elements) -> bool:
        """Whether the triplet is selected."""
        return self.holds(getattr(mat, axis) for axis in AXES)

    def holds(self, elements: Iterable[str]) -> bool:
        """Whether the triplet of these three elements is selected."""
        parts = zip(elements, self.parts, self.negated_parts, strict=True)
        return all(not words or ((word in words) != flag) for word, words, flag in parts) != self.negated

    def bound(self, vocabulary: Vocabulary) -> Self:
        """The pattern in a vocabulary's spelling.

        Raises:
            VocabularyError: A word is not on its axis; the message suggests the nearest.
        """
        modality, area, task = (
            frozenset(vocabulary.canonical(axis, word) for word in sorted(words))
            for axis, words in zip(AXES, self.parts, strict=True)
        )
        return type(self)((modality, area, task), self.negated_parts, self.negated)

    def __str__(self) -> str:
        pieces = [
            ("!" if flag else "") + ("|".join(sorted(words)) or "*")
            for words, flag in zip(self.parts, self.negated_parts, strict=True)
        ]
        return ("!" if self.negated else "") + "/".join(pieces)


def _well_formed(axis: str, word: str) -> str:
    """The canonical spelling of a built-in word given in any case; any other word unchanged.

    Raises:
        VocabularyError: The text cannot be a word of any vocabulary.
    """
    if is_word(word):
        place = STANDARD.find(word)
        return place[1] if place and place[0] == axis else word
    return STANDARD.canonical(axis, word)


def _completed(pieces: Sequence[str]) -> str:
    """A suggestion for a pattern with fewer than three parts, such as CT/Lung."""
    closed = [piece.strip() for piece in pieces if piece.strip() != ANY]
    found = dict(place for place in map(STANDARD.find, closed) if place)
    whole = 0 < len(closed) == len(found) and len(pieces) < len(AXES)
    return f" Did you mean '{'/'.join(found.get(axis, ANY) for axis in AXES)}'?" if whole else ""
