"""Converts texts, names and values to selections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from med_mat.errors import VocabularyError
from med_mat.selection.algebra import (
    EVERYTHING,
    MAT,
    NOTHING,
    Algebra,
    And,
    Field,
    Or,
    Pattern,
    Selection,
    Triplets,
    Word,
    element,
)
from med_mat.selection.fields import FIELDS, field_type
from med_mat.selection.hints import as_keywords, refuse_triplet_in_parts
from med_mat.selection.parser import parse
from med_mat.taxonomy import AXES
from med_mat.vocabulary import STANDARD


def field(name: str, values: Any = (), *, at_least: int | None = None, at_most: int | None = None) -> Selection:
    """A condition on a field.

    Args:
        name: One of :data:`~med_mat.selection.FIELDS`.
        values: One value, or several, any of which may match; yes/no fields, such as ``commercial``, also accept True,
            False and None.
        at_least: Minimum of width or height, in pixels.
        at_most: Maximum of width or height, in pixels.

    Raises:
        VocabularyError: A field or value is unknown, or has the wrong type.
    """
    one = field_type(name)
    several = [values] if isinstance(values, str) or not isinstance(values, Iterable) else list(values)
    if one.type == "pixels":
        if bool(several) == (at_least is not None or at_most is not None):
            raise VocabularyError(f"{name} is a number of pixels: ask {name}>=N, {name}<=N or {name}=N.")
        bounds: list[tuple[int | None, int | None]] = [(number, number) for number in map(one.number, several)]
        return Or.join(_between(name, *pair) for pair in bounds or [(at_least, at_most)])
    if at_least is not None or at_most is not None:
        raise VocabularyError(f"{name} has no bounds: ask {name}=VALUE, or several separated by |.")
    if not several:
        raise VocabularyError(f"No value is given for {name}: ask {name}=VALUE, or several separated by |.")
    found = frozenset(map(one.value, several))
    if one.type == "element":
        return element(name, *found)
    return Field(name, found)


def conditions(fields: Mapping[str, Any]) -> Selection:
    """All of these conditions by name; None is no condition."""
    return And.join(field(name, value) for name, value in fields.items() if value is not None)


def _between(name: str, low: int | None, high: int | None) -> Selection:
    number = FIELDS[name].number
    lower = () if low is None else (Field(name, low=number(low)),)
    upper = () if high is None else (Field(name, high=number(high)),)
    return And.join((*lower, *upper))


class _Tree:
    """Builds a selection from the parts that :mod:`med_mat.selection.parser` reads."""

    def any(self, parts: Sequence[Selection]) -> Selection:
        return Or.join(parts)

    def all(self, parts: Sequence[Selection]) -> Selection:
        return And.join(parts)

    def negated(self, part: Selection) -> Selection:
        return part.opposite()

    def pattern(self, text: str) -> Selection:
        return Triplets(Pattern.parse(text))

    def words(self, words: Sequence[str]) -> Selection:
        """Built-in words of one axis become one pattern; others are checked when a vocabulary is known."""
        places = [STANDARD.find(word) for word in words]
        ours = {axis: [place[1] for place in places if place and place[0] == axis] for axis in AXES}
        others = [Word(word) for word, place in zip(words, places, strict=True) if place is None]
        return Or.join([*(element(axis, *some) for axis, some in ours.items() if some), *others])

    def condition(self, name: str, sign: str, values: Sequence[str]) -> Selection:
        if sign in ("=", "!="):
            found = field(name, values)
            return found if sign == "=" else found.opposite()
        one = field_type(name)
        if one.type != "pixels" or len(values) > 1:
            bounded = " and ".join(each.name for each in FIELDS.values() if each.type == "pixels")
            raise VocabularyError(
                f"{sign} is asked of {bounded}, with one number, and not of {name}={'|'.join(values)}."
            )
        bound = one.number(values[0])
        if sign[0] == ">":
            return field(name, at_least=bound + (sign == ">"))
        return NOTHING if (sign, bound) == ("<", 0) else field(name, at_most=bound - (sign == "<"))


def _single(selector: Any) -> Selection:
    if isinstance(selector, Selection):
        return selector
    if isinstance(selector, str):
        return parse(selector, _Tree())
    if isinstance(selector, MAT):
        return Triplets(Pattern.parse(str(selector)))
    if isinstance(selector, Pattern):
        return Triplets(selector)
    raise VocabularyError(f"{selector!r} selects nothing: expected a text such as 'CT|MRI/Brain/*', or several.")


def _read(selector: Any) -> Selection:
    if selector is None:
        return EVERYTHING
    if isinstance(selector, str | Algebra) or not isinstance(selector, Iterable):
        return _single(selector)
    if isinstance(selector, Mapping):
        raise VocabularyError(f"A mapping selects nothing: give conditions by name, as in {as_keywords(selector)}.")
    several = list(selector)
    refuse_triplet_in_parts(several)
    return Or.join(map(_single, several))


Selection.read = staticmethod(_read)
