"""What the page shows of the records in view: counts that hold after a click, order, statistics, search, the table."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from workshop import Workshop

from med_mat.browse import thumbnails as module
from med_mat.browse.records import HEAT, PAGE, TABLE, Records, heat, pages
from med_mat.browse.state import SORTS, State
from med_mat.browse.thumbnails import SIDE, Thumbnails
from med_mat.dataset import MedMAT
from med_mat.errors import VocabularyError

TEXT = st.text(st.characters(exclude_categories=("Cs",))).map(str.strip)


@pytest.fixture(scope="module")
def records(mat: MedMAT) -> Records:
    return Records(mat)


@given(TEXT, TEXT, TEXT, st.sampled_from(sorted(SORTS)), st.integers(1, 10**9 - 1), TEXT)
def test_an_address_says_the_whole_view(q: str, label: str, name: str, sort: str, page: int, name_of: str) -> None:
    state = State(q=q, label=label, name=name, sort=sort, page=page, modality="CT", area="Lung", split="test")
    query = dict(parse_qsl(state.query(id=name_of), keep_blank_values=True))
    assert State.of(query) == state
    assert query["id"] == name_of


@given(st.dictionaries(st.sampled_from([*State.__dataclass_fields__, "id", "x"]), st.text()))
def test_every_address_is_a_view(query: dict[str, str]) -> None:
    state = State.of(query)
    assert state.page >= 1
    assert state.sort in SORTS
    assert State.of(dict(parse_qsl(state.query()))) == state


@pytest.mark.parametrize(
    "state",
    [
        State(),
        State(modality="CT", area="Brain"),
        State(q="width>=64", split="train"),
        State(task="Cancer", label="NORMAL"),
        State(modality="MRI"),
    ],
)
def test_every_number_is_what_a_click_on_it_shows(records: Records, state: State) -> None:
    grid = records.grid(state)
    assert grid.rows
    cells = [cell for sums, row in grid.rows for cell in (sums, *row)] + list(grid.modalities)
    for cell in cells:
        after = state.but(modality=cell.modality, area=cell.area)
        assert cell.count == len(records.find(after).positions)
        assert cell.chosen == ((cell.modality, cell.area) == (state.modality, state.area))
    for sums, row in grid.rows:
        assert sums.count > 0, "a row of zeros"
        assert (sums.heat, {one.heat for one in row if not one.count}) in ((0, {0}), (0, set()))
    assert all(one.count for one in grid.modalities), "a column of zeros"
    for choice in records.tasks(state):
        assert choice.count == len(records.find(state.but(task=choice.word)).positions)


def test_every_bar_is_what_a_click_on_it_shows(records: Records) -> None:
    state = State(q="US|X-ray/*/*")
    charts = records.statistics(state)
    assert {one.title for one in charts} >= {"Label", "Split", "Source", "Longer side in pixels", "License", "Task"}
    for chart in charts:
        for bar in chart.bars:
            assert 0 <= bar.share <= 100
            if bar.state is not None:
                assert len(records.find(bar.state).positions) == bar.count, (chart.title, bar.name)


def test_the_sizes_are_all_counted(records: Records, workshop: Workshop) -> None:
    (sizes,) = (one for one in records.statistics(State()) if one.title.startswith("Longer side"))
    assert sum(bar.count for bar in sizes.bars) == len(workshop.records)
    small = sum(max(one["width"], one["height"]) <= 64 for one in workshop.records)
    assert {bar.name: bar.count for bar in sizes.bars}["up to 64"] == small


def test_the_search_finds_parts_of_labels_and_ids(records: Records, workshop: Workshop) -> None:
    found = records.find(State(label="maLIGnant", name="BUSI/")).positions.tolist()
    assert found == [
        place
        for place, one in enumerate(workshop.records)
        if "malignant" in (one["label_set"] or "").lower() and "busi/" in one["id"].lower()
    ]
    assert found
    assert not len(records.find(State(label="no such label at all")).positions)
    assert not len(records.find(State(name=".*")).positions), "it is no pattern"


def test_the_order(records: Records, workshop: Workshop, mat: MedMAT) -> None:
    every = np.arange(len(mat))
    found = {sort: records.find(State(sort=sort)).positions for sort in SORTS}
    for positions in found.values():
        assert np.array_equal(np.sort(positions), every)
    assert np.array_equal(found[""], every)
    assert not np.array_equal(found["shuffled"], every)
    assert np.array_equal(found["shuffled"], Records(mat).find(State(sort="shuffled")).positions)
    ids = [workshop.records[place]["id"] for place in found["id"]]
    assert ids == sorted(ids, key=str.encode)
    sizes = [workshop.records[place]["width"] * workshop.records[place]["height"] for place in found["largest"]]
    assert sizes == sorted(sizes, reverse=True)
    labels = [workshop.records[place]["label_set"] or "" for place in found["label"]]
    assert labels == sorted(labels)


def test_the_table_has_the_records_in_view(records: Records, workshop: Workshop) -> None:
    state = State(area="Breast", sort="shuffled")
    rows = list(csv.DictReader(io.StringIO("".join(records.table(state)))))
    wanted = [one for one in workshop.records if one["area"] == "Breast"]
    assert [row["id"] for row in rows] == [one["id"] for one in wanted]
    assert [*rows[0]] == list(TABLE)
    assert [row["label_set"] for row in rows] == [one["label_set"] or "" for one in wanted]


def test_a_selection_that_is_none_is_refused(records: Records) -> None:
    for state in (State(q="CT/Lungs/*"), State(split="nowhere"), State(q="(" * 200)):
        with pytest.raises(VocabularyError):
            records.find(state)


@given(st.lists(st.integers(0, 10**7), min_size=1))
def test_more_records_are_never_lighter(counts: list[int]) -> None:
    steps = [heat(count, counts) for count in sorted(counts)]
    assert steps == sorted(steps)
    assert all((step == 0) == (count == 0) for step, count in zip(steps, sorted(counts), strict=True))
    assert max(steps) == (HEAT if any(counts) else 0)


def test_a_page_of_thumbnails_is_read_at_once_and_once(mat: MedMAT, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[int], bool]] = []
    read = MedMAT.read

    def reading(self: MedMAT, places: Any, **options: Any) -> Any:
        asked.append((places.tolist(), "image" in options.get("columns", ("image",))))
        return read(self, places, **options)

    monkeypatch.setattr(MedMAT, "read", reading)
    thumbnails = Thumbnails(mat)
    positions = mat.where("*/Lung/*")[:PAGE]
    tiles = thumbnails.expect(positions)
    assert asked == [(positions.tolist(), False)], "no pixels before they are asked for"
    for tile in tiles:
        assert Image.open(io.BytesIO(thumbnails.get(tile.id))).size == (SIDE, SIDE)
        thumbnails.get(tile.id)
    assert asked[1:] == [(positions.tolist(), True)]
    assert pages(0) == 1


def test_what_was_used_last_is_kept() -> None:
    kept: module.Recent[str, int] = module.Recent(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert [kept.get(one) for one in "abc"] == [1, None, 3]


def test_captions_are_whole(mat: MedMAT, workshop: Workshop) -> None:
    tiles = Thumbnails(mat).expect(np.arange(len(mat)))
    named = Counter(bool(one["label"] or one["labels"]) for one in workshop.records)
    assert named[True]
    for tile, one in zip(tiles, workshop.records, strict=True):
        wanted = one["label"] or ", ".join(one["labels"] or ())
        assert tile.caption == (wanted or ("not labeled" if one["labels"] is None else "no finding"))
