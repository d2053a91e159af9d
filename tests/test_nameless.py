"""Records and files without names: what stands for them follows from content alone, and is one thing for each."""

from __future__ import annotations

import random
import re

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from med_mat.nameless import nameless_files, nameless_ledger, public_ids
from med_mat.storage.raw_files import SCHEMA, FileIndex

_PUBLIC = re.compile(r"toy/(?:\d+/)?[0-9a-f]{20}(#frame=\d+|#slice=\d+(,axis=\d)?(,volume=\d+)?)?(~\d+)?")
_FRAMES = ("", "#frame=3", "#slice=0", "#slice=12,axis=1", "#slice=12,axis=1,volume=2")

#: Images: a name, a frame, and which of a few files they are of.
images = st.lists(
    st.tuples(st.text(min_size=1, max_size=8), st.sampled_from(_FRAMES), st.integers(0, 4)),
    unique_by=lambda one: one[0] + one[1],
    max_size=30,
)


def digest(number: int) -> str:
    return f"{number:020x}" + "f" * 44


def records(found: list[tuple[str, str, int]], rows: tuple[int, ...] = (5,)) -> pa.Table:
    return pa.table(
        {
            "id": pa.array([f"toy/{row}/{name}{frame}" for row in rows for name, frame, _ in found], pa.string()),
            "path": pa.array([f"{name}{frame}" for _ in rows for name, frame, _ in found], pa.string()),
            "sha256": pa.array([digest(number) for _ in rows for _, _, number in found], pa.string()),
        }
    )


@given(images)
def test_every_image_has_an_id_of_its_own_made_of_digits_and_frame_alone(found: list[tuple[str, str, int]]) -> None:
    ids, image_ids = (one.to_pylist() for one in public_ids(records(found)))
    assert len(set(ids)) == len(set(image_ids)) == len(found)
    for one, image, (_, frame, number) in zip(ids, image_ids, found, strict=True):
        assert _PUBLIC.fullmatch(one)
        assert image == one.replace("toy/5/", "toy/")
        assert one.startswith(f"toy/5/{digest(number)[:20]}{frame}")


@given(images, st.randoms())
def test_it_does_not_hang_on_the_order_of_records(found: list[tuple[str, str, int]], order: random.Random) -> None:
    table = records(found)
    shuffled = table.take(pa.array(order.sample(range(len(found)), len(found)), pa.int64()))
    assert dict(zip(table["id"].to_pylist(), public_ids(table)[0].to_pylist(), strict=True)) == dict(
        zip(shuffled["id"].to_pylist(), public_ids(shuffled)[0].to_pylist(), strict=True)
    )


@given(images)
def test_the_rows_of_an_image_share_it(found: list[tuple[str, str, int]]) -> None:
    ids, image_ids = (one.to_pylist() for one in public_ids(records(found, rows=(5, 97))))
    count = len(found)
    assert image_ids[:count] == image_ids[count:]
    assert [one.replace("toy/5/", "toy/97/") for one in ids[:count]] == ids[count:]


@given(images)
def test_what_has_no_names_stays_as_it_is(found: list[tuple[str, str, int]]) -> None:
    table = records(found)
    ids, image_ids = public_ids(table)
    nameless = pa.table({"id": ids, "path": pa.nulls(len(found), pa.string()), "sha256": table["sha256"]})
    again, images_again = public_ids(nameless)
    assert again.equals(ids)
    assert images_again.equals(image_ids)


def test_equal_files_of_two_sources_are_numbered_apart() -> None:
    table = pa.table({"id": ["a/1/x", "b/2/y"], "path": ["x", "y"], "sha256": [digest(1)] * 2})
    assert public_ids(table)[0].to_pylist() == [f"a/1/{digest(1)[:20]}", f"b/2/{digest(1)[:20]}"]


def test_files_without_names_are_those_that_records_were_made_of() -> None:
    rows = [
        ("b/Jane Doe.png", 7, digest(1), "image"),
        ("a/John Doe.png", 7, digest(1), "image"),
        ("table.csv", 3, digest(2), "table"),
        ("torn.csv", 4, None, "table"),
        ("notes.txt", 9, None, "skipped"),
    ]
    files = pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)
    found = nameless_files(FileIndex("toy", "original", files))
    assert not found.named
    assert found.files.to_pylist() == [
        {"path": digest(1)[:20], "bytes": 7, "sha256": digest(1), "role": "image"},
        {"path": f"{digest(1)[:20]}~2", "bytes": 7, "sha256": digest(1), "role": "image"},
        {"path": digest(2)[:20], "bytes": 3, "sha256": digest(2), "role": "table"},
        {"path": "unknown", "bytes": 4, "sha256": None, "role": "table"},
    ]
    assert nameless_files(found) is found


def test_a_ledger_without_names_keeps_its_sums() -> None:
    entry = {
        "found": 9,
        "skipped_by_reason": {"the label 'Male 35yrs; STB' is not known": 2, "Jane Doe.png is torn": 1},
        "missing_by_table": {"Jane.xml": {"images": 2, "first": "Jane Doe.png"}},
        "rows_unread_by_reason": {"Jane has no age": {"rows": 4, "first": "t.csv, line 3"}},
        "tables_noted": {},
        "images": {"found": 3, "unused_by_reason": {"not Jane": {"files": 3, "first": "Jane.png"}}},
        "files": {"found": 5, "skipped_by_reason": {"Jane": 5}},
        "notes": {"a note of Med-MAT": 1},
        "contradictions": "one image, two labels: 1 pair, first: toy/5/Jane.png (a) = toy/5/J.png (b)",
    }
    found = nameless_ledger(entry)
    assert "Jane" not in str(found)
    assert "Male" not in str(found)
    assert sum(found["skipped_by_reason"].values()) == 3
    assert [one["images"] for one in found["missing_by_table"].values()] == [2]
    assert [one["rows"] for one in found["rows_unread_by_reason"].values()] == [4]
    assert found["tables_noted"] == {}
    assert found["images"]["found"] == 3
    assert [one["files"] for one in found["images"]["unused_by_reason"].values()] == [3]
    assert found["notes"] == entry["notes"]
    assert found["contradictions"] == "one image, two labels: 1 pair"
