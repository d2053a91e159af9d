"""A build of files that hold names, places and thumbnails in every corner: nothing of them is in any byte of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import nibabel
import numpy as np
import pyarrow.parquet as pq
import pytest
from building import Toy, content, ledger
from dicoms import made
from PIL import Image, ImageOps
from tainted import CONVERTED, GREY, NAME, SHOWN, TRACES, encoded, exif, jpeg_comment, traces

from med_mat.building.words import lines

MakeToy = Callable[..., Toy]
LOADER = """
    for image in [*raw.images("*/*"), *raw.glob("*/*.jp2")]:
        yield Example(image, label=image.parent.name)
    for volume in raw.glob("*/*.nii"):
        yield Example(Slice(volume, axis=2, index=1), label=volume.parent.name)
"""


def fill(source: Toy) -> dict[str, bytes]:
    """Every kind of file, below its raw folder; path -> bytes."""
    files = {f"{'ab'[number % 2]}/{name}": make() for number, (name, make) in enumerate((SHOWN | CONVERTED).items())}
    person = {"PatientName": "Mustermann^Erika", "PatientComments": NAME.decode(), "BurnedInAnnotation": "YES"}
    files["a/slice.dcm"] = made(GREY, bits=8, **person, PatientIdentityRemoved="NO")
    volume = nibabel.Nifti1Image(np.stack([GREY] * 3, axis=2).astype(np.int16), np.eye(4))
    volume.header["descrip"] = NAME
    files["b/volume.nii"] = volume.to_bytes()
    for path, data in files.items():
        (source.raw / path).parent.mkdir(exist_ok=True)
        (source.raw / path).write_bytes(data)
    return files


def cells(out: Path) -> list[dict[str, Any]]:
    """The records with their pixels."""
    return [one for file in sorted((out / "data").rglob("*.parquet")) for one in pq.read_table(file).to_pylist()]


@pytest.mark.parametrize("check", ["header", "decode"])
def test_nothing_of_it_is_in_any_byte_of_a_build(toy: MakeToy, check: str) -> None:
    source = toy(LOADER)
    files = fill(source)
    assert all(NAME in data for name, data in files.items() if name != "a/text.png")
    source.build(check=check)
    for file, data in content(source.out).items():
        assert traces(data, (*TRACES, b"Mustermann^Erika")) == [], file
    found = {one["path"].split("#")[0]: one for one in cells(source.out)}
    assert found.keys() >= files.keys() - {"b/volume.nii"}
    assert len(found) == len(files)
    for one in found.values():
        assert traces(repr(one).encode()) == traces(one["image"]["bytes"]) == []
    for name in SHOWN:
        path = next(path for path in files if path.endswith(f"/{name}"))
        stored, raw = (Image.open(io.BytesIO(data)) for data in (found[path]["image"]["bytes"], files[path]))
        np.testing.assert_array_equal(
            np.asarray(ImageOps.exif_transpose(stored)), np.asarray(ImageOps.exif_transpose(raw)), name
        )
        assert found[path]["image"]["path"] == name
        assert found[path]["transform"] != "none"


def test_the_ledger_the_card_and_the_terminal_count_what_went(toy: MakeToy) -> None:
    source = toy(LOADER)
    plain, dated = encoded(GREY, "JPEG"), encoded(GREY, "JPEG", exif=exif(small=False))
    silent = Image.Exif()
    silent[0x0132] = "2020:01:01 00:00:00"
    files = [plain, dated, dated, encoded(GREY, "JPEG", exif=silent), jpeg_comment(plain, NAME)]
    (source.raw / "a").mkdir()
    for number, data in enumerate(files):
        (source.raw / f"a/{number}.jpg").write_bytes(data)
    report = source.build()
    counts = {"images": 4, "by_kind": {"EXIF": 3, "GPS position": 2, "comment": 1}}
    assert ledger(source.out)["metadata_removed"] == counts
    assert json.loads((source.out / "ledger.json").read_text("utf-8"))["sources"]["toy"]["metadata_removed"] == counts
    words = "metadata removed from 4 images: EXIF in 3, GPS position in 2, comment in 1"
    assert any(words in path.read_text("utf-8") for path in source.out.rglob("*.md"))
    assert any(words in line for line in lines(source.source, report.ledgers["toy"], "ledger/toy.json"))


def test_the_counts_stay_where_pixels_are_kept(toy: MakeToy, tmp_path: Path) -> None:
    source = toy(LOADER)
    fill(source)
    source.build()
    before = content(source.out)
    source.build(seed=5)
    assert ledger(source.out)["metadata_removed"] == json.loads(before["ledger/toy.json"])["metadata_removed"]
    source.build()
    assert content(source.out) == before
    source.build(tmp_path / "again", jobs=2)
    assert content(tmp_path / "again") == before


def test_a_dicom_file_that_says_so_is_noted(toy: MakeToy) -> None:
    source = toy(LOADER)
    fill(source)
    source.build()
    assert {note: ids for note, ids in ledger(source.out)["noted"].items() if "its header says" in note} == {
        "its header says that text may be burned into its pixels, such as a name (BurnedInAnnotation YES)": [
            "toy/48/a/slice.dcm"
        ],
        "its header says that the patient's identity was not removed from it (PatientIdentityRemoved NO)": [
            "toy/48/a/slice.dcm"
        ],
    }


def test_datasets_shows_what_it_showed(toy: MakeToy) -> None:
    source = toy(LOADER)
    files = fill(source)
    source.build()
    feature = datasets.Image()
    for one in cells(source.out):
        name = one["path"].split("/")[-1]
        if name in SHOWN:
            raw = feature.decode_example({"bytes": files[one["path"]], "path": None})
            np.testing.assert_array_equal(np.asarray(feature.decode_example(one["image"])), np.asarray(raw))
            assert raw.size == (one["width"], one["height"])
