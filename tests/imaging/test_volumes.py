"""NIfTI and Analyze slices: orientation, scaling, bounds."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import warnings
from itertools import permutations, product
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from med_mat import limits
from med_mat.errors import ReadError
from med_mat.example import Slice
from med_mat.imaging import nifti
from med_mat.imaging.decoding import FileCache, Stored, read, values
from med_mat.raw import RawFolder
from med_mat.selection import MAT

nibabel = pytest.importorskip("nibabel")

RNG = np.random.default_rng(3)
DATA = RNG.integers(-900, 900, (4, 5, 6)).astype(np.int16)


def real_folder() -> Path:
    spec = importlib.util.find_spec("nibabel")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "tests" / "data"
    if not (folder / "anatomical.nii").exists():
        pytest.skip("this nibabel does not hold its test data")
    return folder


def save(path: Path, data: np.ndarray, affine: np.ndarray | None = None, kind: type = nibabel.Nifti1Image) -> None:
    nibabel.save(kind(data, np.eye(4) if affine is None else affine), path)


def plane(root: Path, name: str, index: int, axis: int = 2, volume: int = 0) -> np.ndarray:
    return values(root, Slice(PurePosixPath(name), index, axis, volume), FileCache(), want="gray")


def stored(root: Path, name: str, index: int, axis: int = 2, mat: str | None = None) -> tuple[np.ndarray, Stored]:
    result = read(root, Slice(PurePosixPath(name), index, axis), mat=MAT.parse(mat) if mat else None, cache=FileCache())
    return np.asarray(Image.open(io.BytesIO(result.data))), result


def radiological(canonical: np.ndarray, axis: int, index: int) -> np.ndarray:
    """By the definition in Slice: x to the left; y, or z where there is one, upwards."""
    return np.flip(np.take(canonical, index, axis).T, (0, 1))


def test_marks_lie_where_a_radiologist_expects_them(tmp_path: Path) -> None:
    data = np.zeros((10, 12, 14), np.uint8)
    data[8, 6, 7] = 1  # patient right: +x in RAS
    data[5, 10, 7] = 2  # anterior
    data[5, 6, 12] = 3  # superior
    save(tmp_path / "v.nii", data)
    axial, coronal = plane(tmp_path, "v.nii", 7), plane(tmp_path, "v.nii", 6, 1)
    sagittal = plane(tmp_path, "v.nii", 5, 0)
    assert (axial.shape, coronal.shape, sagittal.shape) == ((12, 10), (14, 10), (14, 12))
    assert np.argwhere(axial == 1)[0][1] < 5  # right is on the left
    assert np.argwhere(axial == 2)[0][0] < 6  # anterior on top
    assert np.argwhere(coronal == 1)[0][1] < 5
    assert np.argwhere(coronal == 3)[0][0] < 7  # superior on top
    assert np.argwhere(sagittal == 3)[0][0] < 7
    assert np.argwhere(sagittal == 2)[0][1] < 6  # anterior on the left


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_every_orientation_is_read_as_nibabel_turns_it(tmp_path: Path, order: tuple[int, ...]) -> None:
    for signs in product((1, -1), repeat=3):
        affine = np.zeros((4, 4))
        affine[3, 3] = 1
        for stored_axis, (axis, sign) in enumerate(zip(order, signs, strict=True)):
            affine[axis, stored_axis] = sign * (stored_axis + 0.5)
        path = tmp_path / f"{signs}.nii"
        save(path, DATA, affine)
        canonical = np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj)
        for axis in range(3):
            np.testing.assert_array_equal(
                plane(tmp_path, path.name, 1, axis), radiological(canonical, axis, 1)
            )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "volume"),
    [
        ("anatomical.nii", 0),  # big endian, negatives
        ("example4d.nii.gz", 1),  # oblique, 4 axes
        ("functional.nii", 7),  # scaled
        ("example_nifti2.nii.gz", 1),
        ("resampled_anat_moved.nii", 0),  # NaN
        ("standard.nii.gz", 0),
    ],
)
def test_real_volumes_are_read_as_nibabel_reads_them(name: str, volume: int) -> None:
    folder = real_folder()
    canonical = nibabel.as_closest_canonical(nibabel.load(folder / name)).get_fdata()
    for axis in range(3):
        index = canonical.shape[axis] // 2
        whole = canonical[..., volume] if canonical.ndim == 4 else canonical
        expected = radiological(whole, axis, index)
        found = plane(folder, name, index, axis, volume)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        picture, result = stored(folder, name, index, axis)
        assert picture.shape == expected.shape
        assert result.sha256 == hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert ("percentiles" in result.transform) == (name != "standard.nii.gz")  # which holds bytes
        assert f"slice {index} of axis {axis}" in result.transform


@pytest.mark.parametrize("kind", ["AnalyzeImage", "Spm99AnalyzeImage", "Nifti1Pair", "Nifti2Image", "Nifti1Image"])
def test_pairs_and_versions(tmp_path: Path, kind: str) -> None:
    image_type = getattr(nibabel, kind)
    names = ["v.img", "v.hdr"] if kind in ("AnalyzeImage", "Spm99AnalyzeImage", "Nifti1Pair") else ["v.nii", "v.nii.gz"]
    for name in names:
        save(tmp_path / name, DATA, np.diag([-1, 1, 1, 1]), image_type)
        canonical = np.asarray(nibabel.as_closest_canonical(nibabel.load(tmp_path / name)).dataobj)
        np.testing.assert_array_equal(plane(tmp_path, name, 2), radiological(canonical, 2, 2))


def test_a_file_without_orientation_says_so(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(DATA, None)
    nibabel.save(image, tmp_path / "v.nii")
    assert "the file gives no orientation" in stored(tmp_path, "v.nii", 1)[1].transform


def test_ct_is_windowed_where_it_holds_hounsfield_units(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(-1000, 1000, 40), (30, 40)).astype(np.int16)
    volume = np.stack([ramp, np.maximum(ramp, 0)], axis=2)
    save(tmp_path / "v.nii.gz", volume)
    picture, result = stored(tmp_path, "v.nii.gz", 0, mat="CT/Lung/Cancer")
    assert result.transform == "volume to PNG; slice 0 of axis 2; radiological orientation; window -600/1500"
    assert (picture.min(), picture.max()) == (round(350 / 1500 * 255), 255)
    # decided for the whole volume: a slice without air is shown as its neighbours are
    assert "window -600/1500" in stored(tmp_path, "v.nii.gz", 1, mat="CT/Lung/Cancer")[1].transform
    assert "percentiles" in stored(tmp_path, "v.nii.gz", 0, mat="MRI/Brain/Cancer")[1].transform


def test_bytes_are_kept_and_colours_too(tmp_path: Path) -> None:
    small = RNG.integers(10, 90, (6, 5, 3), dtype=np.uint8)
    save(tmp_path / "v.nii", small)
    picture, result = stored(tmp_path, "v.nii", 1)
    np.testing.assert_array_equal(picture, radiological(small, 2, 1))
    assert result.transform == "volume to PNG; slice 1 of axis 2; radiological orientation"
    colour = np.zeros((6, 5, 3), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    colour["G"] = small
    save(tmp_path / "c.nii", colour)
    np.testing.assert_array_equal(stored(tmp_path, "c.nii", 1)[0][..., 1], radiological(small, 2, 1))


def test_nan_is_black(tmp_path: Path) -> None:
    data = RNG.random((20, 20, 3)).astype(np.float32) + 5
    data[4, 4, 1] = np.nan
    data[5, 5, 1] = np.inf
    save(tmp_path / "v.nii", data)
    picture, _ = stored(tmp_path, "v.nii", 1)
    shown = radiological(data, 2, 1)
    assert (picture[np.isnan(shown)] == 0).all()
    assert (picture[np.isinf(shown)] == 255).all()
    save(tmp_path / "n.nii", np.full((4, 4, 4), np.nan, np.float32))
    assert not stored(tmp_path, "n.nii", 1)[0].any()


def header_of(shape: tuple[int, ...], dtype: type = np.int16) -> bytes:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    return bytes(header.binaryblock) + b"\0" * 4


def test_refusals(tmp_path: Path) -> None:
    save(tmp_path / "v.nii", DATA)
    save(tmp_path / "v.nii.gz", DATA)
    whole = (tmp_path / "v.nii").read_bytes()
    packed = (tmp_path / "v.nii.gz").read_bytes()
    (tmp_path / "empty.nii").write_bytes(b"")
    (tmp_path / "cut.nii").write_bytes(whole[:-10])
    (tmp_path / "head.nii").write_bytes(whole[:200])
    (tmp_path / "cut.nii.gz").write_bytes(packed[:-40])
    (tmp_path / "short.nii.gz").write_bytes(gzip.compress(whole[:-10]))
    (tmp_path / "text.nii").write_bytes(b"not a volume at all" * 40)
    (tmp_path / "vast.nii.gz").write_bytes(gzip.compress(header_of((32000, 32000, 32000), np.float64)))
    (tmp_path / "five.nii").write_bytes(header_of((2, 2, 2, 2, 2)) + b"\0" * 100)
    nibabel.save(nibabel.MGHImage(DATA, np.eye(4)), tmp_path / "v.mgz")
    for name, reason in (
        ("empty.nii", "empty"),
        ("cut.nii", "truncated"),
        ("head.nii", "head.nii: "),
        ("cut.nii.gz", "cannot be read|truncated"),
        ("short.nii.gz", "truncated: 230 bytes of voxels where 240 belong"),
        ("text.nii", "cannot be read"),
        ("vast.nii.gz", "declares 32000 x 32000 pixels, more than the 250 megapixels"),
        ("five.nii", "three axes, or four"),
        ("v.mgz", "only NIfTI and Analyze"),
        ("none.nii", "cannot be opened .No such file"),
    ):
        with pytest.raises(ReadError, match=reason) as caught:
            plane(tmp_path, name, 0)
        assert str(caught.value).startswith(f"{name}: ")
        assert "\n" not in str(caught.value)
        assert str(tmp_path) not in str(caught.value)
    for reference, reason in (
        (Slice(PurePosixPath("v.nii"), 6), "no slice 6 along axis 2; it has 6"),
        (Slice(PurePosixPath("v.nii"), -1), "no slice -1"),
        (Slice(PurePosixPath("v.nii"), 0, 3), "axis 3"),
        (Slice(PurePosixPath("v.nii"), 0, 2, 1), "no volume 1; it has 1"),
    ):
        with pytest.raises(ReadError, match=reason):
            values(tmp_path, reference, FileCache(), want="gray")
    with pytest.raises(ReadError, match="name a Slice"):
        read(tmp_path, PurePosixPath("v.nii.gz"), mat=None, cache=FileCache())


def test_large_packed_volumes_are_unpacked_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "v.nii.gz", np.stack([DATA, DATA + 1], axis=3), np.diag([1, -1, 1, 1]))
    expected = plane(tmp_path, "v.nii.gz", 2, 1, 1)
    monkeypatch.setattr(limits, "LARGE", 100)
    np.testing.assert_array_equal(plane(tmp_path, "v.nii.gz", 2, 1, 1), expected)


def test_the_cache_opens_once_and_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(4):
        save(tmp_path / f"{n}.nii.gz", DATA + n)
    opened = []
    monkeypatch.setattr(nifti, "_open", lambda path, name, was=nifti._open: opened.append(name) or was(path, name))
    cache = FileCache(limit=3 * DATA.nbytes)
    for index in range(6):
        for n in (0, 1):  # an image and its mask, in turn
            values(tmp_path, Slice(PurePosixPath(f"{n}.nii.gz"), index), cache, want="gray")
    assert opened == ["0.nii.gz", "1.nii.gz"]
    for n in (2, 3):
        values(tmp_path, Slice(PurePosixPath(f"{n}.nii.gz"), 0), cache, want="gray")
    assert cache.bytes <= cache.limit
    save(tmp_path / "3.nii.gz", np.zeros((7, 7, 7), np.int16))
    assert plane(tmp_path, "3.nii.gz", 0).shape == (7, 7)
    assert values(tmp_path, Slice(PurePosixPath("3.nii.gz"), 0), cache, want="gray").shape == (7, 7)


ORDERS = ("RAS", "LPS", "LAS", "PIR", "SLA", "ARI")


def turned(image: nibabel.Nifti1Image, order: str) -> nibabel.Nifti1Image:
    """The same places of the same patient, stored in another order."""
    ornt = nibabel.orientations
    return image.as_reoriented(ornt.ornt_transform(ornt.io_orientation(image.affine), ornt.axcodes2ornt(tuple(order))))


def volume_and_mask(order: str) -> tuple[nibabel.Nifti1Image, nibabel.Nifti1Image]:
    organ = np.zeros((40, 50, 6), np.uint8)
    organ[5:12, 30:45, 2:] = 1
    affine = np.array([[0.8, 0, 0, -20], [0, 0.9, 0, -30], [0, 0, 3, 7], [0, 0, 0, 1]])
    return tuple(turned(nibabel.Nifti1Image(x, affine), order) for x in ((organ * 100).astype(np.int16), organ))  # type: ignore[return-value]


def marked(root: Path, notes: list[str] | None = None) -> np.ndarray:
    """The mask of slice 3 against its image, which it equals where it lies right."""
    cache = FileCache()
    image = read(root, Slice(PurePosixPath("img.nii.gz"), 3), mat=None, cache=cache)
    found = values(root, Slice(PurePosixPath("seg.nii.gz"), 3), cache, want="index", on=image, notes=notes)
    np.testing.assert_array_equal(found > 0, np.asarray(Image.open(io.BytesIO(image.data))) > 0)
    return found


@pytest.mark.parametrize("image_order", ORDERS)
@pytest.mark.parametrize("mask_order", ORDERS)
def test_a_mask_of_any_orientation_lies_where_its_affine_says(
    tmp_path: Path, image_order: str, mask_order: str
) -> None:
    nibabel.save(volume_and_mask(image_order)[0], tmp_path / "img.nii.gz")
    nibabel.save(volume_and_mask(mask_order)[1], tmp_path / "seg.nii.gz")
    notes: list[str] = []
    assert marked(tmp_path, notes).sum() == 7 * 15
    assert notes == []


@pytest.mark.parametrize("order", ORDERS)
def test_a_mask_without_an_orientation_is_laid_as_its_image(tmp_path: Path, order: str) -> None:
    image, mask = volume_and_mask(order)
    nibabel.save(image, tmp_path / "img.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.asarray(mask.dataobj), None), tmp_path / "seg.nii.gz")
    notes: list[str] = []
    marked(tmp_path, notes)
    assert notes == ["masks whose file does not say where they lie, laid as their image is"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("default", [np.eye(4), np.diag([-1.0, -1, 1, 1])])
def test_a_default_affine_counts_only_where_it_does_not_matter(tmp_path: Path, order: str, default: np.ndarray) -> None:
    image, mask = volume_and_mask(order)
    nibabel.save(image, tmp_path / "img.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.asarray(mask.dataobj), default), tmp_path / "seg.nii.gz")
    if order == "".join(nibabel.aff2axcodes(default)):
        notes: list[str] = []
        marked(tmp_path, notes)
        assert len(notes) == 1
    else:
        with pytest.raises(ReadError, match=r"^seg\.nii\.gz: its voxels are not those of its image: .* give the mask"):
            marked(tmp_path)


def test_a_mask_that_lies_elsewhere_is_refused(tmp_path: Path) -> None:
    image, mask = volume_and_mask("RAS")
    nibabel.save(image, tmp_path / "img.nii.gz")
    moved, coarse, near = image.affine.copy(), image.affine.copy(), image.affine.copy()
    moved[0, 3] += 2
    coarse[2, 2] = 4
    near[:3, 3] += 0.1
    for affine in (moved, coarse):
        nibabel.save(nibabel.Nifti1Image(np.asarray(mask.dataobj), affine), tmp_path / "seg.nii.gz")
        with pytest.raises(ReadError, match="its voxels are not those of its image"):
            marked(tmp_path)
    nibabel.save(nibabel.Nifti1Image(np.asarray(mask.dataobj), near), tmp_path / "seg.nii.gz")
    marked(tmp_path)
    nibabel.save(nibabel.Nifti1Image(np.asarray(mask.dataobj)[:, :, :4], image.affine), tmp_path / "seg.nii.gz")
    with pytest.raises(ReadError, match=r"40 x 50 x 4 of .* and the image has 40 x 50 x 6"):
        marked(tmp_path)


@pytest.mark.parametrize("large", [False, True])
def test_a_gzip_volume_is_read_to_its_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """Also where only its first slice is asked for, and where it is too large to hold."""
    save(tmp_path / "v.nii", RNG.integers(0, 900, (40, 40, 40)).astype(np.int16))
    packed = gzip.compress((tmp_path / "v.nii").read_bytes(), mtime=0)
    if large:
        monkeypatch.setattr(limits, "LARGE", 100)
    (tmp_path / "v.nii.gz").write_bytes(packed)
    assert plane(tmp_path, "v.nii.gz", 0).any()
    wrong = bytearray(packed)
    wrong[-8] ^= 1  # of the checksum
    (tmp_path / "crc.nii.gz").write_bytes(wrong)
    (tmp_path / "cut.nii.gz").write_bytes(packed[:-2000])
    (tmp_path / "tail.nii.gz").write_bytes(packed[:-4])
    for name in ("crc", "cut", "tail"):
        with pytest.raises(ReadError, match=f"{name}.nii.gz: cannot be read as a NIfTI or Analyze volume"):
            plane(tmp_path, f"{name}.nii.gz", 0)


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_a_volume_that_holds_more_than_its_header_says(tmp_path: Path, suffix: str) -> None:
    save(tmp_path / "v.nii", DATA)
    for extra, message in ((4 * 5 * 2, "declares 240 bytes of voxels, and it holds (at least )?280"), (6, "")):
        data = (tmp_path / "v.nii").read_bytes() + bytes(extra)
        (tmp_path / f"x.{suffix}").write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
        if message:
            with pytest.raises(ReadError, match=message):
                plane(tmp_path, f"x.{suffix}", 0)
        else:
            notes = stored(tmp_path, f"x.{suffix}", 0)[1].notes
            assert notes == ("its file goes on beyond its voxels, by 6 bytes",)


@pytest.mark.parametrize("order", ORDERS)
def test_spacing_is_that_of_the_displayed_plane(tmp_path: Path, order: str) -> None:
    image = volume_and_mask(order)[0]
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "v.nii")
    for axis, expected in enumerate([(0.9, 3), (0.8, 3), (0.8, 0.9)]):
        np.testing.assert_allclose(stored(tmp_path, "v.nii", 1, axis)[1].spacing, expected, rtol=1e-6)


def test_spacing_is_in_millimetres_or_unknown(tmp_path: Path) -> None:
    for unit, factor in (("mm", 1), ("meter", 1000), ("micron", 0.001), (None, None)):
        image = volume_and_mask("RAS")[0]
        image.header.set_xyzt_units(unit)
        nibabel.save(image, tmp_path / "v.nii")
        found = stored(tmp_path, "v.nii", 1)[1].spacing
        if factor is None:
            assert found is None
        else:
            np.testing.assert_allclose(found, (0.8 * factor, 0.9 * factor), rtol=1e-6)
    image = volume_and_mask("RAS")[0]
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "v.nii")
    data = bytearray((tmp_path / "v.nii").read_bytes())
    for zoom in (0.0, -1.0, float("nan"), 5.0):  # the last contradicts the affine
        data[80:84] = np.float32(zoom).tobytes()
        (tmp_path / "w.nii").write_bytes(data)
        assert stored(tmp_path, "w.nii", 1)[1].spacing is None
    save(tmp_path / "a.img", DATA, np.diag([2, 3, 4, 1]), nibabel.AnalyzeImage)
    assert stored(tmp_path, "a.img", 1)[1].spacing is None


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), max_size=5),
    packed=st.booleans(),
    keep=st.floats(0.1, 1),
)
def test_damage_gives_a_slice_or_one_sentence(
    tmp_path: Path, flips: list[tuple[int, int]], packed: bool, keep: float
) -> None:
    damaged = bytearray(header_of((4, 5, 6)) + DATA.tobytes(order="F"))
    for at, value in flips:
        damaged[at] = value
    data = bytes(damaged[: round(len(damaged) * keep)] if keep < 0.8 else damaged)
    name = "v.nii.gz" if packed else "v.nii"
    (tmp_path / name).write_bytes(gzip.compress(data, 1) if packed else data)
    message = ""
    try:
        read(tmp_path, Slice(PurePosixPath(name), 0), mat=MAT.parse("CT/Lung/Cancer"), cache=FileCache())
    except ReadError as error:
        message = str(error)
    assert message.startswith(f"{name}: " if message else "")
    assert str(tmp_path) not in message


@given(
    st.lists(st.floats(allow_subnormal=True) | st.sampled_from([0.0, 1.0, -1.0, 1e38, 1e200]), min_size=12, max_size=12)
)
@settings(suppress_health_check=[HealthCheck.differing_executors])
def test_whatever_the_affine_the_header_and_the_slices_agree_and_nothing_is_printed(
    scratch: Path, numbers: list[float]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nibabel, on what does not fit in 32 bit
        affine = np.vstack([np.reshape(numbers, (3, 4)), [0, 0, 0, 1]])
        image = nibabel.Nifti1Image(DATA, np.eye(4))
        image.header["sform_code"] = 1
        for row, name in zip(affine, ("srow_x", "srow_y", "srow_z"), strict=False):
            image.header[name] = row
        image.to_filename(scratch / "affine.nii")
        raw = bytearray((scratch / "affine.nii").read_bytes())
        raw[280:328] = affine[:3].astype("<f4").tobytes()
        (scratch / "affine.nii").write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shape = RawFolder(scratch).volume("affine.nii").shape
        for axis in range(3):
            read(scratch, Slice(PurePosixPath("affine.nii"), shape[axis] - 1, axis), mat=None, cache=FileCache())
            with pytest.raises(ReadError, match="there is no slice"):
                read(scratch, Slice(PurePosixPath("affine.nii"), shape[axis], axis), mat=None, cache=FileCache())
