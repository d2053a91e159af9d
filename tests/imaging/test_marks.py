"""What a mask marks is read, or refused with the reason: a file with marks is never taken for an empty one."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from med_mat.errors import ReadError
from med_mat.example import BinaryMask, ColorMap, LabelMap, Mask
from med_mat.imaging import marks
from med_mat.imaging.annotations import Annotations, render
from med_mat.imaging.decoding import FileCache, Stored
from med_mat.imaging.hashing import Look

WIDTH, HEIGHT = 96, 64
SHAPE = np.zeros((HEIGHT, WIDTH), np.bool_)
SHAPE[16:40, 24:72] = True


def stored() -> Stored:
    return Stored(b"", "PNG", WIDTH, HEIGHT, "none", "", *Look(), WIDTH, HEIGHT)


def saved(root: Path, picture: Image.Image, name: str = "m.png", **options: object) -> PurePosixPath:
    picture.save(root / name, **options)
    return PurePosixPath(name)


def grey(mark: int, background: int = 0) -> Image.Image:
    return Image.fromarray(np.where(SHAPE, mark, background).astype(np.uint8))


def colored(mark: tuple[int, ...], background: tuple[int, ...] = (0, 0, 0)) -> Image.Image:
    return Image.fromarray(np.where(SHAPE[..., None], mark, background).astype(np.uint8))


def palette(*colors: tuple[int, int, int], transparent: int | None = None) -> Image.Image:
    picture = Image.fromarray(SHAPE.astype(np.uint8), "P")
    picture.putpalette([channel for color in colors for channel in color])
    if transparent is not None:
        picture.info["transparency"] = transparent
    return picture


def rendered(root: Path, mask: Mask) -> tuple[NDArray[np.bool_], Annotations]:
    result = render(root, [mask], stored(), FileCache())
    assert result.png is not None
    return np.asarray(Image.open(io.BytesIO(result.png))) > 0, result


USUAL = {
    "white": grey(255),
    "light": grey(200, 10),
    "colours of white": colored((255, 255, 255)),
    "opaque": colored((255, 255, 255, 255), (0, 0, 0, 255)),
    "grey and opaque": colored((255, 255), (0, 255)),
    "one bit": Image.fromarray(SHAPE),
    "palette of grey": palette((0, 0, 0), (255, 255, 255)),
    "16 bit": Image.fromarray(np.where(SHAPE, 65535, 0).astype(np.uint16)),
}
UNUSUAL = {
    "0 and 1": (grey(1), marks.TWO_VALUES),
    "0 and the threshold": (grey(127), marks.TWO_VALUES),
    "1 and 2": (grey(2, 1), marks.TWO_VALUES),
    "128 and 255": (grey(255, 128), marks.TWO_VALUES),
    "dim red": (colored((90, 0, 0)), marks.COLOR),
    "red": (colored((255, 0, 0)), marks.COLOR),
    "blue": (colored((0, 0, 255)), marks.COLOR),
    "red on blue": (colored((255, 0, 0), (0, 0, 255)), marks.COLOR),
    "alpha": (colored((0, 0, 0, 255), (0, 0, 0, 0)), marks.ALPHA),
    "alpha of white": (colored((255, 255, 255, 255), (255, 255, 255, 0)), marks.ALPHA),
    "grey with alpha": (colored((0, 255), (0, 0)), marks.ALPHA),
    "red with alpha": (colored((255, 0, 0, 255), (0, 0, 0, 0)), marks.COLOR),
    "palette of a colour": (palette((0, 0, 0), (128, 0, 0)), marks.COLOR),
    "palette of black": (palette((0, 0, 0), (0, 0, 0)), marks.TWO_VALUES),
    "16 bit, 0 and 1": (Image.fromarray(SHAPE.astype(np.uint16)), marks.TWO_VALUES),
    "soft": (grey(100).resize((WIDTH // 2, HEIGHT // 2)).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR), marks.DIM),
}


@pytest.mark.parametrize("form", USUAL)
def test_the_usual_masks_are_read_without_a_note(form: str, tmp_path: Path) -> None:
    marked, result = rendered(tmp_path, BinaryMask(saved(tmp_path, USUAL[form]), "a", threshold=127))
    np.testing.assert_array_equal(marked, SHAPE)
    assert result.notes == ()


@pytest.mark.parametrize("form", UNUSUAL)
def test_a_mask_whose_marks_are_not_white_is_read_by_its_marks_and_noted(form: str, tmp_path: Path) -> None:
    picture, note = UNUSUAL[form]
    marked, result = rendered(tmp_path, BinaryMask(saved(tmp_path, picture), "a", threshold=127))
    if form == "soft":
        assert np.mean(marked == SHAPE) > 0.98
    else:
        np.testing.assert_array_equal(marked, SHAPE)
    assert note in result.notes


@pytest.mark.parametrize("mark", [(1,), (60,), (127, 0, 0), (0, 0, 0, 255)])
def test_where_the_dark_is_marked_two_values_are_read_so_too(mark: tuple[int, ...], tmp_path: Path) -> None:
    background = (0,) * len(mark)
    picture = colored(background, mark) if len(mark) > 1 else grey(0, *mark)
    found, _ = rendered(tmp_path, BinaryMask(saved(tmp_path, picture), "a", threshold=127, inverted=True))
    np.testing.assert_array_equal(found, SHAPE)


@pytest.mark.parametrize("level", [100, 120, 127, 130, 140, 255])
@pytest.mark.parametrize("quality", [75, 95])
def test_marks_in_jpeg_at_any_level_keep_their_shape(level: int, quality: int, tmp_path: Path) -> None:
    mask = BinaryMask(saved(tmp_path, grey(level), "m.jpg", quality=quality), "a", threshold=127)
    marked, result = rendered(tmp_path, mask)
    assert np.mean(marked == SHAPE) > 0.98
    assert bool(result.notes) or level > 127
    assert not result.notes or level < 255


@pytest.mark.parametrize(
    ("picture", "name", "reason"),
    [
        (grey(70, 35).resize((8, 8)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), "m.png", "do not part"),
        (grey(7), "m.png", "all its pixels are 7"),
        (grey(5), "m.jpg", "too faint"),
        (Image.fromarray(np.repeat(np.arange(HEIGHT), WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)), "m.png", "part"),
        (Image.fromarray((np.indices((HEIGHT, WIDTH)).sum(axis=0) % 2 + 1).astype(np.uint8)), "m.png", "both reach"),
        (colored((0, 0, 0, 255), (255, 255, 255, 0)), "m.png", "transparency hides"),
    ],
)
def test_marks_that_can_be_read_in_several_ways_are_refused(
    picture: Image.Image, name: str, reason: str, tmp_path: Path
) -> None:
    if reason.startswith("all"):
        picture = Image.new("L", (WIDTH, HEIGHT), 7)
    with pytest.raises(ReadError, match=rf"^{name}: .*{reason}") as caught:
        rendered(tmp_path, BinaryMask(saved(tmp_path, picture, name), "a", threshold=127))
    assert "\n" not in str(caught.value)


def test_several_colours_are_not_one_mark(tmp_path: Path) -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[5:20, 5:20], picture[30:50, 30:50] = (255, 0, 0), (0, 255, 0)
    with pytest.raises(ReadError, match="several colors"):
        rendered(tmp_path, BinaryMask(saved(tmp_path, Image.fromarray(picture)), "a", threshold=127))


@pytest.mark.parametrize("name", ["m.png", "m.jpg", "m.bmp"])
def test_black_is_nothing_there(name: str, tmp_path: Path) -> None:
    for mode in ("L", "RGB"):
        path = saved(tmp_path, Image.new(mode, (WIDTH, HEIGHT)), name)
        marked, result = rendered(tmp_path, BinaryMask(path, "a", threshold=127))
        assert not marked.any()
        assert result.notes == ()


def test_a_mark_over_most_of_the_image_and_its_border_is_noted(tmp_path: Path) -> None:
    _, result = rendered(tmp_path, BinaryMask(saved(tmp_path, grey(0, 255)), "a", threshold=127))
    assert result.notes == (marks.INVERTED,)
    _, result = rendered(tmp_path, BinaryMask(saved(tmp_path, grey(0, 255)), "a", threshold=127, inverted=True))
    assert result.notes == ()


def test_numbers_that_no_label_has_are_noted_beside_others_and_refused_alone(tmp_path: Path) -> None:
    numbers = np.where(SHAPE, 3, 0).astype(np.uint8)
    numbers[50:, 80:] = 1
    path = saved(tmp_path, Image.fromarray(numbers), "both.png")
    marked, result = rendered(tmp_path, LabelMap(path, {3: "a"}))
    np.testing.assert_array_equal(marked, SHAPE)
    assert result.notes == (marks.STRAY,)
    with pytest.raises(ReadError, match=r"both\.png: holds the values 1, where 3, 0 are expected"):
        rendered(tmp_path, LabelMap(path, {3: "a"}, others=(0,)))
    assert rendered(tmp_path, LabelMap(path, {3: "a"}, others=(0, 1)))[1].notes == ()
    for picture in (grey(1), grey(85), Image.new("L", (WIDTH, HEIGHT), 9)):
        with pytest.raises(ReadError, match="another code"):
            rendered(tmp_path, LabelMap(saved(tmp_path, picture), {3: "a", 4: "b"}))
    assert not rendered(tmp_path, LabelMap(saved(tmp_path, grey(0)), {3: "a"}))[0].any()


def test_colours_that_no_label_has_are_noted_beside_others_and_refused_alone(tmp_path: Path) -> None:
    mask = ColorMap(PurePosixPath("m.png"), {(255, 0, 0): "a"}, tolerance=40, others=((0, 170, 0),))
    for mark, notes in (((255, 0, 0), ()), ((240, 9, 30), ())):
        saved(tmp_path, colored(mark))
        marked, result = rendered(tmp_path, mask)
        np.testing.assert_array_equal(marked, SHAPE)
        assert result.notes == notes
    saved(tmp_path, colored((255, 0, 0), (90, 90, 200)))
    assert rendered(tmp_path, mask)[1].notes == (marks.STRAY,)
    for background, shown in (
        ((0, 0, 0), (0, 170, 0)),
        ((0, 0, 0), (0, 0, 0)),
    ):  # other things of the table, or nothing
        saved(tmp_path, colored(shown, background))
        marked, result = rendered(tmp_path, mask)
        assert not marked.any()
        assert result.notes == ()
    for picture in (
        colored((0, 0, 255)),
        grey(3),
        colored((9, 9, 9), (90, 90, 90)),
        Image.new("RGB", (96, 64), "blue"),
    ):
        saved(tmp_path, picture)
        with pytest.raises(ReadError, match="another code"):
            rendered(tmp_path, mask)


@given(
    low=st.integers(0, 255),
    high=st.integers(0, 255),
    threshold=st.sampled_from([0, 100, 127]),
    inverted=st.booleans(),
    place=st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20), st.integers(1, 20)),
)
def test_two_values_are_read_as_they_part_or_refused_and_never_called_empty(
    low: int, high: int, threshold: int, inverted: bool, place: tuple[int, int, int, int]
) -> None:
    left, top, width, height = place
    shape = np.zeros((44, 44), np.bool_)
    shape[top : top + height, left : left + width] = True
    picture = np.where(shape, high, low).astype(np.uint8)
    mask = BinaryMask(PurePosixPath("m.png"), "a", threshold=threshold, inverted=inverted)
    try:
        found = marks.binary(picture, mask, "m.png", lambda: False)
    except ReadError:
        assert low == high  # of one value nobody can say what it is
        return
    if low != high:
        assert found.marked.any()
        assert not found.marked.all()
        assert np.array_equal(found.marked, shape) or np.array_equal(found.marked, ~shape)
