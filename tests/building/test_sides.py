"""Sides: the seeded split by group, and what is withheld; each a function of ids, groups and seed alone."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from building import make, records
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from med_mat.building.sides import held_out, key, withheld
from med_mat.demo import miniature
from med_mat.taxonomy import SPLITS

GROUPED = st.lists(st.tuples(st.integers(0, 25), st.integers(0, 3)), min_size=1, max_size=120)


def sides_of(images: list[tuple[int, int]], names: list[str], salt: str = "0/toy") -> dict[str, bool]:
    """Name -> whether it is tested, of images given as (group, stratum)."""
    groups, strata = (np.array(column) for column in zip(*images, strict=True))
    return dict(zip(names, held_out(salt, groups, strata, [key(name) for name in names]).tolist(), strict=True))


@given(GROUPED)
def test_no_group_is_divided_and_train_is_never_empty(images: list[tuple[int, int]]) -> None:
    tested = sides_of(images, [f"toy/{n}.png" for n in range(len(images))])
    by_group: dict[int, set[bool]] = {}
    for (group, _), one in zip(images, tested.values(), strict=True):
        by_group.setdefault(group, set()).add(one)
    assert all(len(sides) == 1 for sides in by_group.values())
    assert not all(tested.values())


@given(GROUPED, st.randoms(use_true_random=False))
def test_order_and_numbering_change_no_side(images: list[tuple[int, int]], random: object) -> None:
    names = [f"toy/{n}.png" for n in range(len(images))]
    first = sides_of(images, names)
    places = list(range(len(images)))
    random.shuffle(places)  # type: ignore[attr-defined]
    again = sides_of([(1000 - images[n][0], 7 - images[n][1]) for n in places], [names[n] for n in places])
    assert again == first


@given(st.lists(st.sampled_from("ab"), min_size=30, max_size=300), st.integers(0, 5))
def test_a_tenth_of_every_stratum_is_tested(strata: list[str], seed: int) -> None:
    images = [(n, "ab".index(one)) for n, one in enumerate(strata)]
    tested = sides_of(images, [f"toy/{n}" for n in range(len(images))], f"{seed}/toy")
    for code in (0, 1):
        size = sum(stratum == code for _, stratum in images)
        held = sum(one for (_, stratum), one in zip(images, tested.values(), strict=True) if stratum == code)
        assert held == (max(1, round(size / 10)) if size > 1 else 0)


@given(st.text(min_size=1))
def test_a_key_is_that_of_the_folded_id(text: str) -> None:
    assert key(text) == key(unicodedata.normalize("NFD", unicodedata.normalize("NFC", text)))
    assert key("busi/Benign (1).PNG") == key("BUSI/benign (1).png")
    assert key("busi/é.png") == key("busi/e\u0301.png") != key("busi/e.png")


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(range(len(SPLITS))), st.integers(0, 2)), min_size=1, max_size=60
    )
)
def test_withheld_is_what_has_its_like_in_a_held_out_part(rows: list[tuple[int, int, int]]) -> None:
    groups, split, source = (np.array(column) for column in zip(*rows, strict=True))
    names = ["a", "b", "c"]
    for place, reason in enumerate(withheld(groups, split, source, names)):
        others = {(SPLITS[one], names[of]) for group, one, of in rows if group == groups[place]}
        tested, validated = ({of for part, of in others if part == name} for name in ("test", "validation"))
        side = SPLITS[split[place]]
        expected = None
        if side != "test" and tested:
            expected = f"test of {', '.join(sorted(tested))}"
        elif side == "train" and validated:
            expected = f"validation of {', '.join(sorted(validated))}"
        assert reason == expected


def test_a_side_depends_on_its_own_source_alone(tmp_path: Path) -> None:
    """Adding a source whose test part holds copies withholds records, and moves none of them to another side."""
    raw = tmp_path / "raw"
    miniature(raw, ["head_ct", "hep2", "covid_ct"])
    originals = sorted((raw / "head_ct/head_ct/head_ct").glob("0*.png"))
    tested = sorted((raw / "covid_ct").rglob("*.png"))[:12]
    for picture, copy in zip(originals, tested, strict=False):
        Image.open(picture).convert("RGB").save(copy)
    make(raw, tmp_path / "alone", "head_ct", "hep2")
    make(raw, tmp_path / "both", "head_ct", "hep2", "covid_ct")
    alone = {one["id"]: one["split"] for one in records(tmp_path / "alone")}
    both = {one["id"]: one for one in records(tmp_path / "both")}
    assert {name: both[name]["split"] for name in alone} == alone
    reasons = Counter(one["withheld"] for one in both.values() if one["source"] == "head_ct")
    assert any(reason and "covid_ct" in reason for reason in reasons)


def test_train_holds_no_group_of_a_held_out_part(tmp_path: Path) -> None:
    """What load_dataset gives as train, over all sources of a build."""
    sources = ("isic_2016", "isic_2017", "isic_2018", "isic_2019", "skin_cancer_isic")
    miniature(tmp_path / "raw", sources)
    make(tmp_path / "raw", tmp_path / "out", *sources)
    found = records(tmp_path / "out")
    parts = {one["id"]: Path(one["file"]).name.partition("-")[0] for one in found}
    groups = {name: {one["group"] for one in found if parts[one["id"]] == name} for name in (*SPLITS, "withheld")}
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["validation"]
    assert not groups["validation"] & groups["test"]
    assert groups["withheld"]
    for one in found:
        assert (parts[one["id"]] == "withheld") == (one["withheld"] is not None)
        assert parts[one["id"]] in (one["split"], "withheld")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_copies_within_a_source_are_on_one_side_of_our_split(tmp_path: Path, seed: int) -> None:
    miniature(tmp_path / "raw", ["head_ct"])
    folder = tmp_path / "raw/head_ct/head_ct/head_ct"
    for number in range(0, 20, 2):  # each second slice is the one before, brighter and packed anew
        picture = Image.open(folder / f"{number:03d}.png").convert("L")
        picture.point(lambda shade: min(255, int(shade * 1.05) + 2)).save(folder / f"{number + 1:03d}.png")
    make(tmp_path / "raw", tmp_path / "out", "head_ct", seed=seed)
    sides: dict[int, set[str]] = {}
    for one in records(tmp_path / "out"):
        sides.setdefault(int(Path(one["path"]).stem) // 2, set()).add(one["split"])
        assert one["withheld"] is None
    assert len(sides) == 10
    assert all(len(side) == 1 for side in sides.values())
    assert {"train", "test"} == set().union(*sides.values())
