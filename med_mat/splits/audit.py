"""The audit of a split: checks that it satisfies its rule, without trusting the data from which it was made.

The records are read again: their identities, their images and their own columns (see :mod:`med_mat.splits.evidence`),
in addition to the groups by which the split was made.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from med_mat import __version__, markup
from med_mat.blind.guessing import Blind
from med_mat.blind.report import of_parts
from med_mat.errors import AuditError, SplitError
from med_mat.files import write_atomically
from med_mat.leakage.groups import DUPLICATES
from med_mat.selection import MAT
from med_mat.splits.composition import Composition, Side, compose
from med_mat.splits.evidence import Evidence, gather, marked
from med_mat.splits.notes import listed, notes, where
from med_mat.splits.options import Options
from med_mat.splits.split import Split
from med_mat.splits.stated import stated
from med_mat.splits.validated import validated
from med_mat.storage.location import INDEX
from med_mat.tags import Positions
from med_mat.taxonomy import AXES, DRAWN, SPLITS

_SIDES: tuple[Side, ...] = get_args(Side)
#: Maximum number of list entries that are shown individually.
_LISTED = 3
#: Maximum number of values of an attribute that are shown, the most frequent.
_VALUES = 6
#: Plots an audit. It depends on this module and needs the extra ``plot``, so it is imported on demand.
_PLOT = "med_mat.plot"


@dataclass(frozen=True, slots=True, repr=False)
class Audit:
    """The results of checking an experiment; ``violations`` is empty if it satisfies its rule."""

    definition: Mapping[str, Any]
    fingerprint: str  # of the split: see :class:`~med_mat.splits.split.Split`
    target: Sequence[str]  # triplets
    train: Mapping[str, int]  # triplet -> records
    test: Mapping[str, int]
    # element of the target -> subset or row that has it -> train records; empty if the target itself trains
    covered: Mapping[str, Mapping[str, int]]
    shared: Mapping[str, int]  # groups, patients, files, images, near-duplicates, published ids, links: on both sides
    train_labels: Mapping[str, int]  # label set -> records
    test_labels: Mapping[str, int]
    asks: Mapping[str, Composition]  # train, test -> what the records ask
    blind: Blind  # how far the test questions can be answered without the image, after reading those of train
    validation: Mapping[str, int]  # triplet -> records; empty without a validation part, like the next two
    validation_labels: Mapping[str, int]
    validation_shared: Mapping[str, Mapping[str, int]]  # "train" or "test" -> what ``shared`` counts -> number
    # train, validation, test -> age_group, sex, device, view, as far as stated -> value, or unknown -> records
    attributes: Mapping[str, Mapping[str, Mapping[str, int]]]
    dropped: Mapping[str, int]  # reason -> records
    notes: Sequence[str]
    violations: Sequence[str]
    med_mat: str
    build: Mapping[str, Any]  # versions, and of the sources used what the records were built from

    @property
    def title(self) -> str:
        """The experiment and its target."""
        return f"{self.definition['experiment']} for {self.definition['target'] or ', '.join(self.target)}"

    def to_json(self) -> str:
        """As JSON, with everything that reproduces the experiment."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def __str__(self) -> str:
        lines = [f"{self.title} (med-mat {self.med_mat}, split {self.fingerprint})"]
        lines += [f"  {name}: {value}" for name, value in self._settings()]
        lines.append(f"  seed: {self.definition['seed']}")
        for side, cells in self._parts():
            lines.append(f"  {side}: {sum(cells.values()):,} records")
            lines += [f"    {triplet:<40} {count:>9,}" for triplet, count in cells.items()]
            asks = self.asks[side]
            lines.append(f"    asks {asks}")
            for what, counts in (("tasks", asks.tasks), ("sources", asks.sources)):
                lines.append(f"    {what}: {listed(f'{name} {count:,}' for name, count in counts.items())}")
        lines.append(f"  test without its images: {self.blind}")
        for element, holders in self.covered.items():
            names = ", ".join(f"{name} ({count:,})" for name, count in holders.items())
            lines.append(f"  {element:<24} " + (f"held by {names}" if names else "held by nothing in train"))
        lines.append(f"  on both sides: {_counted(self.shared)}")
        lines += [f"  in validation and {side}: {_counted(found)}" for side, found in self.validation_shared.items()]
        for side, labels in (("train", self.train_labels), ("validation", self.validation_labels),
                             ("test", self.test_labels)):  # fmt: skip
            if side in self.asks:
                lines.append(f"  {side} labels: {_balance(labels)}")
        for side, known in self.attributes.items():
            lines += [f"  {side} {name}: {_most(counts)}" for name, counts in known.items()]
        lines += [f"  dropped: {count:,} records, {reason}" for reason, count in self.dropped.items()]
        lines += [f"  note: {text}" for text in self.notes]
        lines += [f"  VIOLATED: {text}" for text in self.violations] or ["  holds: yes"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{sum(cells.values()):,} {side}" for side, cells in self._parts())
        verdict = f"{len(self.violations)} violations" if self.violations else "holds"
        return f"Audit({self.title}: {sizes} records; {verdict})"

    def _repr_html_(self) -> str:
        verdict = "; ".join(self.violations) or "It holds."
        sizes = [(side, f"{sum(cells.values()):,}", listed(cells)) for side, cells in self._parts()]
        covered = [(element, listed(holders) or "nothing in train") for element, holders in self.covered.items()]
        return markup.block(
            self.title,
            markup.paragraph(verdict),
            markup.table(("part", "records", "triplets"), sizes),
            markup.table(("element of the target", "in train"), covered),
            markup.table(("in train and in test", "number"), self.shared.items()),
            markup.table(("dropped", "records"), self.dropped.items()),
            *(markup.paragraph(f"Note: {text}") for text in self.notes),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the audit: ``.json`` as data, ``.txt`` as text, ``.svg`` or ``.png`` as a figure.

        Args:
            path: A file; its extension is the format.

        Raises:
            SplitError: Another extension.
            MissingExtraError: A figure needs the extra ``plot``.
            WriteError: The file cannot be written.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix in (".svg", ".png"):
            plot = importlib.import_module(_PLOT)
            plot.save(plot.audit_grid(self), target)
        elif suffix in (".json", ".txt"):
            write_atomically(target, (self.to_json() if suffix == ".json" else f"{self}\n").encode())
        else:
            raise SplitError(f"{path}: an audit is saved as .json, .txt, .svg or .png.")

    def _parts(self) -> list[tuple[str, Mapping[str, int]]]:
        """The parts that the split has, with the records per triplet."""
        cells = {"train": self.train, "validation": self.validation, "test": self.test}
        return [(side, cells[side]) for side in cells if side in self.asks]

    def _settings(self) -> Iterator[tuple[str, Any]]:
        """The options and arguments that differ from the defaults."""
        usual = Options().to_data()
        for name, value in self.definition.items():
            if name not in ("experiment", "target", "seed") and not (name in usual and usual[name] == value):
                yield name, _short(value)


def audit(experiment: Split) -> Audit:
    """Check an experiment against its rule.

    Raises:
        AuditError: The experiment violates it; the message is the whole audit.
    """
    index, train, test = experiment.mat, experiment.train_positions, experiment.test_positions
    tags = index.tags
    train_rows, test_rows = tags.counts(train), tags.counts(test)
    of_target = _target_rows(experiment)
    covered = _covered(experiment, train_rows, of_target)
    evidence = gather(experiment)
    asks: dict[str, Composition] = {side: compose(experiment, side) for side in _SIDES
            if side != "validation" or len(experiment.validation_positions)}  # fmt: skip
    blind = of_parts(index, train, test, experiment.options.questions)
    in_both = marked(tags.group[train], len(index)) & marked(tags.group[test], len(index))
    shared = {"groups": int(np.count_nonzero(in_both)), **evidence.shared}
    validation_shared, faults = validated(experiment, of_target)
    used = {tags.facts[row].source for part in _positions(experiment) for row in tags.counts(part)}
    found = Audit(
        definition=experiment.definition,
        fingerprint=experiment.fingerprint,
        target=[str(one) for one in experiment.target.mats],
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
        attributes={side: stated(index, getattr(experiment, f"{side}_positions")) for side in asks},
        dropped=experiment.dropped,
        notes=notes(experiment, evidence, asks, blind, train_rows, of_target),
        violations=[
            *_of_positions(experiment, train_rows, test_rows, of_target),
            *(f"{count:,} {what} are in train and in test" for what, count in shared.items() if count),
            *_of_evidence(evidence),
            *_of_parts(experiment),
            *_of_elements(experiment, train_rows, of_target, covered),
            *faults,
            *(_unbalanced(experiment) if experiment.options.balanced_test else ()),
        ],
        med_mat=__version__,
        build=_build(index.manifest, used),
    )
    if found.violations:
        raise AuditError(found)
    return found


def _positions(experiment: Split) -> tuple[Positions, Positions, Positions]:
    return experiment.train_positions, experiment.validation_positions, experiment.test_positions


def _target_rows(experiment: Split) -> set[int]:
    """The rows that count as the target's."""
    facts, interpretation, target = experiment.mat.tags.facts, experiment.options.interpretation, experiment.target
    triplets = {
        row: interpretation.triplets(one)[:1] if experiment.rule.literal else interpretation.expanded_triplets(one)
        for row, one in facts.items()
    }
    return {row for row in facts if row in target.rows or set(triplets[row]) & set(target.mats)}


def _covered(experiment: Split, train_rows: Mapping[int, int], of_target: Collection[int]) -> dict[str, dict[str, int]]:
    """For each element of the target, the subsets or rows that have it, with their training records."""
    facts, elements = experiment.mat.tags.facts, experiment.options.interpretation.elements
    covered: dict[str, dict[str, int]] = {}
    for axis in () if experiment.rule.target_records is None else AXES:
        for word in sorted(word for kind, word in experiment.target.elements if kind == axis):
            holders = covered.setdefault(f"{axis} {word}", {})
            for row, count in train_rows.items():
                if row not in of_target and (axis, word) in elements(facts[row]):
                    holders[where(facts[row])] = holders.get(where(facts[row]), 0) + count
    return covered


def _build(manifest: Mapping[str, Any], used: Collection[str]) -> dict[str, Any]:
    """The facts of a manifest, limited to the sources that are used."""
    said = {key: value for key, value in manifest.items() if key != "rows"}
    for key, value in said.items():
        if isinstance(value, Mapping) and value.keys() & set(used):
            said[key] = {name: one for name, one in value.items() if name in used}
    return said


def _of_positions(
    experiment: Split, train_rows: Mapping[int, int], test_rows: Mapping[int, int], of_target: Collection[int]
) -> Iterator[str]:
    """Violations in the assignment of records to parts."""
    train, test, allowed = experiment.train_positions, experiment.test_positions, experiment.rule.target_records
    held = sum(count for row, count in train_rows.items() if row in of_target)
    if allowed is not None and held > allowed:
        yield f"train holds {held:,} records of the target, of which {allowed:,} are allowed"
    if set(test_rows) - experiment.target.rows:
        yield "test holds records that are not the target's"
    for side, positions in (("train", train), ("test", test)):
        if not len(positions) and not (side == "train" and experiment.leaked):
            yield f"{side} is empty"
    for side, positions in (("train", train), ("test", test)):
        if np.count_nonzero(marked(positions, len(experiment.mat))) != len(positions):
            yield f"{side} holds a record twice"


def _of_evidence(evidence: Evidence) -> Iterator[str]:
    """Violations found by reading the records again."""
    if evidence.torn:
        yield f"{evidence.torn:,} links join records of different groups: {DUPLICATES} and {INDEX} are not of one build"
    if evidence.target:
        yield f"{evidence.target:,} training records have the target's triplet in their own columns"
    for side, (count, first) in evidence.strange.items():
        yield f"{count:,} records of {side} have columns that differ from their row, such as {first}"


def _of_parts(experiment: Split) -> Iterator[str]:
    """Violations in the splits that records come from."""
    split, tested = experiment.mat.tags.split, SPLITS.index("test")
    if not experiment.rule.any_part and np.any(split[experiment.train_positions] == tested):
        yield "train holds records of the test part"
    if experiment.options.test_on == "test" and np.any(split[experiment.test_positions] != tested):
        yield "test holds records that are not of the test part"


def _of_elements(
    experiment: Split,
    train_rows: Mapping[int, int],
    of_target: Collection[int],
    covered: Mapping[str, Mapping[str, int]],
) -> Iterator[str]:
    """Violations in the elements of training records."""
    facts, rule, target = experiment.mat.tags.facts, experiment.rule, experiment.target
    elements = {row: experiment.options.interpretation.elements(facts[row]) for row in train_rows}
    shared = {row: target.shared(elements[row]) for row in train_rows}
    held = {row: target.touched(elements[row]) for row in train_rows} if rule.wide else shared
    if rule.covers:
        yield from (f"nothing in train holds the target's {name}" for name, found in covered.items() if not found)
    for axis in rule.avoids:
        if any(axis in held[row] for row in train_rows if row not in of_target):
            yield f"train holds the target's {axis}"
    if rule.shares and not all(shared.values()):
        yield "train holds records that share no element with the target"
    if rule.left_out and any(facts[row].source == rule.left_out for row in train_rows):
        yield f"train holds records of {rule.left_out}, which is left out"


def _unbalanced(experiment: Split) -> Iterator[str]:
    """Violations of a balanced test, counted again, subset by subset."""
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
            yield f"test must be balanced, and has {span} records of a label in {subset}"
    labels = {label for counts in balanced.values() for label in counts}
    if len(labels) == 1 and not places:
        yield f"test must be balanced, and has one label, {tags.label_sets[labels.pop()]!r}"


def _short(value: Any) -> Any:
    """A value of a definition in one line; a long list is shortened to its length and first entry."""
    long = isinstance(value, list) and len(value) > _LISTED
    return f"{len(value):,} entries, the first {value[0]}" if long else value


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _cells(experiment: Split, rows: Mapping[int, int]) -> dict[str, int]:
    """Records per triplet; each row counts under its first triplet."""
    interpretation, facts = experiment.options.interpretation, experiment.mat.tags.facts
    counts: dict[MAT, int] = {}
    for row, count in rows.items():
        triplet = interpretation.triplets(facts[row])[0]
        counts[triplet] = counts.get(triplet, 0) + count
    return {str(triplet): counts[triplet] for triplet in sorted(counts)}


def _labels(experiment: Split, positions: Positions) -> dict[str, int]:
    """Records per label set, the most frequent first."""
    tags = experiment.mat.tags
    counts = np.bincount(tags.label[positions], minlength=len(tags.label_sets))
    codes = np.flatnonzero(counts)
    return {
        tags.label_sets[code] or "(none)": int(counts[code])
        for code in codes[np.argsort(-counts[codes], kind="stable")]
    }


def _most(counts: Mapping[str, int]) -> str:
    """Values with their records; of many, the most frequent."""
    few = counts if len(counts) <= _VALUES else sorted(counts, key=lambda one: -counts[one])[:_VALUES]
    more = f", and {len(counts) - _VALUES} more" if len(counts) > _VALUES else ""
    return ", ".join(f"{name} {counts[name]:,}" for name in few) + more


def _balance(labels: Mapping[str, int]) -> str:
    if not labels:
        return "none"
    few = list(labels.items())[:6]
    text = ", ".join(f"{name} {count:,}" for name, count in few)
    more = f", and {len(labels) - len(few)} more label sets" if len(labels) > len(few) else ""
    return f"{text}{more}; the commonest {max(labels.values()) / min(labels.values()):.1f} x the rarest"
