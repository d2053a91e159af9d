"""An experiment: training and test records as positions in the index, with the rule that they keep."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

import numpy as np
import numpy.typing as npt

from med_mat import catalog, strict
from med_mat.catalog import RowFacts
from med_mat.errors import SplitError
from med_mat.selection import Selection, Selector
from med_mat.splits import draw
from med_mat.splits.reading import Element, Reading, Target, find_target
from med_mat.tags import Positions
from med_mat.taxonomy import AXES, SPLITS, did_you_mean

if TYPE_CHECKING:
    import os

    import datasets

    from med_mat.dataset import MedMAT
    from med_mat.splits.audit import Audit

Mask = npt.NDArray[np.bool_]


#: Why training records are dropped: they show what is tested.
TESTED = "their group is tested"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What every experiment can be told.

    Args:
        among: the records that may be used at all, for training and testing, e.g. ``"source=busi|head_ct"`` or
            ``"redistributable=yes"``.
        size: number of training records; None takes all. The draw is even over subsets, and within a subset over
            label sets, as far as the numbers allow.
        cap: at most so many training records of each subset, even over its label sets (the paper's is 3,000).
        balanced_test: keep equally many test records of each label, so that accuracy is balanced accuracy, as the
            paper does. Of label sets (findings) the rare ones are then left out; boxes and masks are not balanced.
        contradictory: what becomes of pictures that carry contradictory labels in this Med-MAT, such as two classes of
            one row: "keep" uses them and the audit counts them; "drop" leaves all their records out, for training and
            testing.
        withheld: also train on records of the split ``withheld``, whose group is held out but not tested here.
        test_on: "test" takes the target's records of the test part; "all" takes all of them, for a target that is held
            out whole and whose few patients cannot be divided.
        reading: "own" or "paper": see :class:`~med_mat.splits.reading.Reading`.
        pool_tasks: COVID and Cancer also count as State.
        cross_tasks: Cancer Detection also counts as Cancer, Diseases Detection as Diseases.
        seed: of every draw, from 0 to 2**64 - 1.

    Raises:
        SplitError: an option of another kind; nothing is converted, so ``balanced_test="no"`` is refused.
    """

    among: Selector = None
    size: int | None = None
    cap: int | None = None
    balanced_test: bool = False
    contradictory: Literal["keep", "drop"] = "keep"
    withheld: bool = False
    test_on: Literal["test", "all"] = "test"
    reading: Literal["own", "paper"] = "own"
    pool_tasks: bool = False
    cross_tasks: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "among"}
        read = strict.arguments(get_type_hints(Options), given, "An experiment", error=SplitError)
        for name, value in read.items():
            object.__setattr__(self, name, value)
        for name in ("size", "cap"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SplitError(f"An experiment: {name} is to be at least 1, or None for all, and is {value!r}.")
        if not 0 <= self.seed < 2**64:
            raise SplitError(f"An experiment: seed is to be a whole number from 0 to 2**64 - 1, and is {self.seed!r}.")
        object.__setattr__(self, "among", str(Selection.of(self.among)))

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """From keyword arguments.

        Raises:
            SplitError: an argument that no experiment has; it suggests the nearest.
        """
        known = [one.name for one in fields(cls)]
        for name in given:
            if name not in known:
                hint = did_you_mean(name, known)
                raise SplitError(f"An experiment has no option {name!r}.{hint} It has: {', '.join(known)}.")
        return cls(**given)

    def to_data(self) -> dict[str, Any]:
        """All of them as plain data: what is written down must not depend on the defaults of another version."""
        return asdict(self)

    @property
    def read(self) -> Reading:
        """How rows are read."""
        return Reading(self.reading, self.pool_tasks, self.cross_tasks)


@dataclass(frozen=True, slots=True)
class Rule:
    """What the training records of an experiment must keep; the audit checks it.

    Args:
        target_records: how many records of the target train may hold; None: any number.
        covers: each element of the target is held by some training record.
        avoids: the axes on which no training record holds an element of the target.
        shares: each training record, those of the target aside, holds an element of the target.
        literal: only the first name of a row counts as the target's triplet (the paper's combinations, in which
            COVID trains for State).
    """

    target_records: int | None = 0
    covers: bool = False
    avoids: tuple[str, ...] = ()
    shares: bool = False
    literal: bool = False


@dataclass(frozen=True)
class Experiment:
    """A CG experiment: records to train on, records of the target to test on. No pixels are read until asked for."""

    name: str
    target: Target
    mat: MedMAT
    train_positions: Positions  # in the index, ascending
    test_positions: Positions
    rule: Rule
    options: Options
    arguments: Mapping[str, Any] = field(default_factory=dict)  # further ones, as plain data
    dropped: Mapping[str, int] = field(default_factory=dict)  # reason -> records

    @functools.cached_property
    def train(self) -> datasets.Dataset:
        """The training records; their ``info`` has the terms of their sources (:meth:`MedMAT.select`)."""
        return self.mat.take(self.train_positions)

    @functools.cached_property
    def test(self) -> datasets.Dataset:
        """The target's test records, with terms as the training records have them."""
        return self.mat.take(self.test_positions)

    @property
    def leaked(self) -> bool:
        """Whether it trains on the target itself, of which every training record shows what is tested.

        Such a source cannot be trained on; that is a finding about it, so that the experiment and its audit are made.
        """
        return not len(self.train_positions) and self.rule.target_records is None and TESTED in self.dropped

    @property
    def definition(self) -> dict[str, Any]:
        """What makes this experiment again, as plain data for YAML or JSON: see :meth:`MedMAT.experiment`."""
        return {"experiment": self.name, "target": self.target.text, **self.arguments, **self.options.to_data()}

    def cite(self) -> str:
        """The citations of the paper and of every source that has records in train or test, as BibTeX."""
        from med_mat import terms

        return terms.bibtex(terms.of(self.mat.tags, np.concatenate((self.train_positions, self.test_positions))))

    def audit(self) -> Audit:
        """Prove that the experiment keeps its rule.

        Raises:
            AuditError: it does not; the message is the whole audit.
        """
        from med_mat.splits.audit import audit

        return audit(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write which records are in train and test, to be opened by :meth:`MedMAT.load_split`."""
        from med_mat.splits.file import save

        save(self, path)

    def __repr__(self) -> str:
        return (
            f"Experiment({self.name} for {self.target}: {len(self.train_positions):,} to train, "
            f"{len(self.test_positions):,} to test)"
        )


@dataclass(frozen=True)
class Study:
    """A target in a build: what is tested, and what may train for it."""

    mat: MedMAT
    target: Target
    options: Options
    among: Selection
    test: Positions
    dropped_test: Mapping[str, int]  # reason -> target's records that are not tested
    barred: Mask  # by group: a record of it is tested

    @classmethod
    def of(cls, mat: MedMAT, target: Selector, options: Options, spared: Collection[int] = ()) -> Study:
        """Find the target and its test records.

        Args:
            mat: a built Med-MAT.
            target: a triplet, a pattern, or a selection of rows.
            options: of the experiment.
            spared: rows that are to train although the target names them too.

        Raises:
            SplitError: the build has no test record of the target.
        """
        selection, among = Selection.of(target), Selection.of(options.among)
        found = find_target(mat.tags.facts, selection, options.read)
        if spared:
            found = Target(found.text, found.mats, found.rows - frozenset(spared))
        test = mat.where_rows(found.rows, among, split="test" if options.test_on == "test" else None)
        if not len(test):
            raise _untestable(mat, found, selection, options)
        barred = np.zeros(len(mat) + 1, dtype=bool)
        barred[mat.tags.group[test]] = True
        dropped = {}
        if options.contradictory == "drop":
            sound = test[~_contested(mat, test)]
            if not len(sound):
                raise SplitError(
                    f"All {len(test):,} test records of {found} show pictures that carry contradictory labels: "
                    "contradictory='keep' tests on them."
                )
            if len(sound) < len(test):
                dropped["tested pictures that carry contradictory labels"] = len(test) - len(sound)
            test = sound
        kept = draw.equal_per_label(mat.tags, test, options.seed) if options.balanced_test else test
        if len(kept) < len(test):
            dropped["tested records of labels that others do not match in number"] = len(test) - len(kept)
        return cls(mat, found, options, among, kept, dropped, barred)

    @property
    def reading(self) -> Reading:
        """How rows are read."""
        return self.options.read

    def others(self) -> dict[int, frozenset[str]]:
        """The rows that are not the target's, by number, with the axes that they share with it."""
        return {
            number: self.target.shared(self.reading.elements(row))
            for number, row in self.mat.tags.facts.items()
            if number not in self.target.rows and not set(self.reading.wide_names(row)) & set(self.target.mats)
        }

    def trainable(self, rows: Iterable[int]) -> tuple[Positions, dict[str, int]]:
        """The training records of some rows; and why there are not more: reason -> records."""
        tags = self.mat.tags
        positions = self.mat.where_rows(frozenset(rows), self.among)
        positions = positions[tags.split[positions] == SPLITS.index("train")]
        dropped = {}
        for reason, test in (
            (TESTED, lambda places: self.barred[tags.group[places]]),
            ("withheld: their group is held out, though not tested here", self._withheld),
            ("their picture carries contradictory labels", self._disputed),
        ):
            held = test(positions)
            if held.any():
                dropped[reason] = int(np.count_nonzero(held))
                positions = positions[~held]
        return positions, dropped

    def _withheld(self, positions: Positions) -> Mask:
        return self.mat.tags.withheld[positions] & (not self.options.withheld)

    def _disputed(self, positions: Positions) -> Mask:
        if self.options.contradictory == "keep":
            return np.zeros(len(positions), dtype=bool)
        return _contested(self.mat, positions)

    def make(self, name: str, rows: Iterable[int], rule: Rule, **arguments: Any) -> Experiment:
        """The experiment that trains on these rows.

        Args:
            name: of the experiment.
            rows: upstream's row numbers.
            rule: to be kept.
            arguments: what else defines the experiment.

        Raises:
            SplitError: no training record, or fewer than the size.
        """
        train, dropped = self.trainable(rows)
        tags, options = self.mat.tags, self.options
        leaked = rule.target_records is None and TESTED in dropped
        if not len(train) and not leaked:
            why = "".join(f" {count:,} are left out: {reason}." for reason, count in dropped.items())
            raise SplitError(
                f"The {name} arm for {self.target} has no training record in this Med-MAT{self._where()}.{why}"
            )
        if options.cap is not None:
            capped = draw.cap(tags, train, options.cap, options.seed)
            if len(capped) < len(train):
                dropped[f"more than {options.cap:,} of a subset"] = len(train) - len(capped)
            train = capped
        if options.size is not None:
            if options.size > len(train):
                raise SplitError(
                    f"The {name} arm for {self.target} is to have {options.size:,} training records, of which there "
                    f"are {len(train):,}: pass the same smaller size= to all arms, or build more sources."
                )
            if options.size < len(train):
                dropped["not drawn, to reach the size asked for"] = len(train) - options.size
                train = draw.take(tags, train, options.size, options.seed)
        dropped |= self.dropped_test
        return Experiment(name, self.target, self.mat, train, self.test, rule, options, arguments, dropped)

    def check_covered(self, elements: Iterable[Element]) -> None:
        """Raise where an element of the target is not among these, and say which sources would provide it."""
        missing = self.target.elements - frozenset(elements)
        for axis in AXES:
            for word in sorted(word for kind, word in missing if kind == axis):
                providers = ", ".join(self._providers((axis, word))) or "none"
                raise SplitError(
                    f"No training record in this Med-MAT but those of {self.target} itself holds its {axis}, {word}"
                    f"{self._where()}. Sources that would provide it: {providers}."
                )

    def _providers(self, element: Element) -> list[str]:
        found = []
        for source in catalog.load().values():
            rows = [RowFacts.of(row, source) for row in source.rows]
            if any(
                element in self.reading.elements(row) and not set(self.reading.wide_names(row)) & set(self.target.mats)
                for row in rows
            ):
                found.append(source.name)
        return found

    def _where(self) -> str:
        return "" if self.options.among == "*" else f" (among {self.options.among})"


def _contested(mat: MedMAT, positions: Positions) -> Mask:
    """Which of these records show a picture that carries contradictory labels."""
    return np.isin(positions, mat.linked.contested)


def _untestable(mat: MedMAT, target: Target, selection: Selection, options: Options) -> SplitError:
    everything = {row.number: RowFacts.of(row, source) for source in catalog.load().values() for row in source.rows}
    rows = find_target(everything, selection, options.read).rows
    names = dict.fromkeys(everything[number].source for number in sorted(rows))
    if target.rows:
        among = "" if options.among == "*" else f" (among {options.among})"
        return SplitError(
            f"{target} has records here, but none in the test part{among}: its patients cannot be divided, or its "
            "publisher labels no test images. test_on='all' tests on all of them."
        )
    return SplitError(f"This Med-MAT has no record of {target}. Sources that hold it: {', '.join(names) or 'none'}.")
