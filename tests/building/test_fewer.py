from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from med_mat.building.fewer import fewer, held, refusal

IDS = st.lists(st.text(min_size=1, max_size=4), max_size=12)


def ids(found: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([found[:3], found[3:]], pa.string())


@given(IDS, IDS)
def test_what_is_gone_is_what_was_there_and_is_not_any_more(before: list[str], after: list[str]) -> None:
    assert fewer(ids(before), ids(after)) == [one for one in dict.fromkeys(before) if one not in after]


def test_only_the_sources_that_are_built_again_count(built: Path, tmp_path: Path) -> None:
    index = pq.read_table(built / "index.parquet", columns=["id", "source"]).to_pylist()
    assert held(built, ["busi"]).to_pylist() == [one["id"] for one in index if one["source"] == "busi"]
    assert fewer(held(built, ["busi"]), held(built, ["busi", "head_ct"])) == []
    assert held(tmp_path, ["busi"]).to_pylist() == []


def test_the_refusal_names_the_records_and_the_way_on(tmp_path: Path) -> None:
    said = str(refusal([f"busi/48/{n}.png" for n in range(7)], tmp_path, 35, {"busi/48/1.png": "the file is empty."}))
    assert said.startswith(
        f"7 records of 35 that {tmp_path} had of these sources would no longer be there: busi/48/0.png"
    )
    assert "busi/48/1.png (the file is empty), busi/48/2.png (no longer found)" in said
    assert "busi/48/4.png (no longer found) and 2 more. Nothing was replaced" in said
    assert "--allow-fewer" in said
