"""DICOM files, real ones first: those inside pydicom and pydicom-data."""

from __future__ import annotations

import importlib.util
import io
import warnings
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from dicoms import made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from med_mat.errors import ReadError
from med_mat.example import BinaryMask, Frame
from med_mat.imaging import dicom
from med_mat.imaging.decoding import FileCache, Stored, read, values
from med_mat.selection import MAT

pydicom = pytest.importorskip("pydicom")

from pydicom.dataset import Dataset  # noqa: E402
from pydicom.uid import (  # noqa: E402
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

#: Truncated or malformed on purpose: each must give a sentence.
HOPELESS = {
    "JPEG-lossy.dcm",
    "JPEG2000-embedded-sequence-delimiter.dcm",
    "MR_truncated.dcm",
    "badVR.dcm",
    "emri_small_jpeg_2k_lossless_too_short.dcm",
    "meta_missing_tsyntax.dcm",
    "nested_priv_SQ.dcm",
}
PLUGINS = all(importlib.util.find_spec(name) for name in ("libjpeg", "openjpeg", "rle"))
needs_plugins = pytest.mark.skipif(not PLUGINS, reason="pip install 'med-mat[dicom]' brings the decoders")


def folders() -> list[Path]:
    found = []
    for name, below in (("pydicom", "data"), ("data_store", "."), ("nibabel", "nicom/tests/data")):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            found.append(Path(spec.submodule_search_locations[0]) / below)
    return found


@cache
def real() -> dict[str, Path]:
    return {path.name: path for folder in folders() for path in sorted(folder.rglob("*.dcm"))}


def path_of(name: str) -> Path:
    if name not in real():
        pytest.skip(f"{name} is not here: pip install pydicom-data brings it")
    return real()[name]


def shown(name: str, mat: str | None = None, frame: int | None = None) -> tuple[np.ndarray, Stored]:
    path = path_of(name)
    pixels = PurePosixPath(path.name) if frame is None else Frame(PurePosixPath(path.name), frame)
    stored = read(path.parent, pixels, mat=MAT.parse(mat) if mat else None, cache=FileCache())
    return np.asarray(Image.open(io.BytesIO(stored.data))), stored


def stored_of(root: Path, data: bytes, mat: str | None = None, name: str = "a.dcm") -> tuple[np.ndarray, str]:
    (root / name).write_bytes(data)
    stored = read(root, PurePosixPath(name), mat=MAT.parse(mat) if mat else None, cache=FileCache())
    return np.asarray(Image.open(io.BytesIO(stored.data))), stored.transform


@needs_plugins
def test_every_real_file_is_an_image_or_one_sentence() -> None:
    images, refused = 0, {}
    for folder in folders():
        for path in sorted(folder.rglob("*.dcm")):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    stored = read(
                        folder, PurePosixPath(path.relative_to(folder).as_posix()), mat=None, cache=FileCache()
                    )
            except ReadError as error:
                refused[path.name] = str(error)
            else:
                images += 1
                assert Image.open(io.BytesIO(stored.data)).mode in ("L", "RGB")
                assert stored.transform.startswith("DICOM to PNG")
    assert images >= 60
    assert set(refused) >= HOPELESS & set(real())
    for name, sentence in refused.items():
        assert name in sentence
        assert "\n" not in sentence
        assert name in HOPELESS or "has no pixels" in sentence or "DICOMDIR" in sentence


TWINS = [
    ("RG1_UNCR.dcm", "RG1_J2KR.dcm"),
    ("RG3_UNCR.dcm", "RG3_J2KR.dcm"),
    ("693_UNCR.dcm", "693_J2KR.dcm"),
    ("MR2_UNCR.dcm", "MR2_J2KR.dcm"),
    ("US1_UNCR.dcm", "US1_J2KR.dcm"),
    ("MR_small.dcm", "MR_small_RLE.dcm"),
    ("MR_small.dcm", "MR_small_jp2klossless.dcm"),
    ("MR_small.dcm", "MR_small_jpeg_ls_lossless.dcm"),
    ("MR_small.dcm", "MR_small_bigendian.dcm"),
    ("MR_small.dcm", "MR_small_implicit.dcm"),
    ("OBXXXX1A.dcm", "OBXXXX1A_rle.dcm"),
    ("OBXXXX1A.dcm", "OBXXXX1A_expb.dcm"),
    ("emri_small.dcm", "emri_small_jpeg_ls_lossless.dcm"),
    ("emri_small.dcm", "emri_small_big_endian.dcm"),
    ("SC_rgb_16bit.dcm", "SC_rgb_rle_16bit.dcm"),
    ("SC_rgb_32bit.dcm", "SC_rgb_rle_32bit.dcm"),
    ("SC_rgb.dcm", "SC_rgb_expb.dcm"),
]


@needs_plugins
@pytest.mark.parametrize(("plain", "twin"), TWINS)
def test_compressed_twins_are_equal(plain: str, twin: str) -> None:
    one, other = shown(plain)[1], shown(twin)[1]
    assert one.data == other.data
    assert one.pixel_hash == other.pixel_hash


def test_monochrome1_is_inverted() -> None:
    picture, stored = shown("RG3_UNCR.dcm")
    raw = pydicom.dcmread(path_of("RG3_UNCR.dcm")).pixel_array
    assert "MONOCHROME1 inverted" in stored.transform
    assert np.corrcoef(raw.ravel()[::97], picture.ravel()[::97])[0, 1] < -0.9
    assert picture[raw == raw.max()].max() < 10 < 245 < picture[raw == raw.min()].min()


def test_windows_match_pydicom() -> None:
    for name in ("MR_small.dcm", "693_UNCR.dcm", "MR2_UNCR.dcm", "examples_overlay.dcm"):
        picture, stored = shown(name)
        dataset = pydicom.dcmread(path_of(name))
        real_values = pydicom.pixels.apply_modality_lut(dataset.pixel_array, dataset)
        expected = pydicom.pixels.apply_windowing(real_values, dataset).astype(float)
        top, bottom = expected.max(), expected.min()
        used = picture[expected == top].max() - picture[expected == bottom].min()
        scaled = (expected - bottom) / (top - bottom) * used + picture[expected == bottom].min()
        assert "window of the file" in stored.transform
        assert np.abs(scaled - picture).max() <= 1


@pytest.mark.parametrize(
    ("mat", "note", "black", "white"),
    [
        ("CT/Lung/Cancer", "window -600/1500", -1350, 150),
        ("CT/Brain/Cancer", "window 40/80", 0, 80),
        ("CT/Kidney/Cancer", "window 40/400", -160, 240),
        ("CT/Liver/Organ Detection", "window 40/400", -160, 240),
        ("CT/Chest/Diseases", "window 40/400", -160, 240),
    ],
)
def test_hounsfield_units_get_the_window_of_the_area(
    tmp_path: Path, mat: str, note: str, black: int, white: int
) -> None:
    grid = np.linspace(0, 3000, 900).astype(np.uint16).reshape(30, 30)
    data = made(grid, bits=12, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=500, WindowWidth=2000)
    picture, transform = stored_of(tmp_path, data, mat)
    assert transform == f"DICOM to PNG; {note}"
    units = grid.astype(int) - 1024
    assert (picture[units <= black] == 0).all()
    assert (picture[units >= white] == 255).all()
    assert stored_of(tmp_path, data, "MRI/Brain/Cancer")[1] == "DICOM to PNG; window of the file 500/2000"
    assert stored_of(tmp_path, data)[1] == "DICOM to PNG; window of the file 500/2000"


def test_ct_in_other_units_falls_back(tmp_path: Path) -> None:
    grid = np.linspace(0, 2000, 900).astype(np.uint16).reshape(30, 30)
    plain = made(grid, bits=12, RescaleSlope=1, RescaleIntercept=0)
    assert "percentiles 0.5 to 99.5" in stored_of(tmp_path, plain, "CT/Brain/Cancer")[1]
    sane = made(grid, bits=12, RescaleSlope=1, RescaleIntercept=0, WindowCenter=1064, WindowWidth=300)
    assert "window of the file 1064/300" in stored_of(tmp_path, sane, "CT/Brain/Cancer")[1]
    # a window in Hounsfield units over values that are none would leave black and white only
    halves = np.where(grid > 1000, 1400, 0).astype(np.uint16) + grid // 100
    useless = made(halves, bits=12, RescaleSlope=1, RescaleIntercept=0, WindowCenter=100, WindowWidth=80)
    picture, transform = stored_of(tmp_path, useless, "CT/Brain/Cancer")
    assert "percentiles" in transform
    assert len(np.unique(picture)) > 2


def test_8_bit_is_kept_and_its_window_used(tmp_path: Path) -> None:
    grid = np.arange(30, 130, dtype=np.uint8).reshape(10, 10)
    picture, transform = stored_of(tmp_path, made(grid, bits=8))
    np.testing.assert_array_equal(picture, grid)
    assert transform == "DICOM to PNG"
    picture, transform = stored_of(tmp_path, made(grid, bits=8, WindowCenter=128, WindowWidth=256))
    np.testing.assert_array_equal(picture, grid)
    assert transform == "DICOM to PNG"
    _, transform = stored_of(tmp_path, made(grid, bits=8, WindowCenter=80, WindowWidth=60))
    assert transform == "DICOM to PNG; window of the file 80/60"
    picture, transform = stored_of(tmp_path, made(grid, bits=8, photometric="MONOCHROME1"))
    np.testing.assert_array_equal(picture, 255 - grid)
    assert transform == "DICOM to PNG; MONOCHROME1 inverted"


def test_odd_windows_and_padding(tmp_path: Path) -> None:
    grid = np.arange(1000, 1900, dtype=np.int16).reshape(30, 30)
    for broken in (
        {"WindowCenter": 0, "WindowWidth": 0},
        {"WindowCenter": 40},
        {"WindowWidth": [], "WindowCenter": []},
    ):
        assert "percentiles" in stored_of(tmp_path, made(grid, **broken))[1]
    assert "1400/300" in stored_of(tmp_path, made(grid, WindowCenter=[1400, 2], WindowWidth=[300, 1]))[1]
    for function in ("SIGMOID", "LINEAR_EXACT"):
        data = made(grid, WindowCenter=1400, WindowWidth=300, VOILUTFunction=function)
        picture, transform = stored_of(tmp_path, data)
        assert "window of the file 1400/300" in transform
        assert abs(int(picture[13, 10]) - 128) < 3
    grid[:3] = -2000
    _, transform = stored_of(tmp_path, made(grid, PixelPaddingValue=-2000))
    assert "(1094 to 1895)" in transform


def test_float_rescale_lookup_tables_and_groups(tmp_path: Path) -> None:
    grid = np.arange(100, dtype=np.uint16).reshape(10, 10)
    table = Dataset()
    table.LUTDescriptor = [100, 0, 16]
    table.LUTData = np.arange(0, 65000, 650, dtype=np.uint16).tobytes()
    picture, transform = stored_of(tmp_path, made(grid, VOILUTSequence=[table]))
    assert transform == "DICOM to PNG; lookup table of the file"
    np.testing.assert_array_equal(picture, np.rint(grid * 650 / 65535 * 255))
    group, shared = Dataset(), Dataset()
    group.WindowCenter, group.WindowWidth = 50, 40
    shared.FrameVOILUTSequence = [group]
    assert "50/40" in stored_of(tmp_path, made(grid, SharedFunctionalGroupsSequence=[shared]))[1]
    assert "20/10" in stored_of(
        tmp_path, made(grid, RescaleSlope=0.25, RescaleIntercept=3.5, WindowCenter=20, WindowWidth=10)
    )[1]  # fmt: skip


def test_colour_is_not_touched() -> None:
    picture, stored = shown("SC_rgb_small_odd.dcm")
    np.testing.assert_array_equal(picture, pydicom.dcmread(path_of("SC_rgb_small_odd.dcm")).pixel_array)
    assert stored.transform == "DICOM to PNG"
    picture, _ = shown("examples_palette.dcm")
    assert picture.ndim == 3
    assert shown("OT-PAL-8-face.dcm")[0].shape == (480, 640, 3)  # names no transfer syntax


def test_frames() -> None:
    first, last = shown("examples_ybr_color.dcm", frame=0), shown("examples_ybr_color.dcm", frame=29)
    assert first[0].shape == (240, 320, 3)
    assert (first[1].transform, last[1].transform) == ("DICOM to PNG; frame 0 of 30", "DICOM to PNG; frame 29 of 30")
    assert not np.array_equal(first[0], last[0])
    assert shown("examples_ybr_color.dcm")[1].data == first[1].data
    with pytest.raises(ReadError, match="no frame 30; it has 30"):
        shown("examples_ybr_color.dcm", frame=30)


def test_a_multi_frame_file_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    path = path_of("examples_ybr_color.dcm")
    calls = []
    monkeypatch.setattr(dicom, "open_dataset", lambda *a, was=dicom.open_dataset: calls.append(a) or was(*a))
    held = FileCache()
    for index in range(4):
        read(path.parent, Frame(PurePosixPath(path.name), index), mat=None, cache=held)
    assert len(calls) == 1


def test_segmentations_are_masks() -> None:
    path = path_of("liver_1frame.dcm")
    mask = values(path.parent, BinaryMask(PurePosixPath(path.name), "liver").pixels, FileCache(), want="gray")
    assert set(np.unique(mask)) == {0, 1}
    assert shown("liver_1frame.dcm")[1].transform == "DICOM to PNG; 1 bit to 8 bit"


def test_without_preamble_and_without_syntax(tmp_path: Path) -> None:
    grid = np.arange(100, dtype=np.uint8).reshape(10, 10)
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        whole = made(grid, bits=8, syntax=syntax)
        (tmp_path / "whole.dcm").write_bytes(whole)
        dataset = pydicom.dcmread(tmp_path / "whole.dcm")
        buffer = io.BytesIO()
        implicit = syntax == ImplicitVRLittleEndian
        bare = Dataset({tag: dataset[tag] for tag in dataset.keys()})  # noqa: SIM118
        pydicom.dcmwrite(buffer, bare, implicit_vr=implicit, little_endian=True)
        for data, name in ((whole[132:], "cut.dcm"), (buffer.getvalue(), "bare.dcm"), (buffer.getvalue(), "IM000001")):
            np.testing.assert_array_equal(stored_of(tmp_path, data, name=name)[0], grid)
    assert stored_of(tmp_path, made(grid, bits=8), name="no suffix")[1] == "DICOM to PNG"
    np.testing.assert_array_equal(
        stored_of(tmp_path, made(grid, bits=8, syntax=DeflatedExplicitVRLittleEndian))[0], grid
    )


def test_a_missing_decoder_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels.decoders.base import Decoder

    monkeypatch.setattr(Decoder, "is_available", property(lambda _: False))
    with pytest.raises(ReadError, match=r"compressed as RLE Lossless.*pip install 'med-mat\[dicom\]'"):
        shown("MR_small_RLE.dcm")


def test_what_cannot_be_shown_is_told(tmp_path: Path) -> None:
    grid = np.arange(100, dtype=np.uint8).reshape(10, 10)
    for elements, reason in (
        ({"PhotometricInterpretation": "HSV"}, "'HSV'"),
        ({"PhotometricInterpretation": ""}, "'missing'"),
        ({"Rows": 0}, "no Rows or Columns"),
        ({"Rows": 65535, "Columns": 65535}, "declares 65535 x 65535 pixels, more than the 250 megapixels"),
        ({"Rows": 400}, "declares 4000 bytes of pixels, it holds 100"),
    ):
        with pytest.raises(ReadError, match=reason):
            stored_of(tmp_path, made(grid, bits=8, **elements))
    with pytest.raises(ReadError, match="or none at all"):
        stored_of(tmp_path, b"no DICOM at all, not even nearly one")
    broken = Dataset()
    broken.LUTDescriptor = [100, 0, 16]
    with pytest.raises(ReadError, match="as its header says"):
        stored_of(tmp_path, made(grid, bits=8, ModalityLUTSequence=[broken]))
    with pytest.raises(ReadError, match="12-lead ECG"):
        shown("waveform_ecg.dcm")


def test_a_decoder_that_panics_gives_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import pydicom.pixels.utils

    class Panic(BaseException):
        """As pyo3_runtime.PanicException is: no Exception."""

    def panics(*_: object, **__: object) -> None:
        raise Panic("index out of bounds")

    monkeypatch.setattr(pydicom.pixels.utils, "pixel_array", panics)
    with pytest.raises(ReadError, match=r"frame 0 cannot be decoded \(index out of bounds"):
        shown("MR_small_RLE.dcm")
    monkeypatch.setattr(pydicom.pixels.utils, "pixel_array", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        shown("MR_small_RLE.dcm")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keep=st.floats(0.05, 1),
    flips=st.lists(st.tuples(st.integers(128, 700), st.integers(0, 255)), max_size=5),
    compressed=st.booleans(),
)
def test_damage_gives_an_image_or_one_sentence(
    tmp_path: Path, keep: float, flips: list[tuple[int, int]], compressed: bool
) -> None:
    name = "MR_small_RLE.dcm" if compressed else "CT_small.dcm"
    whole = path_of(name).read_bytes()
    damaged = bytearray(whole[: round(len(whole) * keep)] if keep < 0.8 else whole)
    for at, value in flips:
        damaged[at % len(damaged)] = value
        damaged[len(whole) * 2 // 5 % len(damaged)] = value
    message = "a.dcm: "
    try:
        stored_of(tmp_path, bytes(damaged), "CT/Lung/Cancer")
    except ReadError as error:
        message = str(error)
    assert message.startswith("a.dcm: ")


def test_rle_made_here(tmp_path: Path) -> None:
    grid = np.arange(100, dtype=np.uint8).reshape(10, 10)
    (tmp_path / "plain.dcm").write_bytes(made(grid, bits=8))
    dataset = pydicom.dcmread(tmp_path / "plain.dcm")
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset)
    np.testing.assert_array_equal(stored_of(tmp_path, buffer.getvalue())[0], grid)
