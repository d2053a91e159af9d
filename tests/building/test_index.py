from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from building import make, records

from med_mat import schema
from med_mat.demo import miniature


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
        for name in set(index.column_names) - {"label_set", "group", "withheld", "key", "file", "position"}:
            assert [one[name] for one in found] == shard[name].to_pylist()


def test_ids_are_unique(built: Path) -> None:
    ids = [one["id"] for one in records(built)]
    assert len(set(ids)) == len(ids)


def test_the_same_file_in_two_sources_is_one_group(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["head_ct", "covid_ct", "busi"])
    shared = tmp_path / "raw/head_ct/head_ct/head_ct/005.png"
    double = tmp_path / "raw/busi/Dataset_BUSI_with_GT/normal/normal (1).png"
    double.write_bytes(shared.read_bytes())
    make(tmp_path / "raw", tmp_path / "out", "head_ct", "busi")
    groups: dict[int, set[str]] = {}
    for one in records(tmp_path / "out"):
        groups.setdefault(one["group"], set()).add(one["source"])
    assert [sorted(sources) for sources in groups.values() if len(sources) > 1] == [["busi", "head_ct"]]
    card = (tmp_path / "out/README.md").read_text("utf-8")
    assert "1 of them records of more than one source" in card


def test_both_records_of_an_image_with_two_rows_are_one_group(built: Path) -> None:
    groups: dict[int, set[str]] = {}
    for one in records(built):
        if one["source"] == "busi":
            groups.setdefault(one["id"].split("/", 2)[2], set()).add(one["group"])
    assert all(len(names) == 1 for names in groups.values())
