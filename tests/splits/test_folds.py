"""k folds: every record of the target is tested once, and no group is on two sides."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from workshop import Workshop
from worlds import LUNG, MADE, Record, made_rows, made_up, many, tried, worlds

import med_mat
from med_mat.errors import AuditError, SplitError
from med_mat.splits import overlap

pytestmark = pytest.mark.usefixtures("arrow_cache")


@settings(max_examples=200)
@given(worlds(), st.integers(0, 9), st.integers(2, 6), st.sampled_from(["all", "train"]), st.integers(0, 2))
def test_folds_partition_the_target_in_any_world(
    made: tuple[Any, Any], number: int, k: int, over: Any, seed: int
) -> None:
    world = made_up(*made)
    target = made[1][number % len(made[1])].mat
    found, refused = tried(lambda: world.mat.folds(target, k, over=over, seed=seed))
    if found is None:
        assert str(target) in refused
        return
    assert len(found) == k
    own = [p for p, one in enumerate(world.records)
           if world.of(p).mat == target and (over == "all" or one.split == "train")]  # fmt: skip
    tested = np.concatenate([one.test_positions for one in found])
    assert sorted(tested.tolist()) == own
    for fold, one in enumerate(found):
        assert sorted([*one.train_positions, *one.test_positions]) == own
        assert len(one.train_positions)
        assert len(one.test_positions)
        audit = one.audit()
        assert not any(audit.shared.values())
        again = world.mat.experiment(one.definition)
        assert again.test_positions.tolist() == one.test_positions.tolist()
        assert again.train_positions.tolist() == one.train_positions.tolist()
        assert (again.arguments["k"], again.arguments["fold"]) == (k, fold)


def test_folds_take_the_place_of_published_parts_unless_told() -> None:
    parts = [Record(1, part, patient=f"{part} {n}") for part in ("train", "validation", "test") for n in range(10)]
    mixed = [Record(1, "train", patient="test 0", withheld="test of source_1")]
    world = made_up(parts + mixed, made_rows())
    whole = world.mat.folds(LUNG, 5)
    assert sum(len(one.test_positions) for one in whole) == 31
    assert any("are of the test part of their source" in note for note in whole[0].audit().notes)
    assert "train holds records of the test part" not in str(whole[0].audit())
    train = world.mat.folds(LUNG, 5, over="train")
    assert sum(len(one.test_positions) for one in train) == 10
    assert train[0].audit().dropped == {"withheld: their group is held out": 1}
    assert sum(len(one.test_positions) for one in world.mat.folds(LUNG, 5, over="train", withheld=True)) == 11


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"k": 7}, r"7 folds of CT/Lung/Cancer need at least 7 groups .*: its 12 records are of 6\. Give a smaller k"),
        ({"k": 1}, "Folds: k must be 2 or more, not 1"),
        ({"k": 2.0}, "Folds: k must be an integer, not 2.0"),
        ({"k": True}, "Folds: k must be an integer, not True"),
        ({"over": "test"}, "Folds: over: 'test' is not one of all, train"),
        ({"test_on": "test"}, "Folds test every record once, and do not take test_on='test'"),
        ({"balanced_test": True}, "do not take balanced_test=True.*balance the accuracy"),
        ({"kk": 3}, "no option 'kk'"),
    ],
)
def test_what_cannot_be_divided(given: dict[str, Any], message: str) -> None:
    world = made_up([Record(1, patient=str(n // 2)) for n in range(12)], made_rows())
    with pytest.raises(SplitError, match=message):
        world.mat.folds(LUNG, **given)


def test_one_fold_by_its_number() -> None:
    world = made_up(many({(1, "a"): 9}), made_rows())
    with pytest.raises(SplitError, match="fold must be from 0 to 2, for k=3, not 3"):
        world.mat.experiment({"experiment": "fold", "target": "CT/Lung/Cancer", "k": 3, "fold": 3})
    with pytest.raises(SplitError, match="has no 'k', which fold needs: Number of folds"):
        world.mat.experiment({"experiment": "fold", "target": "CT/Lung/Cancer", "fold": 3})
    with pytest.raises(SplitError, match="has no record of FP/Fundus/Level"):
        world.mat.folds("FP/Fundus/Level")
    test = made_up([Record(1, "test")] * 9, made_rows())
    with pytest.raises(SplitError, match=r"has no training record here to divide .*: over='all' divides all"):
        test.mat.folds(LUNG, over="train")


def test_folds_do_not_depend_on_the_other_records_of_a_build() -> None:
    few = made_up(many({(1, "a"): 30, (1, "b"): 11}), made_rows(MADE[:1]))
    more = made_up(many({(1, "a"): 30, (1, "b"): 11, (3, "b"): 40, (4, "c"): 5}), made_rows())
    for one, two in zip(few.mat.folds(LUNG, 4, seed=3), more.mat.folds(LUNG, 4, seed=3), strict=True):
        assert one.test_positions.tolist() == two.test_positions.tolist()


def test_folds_take_the_options_of_experiments(tmp_path: Any) -> None:
    world = made_up(many({(1, "a"): 60, (1, "b"): 30}), made_rows())
    made = world.mat.folds(LUNG, 3, validation=0.2, size=20, seed=5)
    for one in made:
        assert len(one.train_positions) == 20
        assert len(one.validation_positions) == 5
        one.audit()
    one.save(tmp_path / "fold.parquet")
    assert str(world.mat.load_split(tmp_path / "fold.parquet").audit()) == str(one.audit())
    (tmp_path / "fold.yaml").write_text(yaml.safe_dump(one.definition), "utf-8")
    again = world.mat.experiment(tmp_path / "fold.yaml")
    assert again.validation_positions.tolist() == one.validation_positions.tolist()
    table = overlap(made)
    assert table.names == ("fold 0", "fold 1", "fold 2")
    assert np.array_equal(table.parts["test"] > 0, np.eye(3, dtype=bool))
    with pytest.raises(AuditError, match="groups are in train and in test"):
        type(one)(**{**one.__dict__, "train_positions": made[2].test_positions}).audit()


def test_the_folds_of_every_triplet_of_the_miniatures_are_even(workshop: Workshop) -> None:
    mat = med_mat.open(workshop.out)
    made = 0
    for target in mat.mats:
        found, refused = tried(lambda target=target: mat.folds(target, 3))
        if found is None:
            assert "groups" in refused
            continue
        largest = max(Counter(mat.tags.group[mat.where(target, withheld=True)].tolist()).values())
        sizes = [len(one.test_positions) for one in found]
        assert max(sizes) - min(sizes) <= largest
        found[0].audit()
        made += 1
    assert made > 30
