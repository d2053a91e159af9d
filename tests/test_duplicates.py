import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import med_mat
from med_mat import duplicates
from med_mat.building import Options, build, find
from med_mat.cli import cli
from med_mat.dataset import MedMAT
from med_mat.demo import miniature
from med_mat.errors import BuildError

HEAD_CT = "head_ct/head_ct/head_ct/{}.png"
UNDER_TWO_CLASSES = ("head_ct/7/003.png", "head_ct/7/013.png")
BUSI = "busi/Dataset_BUSI_with_GT/normal/normal ({}).png"


def noise(seed: int) -> Image.Image:
    shades = np.random.RandomState(seed).rand(9, 9).astype(np.float32) * 255
    return Image.fromarray(shades).resize((120, 90), Image.Resampling.BICUBIC).convert("L")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build in which one picture lies in two sources, another twice, once as JPEG, a third flipped too, and a fourth
    under two classes.
    """
    folder = tmp_path_factory.mktemp("leaky")
    miniature(folder / "raw", ["head_ct", "busi"])
    for path in (HEAD_CT.format("005"), BUSI.format(1)):
        noise(1).save(folder / "raw" / path)
    noise(2).save(folder / "raw" / HEAD_CT.format("006"))
    noise(2).convert("RGB").save(folder / "raw" / HEAD_CT.format("007"), "JPEG", quality=70)
    noise(3).save(folder / "raw" / HEAD_CT.format("008"))
    noise(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "raw" / HEAD_CT.format("009"))
    for number in ("003", "013"):  # hemorrhage, and none
        noise(4).save(folder / "raw" / HEAD_CT.format(number))
    build(find(dict.fromkeys(["head_ct", "busi"]), folder / "raw"), folder / "out", Options(jobs=1))
    return folder / "out"


@pytest.fixture
def mat(out: Path) -> MedMAT:
    return med_mat.open(out)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["duplicates", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_links_are_counted_between_sources_and_within_one(mat: MedMAT) -> None:
    found = duplicates.counts(duplicates.links(mat))
    assert found["busi", "head_ct"] == {"same file": 1}
    assert found["head_ct", "head_ct"] == {"same file": 1, "near": 1, "near, turned": 1}


def test_links_are_filtered(mat: MedMAT) -> None:
    assert duplicates.links(mat, between=True)["reason"].to_pylist() == ["same file"]
    assert set(duplicates.links(mat, reasons=["near"])["reason"].to_pylist()) == {"near", "near, turned"}
    assert not duplicates.links(mat, between=True, reasons=["near", "shared id"]).num_rows
    assert duplicates.links(mat, kind="same picture").num_rows == 4
    assert not duplicates.links(mat, kind="same scan").num_rows
    found = duplicates.links(mat, contradictory=True)
    assert list(zip(*(found[end].to_pylist() for end in ("first", "second")), strict=True)) == [UNDER_TWO_CLASSES]
    for apart in (
        duplicates.pairs(mat, duplicates.links(mat, apart=True)),
        duplicates.pairs(mat, duplicates.links(mat)),
    ):
        assert [one for one in apart if one.apart] == [one for one in apart if one.first.split != one.second.split]
    assert all(one.apart for one in duplicates.pairs(mat, duplicates.links(mat, apart=True)))


def test_the_table_and_the_pairs_are_printed(out: Path) -> None:
    lines = run(str(out)).splitlines()
    assert re.match(r"sources +same file +near +near, turned$", lines[0])
    assert [line.split() for line in lines[1:3]] == [["head_ct", "1", "1", "1"], ["busi", "-", "head_ct", "1"]]
    assert re.match(
        r"4 links between records, \d of them between different splits, 1 with labels that contradict", lines[3]
    )
    assert lines[3].endswith(duplicates.UNLISTED)
    same, contrary, near, turned = sorted(
        lines[4:], key=lambda line: duplicates.REASONS.index(line.split(" (")[0].split(":")[0])
    )
    assert re.match(
        r"same file: busi/48/normal/normal \(1\)\.png \(\w+: Normal\) = head_ct/7/005\.png \(\w+: Hemorrhage\)", same
    )
    assert re.match(
        r"same file: head_ct/7/003\.png \(\w+: Hemorrhage\) = head_ct/7/013\.png \(\w+: Normal\).*; labels contradict$",
        contrary,
    )
    assert re.match(r"near \(\d+ of 256 bits differ\): head_ct/7/006\.png \(\w+: Hemorrhage\) = head_ct/7/007", near)
    assert re.match(r"near, turned \(0 of 256 bits differ\): head_ct/7/00[89]\.png", turned)


def test_a_limit_is_told(out: Path) -> None:
    assert run(str(out), "--limit", "1").splitlines()[-1] == "... and 3 more (--limit)."
    assert "head_ct/7" not in run(str(out), "--limit", "0")


def test_json_holds_counts_and_pairs(out: Path) -> None:
    found = json.loads(run(str(out), "--between", "--json"))
    assert found["links"] == 1
    assert found["sources"] == [{"first": "busi", "second": "head_ct", "same file": 1}]
    (pair,) = found["pairs"]
    assert (pair["first"]["source"], pair["second"]["labels"]) == ("busi", "Hemorrhage")
    assert found["near_duplicates"]["threshold"] > 0
    (pair,) = json.loads(run(str(out), "--contradictory", "--json"))["pairs"]
    assert (pair["contradictory"], pair["kind"], pair["score"]) == (True, "same picture", None)
    assert {pair[side]["labels"] for side in ("first", "second")} == {"Hemorrhage", "Normal"}


def test_what_is_not_listed_is_said_where_nothing_is(out: Path) -> None:
    assert run(str(out), "--kind", "same scan").splitlines() == [
        f"No links between records match. {duplicates.UNLISTED}"
    ]


def test_what_was_not_looked_for_is_told(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["busi"])
    build(find({"busi": None}, tmp_path / "raw"), tmp_path / "out", Options(jobs=1, check="header"))
    count = len(med_mat.open(tmp_path / "out"))
    expected = f"{count} of {count} records were not searched for near-duplicates: built with '--check header'."
    assert run(str(tmp_path / "out")).splitlines()[-1] == expected


def test_a_build_without_links_says_so_in_one_sentence(out: Path, tmp_path: Path) -> None:
    for name in ("index.parquet", "med_mat.json"):
        (tmp_path / name).write_bytes((out / name).read_bytes())
    with pytest.raises(BuildError, match=r"lacks duplicates\.parquet"):
        duplicates.links(med_mat.open(tmp_path))


class Page(HTMLParser):
    """What a browser would see, with every element closed as it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(mat: MedMAT, change: Callable[[duplicates.Side], duplicates.Side] = lambda side: side) -> Page:
    table = duplicates.links(mat)
    pairs = [replace(one, first=change(one.first), second=change(one.second)) for one in duplicates.pairs(mat, table)]
    return Page(duplicates.to_page(mat, table, pairs))


def test_the_page_shows_each_pair_with_its_pictures(mat: MedMAT, out: Path, tmp_path: Path) -> None:
    run(str(out), "--page", str(tmp_path / "pairs.html"))
    found = Page((tmp_path / "pairs.html").read_text("utf-8"))
    pictures = [facts for tag, facts in found.seen if tag == "img"]
    assert len(pictures) == 8
    assert all(facts["alt"] for facts in pictures)
    for facts in pictures:
        start, _, data = str(facts["src"]).partition(",")
        assert start == "data:image/jpeg;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (120, 90)
    for word in (
        "same file",
        "labels contradict",
        "near (",
        "head_ct/7/005.png",
        "busi/48/normal/normal (1).png",
        "train",
        "Normal",
    ):
        assert word in found.text


def test_the_page_loads_nothing_and_runs_nothing(mat: MedMAT) -> None:
    found = page(mat)
    (policy,) = [facts["content"] for tag, facts in found.seen if "http-equiv" in facts]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not {"script", "link", "iframe", "a"} & {tag for tag, _ in found.seen}


def test_hostile_labels_and_names_are_text(mat: MedMAT) -> None:
    evil = "\"><img src=x onerror=alert(1)><script>alert(2)</script>'&amp;"
    found = page(mat, lambda side: replace(side, labels=evil, id=evil + side.id, source=evil, split=evil))
    plain = page(mat, lambda side: replace(side, split="train"))
    assert [tag for tag, _ in found.seen] == [tag for tag, _ in plain.seen]
    assert not any(name.startswith("on") for _, facts in found.seen for name in facts)
    assert found.text.count(evil) >= 4 * 4
