"""Sets that grow by pairs: what plain union-find says, however the pairs come."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from med_mat.leakage.components import DisjointSets, components, spanning_forest

Pairs = list[tuple[int, int]]
PAIRS = st.integers(1, 24).flatmap(
    lambda count: st.tuples(
        st.just(count), st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=60)
    )
)


def plain(count: int, pairs: Pairs) -> list[int]:
    """The lowest number of each one's set, by plain union-find."""
    parents = list(range(count))

    def root(one: int) -> int:
        while parents[one] != one:
            one = parents[one]
        return one

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parents[high] = low
    return [root(one) for one in range(count)]


def columns(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    return first, second


def lowest(labels: np.ndarray) -> list[int]:
    return [labels.tolist().index(label) for label in labels.tolist()]


def test_a_chain_joined_from_its_middle_is_one_set() -> None:
    sets = DisjointSets(np.arange(5))
    sets.join(np.array([2, 1, 0, 3]), np.array([3, 2, 1, 4]))
    assert sets.roots(np.arange(5)).tolist() == [0] * 5


@settings(max_examples=400)
@given(PAIRS, st.integers(0, 60))
def test_a_forest_holds_the_sets_of_plain_union_find_in_one_call_or_in_two(drawn: tuple[int, Pairs], cut: int) -> None:
    count, pairs = drawn
    sets = DisjointSets(np.arange(count))
    new = [*sets.join(*columns(pairs[:cut])), *sets.join(*columns(pairs[cut:]))]
    assert sets.roots(np.arange(count)).tolist() == plain(count, pairs)
    assert sum(new) == count - len(set(plain(count, pairs)))


@settings(max_examples=200)
@given(PAIRS)
def test_components_are_the_sets_of_plain_union_find(drawn: tuple[int, Pairs]) -> None:
    count, pairs = drawn
    assert lowest(components(count, *columns(pairs))) == plain(count, pairs)


@settings(max_examples=200)
@given(PAIRS)
def test_a_tree_is_what_taking_the_earliest_pairs_first_keeps(drawn: tuple[int, Pairs]) -> None:
    count, pairs = drawn
    kept = [n for n, pair in enumerate(pairs) if plain(count, pairs[:n]) != plain(count, [*pairs[:n], pair])]
    assert spanning_forest(count, *columns(pairs)).tolist() == kept
