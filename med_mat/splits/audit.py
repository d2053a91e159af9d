"""The proof that an experiment keeps its rule: nothing that the split was made of is trusted.

The records are read again: who they are, what they show and what they say of themselves (see
:mod:`med_mat.splits.evidence`), beside the groups that the split was made by.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from med_mat import __version__
from med_mat.errors import AuditError, SplitError
from med_mat.files import write_atomically
from med_mat.leakage.blind import Blind
from med_mat.leakage.blind_report import of_experiment
from med_mat.leakage.groups import DUPLICATES
from med_mat.selection import MAT
from med_mat.splits.composition import Composition, Side, compose
from med_mat.splits.evidence import gather, marked
from med_mat.splits.experiment import Experiment
from med_mat.splits.notes import listed, notes, where
from med_mat.splits.options import Options
from med_mat.splits.validated import validated
from med_mat.storage.location import INDEX
from med_mat.tags import Positions
from med_mat.taxonomy import AXES, DRAWN, SPLITS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_SIDES: tuple[Side, ...] = get_args(Side)
#: Entries of a list that are told one by one.
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Audit:
    """What was checked of an experiment; ``violations`` is empty where it holds."""

    definition: Mapping[str, Any]
    target: Sequence[str]  # triplets
    train: Mapping[str, int]  # triplet -> records
    test: Mapping[str, int]
    # element of the target -> subset or row that holds it -> train records; empty where the target itself trains
    covered: Mapping[str, Mapping[str, int]]
    shared: Mapping[str, int]  # groups, patients, files, pictures, looks, published ids, links: on both sides
    train_labels: Mapping[str, int]  # label set -> records
    test_labels: Mapping[str, int]
    asks: Mapping[str, Composition]  # train, test -> what the records ask
    blind: Blind  # what the test questions give away without the picture, to who has read those of train
    validation: Mapping[str, int]  # triplet -> records; empty where none are set apart, as the next two are
    validation_labels: Mapping[str, int]
    validation_shared: Mapping[str, Mapping[str, int]]  # "train" or "test" -> what ``shared`` counts -> number
    dropped: Mapping[str, int]  # reason -> records
    notes: Sequence[str]
    violations: Sequence[str]
    med_mat: str
    build: Mapping[str, Any]  # what the records were built from, and by which versions

    def to_json(self) -> str:
        """As JSON, with everything that reproduces the experiment."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def __str__(self) -> str:
        target = self.definition["target"] or ", ".join(self.target)
        lines = [f"{self.definition['experiment']} for {target} (med-mat {self.med_mat})"]
        usual = {"experiment": None, "target": None, **Options().to_data()}
        rest = {name: value for name, value in self.definition.items() if name not in usual or usual[name] != value}
        lines += [
            f"  {name}: {_short(value)}" for name, value in rest.items() if name not in ("experiment", "target", "seed")
        ]
        lines.append(f"  seed: {self.definition['seed']}")
        for side, cells in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            if side not in self.asks:
                continue
            lines.append(f"  {side}: {sum(cells.values()):,} records")
            lines += [f"    {mat:<40} {count:>9,}" for mat, count in cells.items()]
            asks = self.asks[side]
            lines.append(f"    asks {asks}")
            for what, counts in (("tasks", asks.tasks), ("sources", asks.sources)):
                lines.append(f"    {what}: {listed(f'{name} {count:,}' for name, count in counts.items())}")
        lines.append(f"  test without its pictures: {self.blind}")
        for element, holders in self.covered.items():
            names = ", ".join(f"{name} ({count:,})" for name, count in holders.items())
            lines.append(f"  {element:<24} " + (f"held by {names}" if names else "held by nothing in train"))
        lines.append(f"  on both sides: {_counted(self.shared)}")
        lines += [f"  in validation and {side}: {_counted(found)}" for side, found in self.validation_shared.items()]
        for side, labels in (("train", self.train_labels), ("validation", self.validation_labels),
                             ("test", self.test_labels)):  # fmt: skip
            if side in self.asks:
                lines.append(f"  {side} labels: {_balance(labels)}")
        lines += [f"  dropped: {count:,} records, {reason}" for reason, count in self.dropped.items()]
        lines += [f"  note: {text}" for text in self.notes]
        lines += [f"  VIOLATED: {text}" for text in self.violations] or ["  holds: yes"]
        return "\n".join(lines)

    def figure(self, theme: str = "light") -> Figure:
        """The MAT grid of train against test, the target outlined (needs the extra ``plot``)."""
        from med_mat import plot

        return plot.mat_grid(
            {MAT.parse(mat): count for mat, count in self.train.items()},
            against={MAT.parse(mat): count for mat, count in self.test.items()},
            target=MAT.parse(self.target[0]) if len(self.target) == 1 else None,
            title=f"{self.definition['experiment']} for {self.definition['target'] or ', '.join(self.target)}",
            theme=theme,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the audit: ``.json`` as data, ``.txt`` as text, ``.svg`` or ``.png`` as a picture.

        Raises:
            SplitError: another suffix.
            WriteError: the system does not take it.
        """

        suffix = Path(path).suffix.lower()
        if suffix in (".svg", ".png"):
            from med_mat import plot

            plot.save(self.figure(), Path(path))
        elif suffix in (".json", ".txt"):
            write_atomically(Path(path), (self.to_json() if suffix == ".json" else f"{self}\n").encode())
        else:
            raise SplitError(f"{path}: an audit is written as .json, .txt, .svg or .png.")


def audit(experiment: Experiment) -> Audit:
    """Check an experiment against its rule.

    Raises:
        AuditError: it breaks it; the message is the whole audit.
    """
    mat, rule, reading, target = experiment.mat, experiment.rule, experiment.options.read, experiment.target
    tags = mat.tags
    train, test = experiment.train_positions, experiment.test_positions
    train_rows, test_rows = tags.counts(train), tags.counts(test)
    facts = tags.facts
    names = {row: reading.names(facts[row])[:1] if rule.literal else reading.wide_names(facts[row]) for row in facts}
    of_target = {row for row in facts if row in target.rows or set(names[row]) & set(target.mats)}
    shared_axes = {row: target.shared(reading.elements(facts[row])) for row in train_rows}
    held_axes = {row: target.touched(reading.elements(facts[row])) for row in train_rows} if rule.wide else shared_axes
    covered: dict[str, dict[str, int]] = {}
    for axis in () if rule.target_records is None else AXES:
        for word in sorted(word for kind, word in target.elements if kind == axis):
            holders = covered.setdefault(f"{axis} {word}", {})
            for row, count in train_rows.items():
                if row not in of_target and (axis, word) in reading.elements(facts[row]):
                    holders[where(facts[row])] = holders.get(where(facts[row]), 0) + count
    in_both = marked(tags.group[train], len(mat)) & marked(tags.group[test], len(mat))
    evidence = gather(experiment)
    asks: dict[str, Composition] = {
        side: compose(experiment, side)
        for side in _SIDES
        if side != "validation" or len(experiment.validation_positions)
    }
    blind = of_experiment(experiment)
    shared = {"groups": int(np.count_nonzero(in_both)), **evidence.shared}

    violations = []
    held = sum(count for row, count in train_rows.items() if row in of_target)
    if rule.target_records is not None and held > rule.target_records:
        violations.append(f"train holds {held:,} records of the target, of which {rule.target_records:,} are allowed")
    if set(test_rows) - target.rows:
        violations.append("test holds records that are not the target's")
    violations += [f"{side} is empty" for side, positions in (("train", train), ("test", test))
                   if not len(positions) and not (side == "train" and experiment.leaked)]  # fmt: skip
    for side, positions in (("train", train), ("test", test)):
        if np.count_nonzero(marked(positions, len(mat))) != len(positions):
            violations.append(f"{side} holds a record twice")
    violations += [f"{count:,} {what} are in train and in test" for what, count in shared.items() if count]
    if evidence.torn:
        violations.append(
            f"{evidence.torn:,} links join records of different groups: {DUPLICATES} and {INDEX} are not of one build"
        )
    if evidence.target:
        violations.append(f"{evidence.target:,} training records say the target's triplet of themselves")
    violations += [
        f"{count:,} records of {side} say of themselves what their row is not, such as {first}"
        for side, (count, first) in evidence.strange.items()
    ]
    if not rule.any_part and np.any(tags.split[train] == SPLITS.index("test")):
        violations.append("train holds records of the test part")
    if experiment.options.test_on == "test" and np.any(tags.split[test] != SPLITS.index("test")):
        violations.append("test holds records that are not of the test part")
    if rule.covers:
        violations += [f"nothing in train holds the target's {name}" for name, found in covered.items() if not found]
    for axis in rule.avoids:
        if any(axis in held_axes[row] for row in train_rows if row not in of_target):
            violations.append(f"train holds the target's {axis}")
    if rule.shares and any(not shared_axes[row] for row in train_rows):
        violations.append("train holds records that share no element with the target")

    if rule.left_out and any(facts[row].source == rule.left_out for row in train_rows):
        violations.append(f"train holds records of {rule.left_out}, which is left out")
    validation_shared, faults = validated(experiment, of_target)
    violations += faults
    if experiment.options.balanced_test:
        violations += list(_unbalanced(experiment))

    found = Audit(
        definition=experiment.definition,
        target=[str(one) for one in target.mats],
        train=_cells(experiment, train_rows),
        test=_cells(experiment, test_rows),
        covered=covered,
        shared=shared,
        train_labels=_labels(experiment, train),
        test_labels=_labels(experiment, test),
        asks=asks,
        blind=blind,
        validation=_cells(experiment, tags.counts(experiment.validation_positions)),
        validation_labels=_labels(experiment, experiment.validation_positions),
        validation_shared=validation_shared,
        dropped=experiment.dropped,
        notes=notes(experiment, evidence, asks, blind, train_rows, of_target),
        violations=violations,
        med_mat=__version__,
        build={key: value for key, value in mat.manifest.items() if key != "rows"},
    )
    if violations:
        raise AuditError(found)
    return found


def _unbalanced(experiment: Experiment) -> Iterator[str]:
    """What keeps the labels of a test from being balanced, counted again, subset by subset."""
    tags, test = experiment.mat.tags, experiment.test_positions
    of_subset: dict[str, dict[int, int]] = {}
    places: set[str] = set()
    for row, label in zip(tags.row[test].tolist(), tags.label[test].tolist(), strict=True):
        subset = where(tags.facts[row])
        if tags.facts[row].annotation in DRAWN:
            places.add(subset)
        counts = of_subset.setdefault(subset, {})
        counts[label] = counts.get(label, 0) + 1
    balanced = {subset: counts for subset, counts in of_subset.items() if subset not in places}
    for subset, counts in balanced.items():
        if len(set(counts.values())) > 1:
            span = f"{min(counts.values()):,} to {max(counts.values()):,}"
            yield f"test is to be balanced, and has {span} records of a label in {subset}"
    labels = {label for counts in balanced.values() for label in counts}
    if len(labels) == 1 and not places:
        yield f"test is to be balanced, and has one label, {tags.label_sets[labels.pop()]!r}"


def _short(value: Any) -> Any:
    """A value of a definition in one line: of a long list its length and its first."""
    long = isinstance(value, list) and len(value) > _LISTED
    return f"{len(value):,} entries, the first {value[0]}" if long else value


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _cells(experiment: Experiment, rows: Mapping[int, int]) -> dict[str, int]:
    """Records per triplet, each row under the first that it stands for."""
    reading, facts = experiment.options.read, experiment.mat.tags.facts
    counts: dict[MAT, int] = {}
    for row, count in rows.items():
        mat = reading.names(facts[row])[0]
        counts[mat] = counts.get(mat, 0) + count
    return {str(mat): counts[mat] for mat in sorted(counts)}


def _labels(experiment: Experiment, positions: Positions) -> dict[str, int]:
    """Records per label set, the commonest first."""
    tags = experiment.mat.tags
    counts = np.bincount(tags.label[positions], minlength=len(tags.label_sets))
    codes = np.flatnonzero(counts)
    return {
        tags.label_sets[code] or "(none)": int(counts[code])
        for code in codes[np.argsort(-counts[codes], kind="stable")]
    }


def _balance(labels: Mapping[str, int]) -> str:
    if not labels:
        return "none"
    few = list(labels.items())[:6]
    text = ", ".join(f"{name} {count:,}" for name, count in few)
    more = f", and {len(labels) - len(few)} more label sets" if len(labels) > len(few) else ""
    return f"{text}{more}; the commonest {max(labels.values()) / min(labels.values()):.1f} x the rarest"
