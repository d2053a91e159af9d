"""From the answers of finished tasks to results: accuracies, differences from Baseline+, controls, pooled over targets.

An arm has figures when all of its tasks are done, those of its controls included; otherwise the report says which are
missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from med_mat import __version__
from med_mat.errors import EngineError
from med_mat.experiment import plan as planning
from med_mat.experiment import runner, statistics
from med_mat.experiment.definition import UNTRAINED
from med_mat.experiment.plan import Plan, PlannedStudy
from med_mat.experiment.runner import Done
from med_mat.experiment.statistics import Drawn, Floats, Interval
from med_mat.score.answers import read
from med_mat.score.comparing import holm
from med_mat.score.judging import KINDS, READ, Judged, judge
from med_mat.score.scoring import MEASURES

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT
    from med_mat.splits import Experiment


#: Answers that cannot be parsed.
_UNREAD = tuple(READ.index(how) for how in ("unparsed", "ambiguous", "refusal"))


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of an arm, from 0 to 1; of a control, those of the arm under the control's settings."""

    accuracy: Interval
    seeds: tuple[float, ...]  # accuracy of each repetition
    unread: float  # share of the answers that could not be parsed: they count as wrong
    difference: Interval | None = None  # to the arm that it is compared with
    p: float | None = None  # of a permutation test, paired by group
    adjusted: float | None = None  # the same, adjusted over targets by Holm's method
    detectable: float | None = None  # the smallest difference that the test could detect: see Drawn.detectable


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
    measure: str  # accuracy, F1 or mean IoU: that of most of its questions
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


@dataclass(frozen=True, slots=True)
class Pooled:
    """The mean difference of an arm from its reference over targets, and the same under each control."""

    arm: str
    reference: str
    targets: int
    difference: Interval  # over targets and groups
    p: float  # over targets
    controls: Mapping[str, Interval]


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
    """The grades of a study: (arm, control) -> draws, for arms all of whose tasks are done."""

    study: PlannedStudy
    complete: tuple[str, ...]  # arms
    drawn: Mapping[str, Drawn]  # control -> draws of the arms
    seeds: Mapping[tuple[str, str], tuple[float, ...]]  # (arm, control) -> accuracy of each repetition
    unread: Mapping[tuple[str, str], float]
    measure: str
    records: int
    ungraded: int
    groups: int

    @classmethod
    def of(cls, mat: MedMAT, plan: Plan, study: PlannedStudy, done: Mapping[str, Done], out: Path) -> _Measured:
        steps = [step for step in plan.steps if step.study == study.name]
        unfinished = {step.arm for step in steps if step.name not in done}
        complete = tuple(arm for arm in study.arms if arm not in unfinished)
        splits: dict[str, Experiment] = {}
        judged: dict[tuple[str, str], list[Judged]] = {}
        for step in steps:
            if step.arm in complete:
                name = planning.split_name(step.study, step.arm, step.split_seed)
                if name not in splits:
                    splits[name] = mat.load_split(planning.split_path(out, name))
                path = runner.checked_answers(out, done[step.name])
                judged.setdefault((step.arm, step.control), []).append(judge(splits[name], read(path)))
        if not judged:
            return cls(study, (), {}, {}, {}, "", 0, 0, 0)
        every = [one for some in judged.values() for one in some]
        shared = _shared(one.positions for one in every)  # tests of other split seeds may have other records
        kinds = every[0].kind[np.isin(every[0].positions, shared)]
        kind = int(np.bincount(kinds, minlength=len(KINDS)).argmax())
        shared = shared[kinds == kind]
        groups = mat.tags.group[shared].astype(np.int64)
        scores: dict[str, dict[str, Floats]] = {}
        unread = {}
        for (arm, control), some in judged.items():
            places = [np.searchsorted(one.positions, shared) for one in some]
            rows = [one.score[place] for one, place in zip(some, places, strict=True)]
            scores.setdefault(control, {})[arm] = np.stack(rows)
            hows = [one.how[place] for one, place in zip(some, places, strict=True)]
            unread[arm, control] = float(np.isin(hows, _UNREAD).mean())
        return cls(
            study,
            complete,
            {control: statistics.draw(arms, groups) for control, arms in scores.items()},
            {
                (arm, control): tuple(float(one) for one in rows.mean(axis=1))
                for control, arms in scores.items()
                for arm, rows in arms.items()
            },
            unread,
            MEASURES[KINDS[kind]],
            len(shared),
            len(next(iter(splits.values())).test_positions) - len(shared),
            len(np.unique(groups)),
        )

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
                    {one: self.of_arm(arm, one) for one in plan.controls if arm in self.drawn[one].value}
                    if arm != UNTRAINED
                    else {},
                    None if published is None else published / 100,
                )
            )
        return StudyFigures(
            study.name, study.target, study.table, self.measure, self.records, self.ungraded, self.groups,
            study.chance, study.blind, study.blind_best,
            tuple(found), study.left_out, study.notes, study.warnings,
        )  # fmt: skip

    def reference(self, arm: str) -> str:
        """The arm that this one is compared with, if that has figures."""
        other = self.study.references.get(arm, "")
        return other if other in self.complete else ""

    def of_arm(self, arm: str, control: str) -> Figures:
        drawn, other = self.drawn[control], self.reference(arm)
        own = Figures(drawn.score(arm), self.seeds[arm, control], self.unread[arm, control])
        if not other or other not in drawn.value:
            return own
        return replace(
            own,
            difference=drawn.difference(arm, other),
            p=drawn.p_value(arm, other),
            detectable=drawn.detectable(arm, other),
        )


def _shared(tests: Iterable[Any]) -> Any:
    """The positions that all of these tests have, ascending."""
    found: Any = None
    for one in tests:
        found = one if found is None else np.intersect1d(found, one)
    return found


def _adjusted(studies: Sequence[StudyFigures]) -> list[StudyFigures]:
    """The same with p values adjusted over targets, for each arm."""
    family: dict[str, list[tuple[int, float]]] = {}
    for number, study in enumerate(studies):
        for one in study.arms:
            if one.own.p is not None:
                family.setdefault(one.arm, []).append((number, one.own.p))
    adjusted: dict[tuple[int, str], float] = {}
    for arm, found in family.items():
        values = holm([p for _, p in found])
        adjusted |= {(number, arm): value for (number, _), value in zip(found, values, strict=True)}
    return [
        replace(
            study,
            arms=tuple(
                replace(one, own=replace(one.own, adjusted=adjusted.get((number, one.arm)))) for one in study.arms
            ),
        )
        for number, study in enumerate(studies)
    ]


def _pooled(plan: Plan, measured: Sequence[_Measured]) -> Iterable[Pooled]:
    """For each arm that is compared on several targets, the mean difference."""
    pairs: dict[tuple[str, str], list[_Measured]] = {}
    for one in measured:
        for arm in one.complete:
            if other := one.reference(arm):
                pairs.setdefault((arm, other), []).append(one)
    for (arm, other), some in pairs.items():
        targets: dict[str, list[_Measured]] = {}
        for one in some:
            targets.setdefault(one.study.target, []).append(one)
        if len(targets) > 1:
            own, p = _mean(targets, "", arm, other)
            controls = {
                control: _mean(targets, control, arm, other)[0] for control in plan.controls if arm != UNTRAINED
            }
            yield Pooled(arm, other, len(targets), own, p, controls)


def _mean(targets: Mapping[str, Sequence[_Measured]], control: str, arm: str, other: str) -> tuple[Interval, float]:
    """The mean over targets of the mean difference of each: combinations of one target are not independent."""
    draws, values = [], []
    for some in targets.values():
        drawn = [one.drawn[control] for one in some]
        draws.append(np.mean([one.draws[arm] - one.draws[other] for one in drawn], axis=0))
        values.append(float(np.mean([one.value[arm] - one.value[other] for one in drawn])))
    return statistics.pooled(draws, values)
