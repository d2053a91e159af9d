"""What an experiment can be told, and the rule that it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_type_hints

from med_mat import strict
from med_mat.errors import SplitError
from med_mat.questions import Form
from med_mat.selection import Selection, Selector
from med_mat.splits.draw import Even
from med_mat.splits.reading import Reading
from med_mat.taxonomy import did_you_mean

#: The options that say which records may be used.
AMONG = ("among", "among_train", "among_test")
#: The largest share of the training records that can be set apart for validation.
MOST_VALIDATION = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What every experiment can be told.

    Args:
        among: the records that may be used at all, for training and for testing, e.g. ``"source=busi|head_ct"`` or
            ``"redistributable=yes"``.
        among_train, among_test: the same for training alone, and for testing alone.
        size: number of training records; None takes all. The sample is even over subsets, and within a subset over
            label sets, as far as the numbers allow.
        even: what the sample is even over in the first place: "subset" or "source".
        shots: at most so many training records of each label set of each subset (few-shot training).
        cap: at most so many training records of each subset, even over its label sets (the paper's is 3,000).
        kinds: "matched" trains on records that are asked what the target is asked: where every row of the target has
            labels (classes, grades, findings), rows of boxes and masks are left out, unless ``cross_tasks`` asks for
            them or they are named as a part; "any" trains on rows of all kinds.
        avoid: what an arm that is to share nothing with the target leaves out: "wide" also leaves out what is the same
            under another name (State for COVID, Cancer Detection for Cancer, Chest for Lung, Fundus for Retina: see
            :meth:`med_mat.vocabulary.Vocabulary.related`); "literal" goes by the words, as the paper does.
        questions: the form of the questions in train and test: "default", "paper" or "row" (see docs/questions.md).
        balanced_test: keep equally many test records of each label, so that accuracy is balanced accuracy, as the
            paper does. Of label sets (findings) the commonest are kept, at least four where there are so many, else as
            many as keep the most records; boxes and masks are not balanced.
        contradictory: what becomes of pictures that carry contradictory labels in this Med-MAT, such as two classes of
            one row: "keep" uses them and the audit counts them; "drop" leaves all their records out, for training and
            testing.
        withheld: also train on records of the split ``withheld``, whose group is held out but not tested here.
        test_on: "test" takes the target's records of the test part; "all" takes all of them, for a target that is held
            out whole and whose few patients cannot be divided.
        reading: "own" or "paper": see :class:`~med_mat.splits.reading.Reading`.
        pool_tasks: COVID and Cancer also count as State.
        cross_tasks: Cancer Detection also counts as Cancer, Diseases Detection as Diseases.
        validation: the share of the training records to set apart for validation, from 0 to 0.5: of every label set,
            by whole groups. ``size``, ``cap`` and ``shots`` count what is left to train on, and what validates is drawn
            to the same share. A publisher's own validation part is neither trained on nor tested, unless it is named to
            :func:`~med_mat.splits.own.split`.
        seed: of every sample, a whole number from 0, of any length.

    Raises:
        SplitError: an option of another kind; nothing is converted, so ``balanced_test="no"`` is refused.
    """

    among: Selector = None
    among_train: Selector = None
    among_test: Selector = None
    size: int | None = None
    even: Even = "subset"
    shots: int | None = None
    cap: int | None = None
    kinds: Literal["matched", "any"] = "matched"
    avoid: Literal["wide", "literal"] = "wide"
    questions: Form = "default"
    balanced_test: bool = False
    contradictory: Literal["keep", "drop"] = "keep"
    withheld: bool = False
    test_on: Literal["test", "all"] = "test"
    reading: Literal["own", "paper"] = "own"
    pool_tasks: bool = False
    cross_tasks: bool = False
    validation: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in AMONG}
        read = strict.arguments(get_type_hints(Options), given, "An experiment", error=SplitError)
        for name, value in read.items():
            object.__setattr__(self, name, value)
        for name in ("size", "shots", "cap"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SplitError(f"An experiment: {name} is to be at least 1, or None for all, and is {value!r}.")
        if self.seed < 0:
            raise SplitError(f"An experiment: seed is to be a whole number from 0, and is {self.seed!r}.")
        if not 0 <= self.validation <= MOST_VALIDATION:
            raise SplitError(
                "An experiment: validation is the share of the training records to set apart, from 0 to "
                f"{MOST_VALIDATION}, and is {self.validation!r}."
            )
        for name in AMONG:
            object.__setattr__(self, name, str(Selection.of(getattr(self, name))))

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

    def may(self, side: Literal["train", "test"]) -> Selection:
        """The records that may be used for training, or for testing."""
        return Selection.of(self.among) & Selection.of(self.among_train if side == "train" else self.among_test)

    def limits(self, side: Literal["train", "test"]) -> str:
        """The same in words, as an error names it: `` (among source=busi)``, or nothing."""
        given = self._given(side)
        return f" ({given})" if given else ""

    def outside(self, side: Literal["train", "test"]) -> str:
        """Why records are left out that may not be used: ``they are not of among=source=busi``."""
        return f"they are not of {self._given(side)}"

    def _given(self, side: str) -> str:
        names = ("among", f"among_{side}")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names if getattr(self, name) != "*")


@dataclass(frozen=True, slots=True)
class Rule:
    """What the training records of an experiment must keep; the audit checks it.

    Args:
        target_records: how many records of the target train may hold; None: any number.
        covers: each element of the target is held by some training record.
        avoids: the axes on which no training record holds an element of the target.
        wide: nor holds one that overlaps with it: see :meth:`~med_mat.splits.reading.Target.touched`.
        shares: each training record, those of the target aside, holds an element of the target.
        literal: only the first name of a row counts as the target's triplet (the paper's combinations, in which
            COVID trains for State).
        any_part: train may hold records of the test part, that of other folds or as one's own list names them.
        left_out: the source of which no record is trained on.
    """

    target_records: int | None = 0
    covers: bool = False
    avoids: tuple[str, ...] = ()
    wide: bool = False
    shares: bool = False
    literal: bool = False
    any_part: bool = False
    left_out: str | None = None
