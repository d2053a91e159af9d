"""From the answers of finished tasks to results: accuracies, differences from Baseline+, controls, pooled over targets.

An arm has figures when all of its tasks are done, those of its controls included; otherwise the report says which are
missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from med_mat import __version__
from med_mat.errors import EngineError
from med_mat.experiment import plan as planning
from med_mat.experiment import runner
from med_mat.experiment.definition import UNTRAINED
from med_mat.experiment.plan import Plan, PlannedStudy
from med_mat.experiment.runner import Done
from med_mat.score import paired
from med_mat.score.answers import read
from med_mat.score.comparing import Comparison
from med_mat.score.intervals import Floats
from med_mat.score.judging import KINDS, READ, Judged, Kind, judge
from med_mat.score.paired import Arm, Difference, MeanDifference
from med_mat.score.scoring import MEASURES

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT
    from med_mat.splits import Experiment


#: Answers that cannot be parsed.
_UNREAD = tuple(READ.index(how) for how in ("unparsed", "ambiguous", "refusal"))


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of an arm, from 0 to 1; of a control, those of the arm under the control's settings."""

    accuracy: Arm  # over repetitions, and of each
    unread: float  # share of the answers that could not be read: they count as wrong
    difference: Difference | None = None  # to the arm that it is compared with; p is adjusted over targets


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """An arm of a study, with its controls."""

    arm: str
    reference: str  # the arm that it is compared with; "" for that arm itself
    train: int
    validation: int
    own: Figures
    controls: Mapping[str, Figures]
    published: float | None  # from 0 to 1


@dataclass(frozen=True, slots=True)
class StudyFigures:
    """A target."""

    name: str
    target: str
    table: str
    kind: Kind  # of most of its questions: those that are compared
    measure: str  # accuracy, F1 or mean IoU
    records: int  # compared
    ungraded: int  # tested records that are not compared: other kinds of questions, or nothing that text answers
    groups: int
    chance: float | None
    blind: str  # how far the questions can be answered without the image
    blind_best: float | None
    arms: tuple[ArmFigures, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def comparison(self) -> Comparison:
        """Its arms without the controls, as :func:`med_mat.score.compare` returns those of any answers."""
        return Comparison(
            target=self.target,
            kind=self.kind,
            measure=self.measure,
            records=self.records,
            groups=self.groups,
            chance=self.chance,
            blind=self.blind_best,
            reference=next((one.reference for one in self.arms if one.reference), ""),
            arms=tuple(one.own.accuracy for one in self.arms),
            differences=tuple(one.own.difference for one in self.arms if one.own.difference is not None),
            notes=(*self.notes, *self.warnings),
        )


@dataclass(frozen=True, slots=True)
class Pooled:
    """The mean difference of an arm from its reference over targets, and the same under each control."""

    arm: str
    reference: str
    targets: int
    difference: MeanDifference
    controls: Mapping[str, MeanDifference]


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of an experiment."""

    engine: str
    settings: Mapping[str, Any]
    controls: tuple[str, ...]
    selection: tuple[str, ...]  # the rules by which the engine chose among models, as it names them
    seeds: tuple[int, ...]
    synthetic: bool
    studies: tuple[StudyFigures, ...]
    pooled: tuple[Pooled, ...]
    missing: tuple[str, ...]  # tasks that are not done
    failed: Mapping[str, str]  # tasks that failed -> why
    left_out: Mapping[str, str]  # targets -> why
    definition: Mapping[str, Any]
    build: str
    med_mat: str

    @property
    def title(self) -> str:
        """What it shows, and whether of synthetic images."""
        made_up = " on SYNTHETIC images, which say nothing about medicine" if self.synthetic else ""
        return f"Compositional generalization with the engine {self.engine}{made_up}"

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def collect(mat: MedMAT, out: Path) -> Report:
    """The report on the finished tasks in a folder.

    Raises:
        EngineError: The folder has no experiment, or a file in it is damaged.
        SplitError: The Med-MAT is not the one that it was made over.
    """
    plan = planning.load(out)
    if plan.build != str(mat.manifest.get("build", "")):
        raise EngineError(f"{out} is of another build of Med-MAT than {mat.location}: it was made over {plan.where}.")
    done = runner.finished(plan, out)
    measured = [_Measured.of(mat, plan, study, done, out) for study in plan.studies]
    studies = _adjusted([one.figures(plan) for one in measured if one.complete])
    selections = {str(one.facts["selection"]) for one in done.values() if "selection" in one.facts and not one.control}
    return Report(
        engine=plan.engine,
        settings=plan.settings,
        controls=plan.controls,
        selection=tuple(sorted(selections)),
        seeds=tuple(plan.definition["seeds"]),
        synthetic=plan.synthetic,
        studies=tuple(studies),
        pooled=tuple(_pooled(plan, [one for one in measured if one.complete])),
        missing=tuple(step.name for step in plan.steps if step.name not in done),
        failed=runner.failures(plan, out),
        left_out=plan.left_out,
        definition=plan.definition,
        build=plan.build,
        med_mat=__version__,
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """The scores of a study, for arms all of whose tasks are done."""

    study: PlannedStudy
    complete: tuple[str, ...]  # arms
    scores: Mapping[str, Mapping[str, Floats]]  # control -> arm -> (repetitions, records); NaN where not tested
    models: Mapping[tuple[str, str], Sequence[str | None]]  # (arm, control) -> name of the model of each repetition
    unread: Mapping[tuple[str, str], float]
    kind: Kind
    positions: npt.NDArray[np.int64]  # (records,)
    group: npt.NDArray[np.int64]  # (records,)
    ungraded: int

    @classmethod
    def of(cls, mat: MedMAT, plan: Plan, study: PlannedStudy, done: Mapping[str, Done], out: Path) -> _Measured:
        steps = [step for step in plan.steps if step.study == study.name]
        unfinished = {step.arm for step in steps if step.name not in done}
        complete = tuple(arm for arm in study.arms if arm not in unfinished)
        splits: dict[str, Experiment] = {}
        judged: dict[tuple[str, str], list[Judged]] = {}
        models: dict[tuple[str, str], list[str | None]] = {}
        for step in steps:
            if step.arm in complete:
                name = planning.split_name(step.study, step.arm, step.split_seed)
                if name not in splits:
                    splits[name] = mat.load_split(planning.split_path(out, name))
                given = read(runner.checked_answers(out, done[step.name]))
                judged.setdefault((step.arm, step.control), []).append(judge(splits[name], given))
                models.setdefault((step.arm, step.control), []).append(given.model)
        if not judged:
            nothing = np.zeros(0, dtype=np.int64)
            return cls(study, (), {}, {}, {}, KINDS[0], nothing, nothing, 0)
        every = [one for some in judged.values() for one in some]
        # the tests of other split seeds may be other samples of the records
        asked, first = np.unique(np.concatenate([one.positions for one in every]), return_index=True)
        kinds = np.concatenate([one.kind for one in every])[first]
        kind = int(np.bincount(kinds, minlength=len(KINDS)).argmax())
        positions = asked[kinds == kind]
        scores: dict[str, dict[str, Floats]] = {}
        unread = {}
        for (arm, control), some in judged.items():
            hows = np.concatenate([one.how[one.kind == kind] for one in some])
            unread[arm, control] = float(np.isin(hows, _UNREAD).mean())
            rows = [_placed(one.score[one.kind == kind], one.positions[one.kind == kind], positions) for one in some]
            scores.setdefault(control, {})[arm] = np.stack(rows)
        tested = np.unique(np.concatenate([one.test_positions for one in splits.values()]))
        return cls(
            study, complete, scores, models, unread, KINDS[kind],
            positions, mat.tags.group[positions].astype(np.int64), len(tested) - len(positions),
        )  # fmt: skip

    def figures(self, plan: Plan) -> StudyFigures:
        study = self.study
        found = []
        for arm in self.complete:
            parts = next(iter(study.arms[arm].values()))
            published = study.published.get(arm)
            found.append(
                ArmFigures(
                    arm,
                    self.reference(arm),
                    parts.train,
                    parts.validation,
                    self.of_arm(arm, ""),
                    {one: self.of_arm(arm, one) for one in plan.controls if arm != UNTRAINED},
                    None if published is None else published / 100,
                )
            )
        return StudyFigures(
            study.name, study.target, study.table, self.kind, MEASURES[self.kind],
            len(self.positions), self.ungraded, len(np.unique(self.group)),
            study.chance, study.blind, study.blind_best,
            tuple(found), study.left_out, study.notes, study.warnings,
        )  # fmt: skip

    def reference(self, arm: str) -> str:
        """The arm that this one is compared with, if that has figures."""
        other = self.study.references.get(arm, "")
        return other if other in self.complete else ""

    def of_arm(self, arm: str, control: str) -> Figures:
        scores, other = self.scores[control], self.reference(arm)
        return Figures(
            paired.arm(arm, scores[arm], self.group, self.models[arm, control]),
            self.unread[arm, control],
            paired.difference(scores, arm, other, self.group) if other in scores else None,
        )


def _placed(values: Floats, places: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]) -> Floats:
    """Values of some records among those of all wanted ones, which are ascending; NaN for the others."""
    found = np.full(len(wanted), np.nan)
    found[np.searchsorted(wanted, places)] = values
    return found


def _adjusted(studies: Sequence[StudyFigures]) -> list[StudyFigures]:
    """The same with p values adjusted over targets, for each arm."""
    family: dict[str, list[tuple[int, float]]] = {}
    for number, study in enumerate(studies):
        for one in study.arms:
            if one.own.difference is not None:
                family.setdefault(one.arm, []).append((number, one.own.difference.p))
    adjusted: dict[tuple[int, str], float] = {}
    for arm, found in family.items():
        values = paired.holm([p for _, p in found])
        adjusted |= {(number, arm): value for (number, _), value in zip(found, values, strict=True)}
    return [
        replace(study, arms=tuple(_with_holm(one, adjusted.get((number, one.arm))) for one in study.arms))
        for number, study in enumerate(studies)
    ]


def _with_holm(one: ArmFigures, p: float | None) -> ArmFigures:
    if one.own.difference is None:
        return one
    return replace(one, own=replace(one.own, difference=replace(one.own.difference, p_holm=p)))


def _pooled(plan: Plan, measured: Sequence[_Measured]) -> Iterator[Pooled]:
    """For each arm that is compared on several targets, the mean difference."""
    pairs: dict[tuple[str, str], dict[str, list[_Measured]]] = {}
    for one in measured:
        for arm in one.complete:
            if other := one.reference(arm):
                pairs.setdefault((arm, other), {}).setdefault(one.study.target, []).append(one)
    for (arm, other), targets in pairs.items():
        if len(targets) > 1:
            controls = {
                control: paired.over_targets([_of_target(some, control, arm, other) for some in targets.values()])
                for control in plan.controls
                if UNTRAINED not in (arm, other)
            }
            own = paired.over_targets([_of_target(some, "", arm, other) for some in targets.values()])
            yield Pooled(arm, other, len(targets), own, controls)


def _of_target(
    some: Sequence[_Measured], control: str, arm: str, other: str
) -> tuple[list[tuple[Floats, Floats]], npt.NDArray[np.int64]]:
    """The scores of two arms in each study of a target, over the records of all of them, and the groups of these."""
    positions, first = np.unique(np.concatenate([one.positions for one in some]), return_index=True)
    pairs = []
    for one in some:
        ours, theirs = (
            np.stack([_placed(row, one.positions, positions) for row in one.scores[control][name]])
            for name in (arm, other)
        )
        pairs.append((ours, theirs))
    return pairs, np.concatenate([one.group for one in some])[first]
