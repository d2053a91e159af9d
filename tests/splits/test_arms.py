from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workshop import Workshop
from worlds import LUNG, MADE, Record, Row, World, made_rows, made_up, many, replace, worlds

import med_mat
from med_mat.building import Options, build, find
from med_mat.catalog import sources
from med_mat.dataset import MedMAT
from med_mat.errors import SplitError, VocabularyError
from med_mat.selection import MAT
from med_mat.splits import Experiment
from med_mat.splits.kinds import arms, held_out, limited, tasks
from med_mat.taxonomy import AXES, TASK_PARENTS

pytestmark = pytest.mark.usefixtures("arrow_cache")

#: How each arm is asked for.
ARMS: dict[str, Any] = {
    "related": arms.related,
    "all_related": arms.all_related,
    "unrelated": arms.unrelated,
    "all_unrelated": arms.all_unrelated,
    "all_data": arms.all_data,
    "without modality": lambda mat, target, **options: arms.without(mat, target, "modality", **options),
    "without area": lambda mat, target, **options: arms.without(mat, target, "area", **options),
    "without task": lambda mat, target, **options: arms.without(mat, target, "task", **options),
    "held_out": held_out.held_out,
    "limited": lambda mat, target, **options: limited.limited(mat, target, 1, **options),
    "limited, unrelated": lambda mat, target, **options: limited.limited(mat, target, 1, base="unrelated", **options),
    "single_task": tasks.single_task,
}


# ------------------------------------------------------------------------------------------------------ the miniatures


@pytest.fixture(scope="module")
def mat(workshop: Workshop) -> MedMAT:
    return med_mat.open(workshop.out)


def test_every_kind_of_experiment_on_every_triplet_of_the_miniatures(mat: MedMAT) -> None:
    made, refused = Counter[str](), list[str]()
    for target in mat.mats:
        for name, arm in ARMS.items():
            try:
                experiment = arm(mat, target)
            except SplitError as error:
                refused.append(str(error))
                continue
            if len(experiment.train_positions):
                experiment.audit()
                made[name] += 1
    assert min(made[name] for name in ARMS) >= 5, made
    assert not any("\n" in text for text in refused)


def test_what_is_missing_is_named(mat: MedMAT, workshop: Workshop, tmp_path: Any) -> None:
    build(find({"busi": None, "ct_of_brain": None}, workshop.raw), tmp_path / "few", Options(jobs=1))
    few = med_mat.open(tmp_path / "few")
    with pytest.raises(VocabularyError, match="Did you mean 'Lung'"):
        mat.related("CT/Lungs/Cancer")
    with pytest.raises(VocabularyError):
        mat.related("CT/Lung")
    with pytest.raises(SplitError, match=r"has no record of OCT/Retina/Diseases\. Sources that hold it: oct_2017"):
        few.related("OCT/Retina/Diseases")
    with pytest.raises(SplitError, match=r"no record of Co/Skin/Level\. Sources that hold it: none"):
        few.related("Co/Skin/Level")
    with pytest.raises(SplitError, match="CT/Brain/Cancer has records here, but none in the test part"):
        few.related("CT/Brain/Cancer")
    with pytest.raises(SplitError, match=r"itself holds its area, Kidney") as caught:
        mat.related("CT/Kidney/Diseases")
    holding = {s.name for s in sources() if any(m.area == "Kidney" and str(m) != "CT/Kidney/Diseases" for m in s.mats)}
    assert set(str(caught.value).partition("would provide it: ")[2].rstrip(".").split(", ")) == (holding or {"none"})
    with pytest.raises(SplitError, match=r"no option 'sise'. Did you mean 'size'"):
        mat.related(LUNG, sise=3)


def test_the_first_combination_of_the_paper(mat: MedMAT, workshop: Workshop) -> None:
    experiment = mat.related("CT/Lung/Cancer")
    parts = {"CT/Brain/Cancer", "CT/Lung/COVID"}
    assert set(experiment.audit().train) == parts
    expected = [
        one["id"]
        for one in workshop.records
        if one["split"] == "train" and f"{one['modality']}/{one['area']}/{one['task']}" in parts
    ]
    assert experiment.train["id"][:] == expected
    assert set(experiment.test["source"]) == {"chest_ct_scan"}
    named = mat.combination("CT/Lung/Cancer", ["CT/Lung/COVID", "CT/Brain/Cancer"])
    assert named.train_positions.tolist() == experiment.train_positions.tolist()


def test_making_and_proving_an_experiment_reads_no_image(mat: MedMAT, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("a shard was read")

    monkeypatch.setattr(MedMAT, "_shard", refuse)
    for name in ("related", "all_related", "unrelated", "all_data"):
        getattr(mat, name)("CT/Lung/Cancer").audit().to_json()


def test_the_six_arms_of_disruption_are_of_one_size(mat: MedMAT) -> None:
    made = mat.disruption("X-ray/Lung/COVID", triplet_source="paper")
    assert list(made) == [
        "all_unrelated", "all_related", "without_modality", "without_area", "without_task", "all_data",
    ]  # fmt: skip
    assert len({len(one.train_positions) for one in made.values()}) == 1
    for one in made.values():
        assert one.test_positions.tolist() == made["all_data"].test_positions.tolist()
    made["all_related"].audit()
    made["without_area"].audit()
    assert {len(one.train_positions) for one in mat.disruption("X-ray/Lung/COVID", size=10).values()} == {10}


def test_multi_task_trains_on_what_the_paper_calls_in_distribution(mat: MedMAT) -> None:
    made = mat.multi_task(max_per_subset=4)
    audit = made.audit()
    roles = {subset.number: subset.role for subset in med_mat.catalog.load().subsets.values()}
    rows = {int(row) for row in np.unique(mat.tags.row[made.train_positions])}
    assert {roles[mat.tags.facts[row].subset] for row in rows} == {"id"}
    tested = {mat.tags.facts[int(row)].subset for row in np.unique(mat.tags.row[made.test_positions])}
    assert {roles[number] for number in tested} == {"id", "ood"}
    per_subset = Counter(mat.tags.facts[int(row)].subset for row in mat.tags.row[made.train_positions])
    assert max(per_subset.values()) <= 4
    assert "more than 4 of a subset" in audit.dropped


# ------------------------------------------------------------------------------------------------------ made-up builds


def counted(task: str, pool: bool) -> set[str]:
    return {task, TASK_PARENTS[task]} if pool and task in TASK_PARENTS else {task}


def shared(mat: MAT, target: MAT, pool: bool) -> set[str]:
    """The axes on which a triplet holds an element of the target."""
    axes = {axis for axis in ("modality", "area") if getattr(mat, axis) == getattr(target, axis)}
    return axes | ({"task"} if target.task in counted(mat.task, pool) else set())


#: Words that overlap in the wide sense, among those of the made-up builds.
NEAR = {frozenset(pair) for pair in (("State", "COVID"), ("State", "Cancer"), ("State", "Cancer Detection"),
        ("Cancer", "Cancer Detection"))}  # fmt: skip


def near(mat: MAT, target: MAT, axis: str) -> bool:
    words = frozenset({getattr(mat, axis), getattr(target, axis)})
    return len(words) == 1 or words in NEAR


def names_target(mat: MAT, target: MAT, pool: bool) -> bool:
    return (mat.modality, mat.area) == (target.modality, target.area) and target.task in counted(mat.task, pool)


def check(world: World, name: str, experiment: Experiment, target: MAT, pool: bool, options: dict[str, Any]) -> None:
    """The rules of the paper, in plain Python over the records."""
    train, test = experiment.train_positions.tolist(), experiment.test_positions.tolist()
    assert train == sorted(set(train))
    assert test == sorted(set(test))
    assert test
    for position in test:
        assert world.records[position].split == "test"
        assert names_target(world.of(position).mat, target, pool)
    for key in ("patient", "sha256", "pixel_hash"):
        held = {getattr(world.records[position], key) for position in test} - {None}
        assert not held & {getattr(world.records[position], key) for position in train}
    assert all(world.records[position].split == "train" for position in train)
    own = [position for position in train if names_target(world.of(position).mat, target, pool)]
    others = [world.of(position).mat for position in train if position not in own]
    assert len(own) <= (1 if name.startswith("limited") else len(train) if name == "single_task" else 0)
    axes = [shared(mat, target, pool) for mat in others]
    avoided = {"without modality": ("modality",), "without area": ("area",), "without task": ("task",)}.get(
        name, AXES if "unrelated" in name else ()
    )
    assert not any(near(mat, target, axis) for mat in others for axis in avoided)
    if name in ("unrelated", "all_unrelated", "limited, unrelated"):
        assert not any(axes)
    elif name.startswith("without "):
        assert all(axes)
        assert not any(name.removeprefix("without ") in one for one in axes)
    elif name in ("related", "all_related"):
        assert all(axes)
        assert "size" in options or "max_per_subset" in options or set().union(*axes) == set(AXES)
    elif name == "single_task":
        assert not others
    if "size" in options and "single_task" not in name:
        assert len(train) - (name.startswith("limited") and len(own)) == options["size"]
    if "max_per_subset" in options:
        units = Counter(world.of(p).subset or -world.of(p).number for p in train if p not in own)
        assert max(units.values(), default=0) <= options["max_per_subset"]


OPTIONS = st.fixed_dictionaries(
    {"seed": st.integers(0, 3)},
    optional={"size": st.integers(1, 20), "max_per_subset": st.integers(1, 6), "balanced_test": st.booleans()},
)


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(worlds(), st.integers(0, 9), OPTIONS, st.booleans())
@pytest.mark.parametrize("name", ARMS)
@pytest.mark.slow
def test_the_rules_hold_in_any_world(
    name: str, made: tuple[Any, Any], number: int, options: dict[str, Any], pool: bool
) -> None:
    world = made_up(*made)
    target = made[1][number % len(made[1])].mat
    try:
        experiment = ARMS[name](world.mat, target, pool_tasks=pool, **options)
    except SplitError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert str(target) in refused
        assert "\n" not in refused
        return
    check(world, name, experiment, target, pool, options)
    again = ARMS[name](world.mat, target, pool_tasks=pool, **options)
    assert again.train_positions.tolist() == experiment.train_positions.tolist()
    remade = world.mat.experiment(experiment.definition)
    assert remade.train_positions.tolist() == experiment.train_positions.tolist()
    assert remade.test_positions.tolist() == experiment.test_positions.tolist()
    covered = not experiment.rule.covers or set(AXES) <= set().union(
        *(shared(world.of(p).mat, target, pool) for p in experiment.train_positions
          if not names_target(world.of(p).mat, target, pool))
    )  # fmt: skip
    if covered:
        audit = experiment.audit()
        assert not any(audit.shared.values())
        assert sum(audit.train.values()) == len(experiment.train_positions)
    else:  # the draw took the last record that held an element
        with pytest.raises(SplitError, match=r"VIOLATED: nothing in train holds"):
            experiment.audit()


def test_one_patient_everywhere_leaves_nothing_to_train_on() -> None:
    rows = made_rows()
    records = [Record(row.number, split, patient="the one") for row in rows for split in ("train", "test")]
    world = made_up(records, rows)
    for name in ("related", "all_related"):
        with pytest.raises(SplitError, match="No training record"):
            ARMS[name](world.mat, LUNG)
    with pytest.raises(
        SplitError, match=r"no training record in this Med-MAT\. 3 are left out: their group is tested\."
    ):
        arms.all_data(world.mat, LUNG)


def test_a_target_whose_every_training_record_is_tested_is_a_finding_that_the_audit_tells() -> None:
    copies = [Record(1, split, pixel_hash=str(n)) for n in range(6) for split in ("train", "test")]
    made = made_up(copies, made_rows()).mat.single_task(LUNG, balanced_test=False)
    assert not len(made.train_positions)
    audit = made.audit()
    assert audit.dropped == {"their group is tested": 6}
    assert "train is empty: all 6 training records of CT/Lung/Cancer share a group with what is tested" in str(audit)


def test_pictures_that_are_in_every_source_never_train() -> None:
    rows = made_rows()
    records = [Record(row.number, "train", pixel_hash=str(n)) for row in rows for n in range(20)]
    records += [Record(1, "test", pixel_hash=str(n)) for n in range(5)]
    made = made_up(records, rows).mat.related(LUNG)
    assert len(made.train_positions) == 2 * 15
    assert made.audit().dropped == {"their group is tested": 2 * 5}


def test_where_groups_take_the_nearest_what_is_further_off_trains() -> None:
    rows = made_rows([*MADE, MAT("MRI", "Skin", "Cancer")])
    records = [Record(1, "test", patient="p"), Record(2, patient="p"), Record(3), Record(5)]
    made = made_up(records, rows).mat.related(LUNG)
    assert set(made.audit().train) == {"CT/Lung/COVID", "MRI/Skin/Cancer"}


def test_arms_are_compared_at_one_size() -> None:
    world = made_up(many({(2, "a"): 7, (3, "b"): 5, (4, "a"): 20}), made_rows())
    assert len(world.mat.related(LUNG).train_positions) == 12
    assert len(world.mat.unrelated(LUNG).train_positions) == 12
    like = world.mat.related(LUNG, size=6)
    other = world.mat.unrelated(LUNG, like=like)
    assert len(other.train_positions) == 6
    assert world.mat.experiment(other.definition).train_positions.tolist() == other.train_positions.tolist()
    with pytest.raises(SplitError, match="needs 30 training records, and there are 20"):
        world.mat.unrelated(LUNG, size=30)


def test_unrelated_asks_for_a_size_where_related_cannot_give_it() -> None:
    world = made_up(many({(4, "a"): 20}), made_rows())
    with pytest.raises(
        SplitError, match=r"^unrelated has the size of related unless .*holds its .*Give size=.*or like="
    ):
        world.mat.unrelated(LUNG)
    assert len(world.mat.unrelated(LUNG, size=7).train_positions) == 7
    like = world.mat.unrelated(LUNG, size=9)
    assert len(world.mat.unrelated(LUNG, like=like).train_positions) == 9
    with pytest.raises(SplitError, match=r"^(?!unrelated is as large)"):
        made_up([Record(4)] * 3, made_rows()).mat.unrelated(LUNG)  # without a test record no size helps


def test_growing_sizes_contain_each_other() -> None:
    world = made_up(many({(2, "a"): 50, (2, "b"): 9, (3, "b"): 30}), made_rows())
    made = world.mat.scaling(LUNG, [40, 10, 20])
    assert [len(one.train_positions) for one in made] == [10, 20, 40]
    for small, large in itertools.pairwise(made):
        assert set(small.train_positions) < set(large.train_positions)


def test_limited_adds_records_of_the_target_and_nothing_else() -> None:
    world = made_up(many({(1, "a"): 30, (1, "b"): 4, (2, "a"): 5, (3, "b"): 5}), made_rows())
    drawn: list[set[int]] = []
    for n in (0, 2, 8):
        made = world.mat.limited(LUNG, n)
        audit = made.audit()
        assert audit.train.get(str(LUNG), 0) == n
        assert sum(audit.train.values()) == 10 + n
        drawn.append({int(p) for p in made.train_positions if world.of(p).mat == LUNG})
    assert drawn[0] < drawn[1] < drawn[2]
    assert Counter(world.records[p].label for p in drawn[2]) == {"a": 4, "b": 4}
    with pytest.raises(SplitError, match="40 training records of CT/Lung/Cancer are requested, and there are 34"):
        world.mat.limited(LUNG, 40)
    with pytest.raises(SplitError, match="VIOLATED: train holds 8 records of the target, of which 2 are allowed"):
        replace(made, rule=replace(made.rule, target_records=2)).audit()


def test_leaving_one_out_covers_every_triplet_and_word() -> None:
    rows = made_rows()
    world = made_up([Record(row.number, split) for row in rows for split in ("train", "test")], rows)
    assert {one.target.text for one in world.mat.leave_one_out()} == set(map(str, MADE))
    by_area = {one.target.text: one for one in world.mat.leave_one_out("area")}
    assert set(by_area) == {"*/Lung/*", "*/Brain/*", "*/Skin/*"}
    audit = by_area["*/Lung/*"].audit()
    assert set(audit.train) == {"CT/Brain/Cancer", "US/Skin/Level"}
    with pytest.raises(SplitError, match="over='organ' is not one of"):
        list(world.mat.leave_one_out("organ"))  # type: ignore[arg-type]


def test_a_pattern_as_target_is_covered_whole() -> None:
    mats = [LUNG, MAT("MRI", "Lung", "Cancer"), MAT("CT", "Brain", "Cancer"), MAT("MRI", "Lung", "COVID")]
    rows = made_rows(mats)
    world = made_up([Record(1, "test"), Record(2, "test"), Record(3), Record(4), Record(1), Record(2)], rows)
    made = world.mat.related("CT|MRI/Lung/Cancer")
    assert set(made.audit().train) == {"CT/Brain/Cancer", "MRI/Lung/COVID"}
    assert set(made.audit().covered) == {"modality CT", "modality MRI", "area Lung", "task Cancer"}


def test_pooled_tasks_train_for_the_wider_task_and_never_for_their_own() -> None:
    mats = [MAT("CT", "Brain", "State"), MAT("CT", "Lung", "COVID"), MAT("MRI", "Brain", "Cancer"),
            MAT("CT", "Brain", "Cancer")]  # fmt: skip
    rows = made_rows(mats)
    world = made_up([Record(1, "test"), Record(2), Record(3), Record(4), Record(4, "test")], rows)
    with pytest.raises(SplitError, match="holds its task, State"):
        world.mat.related("CT/Brain/State")
    made = world.mat.related("CT/Brain/State", pool_tasks=True)
    assert set(made.audit().train) == {"CT/Lung/COVID", "MRI/Brain/Cancer"}
    assert set(made.audit().test) == {"CT/Brain/State", "CT/Brain/Cancer"}, "a Cancer record is a State record too"


def test_across_tasks_a_detection_stands_for_what_it_finds() -> None:
    mats = [LUNG, MAT("MRI", "Lung", "Cancer Detection"), MAT("CT", "Brain", "Cancer Detection")]
    world = made_up([Record(1, "test"), Record(2), Record(3)], made_rows(mats))
    with pytest.raises(SplitError, match="holds its task, Cancer"):
        world.mat.related(LUNG)
    assert set(world.mat.related(LUNG, cross_tasks=True).audit().train) == set(map(str, mats[1:]))


def test_what_may_be_used_can_be_narrowed() -> None:
    rows = [*made_rows(), Row(5, MADE[1], access="request")]
    world = made_up([Record(1, "test"), *(Record(n) for n in (2, 3, 4, 5))], rows)
    assert len(world.mat.related(LUNG).train_positions) == 3
    made = world.mat.related(LUNG, among="access=open")
    assert {world.of(p).number for p in made.train_positions} == {2, 3}
    assert made.definition["among"] == "access=open"
    with pytest.raises(SplitError, match=r"its area, Lung \(among=!source=source_3\)"):
        world.mat.related(LUNG, among="!source=source_3")


def test_a_target_that_is_held_out_whole_can_be_tested_whole() -> None:
    world = made_up([Record(1), Record(1, "validation"), Record(2, patient="p"), Record(2), Record(3)], made_rows())
    with pytest.raises(SplitError, match=r"none in the test part.*test_on='all' tests on all of them"):
        world.mat.related(LUNG)
    made = world.mat.related(LUNG, test_on="all")
    assert made.audit().test == {str(LUNG): 2}
    assert len(made.train_positions) == 3
    with pytest.raises(SplitError, match="1 training records of CT/Lung/Cancer are requested, and there are 0"):
        world.mat.limited(LUNG, 1, test_on="all")


def test_a_recommendation_completes_the_elements_first() -> None:
    mats = [LUNG, MAT("CT", "Brain", "Cancer"), MAT("CT", "Skin", "Cancer"), MAT("MRI", "Lung", "State")]
    world = made_up(many({(1, "a"): 3, (2, "a"): 30, (3, "a"): 90, (4, "a"): 10}), made_rows(mats))
    found = world.mat.recommend(LUNG, 60)
    here = [one for one in found.choices if one.records is not None]
    assert [one.row for one in here] == [3, 4, 2]
    assert [one.take for one in here] == [25, 10, 25]
    assert found.own == 3
    assert here[0].why == "shares the modality and task; the first to hold the modality CT and the task Cancer"
    assert "shares the area; the first to hold the area Lung" in str(found)
    assert {one.source for one in found.choices if one.records is None} >= {"ct_of_brain"}
    assert not found.missing


def test_what_the_base_was_made_with_is_part_of_what_limited_is() -> None:
    """Else the same definition draws other records: without it, a base no longer knows how many are of masks."""
    mats = [*MADE, MAT("US", "Skin", "Diseases")]
    rows = [*made_rows(mats[:-1]), replace(made_rows(mats)[-1], annotation="masks")]
    world = made_up(many({(1, "a"): 3, (2, "a"): 9, (3, "b"): 9, (4, "a"): 20, (5, "a"): 20}), rows)
    base = world.mat.unrelated(LUNG, kinds="any")
    made = world.mat.limited(LUNG, 1, base="unrelated", kinds="any")
    assert made.definition["places"] == base.definition["places"] == 0
    assert world.mat.experiment(made.definition).train_positions.tolist() == made.train_positions.tolist()
