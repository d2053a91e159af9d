"""Vocabularies: the words for the elements of a triplet; unknown words are errors, and cards can declare further words.

There is no global list that grows. Each catalog and each build has its own :class:`Vocabulary`: :data:`STANDARD`,
extended by the words that the cards of its sources declare. The words of a selection are checked when it is applied to
one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from med_mat.errors import VocabularyError
from med_mat.taxonomy import (
    AREA_MEANINGS,
    AREA_OVERLAPS,
    AXES,
    DETECTION_OF,
    MODALITIES,
    SYNONYMS,
    TASK_PARENTS,
    TASKS,
    did_you_mean,
    nearest,
    suggested,
)

_WORD = re.compile(r"[^\W_][\w .'+-]{0,39}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """The words of each axis with their meanings and relations; also the ``vocabulary:`` block of a card.

    Args:
        modality, area, task: Word -> its meaning.
        parents: Task -> the coarser task that it is a kind of, as COVID is a kind of State.
        detects: Detection task -> the classification task of what it detects.
        overlaps: Pairs of overlapping areas, as a chest radiograph shows the lungs.
    """

    modality: Mapping[str, str] = field(default_factory=dict)
    area: Mapping[str, str] = field(default_factory=dict)
    task: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    detects: Mapping[str, str] = field(default_factory=dict)
    overlaps: tuple[tuple[str, str], ...] = ()

    def words(self, axis: str) -> Mapping[str, str]:
        """The words of an axis -> their meanings."""
        found: Mapping[str, str] = getattr(self, axis)
        return found

    @property
    def elements(self) -> tuple[tuple[str, str], ...]:
        """All (axis, word) pairs."""
        return tuple((axis, word) for axis in AXES for word in self.words(axis))

    def canonical(self, axis: str, word: str) -> str:
        """The canonical spelling of a word of an axis, given in any case.

        Raises:
            VocabularyError: There is no such word; the message suggests the nearest.
        """
        found = _folded(word, self.words(axis))
        if found is None:
            raise self._unknown(axis, word)
        return found

    def check(self, axis: str, word: str) -> None:
        """Raises unless an axis has this word in this exact spelling.

        Raises:
            VocabularyError: It does not; the message suggests the nearest word.
        """
        if word not in self.words(axis):
            raise self._unknown(axis, word)

    def find(self, word: str) -> tuple[str, str] | None:
        """The axis of a word, given in any case, and its canonical spelling; None if no axis has it.

        No word is on two axes.
        """
        return next(((axis, found) for axis in AXES if (found := _folded(word, self.words(axis)))), None)

    def nearest(self, word: str) -> str | None:
        """The word of any axis that is most similar to this one; None if none is similar."""
        synonym = SYNONYMS.get(word.casefold())
        return synonym or nearest(word, [name for axis in AXES for name in self.words(axis)])

    def _unknown(self, axis: str, word: str) -> VocabularyError:
        words = self.words(axis)
        synonym = SYNONYMS.get(word.casefold())
        elsewhere = self.find(word)
        if elsewhere:
            hint = f" It is {'an area' if elsewhere[0] == 'area' else f'a {elsewhere[0]}'}."
        else:
            hint = suggested(synonym if synonym in words else nearest(word, words))
        return VocabularyError(f"{word!r} is not a Med-MAT {axis}.{hint} Known: {', '.join(words)}.")

    def ancestors(self, task: str) -> tuple[str, ...]:
        """The task and the coarser tasks that it is a kind of: ``("COVID", "State")``."""
        chain = [task]
        while parent := self.parents.get(chain[-1]):
            chain.append(parent)
        return tuple(chain)

    def counts_as(self, task: str, *, pool_tasks: bool, cross_tasks: bool) -> frozenset[str]:
        """The tasks that a triplet of this task counts as, under the options of an experiment.

        Args:
            task: One of the tasks.
            pool_tasks: A task also counts as those that it is a kind of, such as COVID as State (appendix B.1).
            cross_tasks: A detection task also counts as what it detects, such as Cancer Detection as Cancer (section
                6). With ``pool_tasks``, as State too.

        Raises:
            VocabularyError: There is no such task.
        """
        self.check("task", task)
        names = [task]
        if cross_tasks and task in self.detects:
            names.append(self.detects[task])
        return frozenset(pooled for name in names for pooled in (self.ancestors(name) if pool_tasks else (name,)))

    def related(self, axis: str, one: str, other: str) -> bool:
        """Whether two words of an axis are equal or overlap: Lung and Chest, Cancer and Cancer Detection.

        Two kinds of one task, such as COVID and Cancer, are not related.

        Raises:
            VocabularyError: There is no such task.
        """
        if one == other:
            return True
        if axis == "area":
            return (one, other) in self.overlaps or (other, one) in self.overlaps
        if axis == "task":
            own, others = (self.counts_as(task, pool_tasks=True, cross_tasks=True) for task in (one, other))
            return one in others or other in own
        return False

    def extended(self, more: Vocabulary) -> Vocabulary:
        """This vocabulary, extended by the words of another one.

        Args:
            more: Its relations may name words of both; a word in both must have the same meaning.

        Raises:
            VocabularyError: A word is malformed, differs from a known one only in case, is on another axis or has
                another meaning; or a relation names an unknown word, or changes a known relation.
        """
        words = {axis: {**self.words(axis), **more.words(axis)} for axis in AXES}
        for axis in AXES:
            for word, meaning in more.words(axis).items():
                self._check_new(axis, word, meaning)
                twins = [(a, o) for a in AXES for o in words[a] if o.casefold() == word.casefold()]
                if len(twins) > 1:
                    other, twin = next(pair for pair in twins if pair != (axis, word))
                    raise VocabularyError(
                        f"the {axis} {word!r} is the {other} {twin!r}: use that word, or another one."
                    )
        for name, which in (("parents", "tasks"), ("detects", "tasks"), ("overlaps", "areas")):
            known = words[which[:-1]]
            pairs = more.overlaps if name == "overlaps" else getattr(more, name).items()
            for pair in pairs:
                for word in pair:
                    if word not in known:
                        raise VocabularyError(
                            f"{name} has {word!r}, which is none of the {which} of Med-MAT or of this card."
                            f"{did_you_mean(word, known)}"
                        )
                if len(set(pair)) < len(pair):
                    raise VocabularyError(f"{name} relates {pair[0]!r} to itself.")
        for name in ("parents", "detects"):
            mine, others = getattr(self, name), getattr(more, name)
            for task in {**others, **dict.fromkeys(more.task)}:
                if task in self.task and mine.get(task) != others.get(task):
                    raise VocabularyError(
                        f"{name} gives the task {task!r} {others.get(task)!r}, and elsewhere it has {mine.get(task)!r}."
                    )
        for pair in more.overlaps:
            if not (set(pair) & set(more.area) or self.related("area", *pair)):
                raise VocabularyError(
                    f"overlaps joins {pair[0]!r} and {pair[1]!r}, neither of which this card declares."
                )
        parents = {**self.parents, **more.parents}
        for start in more.parents:
            task, seen = start, {start}
            while (task := parents.get(task, "")) and task not in seen:
                seen.add(task)
            if task:
                raise VocabularyError(f"parents goes round in a circle from {start!r}.")
        joined = {*map(frozenset, self.overlaps)}
        return Vocabulary(
            **words,
            parents=parents,
            detects={**self.detects, **more.detects},
            overlaps=(*self.overlaps, *dict.fromkeys(pair for pair in more.overlaps if frozenset(pair) not in joined)),
        )

    def _check_new(self, axis: str, word: str, meaning: str) -> None:
        if not is_word(word):
            raise VocabularyError(
                f"{word!r} cannot be a word of the {axis}: expected at most 40 letters, digits, blanks, hyphens, dots, "
                "plus signs and apostrophes, a letter or digit first, and none of the words 'and', 'or', 'not', 'in'."
            )
        if not meaning.strip() or "\n" in meaning:
            raise VocabularyError(f"the {axis} {word!r} needs one line that says what it means, and has {meaning!r}.")
        known = self.words(axis).get(word, meaning)
        if known != meaning:
            raise VocabularyError(f"the {axis} {word!r} is declared as {meaning!r}, and elsewhere as {known!r}.")

    def beyond(self, elements: Iterable[tuple[str, str]]) -> Vocabulary:
        """The words beyond :data:`STANDARD` that these elements need: their own, and those that they relate to.

        Args:
            elements: (axis, word) pairs.
        """
        wanted = {element for element in elements if element[1] not in STANDARD.words(element[0])}
        areas = {word for axis, word in wanted if axis == "area"}
        pairs = tuple(pair for pair in self.overlaps if areas & set(pair))
        wanted |= {("area", word) for pair in pairs for word in pair}
        left = [word for axis, word in wanted if axis == "task"]
        while left:
            task = left.pop()
            more = {one for one in (self.parents.get(task), self.detects.get(task)) if one} - {w for _, w in wanted}
            wanted |= {("task", one) for one in more}
            left += more

        def kept(axis: str) -> dict[str, str]:
            new = {word for own, word in wanted if own == axis} - set(STANDARD.words(axis))
            return {word: meaning for word, meaning in self.words(axis).items() if word in new}

        tasks = kept("task")
        return Vocabulary(
            modality=kept("modality"),
            area=kept("area"),
            task=tasks,
            parents={task: self.parents[task] for task in tasks if task in self.parents},
            detects={task: self.detects[task] for task in tasks if task in self.detects},
            overlaps=pairs,
        )

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON, without empty fields."""
        names = (*AXES, "parents", "detects")
        data: dict[str, Any] = {name: dict(getattr(self, name)) for name in names}
        return {k: one for k, one in {**data, "overlaps": [list(pair) for pair in self.overlaps]}.items() if one}


def _folded(word: str, known: Mapping[str, str]) -> str | None:
    """The known word with this spelling, ignoring case."""
    if word in known:
        return word
    return next((name for name in known if name.casefold() == word.casefold()), None)


def is_word(text: str) -> bool:
    """Whether a text can be a word of an axis: short, plain, and without characters of the selection syntax."""
    return bool(
        _WORD.fullmatch(text)
        and text == text.strip()
        and not {"and", "or", "not", "in"} & set(text.casefold().split(" "))
    )


#: The built-in words, which need no declaration.
STANDARD = Vocabulary(
    modality=dict(MODALITIES),
    area=dict(AREA_MEANINGS),
    task=dict(TASKS),
    parents=dict(TASK_PARENTS),
    detects=dict(DETECTION_OF),
    overlaps=AREA_OVERLAPS,
)


def in_order(axis: str, words: Iterable[str]) -> list[str]:
    """The unique words of an axis: ours in vocabulary order, then words declared by cards, alphabetically."""
    ours = {word: place for place, word in enumerate(STANDARD.words(axis))}
    return sorted(set(words), key=lambda word: (ours.get(word, len(ours)), word))
