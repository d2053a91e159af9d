from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import draw, make, records
from hypothesis import given, settings
from hypothesis import strategies as st

from med_mat import schema
from med_mat.build.index import GROUP_KEYS, group_names
from med_mat.demo import miniature

Key = tuple[str | None, str | None, str | None]


def keys(rows: list[Key], chunks: int = 1) -> pa.Table:
    """The columns that groups are made from, in several chunks as they come from several shards."""
    columns: dict[str, list[str | None]] = {"id": [f"id {n}" for n in range(len(rows))]}
    columns |= {name: [one[n] for one in rows] for n, name in enumerate(GROUP_KEYS)}
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    size = max(1, len(rows) // chunks)
    return pa.concat_tables([table.slice(at, size) for at in range(0, len(rows), size)] or [table])


def joined(rows: list[Key]) -> set[frozenset[int]]:
    """The groups, by plain union-find over all pairs."""
    parent = list(range(len(rows)))

    def root(one: int) -> int:
        while parent[one] != one:
            one = parent[one]
        return one

    for a, b in combinations(range(len(rows)), 2):
        if any(x is not None and x == y for x, y in zip(rows[a], rows[b], strict=True)):
            parent[root(a)] = root(b)
    groups: dict[int, set[int]] = {}
    for one in range(len(rows)):
        groups.setdefault(root(one), set()).add(one)
    return {frozenset(group) for group in groups.values()}


def named(names: list[str]) -> set[frozenset[int]]:
    groups: dict[str, set[int]] = {}
    for position, name in enumerate(names):
        groups.setdefault(name, set()).add(position)
    return {frozenset(group) for group in groups.values()}


def value(prefix: str) -> st.SearchStrategy[str | None]:
    return st.one_of(st.none(), st.integers(0, 12).map(lambda n: f"{prefix}{n}"))


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(value("p"), value("s"), value("h")), max_size=40), st.integers(1, 4))
def test_groups_are_those_of_a_plain_union_find(rows: list[Key], chunks: int) -> None:
    assert named(group_names(keys(rows, chunks)).to_pylist()) == joined(rows)


@pytest.mark.parametrize("position", range(3))
def test_each_key_joins_alone_and_null_joins_nothing(position: int) -> None:
    def at(text: str | None) -> Key:
        one: list[str | None] = [None, None, None]
        one[position] = text
        return one[0], one[1], one[2]

    names = group_names(keys([at("x"), at(None), at("x"), at(None), at("y")])).to_pylist()
    assert named(names) == {frozenset({0, 2}), frozenset({1}), frozenset({3}), frozenset({4})}


def test_equal_text_in_two_keys_joins_nothing() -> None:
    assert len(set(group_names(keys([("x", None, None), (None, "x", None), (None, None, "x")])).to_pylist())) == 3


@pytest.mark.parametrize("reverse", [False, True])
def test_a_long_chain_is_one_group(reverse: bool) -> None:
    chain: list[Key] = [(f"p{n // 2}", f"s{(n + 1) // 2}", None) for n in range(2000)]
    assert len(set(group_names(keys(chain[::-1] if reverse else chain)).to_pylist())) == 1


def test_the_index_holds_all_columns_but_the_pixels_and_says_where_these_are(built: Path) -> None:
    index = pq.read_table(built / "index.parquet")
    assert index.column_names == [name for name, _ in schema.INDEX_FIELDS]
    assert not {"image", "mask"} & set(index.column_names)
    rows = index.to_pylist()
    assert len(rows) == 55
    for file in {one["file"] for one in rows}:
        shard = pq.read_table(built / file)
        found: list[dict[str, Any]] = [one for one in rows if one["file"] == file]
        assert [one["position"] for one in found] == list(range(shard.num_rows))
        for name in set(index.column_names) - {"group", "file", "position"}:
            assert [one[name] for one in found] == shard[name].to_pylist()


def test_ids_are_unique(built: Path) -> None:
    ids = [one["id"] for one in records(built)]
    assert len(set(ids)) == len(ids)


def test_the_same_file_in_two_sources_is_one_group(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["head_ct", "covid_ct", "busi"])
    shared = draw(tmp_path / "raw/head_ct/head_ct/head_ct/005.png", 77)
    double = tmp_path / "raw/busi/Dataset_BUSI_with_GT/normal/normal (1).png"
    double.write_bytes(shared.read_bytes())
    make(tmp_path / "raw", tmp_path / "out", "head_ct", "busi")
    groups: dict[str, set[str]] = {}
    for one in records(tmp_path / "out"):
        groups.setdefault(one["group"], set()).add(one["source"])
    assert [sorted(sources) for sources in groups.values() if len(sources) > 1] == [["busi", "head_ct"]]
    card = (tmp_path / "out/README.md").read_text("utf-8")
    assert "1 in more than one source" in card


def test_both_records_of_an_image_with_two_rows_are_one_group(built: Path) -> None:
    groups: dict[str, set[str]] = {}
    for one in records(built):
        if one["source"] == "busi":
            groups.setdefault(one["id"].split("/", 2)[2], set()).add(one["group"])
    assert all(len(names) == 1 for names in groups.values())
