"""The pages in docs/ and the Python of README.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from workshop import Workshop

from med_mat import summary
from med_mat.catalog import load

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.usefixtures("arrow_cache", "offline")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs_as_it_stands(
    page: Path, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Med-MAT").symlink_to(workshop.out)
    found = blocks(page)
    if not found:
        pytest.skip("no Python on this page")
    names: dict[str, object] = {}
    for block in found:
        exec(compile(block, str(page), "exec"), names)
    assert capsys.readouterr().out


def test_the_tour_of_experiments_is_short_and_ends_in_a_picture(workshop: Workshop) -> None:
    code = [line for block in blocks(ROOT / "docs" / "experiments.md") for line in block.splitlines() if line.strip()]
    assert len(code) < 60


def test_the_page_on_ethics_says_of_every_source_who_gave_its_labels() -> None:
    page = (ROOT / "docs" / "ethics.md").read_text("utf-8")
    table = summary.labelers(tuple(load().values()))
    assert table in page, f"put this into docs/ethics.md:\n{table}"


def test_the_page_on_ethics_names_sources_that_there_are_and_the_demographics_that_there_are(
    workshop: Workshop,
) -> None:
    page = (ROOT / "docs" / "ethics.md").read_text("utf-8")
    assert set(re.findall(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", re.sub(r"`[^`]*`|\]\([^)]*\)", "", page))) <= set(load())
    told = {one["source"] for one in workshop.records if (one["attributes"] or {}).get("age_group")}
    (listed,) = re.findall(r"Age and sex are known in ([^.]*)\.", page)
    assert set(re.findall(r"[a-z0-9]+(?:_[a-z0-9]+)+", listed)) == told | {
        "ct_of_brain"
    }  # its miniature has no headers


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / link).exists(), link
