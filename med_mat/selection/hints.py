"""Suggestions for texts and arguments that are not a selection, or are ambiguous."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from med_mat.errors import VocabularyError
from med_mat.selection.fields import FIELDS
from med_mat.selection.parser import quoted
from med_mat.taxonomy import choices, did_you_mean, suggested
from med_mat.vocabulary import STANDARD, Vocabulary


def unknown_word(word: str, vocabulary: Vocabulary, known: Mapping[str, Collection[Any]]) -> VocabularyError:
    """The error for a single word that is on no axis."""
    return VocabularyError(
        f"{word!r} is not a modality, an area or a task.{_meant(word, vocabulary, known)} "
        "A selection is made of words and patterns, such as 'CT' and 'CT|MRI/Brain/*', and of conditions, such as "
        "'source=busi'."
    )


def refuse_unknown(
    asked: Mapping[str, Collection[Any]], known: Mapping[str, Collection[Any]], holder: str, how: str
) -> None:
    """Raises if a condition has an unknown value; null is always accepted.

    Args:
        asked: Field -> values in the conditions.
        known: Field -> its values; other fields accept any value.
        holder, how: As for :meth:`med_mat.selection.Selection.bound`.
    """
    for name, values in asked.items():
        one = FIELDS[name]
        strange = sorted(one.spelled(value) for value in {*values} - {None, *known.get(name, values)})
        if strange:
            words = sorted((one.spelled(value) for value in known[name]), key=one.order)
            raise VocabularyError(
                f"{holder} has no {name} {strange[0]!r}.{choices(strange[0], words, how.format(name))}"
            )


def _meant(word: str, vocabulary: Vocabulary, known: Mapping[str, Collection[Any]]) -> str:
    """A guess at the right form of a text that is not a word of any axis."""
    for one in FIELDS.values():
        for value in (*one.words, *map(one.spelled, known.get(one.name, ()))) if one.type == "text" else ():
            if value.casefold() == word.casefold():
                return f" Did you mean '{one.name}={quoted(value)}'?"
    first, *more = word.replace(":", " ").split()
    name = first.casefold()
    if name in FIELDS:
        more = more[more[0].casefold() in ("in", "is", "has", "equals") :] if more else []
        return f" Did you mean '{name}={quoted(' '.join(more)) if more else '…'}'?"
    places = [vocabulary.find(part) for part in (first, *more)]
    if more and all(places):
        both, either = (f" {sign} ".join(place[1] for place in places if place) for sign in "&|")
        several = len({place[0] for place in places if place}) == len(places)
        return f" Did you mean {f'{both!r} (all) or ' if several else ''}{either!r} (any)?"
    names = known.get("source", ())
    near = vocabulary.nearest(word)
    return suggested(near) or (did_you_mean(word, map(str, names)).replace("mean '", "mean 'source=") if names else "")


def refuse_triplet_in_parts(several: Sequence[Any]) -> None:
    """Raises if a list contains words of several axes, such as ("CT", "Lung", "Cancer"): it may mean all, or any."""
    places = [STANDARD.find(one) if isinstance(one, str) else None for one in several]
    found = [place for place in places if place]
    if len({axis for axis, _ in found}) > 1:
        words = [word for _, word in found]
        raise VocabularyError(
            f"Does the list of {', '.join(map(repr, words))} ask for records that are all of it or any of it? "
            f"Write {' & '.join(words)!r} or {' | '.join(words)!r}."
        )


def as_keywords(given: Mapping[Any, Any]) -> str:
    """A mapping of conditions as the call that it stands for."""
    return f"select({', '.join(f'{name}={value!r}' for name, value in list(given.items())[:3])})"
