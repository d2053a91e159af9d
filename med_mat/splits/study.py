"""A target in a build: the test records, the records that may train, and what each exclusion removes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from med_mat import catalog
from med_mat.catalog import RowFacts
from med_mat.errors import SplitError
from med_mat.index import Index
from med_mat.selection import EVERYTHING, Selection, Selector
from med_mat.splits import sampling, validation
from med_mat.splits.asked import Mask, asks_labels, drawn, silent
from med_mat.splits.interpretation import Element, Interpretation, Target, find_target
from med_mat.splits.options import Options, Rule
from med_mat.splits.result import Experiment
from med_mat.splits.split import TESTED
from med_mat.tags import Positions
from med_mat.taxonomy import AXES, DRAWN, SPLITS

OVERLAPPING = "they hold what is the target's under another name (avoid='literal' keeps them)"
UNMATCHED = "rows of boxes and masks, where the target has labels (kinds='any' keeps them)"
SILENT = "they have nothing to ask"
DISPUTED = "the labels of their image contradict each other"
WITHHELD = "withheld: their group is held out, though not tested here"


@dataclass(frozen=True)
class Study:
    """A target in a build: the test records, and the records that may train."""

    index: Index
    target: Target
    options: Options
    test: Positions
    dropped_test: Mapping[str, int]  # reason -> records of the target that are not tested
    tested_groups: Mask  # by group number: whether a record of it is tested
    named: frozenset[int]  # rows that train whatever they ask, since they were named

    @classmethod
    def of(cls, index: Index, target: Selector, options: Options, named: Collection[int] = ()) -> Study:
        """Find the target and its test records.

        Args:
            index: An opened Med-MAT.
            target: Triplet, pattern or selection of rows.
            options: Options of the experiment.
            named: Rows that train even if the target includes them, whatever they ask.

        Raises:
            SplitError: The build has no test record of the target, or exclusions leave a single label.
        """
        selection = Selection.of(target, index.vocabulary)
        found = find_target(index.tags.facts, selection, options.interpretation)
        if named:
            found = Target(found.text, found.mats, found.rows - frozenset(named))
        split = "test" if options.test_on == "test" else None
        every = index.where_rows(found.rows, EVERYTHING, split=split)
        test = index.where_rows(found.rows, options.may("test"), split=split)
        if not len(test):
            raise _untestable(index, found, selection, options, len(every))
        tested_groups = np.zeros(len(index) + 1, dtype=bool)
        tested_groups[index.tags.group[test]] = True
        dropped = {}
        if len(test) < len(every):
            dropped[f"tested records: {options.outside('test')}"] = len(every) - len(test)
        for left_out, reason, told in (
            (
                silent(index, test),
                f"tested records: {SILENT}",
                "have nothing to ask: choose another target",
            ),
            (
                _disputed(index, test, options),
                "tested records: the labels of their image contradict each other",
                "show images whose labels contradict each other: contradictory='keep' tests on them",
            ),
        ):
            if left_out.all():
                raise SplitError(f"All {len(test):,} test records of {found} {told}.")
            if left_out.any():
                dropped[reason] = int(np.count_nonzero(left_out))
                test = test[~left_out]
        _check_labels(index, f"The test of {found}", lambda: every, test, dropped)
        kept = sampling.equal_per_label(index.tags, test, options.seed) if options.balanced_test else test
        if options.balanced_test and asks_labels(index, kept) and (label := _only_label(index, kept)) is not None:
            raise SplitError(
                f"All {len(test):,} test records of {found} have one label, {label!r}, so that no test can be balanced"
                f"{options.limits('test')}: balanced_test=False tests on them as they are."
            )
        if len(kept) < len(test):
            dropped["tested records of labels that others do not match in number"] = len(test) - len(kept)
        return cls(index, found, options, kept, dropped, tested_groups, frozenset(named))

    @property
    def interpretation(self) -> Interpretation:
        """Which triplets a row stands for."""
        return self.options.interpretation

    @property
    def matched(self) -> bool:
        """Whether rows of boxes and masks are left out: see ``kinds`` of :class:`Options`."""
        facts = self.index.tags.facts
        return (
            self.options.kinds == "matched"
            and not self.options.cross_tasks
            and not any(facts[row].annotation in DRAWN for row in self.target.rows)
        )

    def likeness(self, row: RowFacts) -> int:
        """The largest number of elements that a triplet of a row shares with a triplet of the target."""
        triplets = self.interpretation.expanded_triplets(row)
        return max(len(one.shared(wanted)) for one in triplets for wanted in self.target.mats)

    def others(self) -> dict[int, frozenset[str]]:
        """The rows that are not the target's, by number, with the axes on which they share an element with it."""
        return {
            number: self.target.shared(self.interpretation.elements(row))
            for number, row in self.index.tags.facts.items()
            if number not in self.target.rows
            and not set(self.interpretation.expanded_triplets(row)) & set(self.target.mats)
        }

    def apart(self, rows: Iterable[int], axes: Collection[str]) -> tuple[list[int], list[int]]:
        """Of some rows, those without an element of the target on these axes, and those with one under another name."""
        literal = [row for row in rows if not self._shares(row, axes)]
        if self.options.avoid == "literal":
            return literal, []
        sure = [row for row in literal if not self.target.touched(self._elements(row)).intersection(axes)]
        return sure, [row for row in literal if row not in sure]

    def _shares(self, row: int, axes: Collection[str]) -> bool:
        return bool(self.target.shared(self._elements(row)).intersection(axes))

    def _elements(self, row: int) -> frozenset[Element]:
        return self.interpretation.elements(self.index.tags.facts[row])

    def trainable(self, rows: Iterable[int]) -> tuple[Positions, dict[str, int]]:
        """The training records of some rows, and the number of records left out by reason."""
        index, tags, options = self.index, self.index.tags, self.options
        chosen = frozenset(rows)
        every = positions = self._of_train(chosen, EVERYTHING)
        dropped = {}
        if options.limits("train"):
            positions = self._of_train(chosen, options.may("train"))
        if len(positions) < len(every):
            dropped[options.outside("train")] = len(every) - len(positions)
        unmatched = [row for row in chosen - self.named if tags.facts[row].annotation in DRAWN] if self.matched else []
        exclusions: dict[str, Callable[[Positions], Mask]] = {
            UNMATCHED: lambda places: np.isin(tags.row[places], unmatched),
            TESTED: lambda places: self.tested_groups[tags.group[places]],
            WITHHELD: lambda places: tags.withheld[places] & (not options.withheld),
            DISPUTED: lambda places: _disputed(index, places, options),
            SILENT: lambda places: silent(index, places),
        }
        for reason, leaves_out in exclusions.items():
            held = leaves_out(positions)
            if held.any():
                dropped[reason] = int(np.count_nonzero(held))
                positions = positions[~held]
        return positions, dropped

    def _elsewhere(self, rows: Collection[int]) -> dict[str, list[int]]:
        """The target's triplet in other rows that do not train: reason -> these rows."""
        facts = self.index.tags.facts
        named = {facts[row].source for row in self.target.rows}
        left = sorted(facts.keys() - self.target.rows - set(rows) - self.others().keys())
        others = dict.fromkeys(facts[row].source for row in left if facts[row].source not in named)
        return {
            f"the target's triplet in other sources, {', '.join(sorted(others))}: leave_source_out trains on it": [
                row for row in left if facts[row].source in others
            ],
            "the target's triplet in other rows of its sources": [row for row in left if facts[row].source in named],
        }

    def _of_train(self, rows: frozenset[int], selection: Selection) -> Positions:
        positions = self.index.where_rows(rows, selection)
        of_train: Positions = positions[self.index.tags.split[positions] == SPLITS.index("train")]
        return of_train

    def make(
        self,
        name: str,
        rows: Collection[int],
        rule: Rule,
        *,
        left_out: Mapping[str, Iterable[int]] | None = None,
        places: int | None = None,
        like: Experiment | None = None,
        **arguments: Any,
    ) -> Experiment:
        """The experiment that trains on these rows.

        Args:
            name: Name of the experiment.
            rows: Row numbers.
            rule: What the training records must satisfy.
            left_out: Rows that an exclusion removes, by reason; their training records are counted.
            places: Number of training records from rows of boxes and masks (default: as sampled).
            like: Arm that this one is compared with.
            arguments: Further arguments that define the experiment.

        Raises:
            SplitError: No training record, fewer than ``size``, or an exclusion leaves a single label.
        """
        train, dropped = self.trainable(rows)
        for reason, others in {**self._elsewhere(rows), **(left_out or {})}.items():
            count = len(self.trainable(others)[0])
            if count:
                dropped[reason] = count
        every = functools.partial(self._of_train, frozenset(rows), EVERYTHING)
        _check_labels(self.index, f"The {name} arm for {self.target}", every, train, dropped)
        return self.train_on(name, train, dropped, rule, places, like, **arguments)

    def train_on(
        self,
        name: str,
        train: Positions,
        dropped: dict[str, int],
        rule: Rule,
        places: int | None = None,
        like: Experiment | None = None,
        /,
        **arguments: Any,
    ) -> Experiment:
        """The experiment that trains on these records, sampled as its options say: see :meth:`make`.

        ``dropped`` is the number of records left out so far, by reason.
        """
        tags, options = self.index.tags, self.options
        leaked = rule.target_records is None and TESTED in dropped
        if not len(train) and not leaked:
            raise SplitError(
                f"The {name} arm for {self.target} has no training record in this Med-MAT"
                f"{options.limits('train')}.{reasons(dropped)} Build more sources, or choose another arm or target."
            )
        train, apart = validation.set_apart(tags, train, options)
        most = len(train)
        for limit, kept, reason in (
            (options.shots, sampling.shots, "more than {:,} of a label of a subset"),
            (options.max_per_subset, sampling.max_per_subset, "more than {:,} of a subset"),
        ):
            if limit is not None:
                fewer = kept(tags, train, limit, options.seed)
                if len(fewer) < len(train):
                    dropped[reason.format(limit)] = len(train) - len(fewer)
                train = fewer
        if options.size is not None:
            if options.size > len(train):
                beside = f" beside {len(apart):,} for validation" if len(apart) else ""
                raise SplitError(
                    f"The {name} arm for {self.target} needs {options.size:,} training records, and there "
                    f"are {len(train):,}{beside}{options.limits('train')}: pass the same smaller size= to all arms, or "
                    f"build more sources.{reasons(dropped)}"
                )
            if options.size < len(train):
                dropped["not sampled, to reach the size asked for"] = len(train) - options.size
                train = self._sample(train, options.size, places)
        if len(train) < most and len(apart):  # validation is sampled in the same proportion as train
            fitting = validation.drawn(tags, apart, len(train), options)
            if len(fitting) < len(apart):
                dropped["set apart for validation and not drawn"] = len(apart) - len(fitting)
            apart = fitting
        dropped |= self.dropped_test
        if places is not None:
            arguments["places"] = places
        return Experiment(
            name, self.target, self.index, train, self.test, rule, options, arguments, dropped, like, apart
        )

    def _sample(self, train: Positions, size: int, places: int | None) -> Positions:
        """A sample of the training records, ``places`` of them from rows of boxes and masks if there are enough."""
        tags, options = self.index.tags, self.options
        if places is None:
            return sampling.take(tags, train, size, options.seed, options.even)
        drawn = self.drawn(train)
        first = min(max(places, size - np.count_nonzero(~drawn)), np.count_nonzero(drawn), size)
        both = [
            sampling.take(tags, train[side], int(count), options.seed, options.even)
            for side, count in ((drawn, first), (~drawn, size - first))
        ]
        return np.sort(np.concatenate(both))

    def drawn(self, positions: Positions) -> Mask:
        """Which of these records belong to rows of boxes and masks."""
        return drawn(self.index, positions)

    def check_covered(self, elements: Iterable[Element]) -> None:
        """Raise if an element of the target is missing from these, and name the sources that provide it."""
        missing = self.target.elements - frozenset(elements)
        for axis in AXES:
            for word in sorted(word for kind, word in missing if kind == axis):
                providers = ", ".join(self._providers((axis, word))) or "none"
                raise SplitError(
                    f"No training record in this Med-MAT but those of {self.target} itself holds its {axis}, {word}"
                    f"{self.options.limits('train')}.{self._unmatched((axis, word))} Sources that would provide it: "
                    f"{providers}."
                )

    def _unmatched(self, element: Element) -> str:
        """What a message adds if only rows of boxes and masks have an element."""
        facts = self.index.tags.facts
        if not self.matched or not any(
            facts[row].annotation in DRAWN and element in self._elements(row) for row in self.others()
        ):
            return ""
        return " Rows of boxes and masks hold it, and are left out for a target of labels: kinds='any' keeps them."

    def _providers(self, element: Element) -> list[str]:
        found = []
        for source in catalog.load().values():
            rows = [RowFacts.of(row, source) for row in source.rows]
            if any(
                element in self.interpretation.elements(row)
                and not set(self.interpretation.expanded_triplets(row)) & set(self.target.mats)
                and not (self.matched and row.annotation in DRAWN)
                for row in rows
            ):
                found.append(source.name)
        return found


def _disputed(index: Index, positions: Positions, options: Options) -> Mask:
    """Which of these records are left out because the labels of their image contradict each other."""
    if options.contradictory == "keep":
        return np.zeros(len(positions), dtype=bool)
    return np.isin(positions, index.linked.contested)


def _only_label(index: Index, positions: Positions) -> str | None:
    """The label set that all of these records have, or None if there are several."""
    labels = index.tags.label[positions]
    return index.tags.label_sets[labels[0]] if len(labels) and (labels == labels[0]).all() else None


def _check_labels(
    index: Index, what: str, before: Callable[[], Positions], after: Positions, dropped: Mapping[str, int]
) -> None:
    """Raise if exclusions leave a single label of several. ``before`` gives all records, and is called only then."""
    if (label := _only_label(index, after)) is not None and asks_labels(index, after):
        every = before()
        if len(np.unique(index.tags.label[every[~drawn(index, every)]])) > 1:
            raise SplitError(
                f"{what} is left with one label, {label!r}, of several.{reasons(dropped)} Undo one of these "
                "exclusions, or build more sources."
            )


def reasons(dropped: Mapping[str, int]) -> str:
    """What is left out and why, as sentences, each preceded by a space."""
    return "".join(f" {count:,} are left out: {reason}." for reason, count in dropped.items())


def _untestable(index: Index, target: Target, selection: Selection, options: Options, every: int) -> SplitError:
    if every:
        return SplitError(
            f"{target} has {every:,} records to test here, and none is left{options.limits('test')}. What among= "
            "leaves out, it leaves out of train and test; among_train= limits train alone."
        )
    if target.rows:
        return SplitError(
            f"{target} has records here, but none in the test part: its patients cannot be divided, or its "
            "publisher labels no test images. test_on='all' tests on all of them."
        )
    everything = {row.number: RowFacts.of(row, source) for source in catalog.load().values() for row in source.rows}
    rows = find_target(everything, selection, options.interpretation).rows
    names = dict.fromkeys(everything[number].source for number in sorted(rows))
    return SplitError(f"This Med-MAT has no record of {target}. Sources that hold it: {', '.join(names) or 'none'}.")
