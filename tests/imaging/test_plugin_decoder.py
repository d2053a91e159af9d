"""A package outside this repository adds a decoder of slides, and sources whose images are regions and slices."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from med_mat import formats, plugins
from med_mat.errors import ReadError
from med_mat.example import Region
from med_mat.formats import Decoder
from med_mat.imaging.decoding import FileCache, open_file, read

sitk = pytest.importorskip("SimpleITK")
tifffile = pytest.importorskip("tifffile")

PLUGIN = Path(__file__).parent / "plugin"
RNG = np.random.default_rng(8)


def run(*arguments: str, cwd: Path, plugin: Path = PLUGIN) -> str:
    found = subprocess.run(
        [sys.executable, "-c", "from med_mat.cli import main; main()", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(plugin)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def slide(path: Path, side: int = 128) -> np.ndarray:
    """A pyramid of two levels in tiles of 32 x 32."""
    levels = RNG.integers(0, 255, (side, side, 3)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path) as file:
        told: dict[str, Any] = {"tile": (32, 32), "photometric": "rgb", "compression": "zlib"}
        file.write(levels, subifds=1, **told)
        file.write(levels[::2, ::2], subfiletype=1, **told)
    return levels


def volume(path: Path, data: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(data)
    image.SetSpacing((0.5, 0.5, 3.0))
    sitk.WriteImage(image, str(path))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for label in ("benign", "malignant"):
        slide(tmp_path / "raw" / "toy_slides" / label / "1.svs")
    for number, end, of_mask in ((1, "nii.gz", "nii.gz"), (2, "nrrd", "nrrd"), (3, "mha", "mha"), (4, "mhd", "nrrd")):
        data = RNG.integers(-900, 900, (6, 20, 24)).astype(np.int16)
        volume(tmp_path / "raw" / "toy_volumes" / "scans" / f"{number}.{end}", data)
        volume(tmp_path / "raw" / "toy_volumes" / "scans" / f"{number}_mask.{of_mask}", (data > 0).astype(np.uint8))
    return tmp_path / "raw"


def markers(out: Path, source: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text("utf-8")) for path in sorted((out / ".build" / source).glob("*.json"))]


def test_slides_and_volumes_are_built_and_their_decoders_counted(raw: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "site"
    shutil.copytree(PLUGIN, plugin, ignore=shutil.ignore_patterns("__pycache__"))
    build = ("build", "toy_slides", "toy_volumes", "--raw", "raw", "--out", "Med-MAT", "--jobs", "2", "--quiet")
    run(*build, cwd=tmp_path, plugin=plugin)
    out = tmp_path / "Med-MAT"
    records = [one for path in sorted(out.glob("data/**/*.parquet")) for one in pq.read_table(path).to_pylist()]
    by_id = {record["id"]: record for record in records}

    regions = [record for record in records if record["source"] == "toy_slides"]
    assert len(regions) == 6
    record = by_id["toy_slides/120/benign/1.svs#region=40,10,50,30"]
    whole = tifffile.imread(raw / "toy_slides" / "benign" / "1.svs")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(record["image"]["bytes"]))), whole[10:40, 40:90])
    assert record["transform"] == "slide to PNG; region 40,10 of level 0"
    small = by_id["toy_slides/120/benign/1.svs#region=0,0,20,20,level=1"]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(small["image"]["bytes"]))), whole[:40:2, :40:2])

    slices = [record for record in records if record["source"] == "toy_volumes"]
    assert len(slices) == 24
    for record in slices:
        assert record["labels"] == ["Liver"]
        assert record["spacing"] == [0.5, 0.5]
        assert record["transform"].startswith("volume to PNG; slice ")
        assert "window 40/400" in record["transform"], "the window of a CT of the liver"
        marked = np.asarray(Image.open(io.BytesIO(record["mask"]["bytes"]))) > 0
        shades = np.asarray(Image.open(io.BytesIO(record["image"]["bytes"])))
        assert (shades[marked] >= 102).all(), "0 HU at least"
        assert (shades[~marked] <= 102).all()

    (of_slides,) = markers(out, "toy_slides")
    assert {"toy_scans.tiles"} <= set(of_slides["code"])
    assert of_slides["libraries"]["toy-scans"] == "1.0"
    assert of_slides["decoders"] == ["look", "slide"]
    (of_volumes,) = markers(out, "toy_volumes")
    assert of_volumes["decoders"] == ["MetaImage", "NIfTI", "NRRD", "look", "mask"]
    assert "toy_scans.tiles" not in of_volumes["code"]
    assert "toy-scans" not in of_volumes["libraries"]

    code = plugin / "toy_scans" / "tiles.py"
    code.write_text(code.read_text("utf-8").replace("return Plane(found,", "return Plane(255 - found,"), "utf-8")
    run(*build, cwd=tmp_path, plugin=plugin)
    assert [one["pixels"] for one in markers(out, "toy_slides")] != [of_slides["pixels"]]
    assert markers(out, "toy_volumes") == [of_volumes], "what the decoder did not decode stays"

    volume(raw / "toy_volumes" / "scans" / "4.mhd", np.zeros((6, 20, 24), np.int16))  # its .raw changes, not its header
    run(*build, cwd=tmp_path, plugin=plugin)
    assert [one["pixels"] for one in markers(out, "toy_volumes")] != [of_volumes["pixels"]]

    run("validate", "--raw", "raw", "--against", "Med-MAT", "--level", "decode", cwd=tmp_path, plugin=plugin)


# --------------------------------------------------------------------------------------------------------- the registry


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Installs entry points for the time of a test."""
    caches = [formats.decoders, formats.needs, formats.picture_suffixes, formats.image_suffixes, formats.headers]

    def install(*found: EntryPoint) -> None:
        monkeypatch.setattr(
            plugins.metadata, "entry_points", lambda group: list(found) if group == formats.PLUGINS else []
        )
        for cache in caches:
            cache.cache_clear()

    yield install
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def test_a_decoder_of_another_package_is_found(points: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(PLUGIN))
    whole = slide(tmp_path / "a.svs")
    region = Region(PurePosixPath("a.svs"), 3, 5, 60, 40)
    points()
    with pytest.raises(ReadError, match=r"a\.svs: no decoder reads a Region of it\. Install the package that adds one"):
        read(tmp_path, region, mat=None, cache=FileCache())
    points(EntryPoint("slide", "toy_scans.tiles:DECODER", formats.PLUGINS))
    stored = read(tmp_path, region, mat=None, cache=FileCache())
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(stored.data))), whole[5:45, 3:63])
    assert ".svs" in formats.image_suffixes()
    assert ".svs" not in formats.picture_suffixes()
    assert len(list(open_file(tmp_path, region, FileCache()).references())) == 1
    with pytest.raises(ReadError, match="there is no level 7; it has 2"):
        read(tmp_path, Region(PurePosixPath("a.svs"), 0, 0, 9, 9, 7), mat=None, cache=FileCache())
    assert read(tmp_path, PurePosixPath("a.svs"), mat=None, cache=FileCache()).width == 128  # as the TIFF that it is


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no_such_module:DECODER", "cannot be used: ModuleNotFoundError"),
        ("toy_scans.tiles:NOTHING", "cannot be used: AttributeError"),
        ("toy_scans.tiles:Slide", "It names a ABCMeta, where a med_mat.formats.Decoder is expected"),
        ("med_mat.formats:NIFTI", "There is already a decoder named 'NIfTI'"),
    ],
)
def test_a_decoder_that_is_not_in_order_is_left_out(
    points: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str, why: str
) -> None:
    monkeypatch.syspath_prepend(str(PLUGIN))
    points(EntryPoint("bad", value, formats.PLUGINS))
    assert formats.decoders() == formats.DECODERS
    assert why in caplog.text


def test_what_a_decoder_of_another_package_claims_to_be_is_checked() -> None:
    good = Decoder("x", (".x",), (Region,), "x", lambda head, name: False)
    for bad, why in (
        ({"reads": ()}, "at least one of PurePosixPath, Frame, Slice and Region"),
        ({"reads": (int,)}, "at least one of"),
        ({"suffixes": ("x",)}, "begin with a dot"),
        ({"suffixes": (".X",)}, "lower case"),
        ({"name": "look"}, "already a decoder named 'look'"),
    ):
        from dataclasses import replace

        assert why in formats._problem(replace(good, **bad), {})
    assert formats._problem(good, {}) == ""
