from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workshop import Workshop

import med_mat
from med_mat.build import Options, build, find
from med_mat.catalog import sources
from med_mat.dataset import SPLITS, Folder, MedMAT, Tags
from med_mat.errors import SplitError, VocabularyError
from med_mat.splits import Experiment, all_related, related, unrelated
from med_mat.taxonomy import AXES, MAT

ARMS = {"related": related, "all_related": all_related, "unrelated": unrelated}
LUNG = MAT("CT", "Lung", "Cancer")

pytestmark = pytest.mark.usefixtures("arrow_cache")


@pytest.fixture(scope="module")
def mat(workshop: Workshop) -> MedMAT:
    return med_mat.open(workshop.out)


# ------------------------------------------------------------------------------------------------------ the miniatures


def test_every_triplet_gives_an_experiment_or_says_what_is_missing(mat: MedMAT, workshop: Workshop) -> None:
    made = Counter[str]()
    for target in mat.mats:
        tested = [
            one
            for one in workshop.records
            if MAT(one["modality"], one["area"], one["task"]) == target and one["split"] == "test"
        ]
        for name, arm in ARMS.items():
            try:
                experiment = arm(mat, target)
                audit = experiment.audit()
            except SplitError as error:
                message = str(error)
                assert "\n" not in message
                assert str(target) in message
                if not tested:
                    assert "none in the test part" in message
                elif "training records, of which there are" not in message:
                    (axis,) = (axis for axis in AXES if f"itself holds its {axis}, {getattr(target, axis)}." in message)
                    named = message.partition("would provide it: ")[2].rstrip(".").split(", ")
                    holding = {
                        source.name
                        for source in sources()
                        if any(m != target and getattr(m, axis) == getattr(target, axis) for m in source.mats)
                    }
                    assert set(named) == (holding or {"none"})
                continue
            made[name] += 1
            check_rules(workshop, experiment)
            assert audit.violations == []
    assert made["related"] >= 8
    assert made["all_related"] >= made["related"]
    assert made["unrelated"] >= 5


def check_rules(workshop: Workshop, experiment: Experiment) -> None:
    """The rules of the paper, in plain Python over the records."""
    train = [workshop.records[i] for i in experiment.train_positions]
    test = [workshop.records[i] for i in experiment.test_positions]
    target = experiment.target

    def mat_of(one: dict[str, Any]) -> MAT:
        return MAT(one["modality"], one["area"], one["task"])

    assert train
    assert test
    assert {mat_of(one) for one in test} == {target}
    assert {one["split"] for one in test} == {"test"}
    assert {one["split"] for one in train} == {"train"}
    assert target not in {mat_of(one) for one in train}
    for key in ("group", "patient", "sha256"):
        held = {one[key] for one in test} - {None}
        assert not held & {one[key] for one in train}
    shared = [mat_of(one).shared(target) for one in train]
    if experiment.name == "unrelated":
        assert not any(shared)
    else:
        assert all(shared)
        assert set().union(*shared) == set(AXES)
    assert len(test) == sum(mat_of(one) == target and one["split"] == "test" for one in workshop.records)
    audit = experiment.audit()
    assert sum(audit.train.values()) == len(train)
    assert audit.train == {str(m): count for m, count in sorted(Counter(map(mat_of, train)).items())}
    assert audit.test == {str(target): len(test)}
    assert sum(audit.train_labels.values()) == len(train)
    labels = Counter(one["label"] or "(several)" for one in test)
    assert audit.test_labels == dict(labels)


def trained_on(workshop: Workshop, *triplets: str) -> list[dict[str, Any]]:
    """The training records of some triplets."""
    chosen = {tuple(triplet.split("/")) for triplet in triplets}
    return [
        one
        for one in workshop.records
        if one["split"] == "train" and (one["modality"], one["area"], one["task"]) in chosen
    ]


def test_the_first_combination_of_the_paper(mat: MedMAT, workshop: Workshop) -> None:
    experiment = mat.related("CT/Lung/Cancer")
    assert set(experiment.audit().train) == {"CT/Brain/Cancer", "CT/Lung/COVID"}
    assert set(experiment.audit().test) == {"CT/Lung/Cancer"}
    expected = trained_on(workshop, "CT/Brain/Cancer", "CT/Lung/COVID")
    assert experiment.train["id"][:] == [one["id"] for one in expected]
    assert set(experiment.train["source"]) == {one["source"] for one in expected} >= {"ct_of_brain", "covid_ct"}
    assert set(experiment.test["source"]) == {"chest_ct_scan"}
    assert experiment.train is experiment.train, "made once"
    text = str(experiment.audit())
    for words in ("related for CT/Lung/Cancer", "holds: yes", "groups on both sides: 0", "held by CT/Brain/Cancer"):
        assert words in text


def test_the_methods_are_the_functions(mat: MedMAT) -> None:
    for name, arm in ARMS.items():
        one, other = getattr(mat, name)("CT/Lung/Cancer", size=10, seed=3), arm(mat, LUNG, size=10, seed=3)
        assert one.name == other.name == name
        assert one.train_positions.tolist() == other.train_positions.tolist()


def test_the_arms_are_of_one_size(mat: MedMAT) -> None:
    experiment = mat.related("CT/Lung/Cancer")
    assert len(mat.unrelated("CT/Lung/Cancer").train_positions) == len(experiment.train_positions)
    everything = mat.all_related("CT/Lung/Cancer")
    assert len(everything.train_positions) > len(experiment.train_positions)
    like = mat.unrelated("CT/Lung/Cancer", like=everything)
    assert len(like.train_positions) == len(everything.train_positions)
    assert np.isin(experiment.train_positions, everything.train_positions).all()


def test_unrelated_needs_no_related_arm_where_a_size_is_given(mat: MedMAT) -> None:
    with pytest.raises(SplitError, match="itself holds its area, Kidney"):
        mat.unrelated("CT/Kidney/Diseases")
    assert sum(mat.unrelated("CT/Kidney/Diseases", size=20).audit().train.values()) == 20


def test_wrong_targets(mat: MedMAT, workshop: Workshop, tmp_path: Path) -> None:
    build(find({"busi": None, "ct_of_brain": None}, workshop.raw), tmp_path / "few", Options(jobs=1))
    few = med_mat.open(tmp_path / "few")
    for arm in ARMS.values():
        with pytest.raises(VocabularyError, match="Did you mean 'Lung'"):
            arm(mat, "CT/Lungs/Cancer")
        with pytest.raises(VocabularyError, match="is not a triplet"):
            arm(mat, "CT/Lung")
        with pytest.raises(VocabularyError):
            arm(mat, "CT/*/Cancer")
        with pytest.raises(SplitError, match=r"has no record of OCT/Retina/Diseases\. Sources that hold it: oct_2017"):
            arm(few, "OCT/Retina/Diseases")
        with pytest.raises(SplitError, match=r"no record of Co/Skin/Level\. Sources that hold it: none"):
            arm(mat, "Co/Skin/Level")
        with pytest.raises(SplitError, match="CT/Brain/Cancer has records here, but none in the test part"):
            arm(few, "CT/Brain/Cancer")


@pytest.mark.parametrize("size", [0, -1, 100_000])
@pytest.mark.parametrize("name", ARMS)
def test_sizes_that_cannot_be(mat: MedMAT, name: str, size: int) -> None:
    message = rf"The {name} arm .* {size:,} training records, of which there are [\d,]+: pass"
    with pytest.raises(SplitError, match=message):
        ARMS[name](mat, LUNG, size=size)


def test_making_an_experiment_reads_no_image(mat: MedMAT, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("a shard was read")

    monkeypatch.setattr(MedMAT, "_shard", refuse)
    for name in ARMS:
        getattr(mat, name)("CT/Lung/Cancer").audit().to_json()


def test_an_audit_survives_its_json(mat: MedMAT, workshop: Workshop) -> None:
    audit = mat.related("CT/Lung/Cancer", size=12, seed=5).audit()
    read = json.loads(audit.to_json())
    assert read == json.loads(json.dumps(asdict(audit)))
    assert replace(audit, **read) == audit
    assert (read["seed"], read["med_mat"], read["experiment"]) == (5, med_mat.__version__, "related")
    assert read["build"] == mat.manifest
    over = len(trained_on(workshop, "CT/Brain/Cancer", "CT/Lung/COVID")) - 12
    assert over > 0
    assert read["dropped"] == {"not drawn, to reach the size asked for": over}


# ---------------------------------------------------------------------------------------------------------- violations


def positions(mat: MedMAT, *patterns: str, split: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    return mat.where(list(patterns), split=split)


def test_a_violation_is_named(mat: MedMAT) -> None:
    good = mat.related(LUNG)
    target_train = positions(mat, "CT/Lung/Cancer", split="train")
    brain = positions(mat, "CT/Brain/Cancer", split="train")
    ultrasound = positions(mat, "US/*/Cancer Detection", split="train")
    none = np.zeros(0, dtype=np.int64)

    def broken(message: str, **changes: Any) -> None:
        with pytest.raises(SplitError) as caught:
            replace(good, **changes).audit()
        assert f"VIOLATED: {message}" in str(caught.value)
        assert "holds: yes" not in str(caught.value)

    good.audit()
    broken(
        "the target CT/Lung/Cancer is in train",
        train_positions=np.sort(np.concatenate([good.train_positions, target_train])),
    )
    broken("nothing in train holds the target's area Lung", train_positions=brain)
    broken("train is empty", train_positions=none)
    broken("test is empty", test_positions=none)
    broken("test holds other triplets than the target", test_positions=np.concatenate([good.test_positions, brain[:1]]))
    broken("the target CT/Lung/Cancer is in train", train_positions=good.test_positions)
    broken(f"{len(set(mat.tags.group[good.test_positions]))} groups are in train", train_positions=good.test_positions)
    broken("train holds the target's modality CT", name="unrelated")
    broken("nothing in train holds the target's modality CT", train_positions=ultrasound)
    with pytest.raises(SplitError, match="train holds the target's task Cancer"):
        replace(mat.unrelated(LUNG), train_positions=positions(mat, "US/Breast/Cancer", split="train")).audit()


# --------------------------------------------------------------------------------------------------------- made-up tags

WORDS = (("CT", "MRI", "US"), ("Lung", "Brain", "Skin"), ("Cancer", "COVID", "State"))
MATS = [MAT(m, a, t) for m in WORDS[0] for a in WORDS[1] for t in WORDS[2]]


def made_up(records: list[tuple[int, int, int, int]], mats: list[MAT]) -> MedMAT:
    """A Med-MAT that has tags and nothing else, of (row, split, group, label) for each record."""
    columns = np.array(records, dtype=np.int64).reshape(-1, 4)
    tags = Tags(
        row=columns[:, 0].astype(np.uint8),
        split=columns[:, 1].astype(np.uint8),
        label=(columns[:, 3] - 1).astype(np.int32),
        label_names=("a", "b", "c"),
        group=columns[:, 2].astype(np.int32),
        file=np.zeros(len(columns), dtype=np.int32),
        files=("data/x",),
        position=np.arange(len(columns), dtype=np.int32),
        mats={row: mats[row - 1] for row in sorted(set(columns[:, 0].tolist()))},
        source_of={row: f"source {row}" for row in set(columns[:, 0].tolist())},
        subset_of={row: row for row in set(columns[:, 0].tolist())},
    )
    mat = MedMAT.__new__(MedMAT)
    mat.tags, mat.manifest, mat._arrow = tags, {"made": "up"}, {}
    mat.location = Folder(Path("made up"))
    return mat


World = tuple[MedMAT, list[tuple[int, int, int, int]], list[MAT]]
MADE = [LUNG, MAT("CT", "Brain", "Cancer"), MAT("MRI", "Lung", "State"), MAT("US", "Skin", "COVID")]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Some rows of any triplets, or the four of MADE and further ones; records in groups of any size."""
    mats = draw(st.lists(st.sampled_from(MATS), min_size=1, max_size=8))  # rows may share a triplet
    rich = draw(st.booleans())
    if rich:
        mats = MADE + mats
    groups = draw(st.sampled_from([3, 40, 1000]))
    record = st.tuples(
        st.integers(1, len(mats)), st.sampled_from([0, 0, 0, 1, 2, 2]), st.integers(0, groups), st.integers(0, 3)
    )
    records = draw(st.lists(record, min_size=40 if rich else 1, max_size=80))
    if rich:
        records.append((1, SPLITS.index("test"), 0, 1))
    return made_up(records, mats), records, mats


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.filter_too_much])
@given(world=worlds(), number=st.integers(0, 7), size=st.none() | st.integers(1, 30), seed=st.integers(0, 5))
@pytest.mark.parametrize("name", ARMS)
def test_the_rules_hold_in_any_world(
    name: str,
    world: World,
    number: int,
    size: int | None,
    seed: int,
) -> None:
    mat, records, mats = world
    target = mats[number % len(mats)]
    try:
        experiment = ARMS[name](mat, target, size=size, seed=seed)
    except SplitError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert str(target) in message
        return
    train, test = ([records[i] for i in side] for side in (experiment.train_positions, experiment.test_positions))
    assert test == [one for one in records if mats[one[0] - 1] == target and SPLITS[one[1]] == "test"] != []
    assert all(SPLITS[one[1]] == "train" for one in train)
    assert target not in {mats[one[0] - 1] for one in train}
    assert not {one[2] for one in train} & {one[2] for one in test}
    shared = [mats[one[0] - 1].shared(target) for one in train]
    if name == "unrelated":
        assert not any(shared)
    else:
        assert all(shared)
    if size is not None:
        assert len(train) == size
    assert sorted(experiment.train_positions.tolist()) == experiment.train_positions.tolist()
    assert len(set(experiment.train_positions.tolist())) == len(train)
    again = ARMS[name](mat, target, size=size, seed=seed)
    assert again.train_positions.tolist() == experiment.train_positions.tolist()
    covered = set().union(*shared)
    if train and (name == "unrelated" or covered == set(AXES)):
        audit = experiment.audit()
        assert audit.shared_groups == 0
        assert sum(audit.train.values()) == len(train)
    else:  # groups of the test part, or the draw, took the last that held an element
        with pytest.raises(SplitError, match="VIOLATED"):
            experiment.audit()


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 60), st.integers(0, 9))
def test_arms_are_compared_at_one_size(brain: int, mri: int, foreign: int, seed: int) -> None:
    mat = made_up(many({(2, 1): brain, (3, 2): mri, (4, 1): foreign}), MADE)
    wanted = brain + mri
    assert len(related(mat, LUNG).train_positions) == wanted
    if foreign < wanted:
        with pytest.raises(SplitError, match=rf"to have {wanted} training records, of which there are {foreign}:"):
            unrelated(mat, LUNG, seed=seed)
    else:
        other = unrelated(mat, LUNG, seed=seed)
        assert len(other.train_positions) == wanted
        assert set(other.audit().train) == {"US/Skin/COVID"}


def test_the_worlds_are_not_all_refused() -> None:
    made = Counter[str]()

    @settings(deadline=None, max_examples=300, database=None, derandomize=True)
    @given(world=worlds(), name=st.sampled_from(sorted(ARMS)), size=st.none() | st.integers(1, 10))
    def count(world: World, name: str, size: int | None) -> None:
        try:
            ARMS[name](world[0], world[2][0], size=size).audit()
            made[name] += 1
        except SplitError:
            made["refused"] += 1

    count()
    assert min(made[name] for name in ARMS) >= 5, made


def many(counts: dict[tuple[int, int], int]) -> list[tuple[int, int, int, int]]:
    """Train records, so many of each (row, label), and one test record of row 1."""
    records = [(1, SPLITS.index("test"), 0, 1)]
    for (row, label), count in counts.items():
        records += [(row, SPLITS.index("train"), len(records) + n, label) for n in range(count)]
    return records


def test_a_draw_is_even_over_rows_and_labels() -> None:
    mat = made_up(many({(2, 1): 500, (2, 2): 30, (3, 1): 200, (3, 3): 10}), MADE)
    experiment = related(mat, LUNG, size=100)
    drawn = Counter(
        zip(
            mat.tags.row[experiment.train_positions].tolist(),
            mat.tags.label[experiment.train_positions].tolist(),
            strict=True,
        )
    )
    assert drawn == {(2, 0): 30, (2, 1): 30, (3, 0): 30, (3, 2): 10}


def test_another_seed_draws_others() -> None:
    mat = made_up(many({(2, 1): 500, (3, 1): 500}), MADE)
    drawn = {tuple(related(mat, LUNG, size=50, seed=seed).train_positions.tolist()) for seed in range(10)}
    assert len(drawn) == 10
    # frozen: a seed means the same split with every version
    assert related(mat, LUNG, size=4, seed=7).train_positions.tolist() == FROZEN


FROZEN = [272, 335, 779, 803]


def test_a_triplet_without_training_records_holds_nothing() -> None:
    """Where the nearest triplets have test records alone, those further off are taken, or what lacks is said."""
    test, train = SPLITS.index("test"), SPLITS.index("train")
    mats = [LUNG, MAT("CT", "Lung", "COVID"), MAT("CT", "Brain", "Cancer"), MAT("MRI", "Skin", "Cancer")]
    near_untrained = [(1, test, 0, 1), (2, train, 1, 1), (3, test, 2, 1)]
    with pytest.raises(SplitError, match="but those of CT/Lung/Cancer itself holds its task, Cancer"):
        related(made_up(near_untrained, mats), LUNG)
    experiment = related(made_up([*near_untrained, (4, train, 3, 1)], mats), LUNG)
    assert set(experiment.audit().train) == {"CT/Lung/COVID", "MRI/Skin/Cancer"}


def test_groups_of_the_test_part_leave_train() -> None:
    test, train = SPLITS.index("test"), SPLITS.index("train")
    records = [(1, test, 0, 1), (2, train, 0, 1), (2, train, 1, 1), (3, train, 2, 1)]
    experiment = related(made_up(records, MADE), LUNG)
    assert experiment.train_positions.tolist() == [2, 3]
    assert experiment.audit().dropped == {"their group is in test": 1}


def test_two_rows_of_one_triplet_are_both_kept_out_of_train() -> None:
    test, train = SPLITS.index("test"), SPLITS.index("train")
    records = [(1, test, 0, 1), (2, train, 1, 1), (3, train, 2, 1), (4, train, 3, 1)]
    experiment = all_related(made_up(records, [LUNG, LUNG, MADE[1], MADE[2]]), LUNG)
    assert experiment.train_positions.tolist() == [2, 3]
