"""The pages as a browser gets them: whatever a build or an address holds is shown as text, and no file is given out."""

from __future__ import annotations

import io
import os
import re
import shlex
import socket
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import hypothesis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pages import HOSTILE, HOSTILE_ID
from PIL import Image
from starlette.testclient import TestClient
from workshop import Workshop

import med_mat
from med_mat import duplicates
from med_mat.browse import builder, linked, record, space
from med_mat.browse.app import Pages
from med_mat.browse.builder import Builder
from med_mat.browse.serve import application, serve
from med_mat.browse.state import State
from med_mat.cli import cli
from med_mat.dataset import MedMAT
from med_mat.errors import BrowseError, MissingExtraError

TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=60) | st.sampled_from(
    [HOSTILE, HOSTILE_ID, '" onclick="x', "javascript:x()", "</pre></script>", "]]>", "{% raw %}", "\x00", "&lt;"]
)


class Page(HTMLParser):
    """The elements of a page with the names of their attributes, where its links lead, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action", "data-image")]

    def handle_data(self, data: str) -> None:
        self.text += data


def inert(text: str) -> Page:
    """A page, after it was seen to run and to load nothing but its own."""
    page = Page(text)
    for tag, names in page.shape:
        assert tag not in ("style", "iframe", "object", "embed", "base"), tag
        assert not any(name.startswith("on") or name in ("style", "srcdoc") for name in names), (tag, names)
    assert sum(tag == "script" for tag, _ in page.shape) == len(re.findall(r"<script[^>]* src=\"/static/", text))
    assert all(link.startswith(("/", "#", "https://", "http://")) and link[:2] != "//" for link in page.links), (
        page.links
    )
    return page


# -------------------------------------------------------------------------------------------------------------- hostile

PLACES = ("/", "/statistics", "/record", "/split", "/duplicates")


@pytest.mark.parametrize("path", [*PLACES, "/nix", "/record?id=nothing", "/split?target=US/Breast/Cancer&kinds=any"])
def test_a_hostile_build_is_shown_as_text(client: TestClient, path: str) -> None:
    answer = client.get(path, params={"q": "source=busi"} if path in PLACES[:2] else None)
    assert answer.status_code in (200, 404)
    page = inert(answer.text)
    if path in PLACES[:2]:
        assert HOSTILE in page.text


def test_a_record_with_a_hostile_id_is_found_by_it(client: TestClient, hostile: Path) -> None:
    table = pq.read_table(hostile / "index.parquet", columns=["id", "source"])
    names = [one["id"] for one in table.to_pylist() if one["source"] == "busi"]
    assert all(name.endswith(HOSTILE_ID) for name in names)
    page = inert(client.get("/", params={"q": "source=busi"}).text)
    linked = {dict(parse_qsl(urlsplit(link).query))["id"] for link in page.links if link.startswith("/record?")}
    assert linked <= set(names)
    assert len(linked) == 24
    for name in names[:3]:
        answer = client.get("/record", params={"id": name})
        assert answer.status_code == 200
        assert HOSTILE_ID.replace("\x00", "\ufffd").strip()[-3:] in inert(answer.text).text
        for kind in ("thumbnail", "image"):
            shown = client.get(f"/{kind}", params={"id": name})
            assert shown.status_code == 200
            assert Image.open(io.BytesIO(shown.content)).size


@hypothesis.settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([*State.__dataclass_fields__, "id", "target", "experiment", "size", "parts",
                                        "among", "reason", "source", "other", "mark", "seed"]), TEXT))  # fmt: skip
def test_a_hostile_address_is_shown_as_text(client: TestClient, query: dict[str, str]) -> None:
    for path in PLACES:
        answer = client.get(path, params=query)
        assert answer.status_code in (200, 404)
        inert(answer.text)


@hypothesis.settings(max_examples=60)
@given(text=TEXT)
def test_no_text_of_a_record_changes_the_page(mat: MedMAT, text: str) -> None:
    pages = Pages(mat, "Med-MAT", Path("unused"))

    def shape(said: str) -> list[tuple[str, tuple[str, ...]]]:
        mark = record.Mark(said, "#E69F00", ((1, 2, 3, 4),), 5.0, (1,))
        facts = tuple(record.Fact(said, said, kind) for kind in ("text", "long"))
        shown = record.Shown(said, 0, said, 8, 8, (mark,), said, (record.Option("A", said, True),), said,
                             ((said, facts),), True, True, (said,), said)  # fmt: skip
        values = {"record": shown, "place": 1, "count": 3, "before": said, "after": said, "state": State(q=said)}
        return inert(bytes(pages._page("record.html", "records", **values).body).decode()).shape

    assert shape(text) == shape("x")


def test_a_link_of_a_card_leads_to_the_web_alone() -> None:
    for address in ("javascript:alert(1)", "data:text/html,x", "//evil.example", " https://a.example", "file:///etc"):
        assert record._fact("homepage", address).kind == "text"
    assert record._fact("homepage", "https://a.example/x").kind == "link"


# ------------------------------------------------------------------------------------------------------- no other door


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/..%252f..%252fetc/passwd",
        "/static/vendor/openseadragon/../../../app.py",
        "/etc/passwd",
        "/split/passwd?target=CT/Lung/Cancer",
        "/split/..%2f..%2fsplit.parquet?target=CT/Lung/Cancer",
        "/image?id=/etc/passwd",
        "/image?id=../../../../etc/passwd",
        "/image?id=busi/48/../../../../../etc/passwd",
        "/thumbnail?id=file:///etc/passwd",
        "/mask?id=/etc/passwd&mark=0",
        "/mask?id=/etc/passwd&mark=-1",
        "/record?id=%00",
        "/docs",
        "/openapi.json",
        "/index.parquet",
        "/med_mat.json",
    ],
)
def test_no_file_of_the_machine_is_served(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "root:" not in answer.text
    assert "import " not in answer.text


#: Files below these folders that were opened or listed, by whatever way Python has.
WATCHED: dict[str, list[str]] = {}


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if WATCHED and event in ("open", "os.listdir", "os.scandir", "shutil.copyfile", "os.link", "os.symlink"):
        named = [os.fsdecode(one) for one in args[:2] if isinstance(one, str | bytes | os.PathLike)]
        for folder, seen in WATCHED.items():
            seen += [one for one in named if folder in one]


sys.addaudithook(_watch)


def test_a_file_that_a_visitor_names_is_never_opened(client: TestClient, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("only mine")
    names = [*State.__dataclass_fields__, "id", "mark", "v", "reason", "source", "other", "between", "experiment",
             "target", *builder._WORDS]  # fmt: skip
    paths = [*PLACES, "/thumbnail", "/image", "/mask", "/selection.csv", "/static/page.js", "/split/split.parquet"]
    WATCHED[str(tmp_path)] = seen = []
    for path in paths:
        for value in (str(secret), f"file://{secret}", f"../../../../../../..{secret}"):
            for name in names:
                asked = {"target": "CT/Lung/Cancer", name: value} if path.startswith("/split") else {name: value}
                answer = client.get(path, params=asked)
                assert answer.status_code in (200, 400, 404)
                assert "only mine" not in answer.text
    assert not seen
    secret.read_text()
    assert seen, "the watch sees what is opened"
    del WATCHED[str(tmp_path)]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [*PLACES, "/upload", "/split/split.parquet", "/static/page.js"])
def test_nothing_is_taken(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path, content=b"x").status_code == 405


def test_every_answer_has_the_headers(client: TestClient) -> None:
    for path in (*PLACES, "/nix", "/static/style.css", "/thumbnail?id=x", "/selection.csv?q=CT/Brain/*"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_a_fault_of_the_page_says_its_kind_alone(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret of the machine")

    monkeypatch.setattr("med_mat.browse.linked.linked", broken)
    answer = client.get("/duplicates")
    assert answer.status_code == 500
    assert "RuntimeError" in answer.text
    assert "secret" not in answer.text


# ------------------------------------------------------------------------------------------------------------- contents


def test_a_mistake_is_a_sentence_beside_the_form(client: TestClient) -> None:
    page = inert(client.get("/", params={"q": "CT/Lungs/*", "label": "normal"}).text)
    assert "Did you mean 'Lung'" in page.text
    assert "records" in page.text
    assert client.get("/selection.csv", params={"q": "CT/Lungs/*"}).status_code == 400


def test_the_banner_says_what_is_synthetic(client: TestClient, mat: MedMAT, tmp_path: Path) -> None:
    assert "Synthetic images." in inert(client.get("/").text).text
    sources = {name: {**facts, "synthetic": name == "busi"} for name, facts in mat.manifest["sources"].items()}
    for made, says in (
        (sources, "1 of 97 sources"),
        ({name: {**one, "synthetic": False} for name, one in sources.items()}, None),
    ):
        other = MedMAT(mat.location, {**mat.manifest, "sources": made})
        page = bytes(Pages(other, "x", tmp_path)._page("error.html", "", error="").body).decode()
        assert ("Synthetic" in page) == (says is not None)
        assert says is None or says in " ".join(page.split())


def test_the_image_is_the_stored_one(mat: MedMAT, workshop: Workshop) -> None:
    kinds = set()
    for position in range(0, len(mat), 40):
        (stored,) = mat.read(np.array([position]), columns=("image",))
        data, kind = record.image(mat, position)
        assert data == stored["image"]["bytes"]
        kinds.add(kind)
    assert {"image/png", "image/jpeg"} <= kinds


def test_images_are_sent_once_per_state_of_the_build(client: TestClient, hostile: Path) -> None:
    mat = med_mat.open(hostile)
    (one,) = mat.read(mat.where(annotation="masks", source="busi")[:1], columns=("id",))
    for path in ("/thumbnail", "/image", "/mask"):
        query = {"id": one["id"], "mark": "0"}
        first = client.get(path, params=query)
        assert first.status_code == 200
        assert mat.manifest["build"] in first.headers["etag"]
        again = client.get(path, params=query, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = client.get(path, params=query, headers={"If-None-Match": '"another build"'})
        assert other.content == first.content


def test_an_image_that_no_browser_shows_is_given_as_png(mat: MedMAT, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(buffer, "TIFF")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>window.stolen=1</script></svg>'
    for data, fine in ((buffer.getvalue(), True), (svg, False), (b"<html>", False)):
        monkeypatch.setattr(MedMAT, "read", lambda *_, data=data, **__: [{"image": {"bytes": data, "path": None}}])
        if fine:
            png, kind = record.image(mat, 0)
            assert kind == "image/png"
            assert Image.open(io.BytesIO(png)).getpixel((0, 0)) == (255, 0, 0)
        else:
            with pytest.raises(med_mat.errors.ReadError, match="The image: is"):
                record.image(mat, 0)


def test_a_record_tells_all_its_facts(mat: MedMAT, workshop: Workshop) -> None:
    position = next(place for place, one in enumerate(workshop.records) if one["mask_legend"] and one["boxes"])
    one, shown = workshop.records[position], record.shown(mat, position)
    said = {fact.name: fact.value for _, facts in shown.sections for fact in facts}
    assert len(said) >= 35
    assert said["SHA-256 of the raw file"] == one["sha256"]
    assert said["Changes to the pixels"] == one["transform"]
    assert said["Question"] == one["question"]
    assert "@" in "".join(fact.value for _, facts in shown.sections for fact in facts if fact.kind == "long")
    assert {mark.label for mark in shown.marks} >= {box["label"] for box in one["boxes"]}
    assert record.place_of(mat, shown.id) == position
    for name in ("", "x", "busi/48", "busi/99999999/x", "busi/999/x", f"{shown.id}x", shown.id[:-1]):
        with pytest.raises(BrowseError, match="has no record with the id"):
            record.place_of(mat, name)


def test_each_mark_has_its_own_mask_and_color(mat: MedMAT) -> None:
    positions = mat.where(annotation="masks")
    found = [(place, record.shown(mat, place)) for place in positions[:: max(len(positions) // 25, 1)].tolist()]
    assert any(len(shown.marks) > 1 for _, shown in found)
    for place, shown in found:
        assert len({mark.color for mark in shown.marks}) == len(shown.marks)
        (stored,) = mat.read(np.array([place]))
        values = np.asarray(record.decoded(stored["mask"]["bytes"]))
        for number, mark in enumerate(shown.marks):
            if mark.share is None:
                continue
            painted = Image.open(io.BytesIO(record.mask(mat, place, number)))
            assert np.array_equal(np.asarray(painted)[..., 3] > 0, np.isin(values, mark.values))
            colors = np.unique(np.asarray(painted).reshape(-1, 4), axis=0).tolist()
            assert {f"#{bytes(one[:3]).hex().upper()}" for one in colors if one[3]} == {mark.color}
        with pytest.raises(BrowseError, match="no such mask"):
            record.mask(mat, place, len(shown.marks))


def test_neighbors_follow_the_order_of_the_view(client: TestClient, hostile: Path) -> None:
    state = State(q="source=head_ct|busi", sort="shuffled")
    page = inert(client.get(f"/?{state.query()}").text)
    names = [dict(parse_qsl(urlsplit(one).query))["id"] for one in page.links if one.startswith("/record?")]
    shown = Page(client.get(f"/record?{state.query(id=names[1])}").text)
    near = [dict(parse_qsl(urlsplit(one).query))["id"] for one in shown.links if one.startswith("/record?")]
    assert near[:2] == [names[0], names[2]]


# --------------------------------------------------------------------------------------------------------------- splits


def test_what_the_split_builder_gives_makes_the_same_split(mat: MedMAT, workshop: Workshop, tmp_path: Path) -> None:
    query = {"target": "CT/Lung/Cancer", "size": "20", "seed": "3", "balanced_test": "1", "axis": "", "n": "7"}
    made = Builder(mat, str(workshop.out), tmp_path).make(query)
    assert made.holds
    names: dict[str, Any] = {}
    exec(made.python.replace("print(exp.audit())", ""), names)
    again = Builder(mat, "x", tmp_path)._made(query)[0]
    assert names["exp"].train_positions.tolist() == again.train_positions.tolist()
    assert made.command.endswith("related CT/Lung/Cancer --size 20 --balanced-test --seed 3")
    said = CliRunner().invoke(cli, shlex.split(made.command)[1:], catch_exceptions=False)
    assert said.output == f"{made.audit}\n"
    counts = [(part.train, part.test) for _, cells in made.grid for cell in cells for part in cell]
    assert [sum(side) for side in zip(*counts, strict=True)] == [
        len(again.train_positions),
        len(again.test_positions),
    ]


@pytest.mark.parametrize("name", builder.experiments())
def test_every_experiment_can_be_made_by_its_form(mat: MedMAT, tmp_path: Path, name: str) -> None:
    further = {
        "axis": "area", "parts": "CT/Lung/COVID, CT/Brain/Cancer", "n": "0", "k": "2", "fold": "1",
        "source": "covid_ct", "base": "all_related", "over": "all",
    }  # fmt: skip
    others = {"leave_source_out": "CT/Lung/COVID", "fold": "CT/Lung/COVID", "withhold": "*"}
    target = others.get(name, "CT/Lung/Cancer")
    own = {one.name: further.get(one.name, "") for one in builder.form(mat, {}) if name in one.experiments}
    made = Builder(mat, "x", tmp_path).make({"experiment": name, "target": target, **own})
    assert made.audit, made.said
    if made.holds:
        assert f"med-mat split x {name} {shlex.quote(target)}" in made.command


def test_fields_of_other_experiments_are_hidden(client: TestClient) -> None:
    def shown(experiment: str) -> set[str]:
        text = client.get("/split", params={"experiment": experiment}).text
        labels = re.findall(r'<label( data-for="[^"]*"( hidden)?)?[^>]*>(.*?)</label>', text, re.DOTALL)
        return {name for _, hidden, body in labels if not hidden for name in re.findall(r'name="(\w+)"', body)}

    assert {"parts", "axis", "n"}.isdisjoint(shown("related"))
    assert "n" in shown("limited")
    assert "parts" in shown("combination")
    assert {"k", "fold"} <= shown("fold")


def test_no_error_greets_and_every_offered_target_works(mat: MedMAT, client: TestClient, tmp_path: Path) -> None:
    text = client.get("/split").text
    assert "Possible targets" in text
    assert 'class="error"' not in text
    whole = client.get("/split?experiment=multi_task").text
    assert "The audit holds." in whole, "it needs no target"
    offered = builder.targets(mat)
    assert offered
    make = Builder(mat, "x", tmp_path).make
    for one in [one for one in offered if one.composable][::2]:
        made = make({"experiment": "related", "target": one.mat})
        assert made.audit, (one, made.said)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"target": "CT/Lung/Cancers"}, "Did you mean 'Cancer'"),
        ({"target": ""}, "has no 'target'"),
        ({"target": "CT/Lung/Cancer", "validation": "nan"}, "validation is the share"),
        ({"target": "CT/Lung/Cancer", "size": "many"}, "'Training records' must be a number, and is 'many'"),
        ({"target": "CT/Lung/Cancer", "size": "9" * 5000}, "must be a number"),
        ({"target": "CT/Lung/Cancer", "experiment": "combination"}, "has no 'parts'"),
        ({"target": "CT/Lung/Cancer", "among": "source=chest_ct_scan"}, "No training record in this Med-MAT"),
    ],
)
def test_what_cannot_be_made_is_a_sentence(mat: MedMAT, tmp_path: Path, query: dict[str, str], says: str) -> None:
    made = Builder(mat, "x", tmp_path).make(query)
    assert says in made.said
    assert not made.holds
    assert not made.python


def test_a_violation_is_shown_and_not_given_out(client: TestClient) -> None:
    query = urlencode({"target": "CT/Lung/Cancer", "size": "1"})
    page = inert(client.get(f"/split?{query}").text)
    assert "The audit finds a violation" in page.text
    assert "VIOLATED" in page.text
    assert not [link for link in page.links if link.startswith("/split/")]
    assert client.get(f"/split/split.parquet?{query}").status_code == 400


def test_files_of_a_split_are_those_that_python_writes(mat: MedMAT, client: TestClient, tmp_path: Path) -> None:
    query = "target=CT/Lung/Cancer&size=20"
    made = mat.related("CT/Lung/Cancer", size=20)
    made.save(tmp_path / "split.csv")
    assert client.get(f"/split/split.csv?{query}").content == (tmp_path / "split.csv").read_bytes()
    (tmp_path / "split.parquet").write_bytes(client.get(f"/split/split.parquet?{query}").content)
    assert mat.load_split(tmp_path / "split.parquet").train_positions.tolist() == made.train_positions.tolist()
    assert client.get(f"/split/audit.json?{query}").json()["violations"] == []


# ----------------------------------------------------------------------------------------------------------- duplicates


def _images(mat: MedMAT) -> dict[str, str]:
    return dict(zip(mat.index["id"].to_pylist(), mat.index["image_id"].to_pylist(), strict=True))


def test_rows_of_one_image_are_no_pair(mat: MedMAT, monkeypatch: pytest.MonkeyPatch) -> None:
    links = duplicates.links(mat)
    image = _images(mat)
    assert all(image[one["first"]] != image[one["second"]] or one["contradictory"] for one in links.to_pylist())
    assert linked.linked(mat).equals(links)
    row = {**links.to_pylist()[0], "first": "isic_2016/13/train/1.jpg", "second": "isic_2016/90/train/1.jpg"}
    for contradictory in (False, True):
        more = pa.Table.from_pylist([{**row, "contradictory": contradictory}], schema=links.schema)
        monkeypatch.setattr(duplicates, "links", lambda *_, more=more, **__: pa.concat_tables([more, links]))
        assert linked.linked(mat).num_rows == links.num_rows + contradictory


def test_sources_are_offered_with_their_links_and_partners(mat: MedMAT) -> None:
    links = linked.linked(mat)
    sides = list(zip(links["first_source"].to_pylist(), links["second_source"].to_pylist(), strict=True))
    sources = linked.partners(links)
    assert sources == {name: sum(name in pair for pair in sides) for name in {name for pair in sides for name in pair}}
    for one in sources:
        assert linked.between_sources(links, one).num_rows == sources[one]
        for other, count in linked.partners(links, one).items():
            chosen = linked.between_sources(links, one, other)
            assert chosen.num_rows == count == sum(pair in ((one, other), (other, one)) for pair in sides)


def test_pairs_say_where_their_labels_contradict(client: TestClient) -> None:
    text = client.get("/duplicates", params={"contradictory": "1"}).text
    against = text.count(">labels contradict<")
    assert against
    assert sum(tag == "article" for tag, _ in inert(text).shape) == against


# ------------------------------------------------------------------------------------------------------ command and Hub


def test_without_its_libraries_one_sentence_says_what_to_install(
    mat: MedMAT, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError, match=r"The web page needs uvicorn: pip install 'med-mat\[browse\]'"):
        application(mat, "Med-MAT", "127.0.0.1", tmp_path)


def test_a_port_that_is_taken(mat: MedMAT) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrowseError, match=rf"cannot listen on 127\.0\.0\.1:{port} .* another with --port"):
            serve(mat, "Med-MAT", host="127.0.0.1", port=port, open_page=False, say=print)


def test_the_files_of_a_space(tmp_path: Path) -> None:
    import json

    import yaml

    said = CliRunner().invoke(cli, ["browse", "org/Med-MAT", "--space", str(tmp_path / "s")], catch_exceptions=False)
    assert said.exit_code == 0
    assert "hf upload ORG/NAME" in said.output
    front = yaml.safe_load((tmp_path / "s" / "README.md").read_text().split("---")[1])
    assert front["sdk"] == "docker"
    assert front["datasets"] == ["org/Med-MAT"]
    docker = (tmp_path / "s" / "Dockerfile").read_text()
    command = json.loads(re.search(r"^CMD (.*)$", docker, re.MULTILINE)[1])  # type: ignore[index]
    parsed = cli.commands["browse"].make_context("browse", command[2:]).params
    assert (parsed["where"], parsed["host"], parsed["port"]) == ("org/Med-MAT", "0.0.0.0", front["app_port"])
    assert f"EXPOSE {parsed['port']}" in docker
    for bad in ("folder", "a/b/c", "a/b\nRUN x", "../x", "a/b'; rm"):
        with pytest.raises(BrowseError, match="is no id of one"):
            space.files(bad)


def test_the_page_needs_no_file_from_elsewhere() -> None:
    from med_mat.browse.app import _static

    files = _static()
    assert {"style.css", "page.js", "viewer.js", "vendor/openseadragon/LICENSE.txt"} <= files.keys()
    for name in ("style.css", "page.js", "viewer.js"):
        assert not re.search(rb"https?://|@import|url\(", files[name]), name
