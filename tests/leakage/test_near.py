"""Near-duplicates among many hashes: none missed, none too many, and the same whoever counts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med_mat.imaging.hashing import BITS, orientations
from med_mat.leakage import hamming, near
from med_mat.leakage.hamming import Index, found, words
from med_mat.leakage.near import CROWD, THRESHOLD, Links, near_links, unpacked

BYTES = BITS // 8


def drawn(count: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (count, BYTES)).astype(np.uint8)


def changed(hashes: np.ndarray, bits: int, seed: int = 1) -> np.ndarray:
    """Copies of hashes with so many bits turned over."""
    random = np.random.RandomState(seed)
    loose = np.unpackbits(hashes, axis=1)
    for one in loose:
        one[random.permutation(BITS)[:bits]] ^= 1
    return np.packbits(loose, axis=1)


def pairs(links: Links) -> list[tuple[int, int]]:
    return list(zip(links.first.tolist(), links.second.tolist(), strict=True))


def components(count: int, edges: list[tuple[int, int]]) -> set[frozenset[int]]:
    """By plain union-find."""
    sets = {n: {n} for n in range(count)}
    for a, b in edges:
        if sets[a] is not sets[b]:
            sets[a] |= sets[b]
            for one in sets[b]:
                sets[one] = sets[a]
    return {frozenset(one) for one in sets.values()}


def brute(hashes: np.ndarray, labels: np.ndarray, threshold: int) -> list[tuple[int, int]]:
    """Every pair within the threshold, and every pair of one label."""
    others = list(orientations(hashes))
    return [
        (a, b)
        for a, b in combinations(range(len(hashes)), 2)
        if labels[a] == labels[b] or min(int(np.unpackbits(hashes[a] ^ one[b]).sum()) for one in others) <= threshold
    ]


@settings(max_examples=40)
@given(
    st.integers(0, 2**16),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40)), max_size=24),
    st.sampled_from([2, 5, 1024]),
)
def test_what_is_joined_is_what_a_comparison_of_all_pairs_joins(
    seed: int, made: list[tuple[int, int]], leaf: int
) -> None:
    """Some hashes, copies of them that differ in up to 40 bits, and of turned ones; some labels known."""
    base = drawn(6, seed)
    copies = [changed(base[[source]], bits, seed + n) for n, (source, bits) in enumerate(made)]
    hashes = np.unique(np.concatenate([base, list(orientations(base[:2]))[1 + seed % 7], *copies]), axis=0)
    labels = np.random.RandomState(seed).randint(0, 3 * len(hashes), len(hashes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near, "_LEAF", leaf)
        patch.setattr(near, "_BLOCK", 2 * leaf)
        links = near_links(hashes, labels)
    known = [(a, b) for a, b in combinations(range(len(hashes)), 2) if labels[a] == labels[b]]
    expected = brute(hashes, labels, THRESHOLD)
    assert components(len(hashes), pairs(links) + known) == components(len(hashes), expected)
    assert len(links.first) == len(components(len(hashes), known)) - len(components(len(hashes), expected))
    assert set(pairs(links)) <= set(expected)


@pytest.mark.parametrize("bits", [1, 8, 16, 20, 21, 22])
def test_no_pair_up_to_the_threshold_is_missed_and_none_beyond_it_found(
    bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near, "_LEAF", 100)
    monkeypatch.setattr(near, "_BLOCK", 300)  # copies lie in other batches than their originals, and in the same
    base = drawn(1000)
    links = near_links(np.concatenate([base, changed(base, bits)]), np.arange(2000))
    assert pairs(links) == ([(n, 1000 + n) for n in range(1000)] if bits <= THRESHOLD else [])
    assert set(links.distance.tolist()) <= {bits}
    assert not links.turned.any()


@pytest.mark.parametrize("turn", range(1, 8))
def test_flipped_and_turned_copies_are_found_where_they_are_asked_for(turn: int) -> None:
    base = drawn(200)
    hashes = np.concatenate([base, list(orientations(changed(base, 10)))[turn]])
    links = near_links(hashes, np.arange(400))
    assert pairs(links) == [(n, 200 + n) for n in range(200)]
    assert links.turned.all()
    assert set(links.distance.tolist()) == {10}


def test_what_is_known_to_belong_together_is_not_compared_anew() -> None:
    hashes = np.concatenate([drawn(50), changed(drawn(50), 5)])
    assert not near_links(hashes, np.tile(np.arange(50), 2)).first.size


def test_each_hash_is_linked_with_its_nearest() -> None:
    base = drawn(1)
    hashes = np.concatenate([changed(base, 20), changed(base, 3, seed=2), base])
    assert (1, 2) in pairs(near_links(hashes, np.arange(3)))


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize("bits", [20, 21, 22])
def test_in_every_position_no_pair_is_missed_up_to_the_threshold(turn: int, bits: int) -> None:
    base = drawn(1500)
    index = Index(words(base))
    copies = list(orientations(changed(base, bits)))[turn]
    pairs = found(index, words(copies), words(copies, transposed=True), THRESHOLD)
    expected = np.arange(1500 if bits <= THRESHOLD else 0)
    np.testing.assert_array_equal(pairs.query, expected)
    np.testing.assert_array_equal(pairs.hit, expected)
    assert set(pairs.distance.tolist()) <= {bits}
    for one, other, way in zip(pairs.query[:50], pairs.hit[:50], pairs.turn[:50], strict=True):
        turned = list(orientations(copies[[one]]))[way]
        assert np.unpackbits(turned ^ base[[other]]).sum() == bits


@pytest.mark.parametrize("transposed", [False, True])
def test_not_even_the_pair_that_is_hardest_to_find_is_missed(transposed: bool) -> None:
    """Of 21 bits, each piece has as many as keep it from being found, but for one, which has any one of its own."""
    base = drawn(1)
    bits = np.arange(BITS).reshape(8, 2, 8, 2).transpose(1, 3, 0, 2).reshape(4, 64)
    parts = [bits[kind, start::3] for kind in range(4) for start in range(3)]
    copies = []
    for last in set(range(12)) - set(hamming._EXACT):
        others = [one[: 1 if n in hamming._EXACT else 2] for n, one in enumerate(parts) if n != last]
        for bit in parts[last]:
            loose = np.unpackbits(base[0])
            loose[np.concatenate([*others, [bit]])] ^= 1
            copies.append(np.packbits(loose))
    hashes = np.stack(copies)
    if transposed:
        hashes = list(orientations(hashes))[4]
    found_ = found(Index(words(base)), words(hashes), words(hashes, transposed=True), THRESHOLD)
    np.testing.assert_array_equal(found_.query, np.arange(len(hashes)))
    assert set(found_.distance.tolist()) == {THRESHOLD}


@pytest.mark.parametrize("crowd", [3, 8, CROWD])
def test_how_hashes_are_cut_into_blocks_and_the_number_of_threads_change_nothing(
    crowd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near, "CROWD", crowd)
    base = drawn(400)
    copies = [changed(base[: 400 // n], 5 + n, seed=n) for n in range(1, 8)]
    hashes = np.unique(np.concatenate([base, *copies, changed(np.repeat(base[:1], 200, axis=0), 6)]), axis=0)
    links = []
    for leaf, block, alike, threads in ((1024, 16_384, 2**24, 2), (16, 64, 2**24, 1), (7, 5000, 3000, 3)):
        for name, value in {"_LEAF": leaf, "_BLOCK": block, "_ALIKE": alike, "_THREADS": threads, "_ASKED": 50}.items():
            monkeypatch.setattr(near, name, value)
        links.append(near_links(hashes, np.arange(len(hashes))))
    for other in links[1:]:
        for name in ("first", "second", "distance", "turned", "crowded"):
            np.testing.assert_array_equal(getattr(links[0], name), getattr(other, name))
    assert links[0].crowded.any()


def test_a_crowd_that_looks_alike_is_one_and_costs_no_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """A video that stands still, of 3,000 frames: each is linked once, and compared with the first few only."""
    monkeypatch.setattr(near, "_LEAF", 128)
    monkeypatch.setattr(near, "_BLOCK", 256)
    monkeypatch.setattr(near, "_ALIKE", 2**12)
    within = []
    pairs_of = near._pairs

    def counted(*arguments: Any) -> Iterator[np.ndarray]:
        for part in pairs_of(*arguments):
            within.append(part.shape[1])
            yield part

    monkeypatch.setattr(near, "_pairs", counted)
    frames = np.unique(changed(np.repeat(drawn(1), 3000, axis=0), 6), axis=0)
    links = near_links(frames, np.arange(len(frames)))
    assert len(links.first) == len(frames) - 1
    assert components(len(frames), pairs(links)) == {frozenset(range(len(frames)))}
    assert sum(within) < len(frames) * (CROWD + 1)
    assert links.crowded.sum() == len(frames) - CROWD


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare(count: int) -> None:
    assert not near_links(drawn(count), np.arange(count)).first.size


def test_a_threshold_that_the_search_would_miss_pairs_for_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold is 22: expected 0 to 21 bits"):
        near_links(drawn(2), np.arange(2), threshold=22)


def test_hexadecimal_hashes_are_unpacked_in_their_order() -> None:
    hashes = drawn(3)
    np.testing.assert_array_equal(unpacked([one.tobytes().hex() for one in hashes]), hashes)


def test_a_bar_counts_every_hash_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    hashes = drawn(3_000)
    near_links(hashes, np.arange(len(hashes)))
    assert not capsys.readouterr().err
    near_links(hashes, np.arange(len(hashes)), progress=True)
    assert capsys.readouterr().err.startswith("near-duplicates: 3,000 img in ")
