"""What an experiment can be told is of its kind, or refused: nothing is converted, and nothing is guessed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import LUNG, World, made_rows, made_up, many

from med_mat.errors import SplitError
from med_mat.splits import Options

FLAGS = ("balanced_test", "pool_tasks", "cross_tasks")
NUMBERS = ("size", "max_per_subset", "seed")


@pytest.fixture(scope="module")
def world() -> World:
    return made_up(many({(1, "a"): 5, (2, "a"): 5, (3, "a"): 5}), made_rows())


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", ["no", "yes", "false", 0, 1, None, 1.0, [], np.int64(1)])
def test_a_switch_is_true_or_false(world: World, name: str, value: Any) -> None:
    with pytest.raises(SplitError, match=rf"^An experiment: {name} must be true or false, not "):
        world.mat.single_task(LUNG, **{name: value})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [True, False, "1", "a", 1.5, 1.0, [], np.float64(1), np.bool_(True)])
def test_a_number_is_a_whole_number(world: World, name: str, value: Any) -> None:
    with pytest.raises(SplitError, match=rf"^An experiment: {name} must be an integer( or null)?, not "):
        world.mat.related(LUNG, **{name: value})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 0}, "size must be at least 1, or None for all, not 0"),
        ({"max_per_subset": -3}, "max_per_subset must be at least 1, or None for all, not -3"),
        ({"seed": -1}, "seed must be a whole number from 0, not -1"),
        ({"shots": 0}, "shots must be at least 1, or None for all, not 0"),
        ({"kinds": "all"}, "kinds: 'all' is not one of matched, any"),
        ({"even": "subsets"}, r"even: 'subsets' is not one of subset, source\. Did you mean 'subset'"),
        ({"among_trian": "source=a"}, r"no option 'among_trian'\. Did you mean 'among_train'"),
        ({"seed": None}, "seed must be an integer, not None"),
        ({"test_on": "all of them"}, "test_on: 'all of them' is not one of test, all"),
        ({"test_on": True}, "test_on: True is not one of test, all"),
        ({"triplet_source": "papr"}, r"triplet_source: 'papr' is not one of own, paper\. Did you mean 'paper'"),
        ({"balance_test": True}, r"no option 'balance_test'\. Did you mean 'balanced_test'"),
    ],
)
def test_another_value_is_named(world: World, given: dict[str, Any], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        world.mat.related(LUNG, **given)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **{name: st.booleans() for name in FLAGS},
            **{name: st.none() | st.integers(1, 10**9) for name in ("size", "max_per_subset")},
            "seed": st.integers(0, 2**64 - 1),
        },
    )
)
def test_options_of_their_kind_are_kept_as_plain_data(given: dict[str, Any]) -> None:
    said = Options.of(given).to_data()
    assert {name: said[name] for name in given} == given
    numbers = {name: np.uint64(value) for name, value in given.items() if type(value) is int}
    flags = {name: np.bool_(value) for name, value in given.items() if type(value) is bool}
    again = Options.of({**given, **numbers, **flags})
    assert again == Options.of(given)
    assert {type(value) for value in again.to_data().values()} <= {bool, int, float, str, type(None)}


@pytest.mark.parametrize("n", [True, 1.0, "1", -1])
def test_so_many_records_of_the_target_is_a_whole_number(world: World, n: Any) -> None:
    with pytest.raises(SplitError, match="must be a whole number, 0 or more"):
        world.mat.limited(LUNG, n)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda mat: mat.recommend(LUNG, budget="5"),
            "^A recommendation: budget must be an integer or null, not",
        ),
        (lambda mat: mat.recommend(LUNG, budget=True), "^A recommendation: budget must be an integer or null"),
        (lambda mat: mat.recommend(LUNG, budget=0), "^A recommendation: budget must be at least 1"),
        (lambda mat: mat.combinations(LUNG, elements="2"), "^Combinations: elements: '2' is not one of 2, 3"),
        (lambda mat: mat.combinations(LUNG, elements=4), "^Combinations: elements: 4 is not one of 2, 3"),
        (lambda mat: mat.combinations(LUNG, elements=True), "^Combinations: elements: True is not one of 2, 3"),
    ],
)
def test_arguments_that_are_no_options_are_of_their_kind_too(world: World, ask: Any, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        ask(world.mat)


def test_a_budget_of_numpy_is_a_budget(world: World) -> None:
    assert world.mat.recommend(LUNG, budget=np.int64(3)) == world.mat.recommend(LUNG, budget=3)
