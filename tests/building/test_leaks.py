"""The same picture in two sources, under whatever name and in whatever form, is found by a build."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from building import content, make, records
from PIL import Image

from med_mat.building import plan
from med_mat.demo import miniature

PAIR = ("head_ct", "busi")
ORIGINAL = "head_ct/head_ct/head_ct/005.png"
COPY = "busi/Dataset_BUSI_with_GT/normal/normal (1).png"
OF_BUSI = "busi/48/normal/normal (1).png"


def scene(seed: int = 0) -> Image.Image:
    """A picture with structure at all scales, 300 x 260, as no other."""
    state = np.random.RandomState(seed)
    layers = [
        np.asarray(Image.fromarray(state.rand(n, n).astype(np.float32)).resize((300, 260), Image.Resampling.BICUBIC))
        for n in (3, 6, 12, 24, 48)
    ]
    shades = sum(layer / 2**n for n, layer in enumerate(layers))
    shades = 255 * (shades - shades.min()) / np.ptp(shades)
    return Image.fromarray(shades.astype(np.uint8))


def saved(picture: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def linked(raw: Path, out: Path, copy: bytes, **options: str) -> tuple[bool, list[tuple[str, str, int | None]]]:
    """Whether the copy is of the original's group, and the links between the two sources."""
    (raw / ORIGINAL).write_bytes(saved(scene(), "PNG"))
    (raw / COPY).write_bytes(copy)
    make(raw, out, *PAIR, **options)
    groups = {one["id"]: one["group"] for one in records(out)}
    links = pq.read_table(out / "duplicates.parquet").to_pylist()
    across = [one for one in links if one["first_source"] != one["second_source"]]
    assert all((one["first"], one["second"]) == (OF_BUSI, OF_HEAD_CT) for one in across)
    same = groups[OF_HEAD_CT] == groups[OF_BUSI]
    return same, [(one["reason"], one["first"], one["distance"]) for one in across]


OF_HEAD_CT = "head_ct/7/005.png"
LEAKS: dict[str, tuple[Callable[[Image.Image], bytes], str]] = {
    "renamed": (lambda picture: saved(picture, "PNG"), "same file"),
    "packed anew": (lambda picture: saved(picture, "PNG", compress_level=1), "same pixels"),
    "grey as colour": (lambda picture: saved(picture.convert("RGB"), "PNG"), "same pixels"),
    "another container": (lambda picture: saved(picture.convert("RGB"), "WEBP", lossless=True), "same pixels"),
    "jpeg": (lambda picture: saved(picture, "JPEG", quality=60), "near"),
    "smaller": (lambda picture: saved(picture.resize((150, 130)), "PNG"), "near"),
    "squeezed to a square of 224": (lambda picture: saved(picture.resize((224, 224)), "JPEG", quality=75), "near"),
    "brighter": (lambda picture: saved(picture.point(lambda shade: min(255, shade * 1.1)), "PNG"), "near"),
    "flipped": (lambda picture: saved(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG"), "near, turned"),
    "turned by a quarter": (
        lambda picture: saved(picture.transpose(Image.Transpose.ROTATE_90), "JPEG"),
        "near, turned",
    ),
    "turned by 180 degrees": (lambda picture: saved(picture.rotate(180), "PNG"), "near, turned"),
}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    miniature(tmp_path / "raw", PAIR)
    return tmp_path / "raw"


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_found_and_joined(raw: Path, tmp_path: Path, leak: str) -> None:
    copied, reason = LEAKS[leak]
    same, links = linked(raw, tmp_path / "out", copied(scene()))
    assert same
    assert [link[:2] for link in links] == [(reason, OF_BUSI)]
    counted = json.loads((tmp_path / "out/med_mat.json").read_text())["near_duplicates"]
    assert counted["links"][reason] >= 1
    assert counted["records without hash"] == 0


def test_another_picture_is_not_joined(raw: Path, tmp_path: Path) -> None:
    assert linked(raw, tmp_path / "out", saved(scene(1), "PNG")) == (False, [])


def test_headers_alone_tell_equal_files_and_the_build_says_what_it_did_not_see(raw: Path, tmp_path: Path) -> None:
    same, links = linked(raw, tmp_path / "out", saved(scene(), "JPEG"), check="header")
    assert (same, links) == (False, [])
    facts = json.loads((tmp_path / "out/med_mat.json").read_text())["near_duplicates"]
    assert facts["records without hash"] == len(records(tmp_path / "out")) > 0
    same, links = linked(raw, tmp_path / "again", saved(scene(), "PNG"), check="header")
    assert (same, [link[0] for link in links]) == (True, ["same file"])


def test_pictures_without_structure_are_not_near_each_other(raw: Path, tmp_path: Path) -> None:
    (raw / ORIGINAL).write_bytes(saved(Image.new("L", (90, 90), 3), "PNG"))
    (raw / COPY).write_bytes(saved(Image.new("L", (80, 80), 4), "PNG"))
    make(raw, tmp_path / "out", *PAIR)
    found = {one["id"]: one for one in records(tmp_path / "out")}
    assert found[OF_HEAD_CT]["perceptual_hash"] is None is found[OF_BUSI]["perceptual_hash"]
    assert all(found[name]["pixel_hash"] for name in (OF_HEAD_CT, OF_BUSI))
    assert found[OF_HEAD_CT]["group"] != found[OF_BUSI]["group"]
    facts = json.loads((tmp_path / "out/med_mat.json").read_text())["near_duplicates"]
    assert facts["records without structure"] >= 2


def test_isic_numbers_join_the_years(tmp_path: Path) -> None:
    years = ("isic_2016", "isic_2017")
    miniature(tmp_path / "raw", years)
    make(tmp_path / "raw", tmp_path / "out", *years)
    groups: dict[str, set[int]] = {}
    sources: dict[str, set[str]] = {}
    for one in records(tmp_path / "out"):
        number = one["path"].rpartition("ISIC_")[2][:7]
        groups.setdefault(number, set()).add(one["group"])
        sources.setdefault(number, set()).add(one["source"])
    shared = [number for number, names in sources.items() if len(names) == 2]
    assert shared
    assert all(len(groups[number]) == 1 for number in groups)


def test_workers_change_neither_groups_nor_links(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "CHUNK_EXAMPLES", 3)
    first = linked(raw, tmp_path / "1", saved(scene().resize((150, 130)), "PNG"))
    for jobs in (2, 3):
        make(raw, tmp_path / str(jobs), *PAIR[::-1], jobs=jobs)
        assert content(tmp_path / str(jobs)) == content(tmp_path / "1")
    assert first[0]


def test_a_source_that_is_added_later_is_compared_with_those_there(raw: Path, tmp_path: Path) -> None:
    both = linked(raw, tmp_path / "both", saved(scene(), "JPEG"))
    for name in PAIR:
        make(raw, tmp_path / "out", name)
    assert content(tmp_path / "out") == content(tmp_path / "both")
    assert both[0]
