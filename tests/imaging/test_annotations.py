"""Masks to label maps and boxes; boxes to the displayed image."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from med_mat.errors import ReadError
from med_mat.example import RLE, BinaryMask, Box, ColorMap, Frame, LabelMap, Mask, Polygon, Slice
from med_mat.imaging.annotations import (
    CLIPPED,
    FALLEN_BOXES,
    NOTHING,
    Annotations,
    PlacedBoxes,
    place,
    render,
)
from med_mat.imaging.decoding import FileCache, Stored, read
from med_mat.imaging.hashing import Look

WIDTH, HEIGHT = 12, 8


def image(width: int = WIDTH, height: int = HEIGHT, orientation: int = 1) -> Stored:
    shown = (width, height) if orientation < 5 else (height, width)
    return Stored(b"", "PNG", *shown, "none", "", *Look(), width, height, orientation)


def save(root: Path, name: str, grid: np.ndarray, **options: object) -> PurePosixPath:
    (root / name).parent.mkdir(exist_ok=True)
    Image.fromarray(grid).save(root / name, **options)
    return PurePosixPath(name)


def drawn(masks: list[Mask], root: Path = Path(), stored: Stored | None = None) -> tuple[np.ndarray, Annotations]:
    result = render(root, masks, stored or image(), FileCache())
    assert result.png is not None
    return np.asarray(Image.open(io.BytesIO(result.png))), result


def rectangle(left: int, top: int, right: int, bottom: int, value: int = 255) -> np.ndarray:
    grid = np.zeros((HEIGHT, WIDTH), np.uint8)
    grid[top:bottom, left:right] = value
    return grid


def test_overlaps_are_kept_as_sets_of_labels(tmp_path: Path) -> None:
    masks: list[Mask] = [
        BinaryMask(save(tmp_path, "b.png", rectangle(4, 2, 9, 6)), "b"),
        BinaryMask(save(tmp_path, "a.png", rectangle(1, 1, 6, 4)), "a"),
        BinaryMask(save(tmp_path, "b2.png", rectangle(10, 0, 12, 1)), "b"),
    ]
    grid, result = drawn(masks, tmp_path)
    assert result.legend == ((1, ("b",)), (2, ("b", "a")), (3, ("a",)))
    np.testing.assert_array_equal(grid == 2, rectangle(4, 2, 6, 4) > 0)
    assert grid[0, 11] == grid[5, 8] == 1
    assert result.objects == (Box(4, 2, 9, 6, "b"), Box(1, 1, 6, 4, "a"), Box(10, 0, 12, 1, "b"))


def test_none_is_not_annotated_and_nothing_there_is_a_map_of_zeros(tmp_path: Path) -> None:
    assert render(tmp_path, None, image(), FileCache()) == NOTHING
    empty = BinaryMask(save(tmp_path, "e.png", rectangle(0, 0, 0, 0)), "a")
    for masks in ([], [empty], [RLE("-1", "a"), RLE("", "a"), RLE(" \n", "a")]):
        grid, result = drawn(masks, tmp_path)
        assert grid.shape == (HEIGHT, WIDTH)
        assert not grid.any()
        assert (result.legend, result.objects) == ((), ())


def test_binary_masks_of_every_mode(tmp_path: Path) -> None:
    marked = rectangle(3, 2, 7, 5)
    forms = {
        "l.png": marked,
        "one.png": marked > 0,
        "rgb.png": np.dstack([marked] * 3),
        "rgba.png": np.dstack([marked, marked, marked, np.full_like(marked, 255)]),
        "deep.png": marked.astype(np.uint16) * 200,
        "m.bmp": marked,
        "m.tif": marked.astype(np.float32),
    }
    for name, grid in forms.items():
        _, result = drawn([BinaryMask(save(tmp_path, name, grid), "a")], tmp_path)
        assert result.objects == (Box(3, 2, 7, 5, "a"),), name
    large = np.kron(marked, np.ones((8, 8), np.uint8))
    jpeg = BinaryMask(save(tmp_path, "m.jpg", large), "a", threshold=127)
    _, result = drawn([jpeg], tmp_path, image(WIDTH * 8, HEIGHT * 8))
    assert result.objects == (Box(24, 16, 56, 40, "a"),)
    dark = BinaryMask(save(tmp_path, "i.png", 255 - marked), "a", inverted=True)
    assert drawn([dark], tmp_path)[1].objects == (Box(3, 2, 7, 5, "a"),)


def test_label_maps_and_colour_maps(tmp_path: Path) -> None:
    grid = rectangle(0, 0, 3, 3, 5) + rectangle(5, 5, 7, 7, 9) + rectangle(9, 0, 11, 2, 77)
    path = save(tmp_path, "l.png", grid)
    shown, result = drawn([LabelMap(path, {9: "nine", 5: "five", 200: "absent"})], tmp_path)
    assert result.legend == ((1, ("nine",)), (2, ("five",)))
    assert result.objects == (Box(5, 5, 7, 7, "nine"), Box(0, 0, 3, 3, "five"))
    assert shown[0, 10] == 0  # 77 is not among the values
    _, result = drawn([LabelMap(path, {5: "both", 9: "both"})], tmp_path)
    assert result.objects == (Box(0, 0, 7, 7, "both"),)

    colors = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colors[1:3, 1:4] = (250, 3, 0)
    colors[4:6, 5:9] = (0, 0, 255)
    path = save(tmp_path, "c.png", colors)
    _, result = drawn([ColorMap(path, {(255, 0, 0): "red", (0, 0, 255): "blue"}, tolerance=6)], tmp_path)
    assert result.objects == (Box(1, 1, 4, 3, "red"), Box(5, 4, 9, 6, "blue"))
    _, result = drawn([ColorMap(path, {(255, 0, 0): "red", (0, 0, 255): "blue"})], tmp_path)
    assert result.objects == (Box(5, 4, 9, 6, "blue"),)


def test_pages_of_a_tiff(tmp_path: Path) -> None:
    pages = [Image.fromarray(rectangle(n, n, n + 2, n + 3)) for n in range(3)]
    pages[0].save(tmp_path / "m.tif", save_all=True, append_images=pages[1:])
    masks: list[Mask] = [BinaryMask(Frame(PurePosixPath("m.tif"), n), f"page {n}") for n in range(3)]
    assert [box.xmin for box in drawn(masks, tmp_path)[1].objects] == [0, 1, 2]


def test_more_than_255_sets_need_16_bit(tmp_path: Path) -> None:
    grid = np.arange(400, dtype=np.uint16).reshape(20, 20)
    values = {n: f"n{n}" for n in range(1, 400)}
    shown, result = drawn([LabelMap(save(tmp_path, "l.png", grid), values)], tmp_path, image(20, 20))
    assert shown.dtype.itemsize >= 2
    np.testing.assert_array_equal(shown, grid)
    assert result.legend[-1] == (399, ("n399",))
    few = {n: f"n{n}" for n in range(1, 256)}
    shown, _ = drawn([LabelMap(PurePosixPath("l.png"), few)], tmp_path, image(20, 20))
    assert (shown.dtype, shown.max()) == (np.uint8, 255)


def siim_rle(grid: np.ndarray) -> str:
    """The publisher's own encoder (SIIM-ACR mask_functions.py), run over columns."""
    words, last, length, start = [], 0, 0, -1
    flat = grid.T.ravel()
    for at, value in enumerate(flat):
        if value and start < 0:
            start = at
            words.append(str(start - last))
            length = 1
        elif value:
            length += 1
        elif start >= 0:
            words.append(str(length))
            last = at
            start = -1
    if start >= 0:
        words.append(str(length))
    return " ".join(words)


def uw_rle(grid: np.ndarray) -> str:
    """Absolute starts that count from 1, along rows."""
    padded = np.concatenate([[0], grid.ravel() > 0, [0]])
    runs = np.flatnonzero(padded[1:] != padded[:-1]) + 1
    runs[1::2] -= runs[::2]
    return " ".join(map(str, runs))


@settings(max_examples=80)
@given(bits=st.lists(st.booleans(), min_size=WIDTH * HEIGHT, max_size=WIDTH * HEIGHT))
def test_rle_undoes_the_publishers_encoders(bits: list[bool]) -> None:
    grid = np.array(bits).reshape(HEIGHT, WIDTH)
    for mask in (
        RLE(siim_rle(grid), "a", relative=True, order="columns", first=0),
        RLE(uw_rle(grid), "a"),
        RLE(uw_rle(grid), "a", size=(WIDTH, HEIGHT)),
        RLE(uw_rle(grid.T), "a", order="columns"),
    ):
        np.testing.assert_array_equal(drawn([mask])[0] > 0, grid)


def test_rle_as_documented() -> None:
    grid, _ = drawn([RLE("9 2 6 3", "a", relative=True, order="columns", first=0)])
    assert sorted(np.flatnonzero(grid.T.ravel())) == [9, 10, 17, 18, 19]
    grid, _ = drawn([RLE("1 2 13 1", "a")])
    assert sorted(np.flatnonzero(grid)) == [0, 1, 12]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2 3", "pairs"),
        ("90 20", "beyond the 96"),
        ("0 2", "from pixel -1"),
        ("5 -2", "from pixel 4 to 2"),
        ("a b", "whole numbers"),
        ("1.5 2", "whole numbers"),
    ],
)
def test_bad_rle(text: str, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        drawn([RLE(text, "a")])


def test_size_must_fit(tmp_path: Path) -> None:
    path = save(tmp_path, "small.png", np.zeros((4, 5), np.uint8))
    with pytest.raises(ReadError, match=r"small\.png: a mask of 5 x 4 pixels on an image of 12 x 8"):
        drawn([BinaryMask(path, "a")], tmp_path)
    with pytest.raises(ReadError, match="5 x 4"):
        drawn([RLE("1 1", "a", size=(5, 4))])


def test_polygons_fill_the_pixels_whose_centres_they_hold() -> None:
    square = Polygon(((2, 1), (7, 1), (7, 5), (2, 5)), "a")
    grid, result = drawn([square])
    np.testing.assert_array_equal(grid > 0, rectangle(2, 1, 7, 5) > 0)
    assert result.objects == (Box(2, 1, 7, 5, "a"),)
    assert drawn([Polygon(square.points[::-1], "a")])[1] == result
    beyond = Polygon(((-50, -50), (50, -50), (50, 50), (-50, 50)), "a")
    assert (drawn([beyond])[0] == 1).all()
    assert drawn([Polygon((), "a"), Polygon(((1, 1), (2, 2)), "a")])[1].objects == ()


def test_a_circle_has_the_area_of_a_circle() -> None:
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    points = tuple((50 + 40 * float(np.cos(a)), 50 + 40 * float(np.sin(a))) for a in angles)
    grid, _ = drawn([Polygon(points, "a")], stored=image(100, 100))
    assert abs(int((grid > 0).sum()) / (np.pi * 40**2) - 1) < 0.01


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_never_parts_masks_and_boxes_from_pixels(tmp_path: Path, orientation: int) -> None:
    marked = rectangle(2, 1, 5, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path, "photo.jpg", np.dstack([marked] * 3), exif=exif)
    stored = read(tmp_path, PurePosixPath("photo.jpg"), mat=None, cache=FileCache())
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "photo.jpg"))
    assert upright.size == (stored.width, stored.height)
    save(tmp_path, "mask.png", marked)
    masks: list[Mask] = [
        BinaryMask(PurePosixPath("mask.png"), "a"),
        RLE(uw_rle(marked), "a"),
        Polygon(((2, 1), (5, 1), (5, 3), (2, 3)), "a"),
    ]
    expected = Image.fromarray(marked)
    expected.getexif()[0x0112] = orientation
    truth = np.asarray(ImageOps.exif_transpose(expected)) > 0
    for mask in masks:
        grid, result = drawn([mask], tmp_path, stored)
        np.testing.assert_array_equal(grid > 0, truth)
        assert place([Box(2, 1, 5, 3, "a")], stored).boxes == result.objects
        relative = place([Box(2 / 12, 1 / 8, 5 / 12, 3 / 8, "a", relative=True)], stored).boxes
        assert [sides(box) for box in relative] == [pytest.approx(sides(box)) for box in result.objects]
    if orientation >= 5:  # of the displayed size: already upright
        save(tmp_path, "mask.png", truth)
        np.testing.assert_array_equal(drawn([masks[0]], tmp_path, stored)[0] > 0, truth)


def sides(box: Box) -> tuple[float, float, float, float]:
    return box.xmin, box.ymin, box.xmax, box.ymax


def test_boxes_are_clipped_and_what_has_no_place_is_named_by_its_label() -> None:
    placed = place(
        [
            Box(-3, 2, 5, 20, "over the edge"),
            Box(1, 1, 2, 2, "inside"),
            Box(30, 1, 40, 2, "outside"),
            Box(3, 3, 3.0005, 6, "thin"),
            Box(float("nan"), 0, 1, 1, "broken"),
            Box(6, 5, 4, 3, "reversed"),
            Box.centered(0.5, 0.5, 1, 0.5, "relative"),
        ],
        image(),
    )
    assert placed.boxes == (
        Box(0, 2, 5, 8, "over the edge"),
        Box(1, 1, 2, 2, "inside"),
        Box(4, 3, 6, 5, "reversed"),
        Box(0, 2, 12, 6, "relative"),
    )
    assert placed.fallen == ("outside", "thin", "broken")
    assert placed.notes == (CLIPPED, FALLEN_BOXES)
    assert place((), image()) == PlacedBoxes(())


def test_slices_of_an_image_and_of_its_labels_lie_alike(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    labels = np.zeros((6, 7, 5), np.uint8)
    labels[1, 5, 2] = 3
    picture = labels * 80
    for name, data in (("image.nii.gz", picture), ("labels.nii.gz", labels)):
        nibabel.save(nibabel.Nifti1Image(data, np.diag([-1, 1, 1, 1])), tmp_path / name)
    cache = FileCache()
    stored = read(tmp_path, Slice(PurePosixPath("image.nii.gz"), 2), mat=None, cache=cache)
    result = render(tmp_path, [LabelMap(Slice(PurePosixPath("labels.nii.gz"), 2), {3: "a"})], stored, cache)
    assert result.png is not None
    shown, grid = (np.asarray(Image.open(io.BytesIO(data))) for data in (stored.data, result.png))
    np.testing.assert_array_equal(shown > 0, grid > 0)
    assert grid.sum() == 1


def test_real_instance_masks() -> None:
    spec = importlib.util.find_spec("stardist")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package stardist, which holds real instance masks, is not installed")
    root = Path(spec.submodule_search_locations[0]) / "data" / "images"
    cache = FileCache()
    stored = read(root, PurePosixPath("img2d.tif"), mat=None, cache=cache)
    assert stored.transform.startswith("TIFF to PNG; 16 bit, percentiles")
    nuclei = LabelMap(PurePosixPath("mask2d.tif"), {n: f"nucleus {n}" for n in range(1, 200)})
    result = render(root, [nuclei], stored, cache)
    assert len(result.objects) == len(result.legend) == 125
    assert result.png is not None
    with Image.open(root / "mask2d.tif") as truth:
        raw = np.asarray(truth)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(result.png))) > 0, raw > 0)
    for box in result.objects[:5]:
        rows, columns = np.nonzero(raw == int(box.label.split()[1]))
        assert (box.xmin, box.ymin, box.xmax, box.ymax) == (
            columns.min(),
            rows.min(),
            columns.max() + 1,
            rows.max() + 1,
        )


def test_a_box_for_each_piece(tmp_path: Path) -> None:
    grid = rectangle(1, 1, 4, 3) | rectangle(6, 2, 11, 7)
    grid[0, 11] = 255
    path = save(tmp_path, "m.png", grid)
    shown, result = drawn([BinaryMask(path, "a", min_component_size=3)], tmp_path)
    assert result.objects == (Box(1, 1, 4, 3, "a"), Box(6, 2, 11, 7, "a"))
    assert shown[0, 11] == 1  # the mask itself is as published
    _, whole = drawn([BinaryMask(path, "a")], tmp_path)
    assert whole.objects == (Box(1, 0, 12, 7, "a"),)
