"""What holds of every decoder: it knows its files, refuses what is cut short, keeps to the limits, repeats itself."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from med_mat import formats, limits
from med_mat.errors import ReadError
from med_mat.example import Frame, Pixels, Slice
from med_mat.formats import DECODERS, Decoder
from med_mat.imaging.decoding import FileCache, open_file, read, values, verify
from med_mat.imaging.open_file import OpenFile
from med_mat.raw import Miniature

SIDE = 40
RNG = np.random.default_rng(2)
VALUES = RNG.integers(-500, 500, (SIDE, SIDE, 3)).astype("<i2")
SECRET = b"Jane Doe 1970"


def picture(path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    told = PngInfo()
    told.add_text("Comment", SECRET.decode())
    Image.fromarray(VALUES[..., 0].astype(np.uint8)).save(path, pnginfo=told)


def dicom(path: Path) -> None:
    import pydicom

    Miniature(path.parent).dicom(path.name, size=(SIDE, SIDE))
    dataset = pydicom.dcmread(path)
    dataset.PatientName = SECRET.decode()
    dataset.save_as(path)


def nifti(path: Path) -> None:
    import nibabel

    image = nibabel.Nifti1Image(VALUES, np.eye(4))  # type: ignore[no-untyped-call]
    image.header["descrip"] = SECRET
    nibabel.save(image, path)  # type: ignore[no-untyped-call]


def nrrd(path: Path) -> None:
    head = (
        f"NRRD0004\n# {SECRET.decode()}\ntype: int16\ndimension: 3\nspace: left-posterior-superior\n"
        f"sizes: {SIDE} {SIDE} 3\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nendian: little\nencoding: raw\n"
        f"patient:={SECRET.decode()}\n\n"
    )
    path.write_bytes(head.encode() + VALUES.tobytes("F"))


def metaimage(path: Path) -> None:
    head = (
        f"ObjectType = Image\nNDims = 3\nComment = {SECRET.decode()}\nDimSize = {SIDE} {SIDE} 3\n"
        "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    path.write_bytes(head.encode() + VALUES.tobytes("F"))


MAKERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "picture": ("a.png", picture),
    "DICOM": ("a.dcm", dicom),
    "NRRD": ("a.nrrd", nrrd),
    "MetaImage": ("a.mha", metaimage),
    "NIfTI": ("a.nii", nifti),
}


def reference(decoder: Decoder, name: str) -> Pixels:
    path = PurePosixPath(name)
    return Slice(path, 1) if Slice in decoder.reads else path


@pytest.fixture(params=DECODERS, ids=lambda decoder: decoder.name)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Decoder, str, Path]:
    """A decoder, a file of its format, and the folder that it lies in."""
    decoder: Decoder = request.param
    assert decoder.name in MAKERS, "a decoder comes with a file to try it on"
    name, make = MAKERS[decoder.name]
    make(tmp_path / name)
    return decoder, name, tmp_path


def test_it_recognizes_its_files_and_no_others(made: tuple[Decoder, str, Path]) -> None:
    decoder, name, root = made
    head = (root / name).read_bytes()[:4096]
    path = PurePosixPath(name)
    assert formats.recognized(head, path) is decoder
    assert formats.decoder_of(head, path, reference(decoder, name)) is decoder
    assert [one for one in DECODERS if one.sniff(head, name)] == [decoder]
    for other in (b"", b"\0", b"plain text", b"<html>", b"PK\x03\x04", bytes(4096)):
        assert isinstance(decoder.sniff(other, "a.bin"), bool)
        assert not decoder.sniff(other, "a.bin")
    assert name.endswith(decoder.suffixes)


def test_it_opens_its_file_and_lists_its_images(made: tuple[Decoder, str, Path]) -> None:
    decoder, name, root = made
    cache = FileCache()
    file = open_file(root, reference(decoder, name), cache)
    assert isinstance(file, OpenFile)
    listed = list(file.references())
    assert listed
    for one in listed:
        stored = read(root, one, mat=None, cache=cache)
        assert (stored.width, stored.height) == (SIDE, SIDE)
        assert stored.sha256 == file.sha256
        assert values(root, one, cache, want="gray").shape == (SIDE, SIDE)
    assert cache.used <= set(formats.needs())
    verify(root, PurePosixPath(name))
    verify(root, PurePosixPath(name), mask=True)


def test_it_gives_the_same_bytes_each_time(made: tuple[Decoder, str, Path]) -> None:
    decoder, name, root = made
    one, other = (read(root, reference(decoder, name), mat=None, cache=FileCache()) for _ in range(2))
    assert (one.data, one.transform, one.pixel_hash) == (other.data, other.transform, other.pixel_hash)


def test_no_metadata_come_out(made: tuple[Decoder, str, Path]) -> None:
    decoder, name, root = made
    assert SECRET in (root / name).read_bytes()
    stored = read(root, reference(decoder, name), mat=None, cache=FileCache())
    assert SECRET not in stored.data
    assert SECRET.decode() not in f"{stored.transform} {stored.notes}"
    assert not Image.open(io.BytesIO(stored.data)).info


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.98])
def test_a_file_that_is_cut_short_ends_in_a_sentence(made: tuple[Decoder, str, Path], kept: float) -> None:
    decoder, name, root = made
    data = (root / name).read_bytes()
    (root / name).write_bytes(data[: int(kept * len(data)) if 0 < kept < 1 else int(kept)])
    with pytest.raises(ReadError) as caught:
        read(root, reference(decoder, name), mat=None, cache=FileCache())
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert message.endswith(".")
    assert "\n" not in message
    assert str(root) not in message


def test_it_keeps_to_the_limits(made: tuple[Decoder, str, Path]) -> None:
    decoder, name, root = made
    size = (root / name).stat().st_size
    for most in (size - 1, SIDE * SIDE * limits.PIXEL_BYTES - 1):
        with limits.allowing(most) as asked, pytest.raises(ReadError, match="--max-file"):
            read(root, reference(decoder, name), mat=None, cache=FileCache())
        assert asked.refused, "a build with a larger limit tries again"


def test_it_says_what_it_reads(made: tuple[Decoder, str, Path]) -> None:
    decoder, name, root = made
    path = PurePosixPath(name)
    other: Pixels = path if Slice in decoder.reads else Slice(path, 0)
    with pytest.raises(ReadError, match=r"name a Slice of it|NIfTI or Analyze"):
        read(root, other, mat=None, cache=FileCache())
    if Frame in decoder.reads:
        with pytest.raises(ReadError, match="there is no frame 7; it has 1"):
            read(root, Frame(path, 7), mat=None, cache=FileCache())


def test_its_modules_and_libraries_exist(made: tuple[Decoder, str, Path]) -> None:
    from med_mat.building.libraries import version

    needs = formats.needs()[made[0].name]
    assert made[0].module in needs.modules
    assert callable(importlib.import_module(made[0].module).open_file)
    assert all(importlib.util.find_spec(module) for module in needs.modules)
    assert needs.libraries
    assert all(version(library) != "absent" for library in needs.libraries)
