"""NRRD and MetaImage against SimpleITK, which reads them independently; and what headers may not ask for."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import zlib
from itertools import permutations, product
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from med_mat import formats, limits
from med_mat.errors import ReadError
from med_mat.example import Slice
from med_mat.imaging import volumes
from med_mat.imaging.decoding import FileCache, open_file, read, values
from med_mat.mounts.folder import mounted
from med_mat.selection import MAT

sitk = pytest.importorskip("SimpleITK")

RNG = np.random.default_rng(5)
NAMES = ("v.nrrd", "v.nhdr", "v.mha", "v.mhd")
TYPES = (np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64)
LPS = np.diag([-1.0, -1, 1])


def rotation(order: tuple[int, ...], signs: tuple[int, ...], tilt: float = 0.0) -> np.ndarray:
    """Direction cosines: axes in some order, each of them reversed or not, and tilted a little."""
    matrix = np.eye(3)[:, order] * signs
    turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    return turn @ matrix


def write(path: Path, data: np.ndarray, direction: np.ndarray, *, packed: bool = False, color: bool = False) -> Any:
    """A volume (z, y, x) as SimpleITK writes it."""
    image = sitk.GetImageFromArray(data, isVector=color)
    image.SetSpacing((0.5, 0.75, 2.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    image.SetDirection(direction.ravel().tolist())
    sitk.WriteImage(image, str(path), packed)
    return image


def open_volume(root: Path, name: str) -> volumes.Volume:
    found = open_file(root, Slice(PurePosixPath(name), 0), FileCache())
    assert isinstance(found, volumes.Volume)
    return found


def plane(root: Path, name: str, index: int, axis: int = 2) -> np.ndarray:
    return values(root, Slice(PurePosixPath(name), index, axis), FileCache(), want="channels")


def radiological(image: Any, axis: int, index: int) -> np.ndarray:
    """By the definition of Slice, from SimpleITK's own reorientation: x to the left; y, or z, upwards."""
    canonical = sitk.GetArrayFromImage(sitk.DICOMOrient(image, "RAS"))  # (z, y, x): to the right, the front, the head
    ras = np.moveaxis(canonical, (2, 1, 0), (0, 1, 2))
    return np.flip(np.take(ras, index, axis).swapaxes(0, 1), (0, 1))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_voxels_are_those_that_simpleitk_reads(tmp_path: Path, name: str, dtype: type, packed: bool) -> None:
    data = (RNG.integers(0, 100, (4, 5, 6)) - (50 if np.dtype(dtype).kind != "u" else 0)).astype(dtype)
    image = write(tmp_path / name, data, np.eye(3), packed=packed)
    for axis, length in enumerate((6, 5, 4)):
        for index in range(length):
            found = plane(tmp_path, name, index, axis)
            np.testing.assert_array_equal(found, radiological(image, axis, index))
            assert found.dtype == dtype


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(NAMES),
    st.sampled_from(list(permutations(range(3)))),
    st.sampled_from(list(product((-1, 1), repeat=3))),
    st.floats(-0.5, 0.5),
)
def test_geometry_is_that_of_simpleitk(
    tmp_path: Path, name: str, order: tuple[int, ...], signs: tuple[int, ...], tilt: float
) -> None:
    image = write(tmp_path / name, RNG.integers(0, 99, (4, 5, 6)).astype(np.int16), rotation(order, signs, tilt))
    volume = open_volume(tmp_path, name)
    for voxel in ((0, 0, 0), (5, 0, 0), (0, 4, 0), (0, 0, 3), (2, 3, 1)):
        theirs = LPS @ np.array(image.TransformIndexToPhysicalPoint(voxel))
        np.testing.assert_allclose((volume.affine @ [*voxel, 1])[:3], theirs, atol=1e-6)
    assert volume.oriented
    assert volume.zooms == pytest.approx((0.5, 0.75, 2.0))
    for axis in range(3):
        np.testing.assert_array_equal(plane(tmp_path, name, 1, axis), radiological(image, axis, 1))


@pytest.mark.parametrize("name", NAMES)
def test_colors_and_two_dimensions(tmp_path: Path, name: str) -> None:
    color = RNG.integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    image = write(tmp_path / name, color, np.eye(3), color=True)
    np.testing.assert_array_equal(plane(tmp_path, name, 1), radiological(image, 2, 1))
    flat = sitk.GetImageFromArray(color[0, ..., 0])
    sitk.WriteImage(flat, str(tmp_path / name))
    assert open_volume(tmp_path, name).shape == (5, 4, 1)
    assert sorted(plane(tmp_path, name, 0).ravel()) == sorted(color[0, ..., 0].ravel())


@pytest.mark.parametrize("name", NAMES)
def test_a_fourth_axis_counts_volumes(tmp_path: Path, name: str) -> None:
    data = RNG.integers(0, 99, (2, 3, 4, 5)).astype(np.int16)  # t, z, y, x
    sitk.WriteImage(sitk.GetImageFromArray(data, isVector=False), str(tmp_path / name))
    volume = open_volume(tmp_path, name)
    assert (sorted(volume.shape), volume.volumes) == ([3, 4, 5], 2)
    found = values(tmp_path, Slice(PurePosixPath(name), 1, 2, 1), FileCache(), want="channels")
    assert sorted(found.ravel()) == sorted(data[1, 1].ravel())


def test_ct_is_windowed_as_ct_and_spacing_is_recorded(tmp_path: Path) -> None:
    data = np.linspace(-1000, 400, 4 * 5 * 6).reshape(4, 5, 6).astype(np.int16)
    for name in NAMES:
        write(tmp_path / name, data, np.eye(3))
        stored = read(tmp_path, Slice(PurePosixPath(name), 0, 0), mat=MAT.parse("CT/Lung/Cancer"), cache=FileCache())
        assert stored.transform == "volume to PNG; slice 0 of axis 0; radiological orientation; window -600/1500"
        assert stored.spacing == (0.75, 2.0)


# ---------------------------------------------------------------------------------------------------- headers by hand

NRRD = {
    "type": "int16", "dimension": "3", "space": "left-posterior-superior", "sizes": "2 3 4", "endian": "little",
    "space directions": "(1,0,0) (0,1,0) (0,0,1)", "encoding": "raw", "space origin": "(0,0,0)",
}  # fmt: skip
META = {
    "ObjectType": "Image", "NDims": "3", "BinaryData": "True", "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "ElementSpacing": "1 1 1", "DimSize": "2 3 4", "ElementType": "MET_SHORT", "ElementDataFile": "LOCAL",
}  # fmt: skip
VOXELS = np.arange(24, dtype="<i2")
ANY = VOXELS.tobytes()


def nrrd(path: Path, data: bytes = ANY, **fields: str | None) -> None:
    told = {**NRRD, **{key.replace("_", " "): value for key, value in fields.items()}}
    head = "".join(f"{key}: {value}\n" for key, value in told.items() if value is not None)
    path.write_bytes(b"NRRD0005\n# a comment\n" + head.encode() + b"note:=x\n\n" + data)


def meta(path: Path, data: bytes = ANY, **fields: str | None) -> None:
    told = {**META, **fields}
    told["ElementDataFile"] = told.pop("ElementDataFile")  # the last one
    head = "".join(f"{key} = {value}\n" for key, value in told.items() if value is not None)
    path.write_bytes(head.encode() + data)


def refused(root: Path, name: str) -> str:
    with pytest.raises(ReadError) as caught:
        plane(root, name, 0)
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert message.endswith(".")
    assert "\n" not in message
    assert str(root) not in message
    return message


@pytest.mark.parametrize("encoding", ["raw", "gzip", "gz", "bzip2", "bz2"])
@pytest.mark.parametrize("endian", ["little", "big"])
def test_encodings_and_byte_orders_of_nrrd(tmp_path: Path, encoding: str, endian: str) -> None:
    data = VOXELS.astype("<i2" if endian == "little" else ">i2").tobytes()
    packed = {"r": bytes, "g": gzip.compress, "b": bz2.compress}[encoding[0]](data)
    nrrd(tmp_path / "a.nrrd", packed, encoding=encoding, endian=endian)
    image = sitk.GetImageFromArray(VOXELS.reshape(4, 3, 2))
    np.testing.assert_array_equal(plane(tmp_path, "a.nrrd", 2), radiological(image, 2, 2))


def test_axes_of_nrrd_that_are_not_of_space(tmp_path: Path) -> None:
    """A series may come first or last."""
    data = np.arange(2 * 2 * 3 * 4, dtype="<i2")
    nrrd(
        tmp_path / "first.nrrd",
        data.tobytes(),
        dimension="4",
        sizes="2 2 3 4",
        space_directions="none (1,0,0) (0,1,0) (0,0,1)",
        kinds="list domain domain domain",
    )
    nrrd(
        tmp_path / "last.nrrd",
        np.moveaxis(data.reshape((2, 2, 3, 4), order="F"), 0, 3).tobytes("F"),
        dimension="4",
        sizes="2 3 4 2",
        space_directions="(1,0,0) (0,1,0) (0,0,1) none",
    )
    for volume in (0, 1):
        first, last = (
            values(tmp_path, Slice(PurePosixPath(name), 1, 2, volume), FileCache(), want="gray")
            for name in ("first.nrrd", "last.nrrd")
        )
        np.testing.assert_array_equal(first, last)
        assert set(first.ravel() % 2) == {volume}


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("right-anterior-superior", (1, 1, 1)),
        ("RAS", (1, 1, 1)),
        ("LAS", (-1, 1, 1)),
        ("left-posterior-superior", (-1, -1, 1)),
    ],
)
def test_spaces_of_nrrd(tmp_path: Path, space: str, signs: tuple[int, int, int]) -> None:
    nrrd(tmp_path / "a.nrrd", space=space, space_units='"cm" "cm" "cm"', space_origin="(1,2,3)")
    volume = open_volume(tmp_path, "a.nrrd")
    np.testing.assert_array_equal(
        volume.affine,
        np.diag([*(10.0 * sign for sign in signs), 1])
        @ np.array([[1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]),
    )
    assert volume.zooms == (10, 10, 10)


def test_without_a_space_nothing_is_claimed(tmp_path: Path) -> None:
    nrrd(tmp_path / "a.nrrd", space=None, space_directions=None, space_origin=None, spacings="0.5 0.5 2")
    volume = open_volume(tmp_path, "a.nrrd")
    assert (volume.oriented, volume.zooms) == (False, None)
    nrrd(tmp_path / "b.nrrd", space=None, space_directions=None, spacings="0.5 0.5 2", units='"mm" "mm" "mm"')
    assert open_volume(tmp_path, "b.nrrd").zooms == (0.5, 0.5, 2)
    meta(tmp_path / "a.mha", TransformMatrix=None)
    volume = open_volume(tmp_path, "a.mha")
    assert (volume.oriented, volume.zooms) == (False, (1, 1, 1))
    assert plane(tmp_path, "a.mha", 0)[0].tolist() == [0, 1]  # the first row on top, as the file has it


def test_a_data_file_beside_the_header_counts_and_stays_inside(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.raw").write_bytes(ANY)
    (tmp_path / "in" / "v.raw").write_bytes(ANY)
    (tmp_path / "in" / "v.zraw").write_bytes(zlib.compress(ANY))
    nrrd(tmp_path / "in" / "a.nhdr", b"", data_file="v.raw")
    meta(tmp_path / "in" / "a.mhd", b"", ElementDataFile="v.zraw", CompressedData="True")
    np.testing.assert_array_equal(plane(tmp_path, "in/a.nhdr", 2), plane(tmp_path, "in/a.mhd", 2))
    names = ("in/a.nhdr", "in/a.mhd")
    before = [open_volume(tmp_path, name).sha256 for name in names]
    (tmp_path / "in" / "v.raw").write_bytes((VOXELS + 1).tobytes())
    (tmp_path / "in" / "v.zraw").write_bytes(zlib.compress((VOXELS + 1).tobytes()))
    for name, digest in zip(names, before, strict=True):
        assert open_volume(tmp_path, name).sha256 != digest, "the voxels are a part of the raw file"
    for outside in (
        "../secret.raw",
        "..\\secret.raw",
        str(tmp_path / "secret.raw"),
        "C:\\x.raw",
        "in/../../secret.raw",
    ):
        nrrd(tmp_path / "in" / "b.nhdr", b"", data_file=outside)
        meta(tmp_path / "in" / "b.mhd", b"", ElementDataFile=outside)
        for name in ("in/b.nhdr", "in/b.mhd"):
            with pytest.raises(ReadError, match=r"must lie in its own folder"):
                plane(tmp_path, name, 0)
    for named, why in (("gone.raw", "cannot be read"), (".", "no name|cannot be read|regular file")):
        nrrd(tmp_path / "in" / "b.nhdr", b"", data_file=named)
        meta(tmp_path / "in" / "b.mhd", b"", ElementDataFile=named)
        for name in ("in/b.nhdr", "in/b.mhd"):
            with pytest.raises(ReadError, match=why):
                plane(tmp_path, name, 0)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"sizes": "2 3"}, "3 dimensions and 2 sizes"),
        ({"sizes": "2 3 0"}, r"its shape is \(2, 3, 0\)"),
        ({"sizes": "2 3 -4"}, r"its shape is \(2, 3, -4\)"),
        ({"sizes": "2 3 x"}, "NRRD header cannot be used"),
        ({"sizes": "2 3 5"}, "truncated: 48 bytes of voxels where 60 belong"),
        ({"sizes": "2 3 2"}, "declares 24 bytes of voxels, and it holds 48"),
        ({"sizes": "90000 90000 4"}, "megapixels"),
        ({"sizes": "40000 3 99999999999"}, "megapixels|truncated"),
        ({"type": "block"}, "of the type 'block'"),
        ({"type": None}, "lacks the field 'type'"),
        ({"endian": None}, "lacks the field 'endian'"),
        ({"endian": "middle"}, "endian is 'middle'"),
        ({"encoding": "hex"}, "its encoding is 'hex'; raw, gzip and bzip2 are read"),
        ({"encoding": "gzip"}, "cannot be read as NRRD .Not a gzipped file"),
        ({"encoding": "bz2"}, "cannot be read as NRRD"),
        ({"data_file": "LIST"}, "spread over several files"),
        ({"data_file": "v%03d.raw 1 9 1"}, "spread over several files"),
        ({"byte_skip": "-2"}, "byte skip is -2"),
        ({"byte_skip": "40"}, "truncated: 8 bytes"),
        ({"line_skip": "9"}, "fewer lines"),
        ({"line_skip": "99999999"}, "line skip is 99999999"),
        ({"space_directions": "(1,0) (0,1) (0,0)"}, "space directions"),
        ({"space_directions": "(1,0,0) none none"}, "2 of its axes are not of space"),
        ({"dimension": "9", "sizes": "1 1 1 1 1 1 1 1 9"}, "9 dimensions"),
        ({"space_origin": "(1,2)"}, "space origin has 2 numbers"),
    ],
)  # fmt: skip
def test_hostile_headers_of_nrrd(tmp_path: Path, fields: dict[str, str | None], why: str) -> None:
    nrrd(tmp_path / "a.nrrd", **fields)
    with pytest.raises(ReadError, match=why):
        plane(tmp_path, "a.nrrd", 0)
    refused(tmp_path, "a.nrrd")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"DimSize": "2 3"}, "3 dimensions and 2 sizes"),
        ({"DimSize": "2 3 0"}, r"its shape is \(2, 3, 0\)"),
        ({"DimSize": "2 3 x"}, "MetaImage header cannot be used"),
        ({"DimSize": "2 3 5"}, "truncated: 48 bytes of voxels where 60 belong"),
        ({"DimSize": "90000 90000 4"}, "megapixels"),
        ({"ElementType": "MET_STRING"}, "of the type 'MET_STRING'"),
        ({"ElementType": None}, "lacks the field 'ElementType'"),
        ({"ElementNumberOfChannels": "2"}, "2 values"),
        ({"BinaryData": "False"}, "as text"),
        ({"CompressedData": "True"}, "cannot be read as MetaImage"),
        ({"ElementDataFile": "LIST"}, "spread over several files"),
        ({"ElementDataFile": "v%03d.raw 1 9 1"}, "spread over several files"),
        ({"ElementDataFile": ""}, "lacks the field 'ElementDataFile'"),
        ({"HeaderSize": "-3"}, "HeaderSize is -3"),
        ({"ObjectType": "Tube"}, "is a MetaIO Tube"),
        ({"TransformMatrix": "1 0 0"}, "MetaImage header cannot be used"),
        ({"NDims": "7"}, "7 dimensions"),
    ],
)
def test_hostile_headers_of_metaimage(tmp_path: Path, fields: dict[str, str | None], why: str) -> None:
    meta(tmp_path / "a.mha", **fields)
    with pytest.raises(ReadError, match=why):
        plane(tmp_path, "a.mha", 0)
    refused(tmp_path, "a.mha")


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    side = 1000
    zeros = bytes(2 * side * side)
    with limits.allowing(1_000_000):
        nrrd(tmp_path / "a.nrrd", gzip.compress(zeros), sizes=f"{side} {side} 1", encoding="gzip")
        meta(tmp_path / "a.mha", zlib.compress(zeros), DimSize=f"{side} {side} 1", CompressedData="True")
        for name in ("a.nrrd", "a.mha"):
            with pytest.raises(ReadError, match=r"megapixels|unpacks to 2 MB"):
                plane(tmp_path, name, 0)
        nrrd(tmp_path / "b.nrrd", gzip.compress(bytes(10**8)), encoding="gzip")  # far more than it declares
        meta(tmp_path / "b.mha", zlib.compress(bytes(10**8)), CompressedData="True")
        for name in ("b.nrrd", "b.mha"):
            with pytest.raises(ReadError, match="declares 48 bytes of voxels, and it holds at least"):
                plane(tmp_path, name, 0)
    (tmp_path / "c.nrrd").write_bytes(b"NRRD0004\n" + b"x" * (2 << 20))
    assert "header does not end" in refused(tmp_path, "c.nrrd")


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["a.nrrd", "a.mha"]), st.integers(0, 400), st.binary(min_size=0, max_size=6), st.booleans())
def test_damage_ends_in_a_sentence_or_in_a_picture(
    tmp_path: Path, name: str, at: int, instead: bytes, cut: bool
) -> None:
    (nrrd if name.endswith("nrrd") else meta)(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:at] + instead + (b"" if cut else data[at + len(instead) :]))
    with contextlib.suppress(ReadError):
        assert plane(tmp_path, name, 0).ndim in (2, 3)


def test_what_lies_beside_a_header_is_known_without_opening_it(tmp_path: Path) -> None:
    nrrd(tmp_path / "a.nhdr", b"", data_file="v.raw")
    meta(tmp_path / "a.mhd", b"", ElementDataFile="v.zraw")
    meta(tmp_path / "a.mha")
    (tmp_path / "a.hdr").write_bytes(bytes(348))
    (tmp_path / "evil.nhdr").write_bytes(b"NRRD0005\ndata file: ../../v.raw\n")
    found = {
        name: formats.companion(mounted(tmp_path), PurePosixPath(name), None)
        for name in ("a.nhdr", "a.mhd", "a.mha", "a.hdr", "evil.nhdr", "gone.mhd")
    }
    assert {name: None if one is None else str(one) for name, one in found.items()} == {
        "a.nhdr": "v.raw", "a.mhd": "v.zraw", "a.mha": None, "a.hdr": "a.img", "evil.nhdr": None, "gone.mhd": None,
    }  # fmt: skip
    assert {".mhd", ".nhdr", ".hdr", ".img"} <= set(formats.headers())
