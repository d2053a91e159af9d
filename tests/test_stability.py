"""A record hangs on its source, not on the disk: files that are named or laid out otherwise give the same examples."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import copies
import pytest
from workshop import once

from med_mat.building.loader import has_loader, loader_of
from med_mat.catalog import load
from med_mat.demo import miniature
from med_mat.example import RLE, Example, Frame, Polygon
from med_mat.layouts.listing import Tree
from med_mat.layouts.locating import locate
from med_mat.layouts.matching import fits
from med_mat.mounts.folder import mounted
from med_mat.raw import RawFolder, folded

CATALOG = load()
NAMES = [source.name for source in CATALOG.values() if has_loader(source)]
each = pytest.mark.parametrize("name", NAMES)


class Facts(NamedTuple):
    """What is said of an example, whatever its files are called: files are told by their bytes."""

    name: str  # folded
    pixels: str
    where: str  # frame or slice
    label: str | None
    labels: str
    boxes: str
    masks: tuple[Any, ...] | None
    patient: str | None
    split: str | None
    raw_label: str | None


@pytest.fixture(scope="session")
def minis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniatures of all sources."""
    return once(tmp_path_factory, "minis", miniature)


def read(name: str, raw: RawFolder) -> list[tuple[str, Facts]]:
    """Name and facts of every example, in order."""
    return [(example.name, facts(example, raw)) for example in loader_of(CATALOG[name]).examples(raw)]


def facts(example: Example, raw: RawFolder) -> Facts:
    def content(pixels: Any) -> str:
        path = getattr(pixels, "path", pixels)
        return hashlib.sha256(raw.file(path).read_bytes()).hexdigest() + str(getattr(pixels, "index", ""))

    masks = None
    if example.masks is not None:
        masks = tuple(
            mask
            if isinstance(mask, RLE | Polygon)
            else (type(mask).__name__, content(mask.pixels), repr(vars_of(mask)))
            for mask in example.masks
        )
    return Facts(
        folded(example.name),
        content(example.pixels),
        example.reference.partition("#")[2],
        example.label,
        repr(dict(example.labels)),
        repr(example.boxes),
        masks,
        example.patient,
        example.split,
        example.raw_label,
    )


def vars_of(mask: Any) -> dict[str, Any]:
    """All that a mask says but where its pixels lie."""
    return {key: getattr(mask, key) for key in mask.__slots__ if key != "pixels"}


def original(name: str, minis: Path) -> tuple[list[tuple[str, Facts]], RawFolder]:
    raw = locate(CATALOG[name], minis / name)
    return read(name, raw), raw


@each
def test_a_wrapper_changes_nothing(name: str, minis: Path, tmp_path: Path) -> None:
    found, _ = original(name, minis)
    copies.copy(minis / name, tmp_path, lambda path: f"archive (1)/copy of/{path}")
    assert read(name, locate(CATALOG[name], tmp_path)) == found


@each
@pytest.mark.parametrize("spelling", copies.SPELLINGS)
def test_neither_do_capitals_nor_decomposed_accents(name: str, spelling: str, minis: Path, tmp_path: Path) -> None:
    found, _ = original(name, minis)
    copies.copy(minis / name, tmp_path, copies.SPELLINGS[spelling])
    again = read(name, locate(CATALOG[name], tmp_path))
    assert [one for _, one in again] == [one for _, one in found], "facts, and their order"
    if spelling == "decomposed":
        assert again == found, "names to the letter"


@pytest.mark.parametrize(("name", "variant"), copies.MOVES)
def test_neither_does_another_layout_of_the_same_files(name: str, variant: str, minis: Path, tmp_path: Path) -> None:
    found, raw = original(name, minis)
    copies.copy(raw.root, tmp_path, copies.moved(copies.MOVES[name, variant]))
    (layout,) = (one for one in CATALOG[name].layouts if one.variant == variant)
    assert fits(Tree(mounted(tmp_path)), (), layout)
    assert sorted(read(name, RawFolder(tmp_path, variant)), key=str) == sorted(found, key=str)


def test_every_layout_of_every_card_is_tried_or_holds_other_files(minis: Path) -> None:
    shown = {(name, locate(CATALOG[name], minis / name).variant) for name in NAMES}
    tried, others = set(copies.MOVES), set(copies.OTHER_FILES)
    assert shown | tried | others == {(name, one.variant) for name in NAMES for one in CATALOG[name].layouts}
    assert not shown & (tried | others)
    assert not tried & others


@each
def test_no_two_examples_have_names_that_fold_alike(name: str, minis: Path) -> None:
    names = [one.name for _, one in original(name, minis)[0]]  # folded
    assert len(set(names)) == len(names)


def test_a_name_is_in_nfc_and_the_path_as_on_the_disk() -> None:
    apart = unicodedata.normalize("NFD", "é/ü.png")
    for example in (Example(PurePosixPath(apart)), Example(PurePosixPath("1.png"), key=apart)):
        assert example.name == "é/ü.png"
    assert str(Example(PurePosixPath(apart)).path) == apart
    assert Example(Frame(PurePosixPath(apart), 3)).name == "é/ü.png#frame=3"
