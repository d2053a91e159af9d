"""The web page: what it shows, what it refuses, and a walk through it in a real browser."""

from __future__ import annotations

import base64
import io
import re
import shlex
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from pages import listening
from PIL import Image
from workshop import Workshop

import med_mat
from med_mat.browse import views
from med_mat.browse.serve import serve
from med_mat.cli import cli
from med_mat.dataset import MedMAT
from med_mat.errors import BrowseError, MissingExtraError
from med_mat.leakage.groups import DUPLICATES

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: In a label, a question and a file name.
HOSTILE = '<script>window.stolen=1</script><img src=x onerror="window.stolen=1">'


@pytest.fixture(scope="module")
def hostile(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build with BUSI's labels, questions and ids replaced by scripts."""
    out = Path(shutil.copytree(workshop.out, tmp_path_factory.mktemp("hostile") / "Med-MAT"))
    for path in [out / "index.parquet", *(out / "data" / "busi").rglob("*.parquet")]:
        table = pq.read_table(path)
        mine = np.asarray([name == "busi" for name in table["source"].to_pylist()])
        for name in ("label", "label_set", "question", "path"):
            if name in table.column_names:
                values = [HOSTILE if bad else value for bad, value in zip(mine, table[name].to_pylist(), strict=True)]
                table = table.set_column(
                    table.column_names.index(name), table.schema.field(name), pa.array(values, pa.string())
                )
        pq.write_table(table, path)
    return out


@pytest.fixture(scope="module")
def address(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a page on that build is served."""
    with listening(hostile, tmp_path_factory.mktemp("scratch")) as address:
        yield address


@pytest.fixture
def mat(workshop: Workshop) -> MedMAT:
    return med_mat.open(workshop.out)


# -------------------------------------------------------------------------------------------------------- what it shows


def test_the_grid_counts_the_records(mat: MedMAT, workshop: Workshop) -> None:
    grid = views.grid(mat, mat.where("CT|US/*/* & split=train"))
    kept = [
        one
        for one in workshop.records
        if one["modality"] in ("CT", "US") and one["split"] == "train" and not one["withheld"]
    ]
    assert sum(grid.counts.values()) == len(kept)
    assert set(grid.modalities) == {"CT", "US"}
    assert {row[0]: sum(row[1:]) for row in grid.rows()} == {
        area: sum(one["area"] == area for one in kept) for area in {one["area"] for one in kept}
    }


def test_a_page_reads_only_its_own_records(mat: MedMAT, workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    read = MedMAT.read
    monkeypatch.setattr(MedMAT, "read", lambda self, places: asked.extend(places) or read(self, places))
    positions = mat.where("*/Lung/*")
    shown = views.gallery(mat, positions, 1)
    assert asked == positions[views.PAGE : 2 * views.PAGE].tolist()
    assert [text.split(". ")[0] for _, text in shown] == [str(n) for n in range(views.PAGE + 1, 2 * views.PAGE + 1)]
    assert all(picture.size == (views.SIDE, views.SIDE) for picture, _ in shown)
    assert views.pages(len(positions)) == -(-len(positions) // views.PAGE)
    assert views.pages(0) == 1


def test_the_details_are_the_whole_record(mat: MedMAT, workshop: Workshop) -> None:
    found = views.details(mat, 7)
    record = workshop.records[7]
    assert {name: found[name] for name in record if name in found and name != "position"} == {
        name: value for name, value in record.items() if name in found and name != "position"
    }
    assert found["question"] == record["question"]
    assert found["access"]


def test_what_the_split_builder_gives_makes_the_same_split(mat: MedMAT, workshop: Workshop) -> None:
    options = {
        "size": 20,
        "seed": 3,
        "max_per_subset": 0,
        "axis": "",
        "parts": "",
        "balanced_test": True,
        "pool_tasks": False,
    }
    made = views.experiment(mat, "related", "CT/Lung/Cancer", options)
    python, command = views.code(str(workshop.out), made)
    names: dict[str, Any] = {}
    exec(python.replace("print(exp.audit())", ""), names)
    assert names["exp"].train_positions.tolist() == made.train_positions.tolist()
    assert command.endswith("related CT/Lung/Cancer --size 20 --balanced-test --seed 3")
    parts = views.experiment(mat, "combination", "CT/Lung/Cancer", {"parts": "CT/Lung/COVID, CT/Brain/Cancer"})
    assert "--part CT/Lung/COVID --part CT/Brain/Cancer" in views.code("x", parts)[1]


@pytest.mark.parametrize(
    "make",
    [
        lambda mat: mat.unrelated("CT/Lung/Cancer"),
        lambda mat: mat.related(
            "CT/Lung/Cancer", among_train="!source=covid_ct", questions="row", shots=3, kinds="any"
        ),
        lambda mat: mat.folds("CT/Lung/COVID", 3)[1],
        lambda mat: mat.leave_source_out("CT/Lung/COVID", "covid_ct", validation=0.2),
        lambda mat: mat.without("CT/Lung/Cancer", "area", avoid="literal", even="source"),
    ],
)
def test_what_the_page_says_makes_every_experiment_again(mat: MedMAT, workshop: Workshop, make: Any) -> None:
    made = make(mat)
    python, command = views.code(str(workshop.out), made)
    names: dict[str, Any] = {}
    exec(python, names)
    assert names["exp"].train_positions.tolist() == made.train_positions.tolist()
    said = CliRunner().invoke(cli, shlex.split(command)[1:], catch_exceptions=False)
    assert said.output == f"{names['exp'].audit()}\n"


def test_a_chosen_cell_keeps_the_other_conditions() -> None:
    assert views.narrowed("*", "US/Breast/*") == "US/Breast/*"
    assert (
        views.narrowed("CT/*/* & width>=64 & !label=Normal", "US/Breast/*") == "US/Breast/* & width>=64 & !label=Normal"
    )
    assert views.narrowed("CT/Lungs/*", "US/Breast/*") == "US/Breast/*"


def test_limited_can_be_asked_for_with_no_record(mat: MedMAT) -> None:
    made = views.experiment(mat, "limited", "CT/Lung/Cancer", {"n": "0"})
    assert str(made.target) not in made.audit().train
    assert "--n 0" in views.code("x", made)[1]


def test_what_becomes_html_is_escaped(hostile: Path) -> None:
    mat = med_mat.open(hostile)
    links = views.linked(mat, "any", False)
    assert links.num_rows > 0
    made = views.experiment(mat, "related", "US/Breast/Cancer", {"kinds": "any"})
    record = mat.read(mat.where("US/*/*")[:1])[0]
    side = views.report.Side(HOSTILE, "busi", "test", HOSTILE, 0)
    pictures = views.pictures(made.audit())
    for page, more in (
        (views.pairs(mat, links, 0), set()),
        (views._side(side, record), set()),
        (pictures, {"tabindex", "role", "aria-label", "data-theme"}),
    ):
        tags = Tags()
        tags.feed(page)
        assert {name for name, _ in tags.found} <= {"article", "h3", "div", "figure", "img", "figcaption", "br"}
        assert {name for _, names in tags.found for name in names} == {"alt", "src"} | more
    drawn = [base64.b64decode(code).decode() for code in re.findall('base64,([^"]+)', pictures)]
    assert any("stolen" in one for one in drawn)
    assert not any("<script" in one or "<img" in one for one in drawn)


def test_sources_are_offered_with_their_links_and_partners(mat: MedMAT, workshop: Workshop) -> None:
    links = views.linked(mat, "any", False)
    sides = [
        (one["first_source"], one["second_source"]) for one in pq.read_table(workshop.out / DUPLICATES).to_pylist()
    ]
    sources = views.partners(links)
    assert sources == {name: sum(name in pair for pair in sides) for name in {name for pair in sides for name in pair}}
    assert list(sources.values()) == sorted(sources.values(), reverse=True)
    within = [(a, b) for a, b in sides if a == b]
    for one in (next(iter(sources)), within[0][0]):
        assert views.between_sources(links, one).num_rows == sources[one]
        others = views.partners(links, one)
        assert sum(others.values()) == sources[one]
        for other, count in others.items():
            chosen = views.between_sources(links, one, other)
            assert chosen.num_rows == count == sum(pair in ((one, other), (other, one)) for pair in sides)
    assert views.between_sources(links, None) is links
    assert views.partners(views.linked(mat, "any", True), within[0][0]).keys() == {
        name for pair in sides for name in pair if within[0][0] in pair and pair[0] != pair[1]
    } - {within[0][0]}


def test_a_page_of_pairs_reads_only_its_own_pictures(mat: MedMAT, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    read = MedMAT.read
    monkeypatch.setattr(MedMAT, "read", lambda self, places: asked.extend(places) or read(self, places))
    links = views.linked(mat, "any", False)
    page = views.pairs(mat, links, 1)
    shown = links.slice(views.PAIRS, views.PAIRS)
    ids = mat.index["id"].take(pa.array(asked)).to_pylist()
    assert sorted(ids) == sorted(shown["first"].to_pylist() + shown["second"].to_pylist())
    assert page.count("<article>") == shown.num_rows


def test_pairs_show_their_labels_and_say_where_these_contradict(mat: MedMAT) -> None:
    links = views.linked(mat, "any", False)
    against = links.filter(links["contradictory"])
    assert against.num_rows
    page = views.pairs(mat, against, 0)
    assert page.count(": their labels contradict each other</h3>") == min(against.num_rows, views.PAIRS)
    assert "Oral cancer" in page
    assert "contradict" not in views.pairs(mat, links.filter(pa.compute.invert(links["contradictory"])), 0)


def test_the_split_builder_knows_withheld_and_contradictory(mat: MedMAT) -> None:
    usual = views.experiment(mat, "related", "CT/Lung/Cancer", {"withheld": False, "contradictory": False}).options
    assert (usual.withheld, usual.contradictory) == (False, "keep")
    given = {"withheld": True, "contradictory": "drop"}
    made = views.experiment(mat, "related", "CT/Lung/Cancer", given)
    assert (made.options.withheld, made.options.contradictory) == (True, "drop")
    python, command = views.code("Med-MAT", made)
    assert "'withheld': True" in python
    assert "--withheld" in command
    assert "--contradictory drop" in command


class Tags(HTMLParser):
    """The tags of a page, with the names of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attrs]))


def test_without_gradio_one_sentence_says_what_to_install(
    mat: MedMAT, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    from med_mat.browse.page import page

    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'med-mat\[browse\]'"):
        page(mat, "Med-MAT", tmp_path)


def test_a_port_that_is_taken(mat: MedMAT) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrowseError, match=rf"cannot listen on 127\.0\.0\.1:{port} .* another with --port"):
            serve(mat, "Med-MAT", host="127.0.0.1", port=port, open_page=False, say=print)


# ------------------------------------------------------------------------------------------------------------ a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_a_walk_through_the_page(browser: Any, address: str, width: int, theme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    sizes: list[int] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfinished", lambda request: "file=" in request.url and sizes.append(_size(request)))
    page.goto(f"{address}/?__theme={theme}")
    page.wait_for_selector("#gallery img", timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "it scrolls sideways"
    page.wait_for_load_state("networkidle")
    assert sizes, "a browser leaves pictures out of sight for later"
    assert sum(sizes) <= 5_000_000, "bytes of the first pictures"

    outside = page.evaluate(
        "[...document.querySelectorAll('#gallery button')].filter(e => e.offsetParent"
        " && e.getBoundingClientRect().right > innerWidth).length"
    )
    assert outside == 0, "a picture is cut off"

    selection = page.get_by_label("Selection")
    for text, says in (("CT/Lungs/*", "Did you mean 'Lung'"), ("US/Breast/*", "records, page 1 of 2")):
        selection.fill(text)
        selection.press("Enter")
        page.get_by_text(says).wait_for(timeout=30_000)
    page.wait_for_function("document.querySelectorAll('#gallery img').length == 24", timeout=30_000)
    page.locator("#gallery button").first.click()
    page.wait_for_function("document.querySelector('#details textarea').value.includes('busi/')", timeout=30_000)

    page.get_by_role("tab", name="Split").click()
    page.get_by_text("It holds.").wait_for(timeout=60_000)
    _settled(page)
    assert "holds: yes" in page.locator("#audit textarea").input_value()
    shown = page.locator("#picture img:visible").all()
    told = [picture.get_attribute("alt") or "" for picture in shown]
    assert "MAT grid" in told[0]
    assert "balance of labels" in told[1]
    for picture in shown:
        corner = Image.open(io.BytesIO(picture.screenshot())).convert("L").getpixel((6, 6))
        assert corner > 240 if theme == "light" else corner < 40, "a picture has the colours of the other theme"
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "it scrolls sideways"

    assert _unlabelled(page) == 0
    page.get_by_role("tab", name="Duplicates").click()
    page.wait_for_selector("#pairs img", timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "it scrolls sideways"
    assert page.evaluate("window.stolen") is None, "a label was run as a script"
    assert _unlabelled(page) == 0
    page.close()
    assert not [url for url in asked if not url.startswith((address, "data:", "blob:"))], "it asked somebody else"


@pytest.mark.slow
def test_the_split_follows_its_form(browser: Any, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held, draw = threading.Event(), views.pictures

    def slowly(proof: Any) -> str:
        if proof.definition["seed"] == 1:
            held.wait(30)
        return draw(proof)

    monkeypatch.setattr(views, "pictures", slowly)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.get_by_role("tab", name="Split").click()
    verdict, audit, made = page.locator("#verdict"), page.locator("#audit textarea"), page.locator("#made")
    write = page.get_by_role("button", name="Write the split")
    page.get_by_text("related for CT/Lung/Cancer").wait_for(timeout=60_000)
    _settled(page)
    assert verdict.get_attribute("aria-live") == "polite"

    def says(text: str) -> None:
        assert made.get_attribute("aria-busy") == "true", "what is no longer so is not marked"
        verdict.get_by_text(text).wait_for(timeout=30_000)
        _settled(page)

    def choose(experiment: str) -> None:
        page.get_by_role("combobox", name="Experiment").click()
        page.get_by_role("option", name=experiment, exact=True).click()

    before = audit.input_value()
    page.get_by_label("Balanced test").check()
    says("It holds.")
    assert audit.input_value() != before
    assert "'balanced_test': True" in made.inner_text()
    write.click()
    page.wait_for_function("document.querySelector('#files')?.innerText.includes('parquet')", timeout=30_000)

    target = page.get_by_label("Target a triplet")
    target.press_sequentially("s", delay=20)  # CT/Lung/Cancers
    says("is not a Med-MAT task. Did you mean 'Cancer'")
    assert audit.input_value() == ""
    assert page.locator("#picture img").count() == page.locator("#files").count() == 0
    assert not write.is_enabled()

    target.fill("CT/Lung/Cancer")
    page.get_by_label("Among").fill("source=chest_ct_scan")
    says("No training record in this Med-MAT")
    assert "Sources that would provide it: " in verdict.inner_text()

    page.get_by_label("Among").fill("")
    choose("combination")
    says("has no 'parts'")
    choose("single_task")
    says("It holds.")
    page.get_by_label("Test on all of the target").check()
    says("It holds.")  # of an empty train, which its audit notes

    page.get_by_label("Test on all of the target").uncheck()
    says("It holds.")
    choose("related")
    page.get_by_label("Size training records").fill("1")
    says("The audit finds a violation: nothing in train holds the target's")
    assert "VIOLATED: nothing in train holds the target's" in audit.input_value()
    assert page.locator("#picture img:visible").count() == 2, "also of what breaks the rule"
    page.get_by_label("Size training records").fill("0")
    says("It holds.")
    page.get_by_label("Seed").fill("1")
    page.wait_for_function("JSON.parse(document.querySelector('#made').dataset.asked).includes(1)")
    page.get_by_label("Seed").fill("2")
    page.wait_for_timeout(600)  # longer than the pause after which it asks anew
    held.set()
    busy = page.wait_for_function(
        "document.querySelector('#audit textarea').value.includes('seed: 1')"
        " && document.querySelector('#made').getAttribute('aria-busy')"
    )
    assert busy.json_value() == "true", "the answer to a form that has changed since is not marked"
    says("It holds.")
    assert "seed: 2" in audit.input_value()
    assert page.get_by_test_id("toast-body").count() == 0
    page.close()


@pytest.mark.slow
def test_two_sources_show_their_pairs_alone(browser: Any, address: str, mat: MedMAT) -> None:
    links = views.linked(mat, "any", False)
    one = next(iter(views.partners(links)))
    others = views.partners(links, one)
    other = min(others, key=lambda name: (others[name], name))
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.get_by_role("tab", name="Duplicates").click()
    page.get_by_text(f"{links.num_rows:,} pairs").wait_for(timeout=60_000)

    def choose(label: str, source: str, count: int) -> list[str]:
        page.get_by_role("combobox", name=label, exact=True).click()
        offered = page.get_by_role("option").all_inner_texts()
        page.get_by_role("option", name=f"{source} ({count:,})").click()
        page.get_by_text(f"{count:,} pairs, page 1 of {views.pages(count, views.PAIRS)}").wait_for(timeout=30_000)
        return [re.sub("^✓", "", text).strip() for text in offered]

    offered = choose("Source", one, views.partners(links)[one])
    assert offered == ["any", *(f"{name} ({count:,})" for name, count in views.partners(links).items())]
    offered = choose("Other source", other, others[other])
    assert offered == ["any", *(f"{name} ({count:,})" for name, count in others.items())]
    page.wait_for_function(f"document.querySelectorAll('#pairs article').length == {min(others[other], views.PAIRS)}")
    for pair in page.locator("#pairs article").all():
        sides = {text.split("\n")[1].split(", ")[0] for text in pair.locator("figcaption").all_inner_texts()}
        assert sides == {one, other}
    page.close()


def _settled(page: Any) -> None:
    """Wait until what is shown is of the form that is shown."""
    page.wait_for_function("document.querySelector('#made').ariaBusy == 'false'", timeout=30_000)


def _unlabelled(page: Any) -> int:
    """How many fields in sight have no name for a screen reader."""
    found: int = page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]), textarea')].filter(e => e.offsetParent"
        " && !e.labels?.length && !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby')).length"
    )
    return found


def _size(request: Any) -> int:
    size: int = request.sizes()["responseBodySize"]
    return size
