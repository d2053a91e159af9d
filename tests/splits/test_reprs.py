"""What a prompt and a notebook show: one short line, or tables in which nothing is markup that is not ours."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from worlds import LUNG, World, made_rows, made_up, many

import med_mat
from med_mat import markup, paper


class Tags(HTMLParser):
    """The tags of a page, and whether each is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.add(tag)
        assert {name for name, _ in attrs} <= {"style"}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def world() -> World:
    return made_up(many({(1, "a"): 5, (1, "<b>"): 4, (2, "a"): 5, (2, "b"): 5, (3, "a"): 5, (4, "a"): 5}), made_rows())


@pytest.fixture(scope="module")
def shown(world: World) -> dict[str, Any]:
    made = world.mat.related(LUNG)
    return {
        "mat": world.mat,
        "experiment": made,
        "audit": made.audit(),
        "recommendation": world.mat.recommend(LUNG),
        "source": med_mat.catalog.load()["busi"],
        "table": paper.tables()["two"],
    }


@pytest.mark.parametrize("name", ["mat", "experiment", "audit", "recommendation", "source", "table"])
def test_a_prompt_shows_one_short_line(shown: dict[str, Any], name: str) -> None:
    assert len(repr(shown[name])) < 200
    assert "\n" not in repr(shown[name])
    assert re.match(r"\w+\(.*\)$", repr(shown[name]))


@pytest.mark.parametrize("name", ["mat", "experiment", "audit", "recommendation", "source"])
def test_a_notebook_shows_tables_and_loads_nothing(shown: dict[str, Any], name: str) -> None:
    page = Tags(shown[name]._repr_html_())
    assert not page.open
    assert page.seen <= {"div", "strong", "p", "table", "thead", "tbody", "tr", "th", "td"}
    assert "table" in page.seen


def test_what_records_hold_is_no_markup(shown: dict[str, Any]) -> None:
    hostile = "<script>alert(1)</script>'\"&"
    audit = replace(shown["audit"], notes=[hostile], violations=[hostile], dropped={hostile: 1})
    assert not Tags(audit._repr_html_()).open
    assert hostile not in audit._repr_html_()
    assert markup.text(hostile) in audit._repr_html_()


def test_a_table_of_recommendations_is_aligned_and_fits_a_terminal(world: World) -> None:
    long = med_mat.MAT("CT", "Lung", "Cancer")
    one = world.mat.recommend(LUNG).choices[0]
    names = ("histopathologic_cancer_detection", "busi")
    choices = tuple(replace(one, source=name, mat=long, why="shares the modality and area " * 5) for name in names)
    lines = str(replace(world.mat.recommend(LUNG), choices=choices)).splitlines()
    assert max(map(len, lines)) <= 120
    assert len({line.index("CT/Lung/Cancer") for line in lines[1:] if "CT/Lung" in line}) == 1


def test_experiments_are_compared_by_what_they_are(world: World) -> None:
    again = made_up(world.records, list(world.rows.values())).mat  # the same records in another folder
    first = world.mat.related(LUNG, size=4, seed=1)
    assert first == world.mat.related(LUNG, size=4, seed=1) == again.related(LUNG, size=4, seed=1)
    assert first != world.mat.related(LUNG, size=4, seed=2)
    assert first != world.mat.related(LUNG, size=5, seed=1)
    assert first != world.mat.all_related(LUNG, size=4, seed=1)
    assert first != "related"
    assert len({first, again.related(LUNG, size=4, seed=1), world.mat.all_data(LUNG)}) == 2
    other = replace(first, train_positions=first.train_positions[:-1])
    assert first != other
    assert first.audit().fingerprint == first.fingerprint
    assert f"split {first.fingerprint}" in str(first.audit())


def test_a_saved_split_is_equal_to_what_was_saved(world: World, tmp_path: Any) -> None:
    made = world.mat.related(LUNG, size=4, validation=0.2)
    for suffix in ("parquet", "json"):
        made.save(tmp_path / f"split.{suffix}")
        assert world.mat.load_split(tmp_path / f"split.{suffix}") == made


def test_an_audit_names_the_facts_of_the_sources_that_it_uses_alone() -> None:
    sources = {f"source_{number}": {"split": "published"} for number in range(1, 30)}
    world = made_up(many({(1, "a"): 5, (2, "a"): 5, (3, "a"): 5}), made_rows(), sources=sources)
    assert set(world.mat.related(LUNG).audit().build["sources"]) == {"source_1", "source_2", "source_3"}
