"""README.md and docs/: their code runs, their links lead somewhere, and the site builds without a warning."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from workshop import Workshop

import med_mat
from med_mat.catalog import load

ROOT = Path(__file__).parent.parent
PAGES = [
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if not {"_build", "generated"} & set(page.parts)),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def blocks(page: Path) -> list[str]:
    """The blocks of Python on a page that run: those of a whole module are read by loaders instead."""
    found = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [block for block in found if not block.startswith('"""')]


@pytest.mark.usefixtures("arrow_cache", "offline")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page)], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_the_code_of_a_page_runs_as_it_stands(
    page: Path, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Med-MAT").symlink_to(workshop.out)  # what `med-mat demo` leaves
    (tmp_path / "raw").symlink_to(workshop.raw)
    found = blocks(page)
    names: dict[str, object] = {}
    for block in found:
        exec(compile(block, str(page), "exec"), names)
    assert capsys.readouterr().out


def test_the_tour_of_experiments_is_short_and_ends_in_a_picture(workshop: Workshop) -> None:
    code = [line for block in blocks(ROOT / "docs" / "experiments.md") for line in block.splitlines() if line.strip()]
    assert len(code) < 60


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


@each_page
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        if "generated/" not in link:  # Sphinx looks after those
            assert (page.parent / link).exists(), link


@each_page
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(
        r"`((?:tests|docs(?!/_build)|loaders|dataset_cards|med_mat)/[\w./*-]+)`", page.read_text("utf-8")
    )
    assert [name for name in named if "NAME" not in name and not list(ROOT.glob(name.rstrip("/")))] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").split()) < 1000


def test_the_version_is_one() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    (newest, *_) = re.findall(r"(?m)^## (\d+\.\d+\.\d+)", changes)
    assert newest == citation["version"] == med_mat.__version__


def test_pages_have_one_spelling() -> None:
    pytest.importorskip("codespell_lib")
    command = [sys.executable, "-m", "codespell_lib", "--toml", "pyproject.toml", *PAGES]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not ran.stdout, ran.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site, with its notebooks executed; every warning is an error."""
    for needed in ("sphinx", "myst_nb", "furo", "matplotlib"):
        pytest.importorskip(needed, reason="pip install -e '.[docs]'")
    out = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-E",
        "-W",
        "--keep-going",
        "-q",
        "-d",
        out / "trees",
        "docs",
        out / "html",
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ)
    assert ran.returncode == 0, ran.stderr[-5000:]
    return out / "html"


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_holds_every_source_command_and_public_name(site: Path) -> None:
    for name, source in load().items():
        page = (site / "generated" / "sources" / f"{name}.html").read_text("utf-8")
        assert all(f"row {row.number}" in page for row in source.rows)
    api = "".join(path.read_text("utf-8") for path in (site / "generated" / "api").glob("*.html"))
    names = [name for name in med_mat.__all__ if not inspect.ismodule(getattr(med_mat, name))]
    assert [name for name in names if f'id="med_mat.{name}"' not in api] == []
    commands = (site / "generated" / "cli.html").read_text("utf-8")
    assert all(f"med-mat {name}" in commands for name in ("build", "split", "push", "official check"))


@pytest.mark.slow
def test_no_page_of_the_site_asks_another_host_for_anything(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 100
    asked = re.compile(
        r"""<(?:script|img|iframe|source)[^>]*\ssrc=["'](?:https?:)?//|<link[^>]*\shref=["'](?:https?:)?//"""
    )
    for page in pages:
        assert not asked.search(page.read_text("utf-8")), page
    for style in site.rglob("*.css"):
        assert not re.search(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""", style.read_text("utf-8")), style


@pytest.mark.slow
@pytest.mark.parametrize("name", ["first_experiment", "add_a_source"])
def test_a_notebook_shows_what_it_promises(site: Path, name: str) -> None:
    page = (site / "notebooks" / f"{name}.html").read_text("utf-8")
    assert page.count("cell_output") > 3
    assert "Traceback" not in page
    stored = (ROOT / "docs" / "notebooks" / f"{name}.ipynb").read_text("utf-8")
    assert '"output_type"' not in stored, "notebooks are stored without output"
