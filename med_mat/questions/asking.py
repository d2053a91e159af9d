"""Makes the questions of records, in one of three forms.

``default``: what a build stores. No two options can both be right, a label that is merely unknown is never offered as
wrong, and neither number nor length of options reveals the answer.
``row``: the same with distractors from the row's own labels alone.
``paper``: upstream's own rules (arXiv 2412.20070 v2, section 2.1 and Figure 8): distractors are any other labels of the
whole subset, of findings any other sets of labels that occur in it, and only the answer itself is not repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from med_mat.catalog import Catalog, Row
from med_mat.errors import CardError, LabelError
from med_mat.questions import classes, findings, places, texts
from med_mat.questions.places import Box
from med_mat.questions.question import Question, single_choice
from med_mat.questions.sampling import Sampler
from med_mat.questions.synonyms import Synonyms

Form = Literal["default", "paper", "row"]
#: The seed of the questions stored in a build.
SEED = 0

_MOST = len(texts.LETTERS) - 1
#: The name of the scale of a row with a single scale: the part of its raw labels before "/".
_ONE_SCALE = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A row prepared for questions: everything that does not depend on a record."""

    row: Row
    instructions: tuple[str, ...]
    known: frozenset[str]  # its labels
    drawn: tuple[str, ...]  # labels that can have boxes
    pools: Mapping[str, classes.Pools]  # classes and grades, by scale
    findings: findings.Findings | None
    captions: tuple[str, ...]  # all answers of the subset, for the paper's form


class Questioner:
    """Makes the questions of records of some rows. It contains only plain data and can be pickled."""

    def __init__(
        self,
        rows: Catalog | Iterable[Row],
        form: Form = "default",
        seed: int = SEED,
        label_sets: Mapping[int, Sequence[Sequence[str]]] | None = None,
    ) -> None:
        """Prepare everything that does not depend on a record.

        Args:
            rows: The rows asked about, and all rows of their subsets, whose labels may be distractors.
            form: Form of the questions.
            seed: Random seed.
            label_sets: for the paper's form: row number -> the sets of labels that occur in its subset's rows of
                findings.

        Raises:
            CardError: A row without labels.
        """
        rows = rows.rows if isinstance(rows, Catalog) else tuple(rows)
        self.form, self.seed = form, seed
        synonyms = Synonyms()
        by_subset: dict[int | None, list[Row]] = {}
        for row in rows:
            if not row.labels:
                raise CardError(f"Row {row.number} of {row.source!r} has no labels to ask for.")
            by_subset.setdefault(row.subset, []).append(row)
        self._rows = {}
        for row in rows:
            siblings = [row] if row.subset is None else by_subset[row.subset]
            sets = (label_sets or {}).get(row.number, ())
            self._rows[row.number] = _prepare(row, siblings, synonyms, form, sets)

    def ask(
        self,
        key: int,
        row: Row,
        *,
        label: str | None = None,
        present: Sequence[str] = (),
        absent: Sequence[str] = (),
        unknown: Sequence[str] = (),
        raw_label: str = "",
        boxes: Sequence[Box] = (),
        size: tuple[int, int] = (0, 0),
    ) -> Question:
        """The question of one record.

        Args:
            key: The record's ``key``; random choices depend only on it and the seed.
            row: The row that the record belongs to.
            label: Its human label (rows of classes and grades).
            present: Human labels that are present (rows of findings, boxes and masks).
            absent: Human labels stated to be absent.
            unknown: Human labels about which nothing is stated; they are never offered or asked for.
            raw_label: The label in the publisher's file (rows of grades with several scales).
            boxes: Corners in pixels, and human labels (rows of boxes and masks).
            size: Width and height of the image in pixels (rows of boxes and masks).

        Raises:
            LabelError: A label that the row does not have.
        """
        asked = self._rows.get(row.number)
        if asked is None:
            raise CardError(f"Row {row.number} is not in the catalog that this Questioner was built from.")
        single = row.kind in classes.SINGLE
        for name in (label,) if single else (*present, *absent, *unknown, *(box[4] for box in boxes)):
            if name not in asked.known:
                raise LabelError(
                    f"{name!r} is not a label of row {row.number} of {row.source!r}: {', '.join(row.names)}. Where its "
                    "card has changed since the build, build again."
                )
        sampler = Sampler(key, self.seed)
        instruction = sampler.one(asked.instructions)
        if label is not None and single:
            return self._of_classes(sampler, asked, instruction, label, raw_label)
        if asked.findings is not None:
            stated = set(absent).difference(present, unknown)
            wrong = [name for name in absent if name in stated]
            return self._of_findings(sampler, asked, asked.findings, instruction, present, wrong)
        if row.traced:
            return places.ask_for_mask(sampler, instruction, row.names)
        if self.form == "paper" and row.kind == "masks":
            boxes = places.outermost(boxes)
        return places.ask_for_boxes(sampler, instruction, asked.drawn, (*present, *unknown), boxes, size)

    def _of_classes(self, sampler: Sampler, asked: _Asked, instruction: str, label: str, raw_label: str) -> Question:
        if self.form == "paper":
            return _of_captions(sampler, asked, instruction, label)
        scale = raw_label.partition("/")[0] if asked.row.scales else _ONE_SCALE
        if scale not in asked.pools:
            raise LabelError(
                f"The raw label {raw_label!r} of row {asked.row.number} does not begin with one of its scales: "
                f"{', '.join(asked.pools)}."
            )
        if asked.row.scales:
            instruction = instruction.replace("{part}", asked.row.scales[scale].part)
        return single_choice(sampler, instruction, label, asked.pools[scale].sample(sampler, label))

    def _of_findings(
        self,
        sampler: Sampler,
        asked: _Asked,
        row: findings.Findings,
        instruction: str,
        present: Sequence[str],
        absent: Sequence[str],
    ) -> Question:
        right = findings.truth(row, present, absent)
        if not right:
            whole = texts.for_open(instruction)
            return Question(whole, (), "", whole, "")
        if self.form == "paper":
            return _of_captions(sampler, asked, instruction, texts.joined(right))
        wrong = findings.distractors(sampler, row, right, absent)
        return single_choice(sampler, instruction, texts.joined(right), list(sampler.shuffled(wrong)))


def _of_captions(sampler: Sampler, asked: _Asked, instruction: str, answer: str) -> Question:
    """The paper's form: distractors are any other answers of the subset."""
    distractors: list[str] = []
    for caption in sampler.shuffled(asked.captions):
        if caption.casefold() != answer.casefold():
            distractors.append(caption)
            if len(distractors) == _MOST:
                break
    return single_choice(sampler, instruction, answer, distractors, verbatim=True)


def _prepare(
    row: Row, siblings: Sequence[Row], synonyms: Synonyms, form: Form, sets: Iterable[Sequence[str]]
) -> _Asked:
    pools: dict[str, classes.Pools] = {}
    captions: tuple[str, ...] = ()
    if form == "paper":
        single = (name for one in siblings if one.kind in classes.SINGLE for name in one.names)
        captions = tuple(dict.fromkeys((*single, *map(texts.joined, sets))))
    elif row.kind in classes.SINGLE:
        pools = _pools(row, [row] if form == "row" else siblings, synonyms)
    return _Asked(
        row=row,
        instructions=texts.paper_instructions(row) if form == "paper" else texts.instructions(row),
        known=frozenset(row.names),
        drawn=tuple(name for name in row.names if not synonyms.means_nothing(name)) or row.names,
        pools=pools,
        findings=findings.prepare(row, siblings, synonyms) if row.kind == "findings" else None,
        captions=captions,
    )


def _pools(row: Row, siblings: Sequence[Row], synonyms: Synonyms) -> dict[str, classes.Pools]:
    """Pools by scale. A grade beyond the end of its scale is asked about together with the grades of the scale."""
    if not row.scales:
        return {_ONE_SCALE: classes.pools(row, siblings, synonyms)}
    raws = list(row.labels)
    found = {}
    for name, scale in row.scales.items():
        one = replace(row, labels={raw: row.labels[raw] for raw in raws[: raws.index(scale.last) + 1]})
        pools = classes.pools(one, [one], synonyms)
        found[name] = replace(pools, of=dict.fromkeys(row.names, one.names) | dict(pools.of))
    return found
