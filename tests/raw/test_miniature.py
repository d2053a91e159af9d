import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from med_mat.errors import ReadError
from med_mat.example import Box
from med_mat.imaging.components import connected_components
from med_mat.raw import Miniature, RawFolder
from med_mat.raw.miniature import Mode

MODES: list[tuple[str, Mode]] = [
    ("png", "L"),
    ("png", "RGB"),
    ("png", "RGBA"),
    ("png", "I;16"),
    ("png", "P"),
    ("png", "1"),
    ("png", "LA"),
    ("jpg", "L"),
    ("jpg", "RGB"),
    ("jpeg", "CMYK"),
    ("bmp", "RGB"),
    ("tif", "L"),
    ("tif", "I;16"),
    ("gif", "P"),
    ("webp", "RGB"),
    ("pgm", "L"),
    ("ppm", "RGB"),
]


def write_all(root: Path) -> None:
    mini = Miniature(root)
    for suffix, mode in MODES:
        mini.image(f"{mode.replace(';', '')}.{suffix}", mode=mode)
    mini.mask("mask.png", mode="P")
    mini.label_map("map.png", values=[1, 2])
    mini.color_map("colors.png", colors=[(255, 0, 0)])
    mini.pages("pages.tif", 3)
    mini.dicom("a/1.dcm", window=(40, 400), slope=1, intercept=-1024)
    mini.dicom("a/2.dcm", compressed=True, photometric="RGB")
    mini.volume("v.nii.gz", (6, 5, 4))
    mini.csv("a.csv", [[1, "x"]], header=["a", "b"])
    mini.text("a.csv.gz", "a\n")
    mini.xlsx("a.xlsx", [["01", 2]], ["a", "b"])
    mini.json("a.json", {"b": 1})
    mini.voc("a.xml", [Box(1, 2, 3, 4, "x")], image="a.png")


def digests(root: Path) -> dict[str, str]:
    return {path: hashlib.sha256((root / path).read_bytes()).hexdigest() for path in RawFolder(root).files}


def test_the_same_calls_give_the_same_bytes(tmp_path: Path) -> None:
    write_all(tmp_path / "one")
    write_all(tmp_path / "two")
    first = digests(tmp_path / "one")
    assert first == digests(tmp_path / "two")
    assert len(set(first.values())) == len(first) == len(MODES) + 12
    with zipfile.ZipFile(tmp_path / "one" / "a.xlsx") as book:
        assert {entry.date_time for entry in book.infolist()} == {(2020, 1, 1, 0, 0, 0)}
        assert book.read("docProps/core.xml").count(b"2020-01-01T00:00:00Z") == 2


@pytest.mark.parametrize(("suffix", "mode"), MODES)
def test_images(tmp_path: Path, suffix: str, mode: Mode) -> None:
    mini = Miniature(tmp_path)
    mini.image(f"a/b c.{suffix}", size=(50, 30), mode=mode)
    mini.image(f"other.{suffix}", size=(50, 30), mode=mode)
    with Image.open(tmp_path / f"a/b c.{suffix}") as image, Image.open(tmp_path / f"other.{suffix}") as other:
        assert image.size == (50, 30)
        assert image.mode == mode
        values = np.asarray(image.convert("RGB") if mode in ("P", "CMYK") else image).astype(float)
        assert values.std() > 0.02 * values.max()  # there is something to see
        assert image.tobytes() != other.tobytes()


def test_pictures_that_are_the_same_turned_or_misnamed(tmp_path: Path) -> None:
    mini = Miniature(tmp_path)
    mini.image("a.png", seed="x")
    mini.image("copy.png", seed="x")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "copy.png").read_bytes()
    mini.image("turned.jpg", orientation=6)
    with Image.open(tmp_path / "turned.jpg") as image:
        assert image.getexif()[0x0112] == 6
    mini.image("png.jpg", format="PNG")
    mini.image("bmp.jpg", format="BMP")
    assert (tmp_path / "png.jpg").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "bmp.jpg").read_bytes().startswith(b"BM")
    with pytest.raises(ReadError, match="format="):
        mini.image("a.unknown")


@given(st.integers(8, 60), st.integers(8, 60), st.sampled_from(["ellipse", "rectangle", "ring"]), st.text("abc/"))
def test_masks_fill_their_box(scratch: Path, width: int, height: int, shape: str, seed: str) -> None:
    mini = Miniature(scratch)
    mini.mask("m.png", size=(width, height), shape=shape, value=7, background=2, seed=seed or "x")  # type: ignore[arg-type]
    with Image.open(mini.root / "m.png") as image:
        values = np.asarray(image)
    left, top, right, bottom = mini.box((width, height), seed or "x")
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert set(np.unique(values)) <= {2, 7}
    rows, columns = np.nonzero(values == 7)
    if shape != "rectangle":
        assert left <= columns.min() <= columns.max() < right
        assert top <= rows.min() <= rows.max() < bottom
    else:
        assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (left, top, right, bottom)


def test_other_masks(tmp_path: Path) -> None:
    mini = Miniature(tmp_path)
    mini.mask("empty.png", empty=True)
    mini.mask("one.png", mode="1")
    mini.mask("p.png", mode="P", value=3)
    mini.mask("rgb.png", mode="RGB")
    mini.mask("m.jpg")
    mini.label_map("map.png", values=[1, 3, 200], size=(40, 30))
    mini.label_map("map16.png", values=[1, 3000], mode="I;16")
    mini.color_map("colors.png", colors=[(255, 0, 0), (0, 9, 0)], background=(1, 1, 1))
    mini.pages("pages.tif", 4, empty=[False, True])

    def values(name: str) -> set[int]:
        with Image.open(tmp_path / name) as image:
            return {int(value) for value in np.unique(np.asarray(image))}

    assert values("empty.png") == {0}
    assert values("one.png") == {0, 1}
    assert values("p.png") == {0, 3}
    assert values("rgb.png") == {0, 255}
    assert max(values("m.jpg")) > 240
    assert values("map.png") == {0, 1, 3, 200}
    assert values("map16.png") == {0, 1, 3000}
    with Image.open(tmp_path / "colors.png") as image:
        assert {color for _, color in image.getcolors() or ()} == {(255, 0, 0), (0, 9, 0), (1, 1, 1)}
    with Image.open(tmp_path / "pages.tif") as image:
        filled = []
        for page in range(image.n_frames):
            image.seek(page)
            filled.append(image.getextrema() == (0, 255))
    assert filled == [True, False, True, True]


@given(
    st.integers(4, 40), st.integers(4, 40), st.sampled_from(["rows", "columns"]), st.booleans(), st.sampled_from([0, 1])
)
def test_rle_decodes_to_the_mask(
    scratch: Path, width: int, height: int, order: str, relative: bool, first: int
) -> None:
    mini = Miniature(scratch)
    text = mini.rle((width, height), seed="s", order=order, relative=relative, first=first)  # type: ignore[arg-type]
    flat = np.zeros(width * height, np.uint8)
    position = 0
    numbers = list(map(int, text.split()))
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        begin = position + start if relative else start - first
        assert flat[begin : begin + length].sum() == 0
        flat[begin : begin + length] = 255
        position = begin + length
    mini.mask("rle.png", size=(width, height), seed="s")
    with Image.open(mini.root / "rle.png") as image:
        drawn = flat.reshape((height, width) if order == "rows" else (width, height))
        assert (np.asarray(image) == (drawn if order == "rows" else drawn.T)).all()


def test_dicom(tmp_path: Path) -> None:
    mini = Miniature(tmp_path)
    mini.dicom("1.dcm", bits=16, photometric="MONOCHROME1", series="s", instance=1, patient="p", size=(7, 5))
    mini.dicom("2.dcm", bits=8, series="s", instance=2, patient="p", size=(7, 5))
    mini.dicom("3.dcm", frames=3, compressed=True)
    mini.dicom("4.dcm", photometric="RGB", frames=2)
    mini.dicom("ct.dcm", modality="CT", pixels=np.array([[-5, 6], [7, 8]], np.int16), bits=16, window=(-600, 1500.5))
    one, two, three, four, ct = (pydicom.dcmread(tmp_path / f"{name}.dcm") for name in ("1", "2", "3", "4", "ct"))
    assert one.SeriesInstanceUID == two.SeriesInstanceUID != three.SeriesInstanceUID
    assert one.StudyInstanceUID == two.StudyInstanceUID
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert one.pixel_array.dtype == np.uint16
    assert two.pixel_array.shape == (5, 7)  # an odd number of bytes is padded
    assert three.file_meta.TransferSyntaxUID.is_compressed
    assert three.pixel_array.shape == (3, 80, 96)
    assert four.pixel_array.shape == (2, 80, 96, 3)
    assert (ct.pixel_array == [[-5, 6], [7, 8]]).all()
    assert (ct.WindowCenter, ct.WindowWidth) == (-600, 1500.5)


def test_volumes(tmp_path: Path) -> None:
    import nibabel

    mini = Miniature(tmp_path)
    mini.volume("v.nii.gz", (9, 8, 7))
    mini.volume("l.nii", (5, 4, 3, 2), labels=True, values=(1, 2, 5), axes="LPS")
    volume, labels = (np.asarray(nibabel.load(tmp_path / name).dataobj) for name in ("v.nii.gz", "l.nii"))  # type: ignore[attr-defined]
    assert volume.min() < -900 < 0 < volume.max()
    assert set(np.unique(labels)) == {0, 1, 2, 5}
    assert labels.shape == (5, 4, 3, 2)


def test_tables_are_written_as_asked(tmp_path: Path) -> None:
    mini = Miniature(tmp_path)
    mini.csv("a.csv", [["a,b", 1]], header="x, [y,z],,", newline="\r\n", bom=True)
    assert (tmp_path / "a.csv").read_bytes() == b'\xef\xbb\xbfx, [y,z],,\r\n"a,b",1\r\n'
    mini.csv("b.csv", [["ü"]], header=None, encoding="latin-1")
    assert (tmp_path / "b.csv").read_bytes() == b"\xfc\n"


def test_corrupt_cuts(tmp_path: Path) -> None:
    mini = Miniature(tmp_path)
    mini.image("a.png")
    before = (tmp_path / "a.png").read_bytes()
    mini.corrupt("a.png", keep=0.5)
    assert (tmp_path / "a.png").read_bytes() == before[: len(before) // 2]


@pytest.mark.parametrize("path", ["../a.txt", "/a.txt", "a/../../b.txt", "", "."])
def test_a_miniature_stays_in_its_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(ReadError, match="stay inside it"):
        Miniature(tmp_path / "m").text(path, "x")
    assert not list(tmp_path.iterdir())


def test_dicom_mask(tmp_path: Path) -> None:
    mini = Miniature(tmp_path)
    mini.dicom_mask("1.dicom", size=(20, 10), value=7, patient="p", instance=3)
    mini.dicom_mask("2.dicom", size=(20, 10), empty=True)
    one, two = (pydicom.dcmread(tmp_path / f"{number}.dicom") for number in (1, 2))
    left, top, right, bottom = mini.box((20, 10), "1.dicom")
    rows, columns = np.nonzero(one.pixel_array == 7)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (left, top, right, bottom)
    assert set(np.unique(one.pixel_array)) == {0, 7}
    assert (one.PatientID, one.InstanceNumber) == ("p", 3)
    assert not two.pixel_array.any()


@pytest.mark.parametrize("seed", [f"seed {number}" for number in range(20)])
def test_a_speck_lies_apart_from_the_shape(seed: str, tmp_path: Path) -> None:
    mini = Miniature(tmp_path)
    mini.mask("plain.png", seed=seed)
    mini.mask("stray.png", seed=seed, speck=True)
    with Image.open(tmp_path / "plain.png") as plain, Image.open(tmp_path / "stray.png") as stray:
        shape, both = np.asarray(plain) > 0, np.asarray(stray) > 0
    assert both[shape].all()
    assert (both & ~shape).sum() == 4
    assert sorted(component.size for component in connected_components(both)) == [4, shape.sum()]
