"""The same experiment with other seeds, and how much they have in common."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from worlds import LUNG, World, made_rows, made_up, many

from med_mat.errors import SplitError
from med_mat.splits import overlap


@pytest.fixture(scope="module")
def world() -> World:
    return made_up(many({(1, "a"): 30, (2, "a"): 60, (2, "b"): 40, (3, "c"): 100, (4, "a"): 300}), made_rows())


def asked(world: World) -> dict[str, Any]:
    mat = world.mat
    like = mat.related(LUNG, size=33)
    return {
        "related": mat.related(LUNG, size=20),
        "unrelated": mat.unrelated(LUNG),
        "unrelated like another": mat.unrelated(LUNG, like=like, seed=9),
        "limited": mat.limited(LUNG, 4, size=20),
        "fold": mat.folds(LUNG, 3)[1],
        "validation": mat.all_data(LUNG, validation=0.1),
        "leave_source_out": mat.leave_source_out("*/*/Cancer", "source_1", size=20),
        "own": mat.split(train="CT/*/* & split=train", test=[0], validation=0.2),
        "combination": mat.combination(LUNG, ["CT/Brain/Cancer", "CT/Lung/COVID"], size=12),
    }


def test_every_experiment_is_repeated(world: World) -> None:
    for name, made in asked(world).items():
        again = made.repeat([3, 1, 2])
        assert [one.options.seed for one in again] == [3, 1, 2]
        drawn = {(tuple(one.train_positions.tolist()), tuple(one.validation_positions.tolist()),
                  tuple(one.test_positions.tolist())) for one in again}  # fmt: skip
        assert len(drawn) == 3, name
        for one in again:
            assert len(one.train_positions) == pytest.approx(len(made.train_positions), abs=1)
            assert {**one.definition, "seed": 0} == {**made.definition, "seed": 0}
            one.audit()
        assert made.repeat([made.options.seed])[0].train_positions.tolist() == made.train_positions.tolist()


def test_what_experiments_have_in_common_is_a_table(world: World) -> None:
    made = world.mat.related(LUNG, size=100, validation=0.1).repeat([0, 1, 2])
    table = overlap(made)
    assert table.names == ("seed 0", "seed 1", "seed 2")
    for name, positions in (("train", [one.train_positions for one in made]),
                            ("validation", [one.validation_positions for one in made])):  # fmt: skip
        expected = [[len(set(one.tolist()) & set(two.tolist())) for two in positions] for one in positions]
        assert table.parts[name].tolist() == expected
    assert np.all(table.parts["test"] == 1)
    assert "  seed 1" in str(table).splitlines()[0]
    assert json.loads(json.dumps(table.to_data()))["parts"]["train"][0][0] == 100
    assert "nothing was sampled" not in str(table)
    assert "All are the same: nothing was sampled." in str(overlap(world.mat.related(LUNG).repeat([0, 1])))


def test_what_cannot_be_repeated_or_compared(world: World) -> None:
    made = world.mat.related(LUNG)
    with pytest.raises(SplitError, match=r"must be different, not \[1, 1\]"):
        made.repeat([1, 1])
    with pytest.raises(SplitError, match="seed must be an integer"):
        made.repeat([1.5])  # type: ignore[list-item]
    with pytest.raises(SplitError, match="none is given"):
        overlap([])
    other = made_up(world.records, list(world.rows.values()))
    with pytest.raises(SplitError, match="over several"):
        overlap([made, other.mat.related(LUNG)])


def test_experiments_are_themselves_alone(world: World) -> None:
    one, two = world.mat.related(LUNG), world.mat.related(LUNG, seed=1)
    assert one in [two, one]
    assert one != two
    assert {one: 1}[one] == 1
