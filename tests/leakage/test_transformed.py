"""Copies that are turned, bordered, shifted, zoomed, inverted or sharpened lie in the group of their original."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageChops, ImageFilter, ImageOps

from med_mat.errors import BuildError
from med_mat.imaging.descriptor import LENGTH
from med_mat.imaging.hashing import Look, look
from med_mat.leakage import candidates as candidates_module
from med_mat.leakage.candidates import candidates
from med_mat.leakage.compare import COPY_SCORE, LEAST_SCORE, compare
from med_mat.leakage.groups import COLUMNS, LOOKED_AT, Groups, find_groups
from med_mat.leakage.thumbnails import SIDE, Thumbnails, write

Change = Callable[[Image.Image], Image.Image]


def smooth(seed: int, side: int = 224) -> Image.Image:
    """A picture of soft spots."""
    spots = np.random.default_rng(seed).integers(0, 255, (14, 14), dtype=np.uint8)
    return Image.fromarray(spots).resize((side, side), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(3))


def round_one(seed: int) -> Image.Image:
    """A round picture on black, as of a head."""
    spots = np.random.default_rng(seed).integers(0, 255, (24, 24), dtype=np.uint8)
    picture = Image.fromarray(spots).resize((200, 200), Image.Resampling.BICUBIC)
    disc = Image.fromarray((np.hypot(*np.mgrid[-100:100, -100:100]) < 85).astype(np.uint8) * 255)
    return Image.composite(picture.filter(ImageFilter.GaussianBlur(2)), Image.new("L", picture.size), disc)


def moved(picture: Image.Image, share: float) -> Image.Image:
    by = round(share * picture.width)
    return picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, -by, 0, 1, by))


def zoomed(picture: Image.Image, factor: float) -> Image.Image:
    rest = picture.width * (1 - 1 / factor) / 2
    matrix = (1 / factor, 0, rest, 0, 1 / factor, rest)
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


CHANGES: dict[str, Change] = {
    "turned by 3 degrees": lambda one: one.rotate(3, Image.Resampling.BILINEAR),
    "turned by 10 degrees": lambda one: one.rotate(10, Image.Resampling.BILINEAR),
    "turned back by 10 degrees": lambda one: one.rotate(-10, Image.Resampling.BILINEAR),
    "mirrored and turned by 30 degrees": lambda one: ImageOps.mirror(one).rotate(30, Image.Resampling.BILINEAR),
    "bordered": lambda one: ImageOps.expand(one, 12),
    "letterboxed": lambda one: ImageOps.pad(one, (300, 224)),
    "inverted": ImageOps.invert,
    "shifted by 5 %": lambda one: moved(one, 0.05),
    "zoomed by 1.1": lambda one: zoomed(one, 1.1),
}


def grouped(
    folder: Path, looks: list[Look], sources: list[str] | None = None, modalities: list[str] | None = None
) -> Groups:
    """The groups of pictures, each a record of its own."""
    names = [f"{n:05}" for n in range(len(looks))]
    sources = sources or ["a"] * len(looks)
    records = {
        "id": names,
        "image_id": names,
        "source": sources,
        "path": names,
        "patient_key": [None] * len(looks),
        "sha256": names,
        "pixel_hash": [one.pixel_hash for one in looks],
        "perceptual_hash": [one.perceptual_hash for one in looks],
        "modality": modalities or ["CT"] * len(looks),
    }
    columns = {name: pa.array(values, pa.string()) for name, values in records.items()}
    columns["descriptor"] = pa.array([one.descriptor for one in looks], pa.binary())
    columns["image"] = pa.array(range(len(looks)), pa.int64())
    assert set(columns) == {*COLUMNS, *LOOKED_AT}
    half = len(looks) // 2
    write(folder / "1.thumbnails", [one.thumbnail for one in looks[:half]])
    write(folder / "2.thumbnails", [one.thumbnail for one in looks[half:]])
    thumbnails = Thumbnails([folder / "1.thumbnails", folder / "2.thumbnails"])
    return find_groups(pa.table(columns), {}, thumbnails)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_in_the_group_of_its_original_and_in_no_other(change: str, tmp_path: Path) -> None:
    pictures = [smooth(seed) for seed in range(12)]
    looks = [look(one) for one in pictures] + [look(CHANGES[change](one)) for one in pictures]
    groups = grouped(tmp_path, looks)
    assert groups.numbers.to_pylist() == [*range(12), *range(12)]
    assert groups.within.to_pylist() == groups.numbers.to_pylist()
    assert set(groups.links["kind"].to_pylist()) == {"same picture"}


def test_edge_enhanced_copies_are_in_the_groups_of_their_originals(tmp_path: Path) -> None:
    pictures = [round_one(seed) for seed in range(20)]
    sharp = ImageFilter.UnsharpMask(4, 300, 0)
    copies = [ImageChops.add(one, one.filter(ImageFilter.FIND_EDGES)).filter(sharp) for one in pictures]
    groups = grouped(tmp_path, [look(one) for one in [*pictures, *copies]])
    assert groups.numbers.to_pylist() == [*range(20), *range(20)]


def test_copies_are_found_in_another_source_of_the_modality_and_in_no_other_modality(tmp_path: Path) -> None:
    pictures = [smooth(seed) for seed in range(6)]
    looks = [look(one) for one in pictures] + [look(one.rotate(8)) for one in pictures]
    sources = ["a"] * 6 + ["b"] * 6
    across = grouped(tmp_path, looks, sources)
    assert across.numbers.to_pylist() == [*range(6), *range(6)]
    assert across.within.to_pylist() == list(range(12))
    assert set(across.links["reason"].to_pylist()) == {"transformed"}
    assert min(across.links["score"].to_pylist()) >= COPY_SCORE
    assert grouped(tmp_path, looks, sources, ["CT"] * 6 + ["MRI"] * 6).numbers.to_pylist() == list(range(12))


@pytest.mark.parametrize("shape", [smooth, round_one])
def test_pictures_of_one_outline_are_not_copies(shape: Callable[[int], Image.Image]) -> None:
    shown = [np.frombuffer(look(shape(seed)).thumbnail or b"", np.uint8).reshape(SIDE, SIDE) for seed in range(40)]
    first, second = np.triu_indices(40, 1)
    stacked = np.stack(shown)
    assert compare(stacked[first[:200]], stacked[second[:200]]).max() < LEAST_SCORE


def test_the_search_is_the_same_in_any_order_and_finds_what_an_exact_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.RandomState(0)
    base = random.randint(-60, 60, (1500, LENGTH))
    copies = base[:300] + random.randint(-2, 3, (300, LENGTH))
    descriptors = np.concatenate([base, copies]).astype(np.int8)
    source, modality = random.randint(0, 3, 1800), np.zeros(1800, int)

    def pairs(order: np.ndarray) -> set[tuple[int, int]]:
        found = candidates(descriptors[order], source[order], modality[order])
        return {(min(a, b), max(a, b)) for a, b in order[np.stack(found)].T.tolist()}

    exact = pairs(np.arange(1800))
    assert exact == {(n, 1500 + n) for n in range(300)}
    assert pairs(random.permutation(1800)) == exact
    monkeypatch.setattr(candidates_module, "EXACT", 100)
    monkeypatch.setattr(candidates_module, "_PER_CENTER", 40)
    some = pairs(np.arange(1800))
    assert some <= exact
    assert some == pairs(random.permutation(1800))


def test_thumbnails_come_back_as_they_were_written(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    shown = random.randint(0, 256, (5, SIDE, SIDE)).astype(np.uint8)
    write(tmp_path / "1", [shown[0].tobytes(), None, shown[2].tobytes()])
    write(tmp_path / "2", [])
    write(tmp_path / "3", [shown[3].tobytes(), shown[4].tobytes()])
    thumbnails = Thumbnails([tmp_path / name for name in "123"])
    assert len(thumbnails) == 5
    assert (thumbnails.take(np.array([4, 0, 3, 2, 4])) == shown[[4, 0, 3, 2, 4]]).all()
    assert not thumbnails.take(np.array([1])).any()
    with (tmp_path / "3").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BuildError, match="no whole number of thumbnails"):
        Thumbnails([tmp_path / "3"])
