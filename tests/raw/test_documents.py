"""One bad entry of a JSON file costs its own image; a file of another shape is one sentence that names it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from med_mat.errors import ReadError
from med_mat.raw import RawFolder, entries, named_entries

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@dataclass(frozen=True, slots=True)
class Boxed:
    name: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()


def folder(tmp_path: Path, content: Any, *images: str) -> RawFolder:
    (tmp_path / "list.json").write_text(json.dumps(content), "utf-8")
    for image in images:
        (tmp_path / image).touch()
    return RawFolder(tmp_path)


def test_each_entry_is_what_the_kind_says_and_further_keys_are_passed_over(tmp_path: Path) -> None:
    raw = folder(tmp_path, [{"name": "a.png", "boxes": [[0, 1.5, 2, 3]], "more": None}, {"name": "b.png"}])
    assert list(entries(raw, "list.json", Boxed)) == [Boxed("a.png", ((0, 1.5, 2, 3),)), Boxed("b.png")]
    assert not raw.faults


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"name": "b.png", "boxes": [[0, 1, 2]]}, r"boxes\[0\] must be a list of 4, not \[0, 1, 2\]"),
        ({"name": "b.png", "boxes": {"0": []}}, "boxes must be a list"),
        ({"name": "b.png", "boxes": [[0, 0, "9", 9]]}, r"boxes\[0\]\[2\] must be a number, not '9'"),
        ({"name": "b.png", "boxes": [[0, 0, True, 9]]}, "must be a number, not True"),
        ({"name": "b.png", "boxes": [[0, 0, 10**400, 9]]}, "larger than any number"),
    ],
)
def test_a_bad_entry_is_named_and_skips_its_image_alone(tmp_path: Path, bad: Any, said: str) -> None:
    raw = folder(tmp_path, [{"name": "a.png"}, bad, {"name": "c.png"}], "a.png", "b.png", "c.png")
    images = raw.by_name("*.png")
    found = list(entries(raw, "list.json", Boxed, name="name", images=images))
    assert [one.name for one in found] == ["a.png", "c.png"]
    assert list(raw.faults) == ["list.json, entry 2"]
    assert not raw.is_skipped(PurePosixPath("a.png"))
    with pytest.raises(ReadError, match=rf"^list\.json, entry 2: .*{said}"):
        raise ReadError(raw.skipped["b.png"])


def test_half_a_character_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text('[{"name": "a\\ud800"}, {"name": "b"}]', "utf-8")
    raw = RawFolder(tmp_path)
    assert [one.name for one in entries(raw, "list.json", Boxed)] == ["b"]
    assert "lone surrogate" in raw.faults["list.json, entry 1"]


def test_a_list_below_other_keys(tmp_path: Path) -> None:
    raw = folder(tmp_path, {"sets": [{"notes": [{"name": "a"}]}]})
    assert list(entries(raw, "list.json", Boxed, "sets", 0, "notes")) == [Boxed("a")]
    with pytest.raises(ReadError, match=r"list\.json, \['sets'\], must be a list, not"):
        list(entries(folder(tmp_path, {"sets": {}}), "list.json", Boxed, "sets", 0, "notes"))
    with pytest.raises(ReadError, match=r"list\.json, \['sets'\]\[0\], must be an object with the key 'notes', not 3"):
        list(entries(folder(tmp_path, {"sets": [3]}), "list.json", Boxed, "sets", 0, "notes"))


@SAME_FOLDER
@given(content=JSON)
def test_whatever_json_it_is_the_answer_is_entries_or_a_sentence_that_names_the_file(
    tmp_path: Path, content: Any
) -> None:
    for read in (entries, named_entries):
        raw, said = folder(tmp_path, content), ""
        try:
            found = read(raw, "list.json", Boxed)
            whole = list(found.values() if isinstance(found, dict) else found)
        except ReadError as error:
            said = str(error)
        if said:
            assert str(tmp_path / "list.json") in said
            assert "\n" not in said
        else:
            assert len(whole) + len(raw.faults) == len(content)
