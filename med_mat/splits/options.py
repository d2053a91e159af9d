"""The options that all experiments share, and the rule that an experiment must keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypedDict, get_type_hints

from med_mat import strict
from med_mat.errors import SplitError
from med_mat.questions import Form
from med_mat.selection import Selection, Selector
from med_mat.splits.interpretation import Interpretation
from med_mat.splits.sampling import Even
from med_mat.taxonomy import did_you_mean

#: The options that limit which records may be used.
AMONG = ("among", "among_train", "among_test")
#: The largest share of the training records that can be set apart for validation.
MOST_VALIDATION = 0.5

Kinds = Literal["matched", "any"]
Avoid = Literal["wide", "literal"]
Contradictory = Literal["keep", "drop"]
TestOn = Literal["test", "all"]
TripletSource = Literal["own", "paper"]


class SamplingOptions(TypedDict, total=False):
    """The keyword arguments of :class:`ExperimentOptions` that do not choose records."""

    size: int | None
    even: Even
    shots: int | None
    max_per_subset: int | None
    kinds: Kinds
    avoid: Avoid
    questions: Form
    triplet_source: TripletSource
    pool_tasks: bool
    cross_tasks: bool
    seed: int


class ExperimentOptions(SamplingOptions, total=False):
    """The keyword arguments that every experiment takes, for type checkers: see :class:`Options`.

    A function that passes them on is annotated with ``**options: Unpack[ExperimentOptions]``.
    """

    among: Selector
    among_train: Selector
    among_test: Selector
    balanced_test: bool
    contradictory: Contradictory
    withheld: bool
    test_on: TestOn
    validation: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options of an experiment, checked.

    Args:
        among: Records that may be used at all, such as "source=busi|head_ct" or "redistributable=yes".
        among_train: Records that may be used for training.
        among_test: Records that may be used for testing.
        size: Number of training records (default: all). The sample is balanced over subsets, and within a subset over
            label sets, as far as there are enough records.
        even: Whether ``size`` is balanced over subsets or over sources first.
        shots: Maximum number of training records per label set of each subset (few-shot training).
        max_per_subset: Maximum number of training records per subset, balanced over its label sets (the paper: 3000).
        kinds: Whether training uses only rows whose questions match the target's. With "matched", where all rows of the
            target have labels (classes, grades, findings), rows of boxes and masks are left out, unless ``cross_tasks``
            includes them or a part names them. "any" trains on rows of all kinds.
        avoid: How unrelated data is distinguished from related data. "wide" also leaves out what names the target's
            element in other words (State for COVID, Cancer Detection for Cancer, Chest for Lung, Fundus for Retina: see
            :meth:`med_mat.vocabulary.Vocabulary.related`); "literal" compares the words alone, as the paper does.
        questions: Form of the questions in train and test (see docs/questions.md).
        balanced_test: Keep equal numbers of test records per label, so that accuracy is balanced accuracy, as in the
            paper. Of label sets (findings) the most frequent are kept: at least four where there are that many, and
            otherwise the number that keeps the most records. Boxes and masks are not balanced.
        contradictory: What to do with images whose labels contradict each other, such as two classes of one row. "keep"
            uses them, and the audit counts them; "drop" leaves all their records out of training and testing.
        withheld: Also train on records of the split ``withheld``, whose group is held out but not tested here.
        test_on: Test on the target's test part, or on all of its records. "all" suits a target that is held out whole
            and has too few patients to be divided.
        triplet_source: Use the corrected triplets of the catalog, or the paper's own. See
            :class:`~med_mat.splits.interpretation.Interpretation`.
        pool_tasks: COVID and Cancer also count as State.
        cross_tasks: Detection tasks also count as the classification task of what they find.
        validation: Share of the training records to set apart for validation, from 0 to 0.5. It is taken from every
            label set, by whole groups. ``size``, ``max_per_subset`` and ``shots`` count the remaining training records,
            and the validation part is sampled in the same proportion. A publisher's own validation part is neither
            trained on nor tested, unless :func:`~med_mat.splits.kinds.lists.split` is given it.
        seed: Random seed of all sampling, a nonnegative integer of any length.

    Raises:
        SplitError: An option of another type. Nothing is converted: ``balanced_test="no"`` is refused.
    """

    among: Selector = None
    among_train: Selector = None
    among_test: Selector = None
    size: int | None = None
    even: Even = "subset"
    shots: int | None = None
    max_per_subset: int | None = None
    kinds: Kinds = "matched"
    avoid: Avoid = "wide"
    questions: Form = "default"
    balanced_test: bool = False
    contradictory: Contradictory = "keep"
    withheld: bool = False
    test_on: TestOn = "test"
    triplet_source: TripletSource = "own"
    pool_tasks: bool = False
    cross_tasks: bool = False
    validation: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in AMONG}
        read = strict.arguments(get_type_hints(Options), given, "An experiment", error=SplitError)
        for name, value in read.items():
            object.__setattr__(self, name, value)
        for name in ("size", "shots", "max_per_subset"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SplitError(f"An experiment: {name} must be at least 1, or None for all, not {value!r}.")
        if self.seed < 0:
            raise SplitError(f"An experiment: seed must be a whole number from 0, not {self.seed!r}.")
        if not 0 <= self.validation <= MOST_VALIDATION:
            raise SplitError(
                "An experiment: validation is the share of the training records to set apart, from 0 to "
                f"{MOST_VALIDATION}, not {self.validation!r}."
            )
        for name in AMONG:
            object.__setattr__(self, name, str(Selection.of(getattr(self, name))))

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """From keyword arguments.

        Raises:
            SplitError: An unknown option; the message suggests the nearest.
        """
        known = [one.name for one in fields(cls)]
        for name in given:
            if name not in known:
                hint = did_you_mean(name, known)
                raise SplitError(f"An experiment has no option {name!r}.{hint} Its options: {', '.join(known)}.")
        return cls(**given)

    def to_data(self) -> dict[str, Any]:
        """All options as plain data: a saved definition must not depend on the defaults of another version."""
        return asdict(self)

    @property
    def interpretation(self) -> Interpretation:
        """Which triplets a row stands for."""
        return Interpretation(self.triplet_source, self.pool_tasks, self.cross_tasks)

    def may(self, side: Literal["train", "test"]) -> Selection:
        """The records that may be used for training, or for testing."""
        return Selection.of(self.among) & Selection.of(self.among_train if side == "train" else self.among_test)

    def limits(self, side: Literal["train", "test"]) -> str:
        """The same for an error message: `` (among source=busi)``, or nothing."""
        given = self._given(side)
        return f" ({given})" if given else ""

    def outside(self, side: Literal["train", "test"]) -> str:
        """Why other records are left out: ``not in among=source=busi``."""
        return f"not in {self._given(side)}"

    def _given(self, side: str) -> str:
        names = ("among", f"among_{side}")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names if getattr(self, name) != "*")


@dataclass(frozen=True, slots=True)
class Rule:
    """What the training records of an experiment must satisfy; the audit checks it.

    Args:
        target_records: Maximum number of the target's records in train; None for any number.
        covers: Whether each element of the target must be in some training record.
        avoids: Axes on which no training record may have an element of the target.
        wide: Whether ``avoids`` includes overlapping elements: see
            :meth:`~med_mat.splits.interpretation.Target.touched`.
        shares: Whether each training record other than the target's must have an element of the target.
        literal: Whether only the first triplet of a row counts as the target's (the paper's combinations, in which
            COVID trains for State).
        any_part: Whether train may contain records of the test part: those of other folds, or of user-supplied lists.
        left_out: Source of which no record may be trained on.
    """

    target_records: int | None = 0
    covers: bool = False
    avoids: tuple[str, ...] = ()
    wide: bool = False
    shares: bool = False
    literal: bool = False
    any_part: bool = False
    left_out: str | None = None
