from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_client import SOURCES, Built, Client, settled
from hub_server import Hub
from PIL import Image
from workshop import digests

import med_mat
from med_mat.errors import HubError, LayoutError, UnknownSourceError
from med_mat.hub.publication import choose
from med_mat.hub.staging import stage


@pytest.fixture(scope="module", params=["with names", "without names"])
def names(request: pytest.FixtureRequest) -> bool:
    """Whether the set that was published has file names."""
    return bool(request.param == "with names")


@pytest.fixture
def client(hub: Hub, tmp_path: Path) -> Client:
    """A user of the cards as they are."""
    return Client(hub, tmp_path / "home", settled=False)


@pytest.fixture(scope="module")
def built(drawn: Built) -> Built:
    """Miniatures, all of which may be pushed."""
    return drawn


@pytest.fixture(scope="module")
def bare(built: Built, names: bool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a set without pixels, as a push sends them."""
    scratch, folder = tmp_path_factory.mktemp("scratch"), tmp_path_factory.mktemp("bare")
    manifest = json.loads((built.out / "med_mat.json").read_text("utf-8"))
    publication = choose(built.out, manifest, settled(), pixels="none", names=names)
    for name, path in stage(publication, "org/bare", scratch).files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    return folder


@pytest.fixture
def raw(built: Built, tmp_path: Path) -> Path:
    """A user's own raw copy, to spoil."""
    return Path(shutil.copytree(built.raw, tmp_path / "raw"))


def test_from_the_hub_to_the_same_bytes(client: Client, built: Built, names: bool, tmp_path: Path) -> None:
    flags = ["--names"] if names else []
    assert client.med_mat("push", built.out, "org/bare", "--without-pixels", *flags).returncode == 0
    client.hub.log.clear()
    out = tmp_path / "out"
    done = client.med_mat("attach", "org/bare", "--raw", built.raw, "--out", out, "--jobs", 1, "--quiet")
    assert done.returncode == 0, done.stderr
    assert "the same as org/bare" in done.stdout
    assert digests(out) == digests(built.out)
    assert not any("/data/" in one.path for one in client.hub.asked("/resolve/")), "records need not be fetched again"


def test_from_a_folder_of_its_files(bare: Path, built: Built, tmp_path: Path) -> None:
    mat = med_mat.attach(med_mat.open(bare), built.raw, tmp_path / "out")
    assert len(mat) == len(med_mat.open(built.out))
    assert digests(tmp_path / "out" / "data") == digests(built.out / "data")


def test_one_source_from_a_folder_of_its_own(bare: Path, built: Built, tmp_path: Path) -> None:
    mat = med_mat.attach(bare, None, tmp_path / "out", sources={"busi": built.raw / "busi"})
    assert mat.tags.sources == ("busi",)
    assert digests(tmp_path / "out/data/busi") == digests(built.out / "data/busi")


def test_files_that_the_records_do_not_need_may_differ(bare: Path, raw: Path, built: Built, tmp_path: Path) -> None:
    (raw / "busi" / "notes of mine.txt").write_text("mine", "utf-8")
    med_mat.attach(bare, raw, tmp_path / "out", sources=["busi"])
    assert digests(tmp_path / "out/data") == {
        name: digest for name, digest in digests(built.out / "data").items() if name.startswith("busi/")
    }


def test_an_image_of_another_size_is_named_before_anything_is_built(bare: Path, raw: Path, tmp_path: Path) -> None:
    image = next(path for path in sorted(raw.rglob("benign (1).png")))
    size = image.stat().st_size
    image.write_bytes(image.read_bytes() + b"x")
    with pytest.raises(HubError) as caught:
        med_mat.attach(bare, raw, tmp_path / "out", sources=["busi"])
    assert "benign/benign (1).png" in str(caught.value)
    assert f"expected {size:,} bytes" in str(caught.value)
    assert f"found {size + 1:,} bytes" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["benign (1).png", "benign (1)_mask.png"])
def test_a_file_with_other_pixels_is_named_with_both_hashes(bare: Path, raw: Path, tmp_path: Path, name: str) -> None:
    path = next(iter(raw.rglob(name)))
    size = path.stat().st_size
    with Image.open(path) as picture:
        other = Image.new(picture.mode, picture.size)
    other.save(path, compress_level=9)
    path.write_bytes(_padded(path.read_bytes(), size))
    with pytest.raises(
        HubError,
        match=r"expected [\d,]+ bytes with sha256 [0-9a-f]{64}.* found [\d,]+ bytes with sha256 [0-9a-f]{64}\.",
    ) as caught:
        med_mat.attach(bare, raw, tmp_path / "out", sources=["busi"])
    assert name in str(caught.value)
    assert not (tmp_path / "out" / "med_mat.json").exists(), "nothing unproven passes for the set"


def test_a_file_that_is_missing_is_named(bare: Path, raw: Path, names: bool, tmp_path: Path) -> None:
    path = next(iter(raw.rglob("benign (1).png")))
    called = r"benign \(1\)\.png" if names else hashlib.sha256(path.read_bytes()).hexdigest()[:20]
    path.unlink()
    with pytest.raises(HubError, match=rf"{called}: expected [\d,]+ bytes .*, found no (such )?file"):
        med_mat.attach(bare, raw, tmp_path / "out", sources=["busi"])


def test_partial_attaches_the_other_sources_and_says_why_one_is_left_out(
    bare: Path, built: Built, raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    next(iter(raw.rglob("benign (1).png"))).unlink()
    shutil.rmtree(raw / "aptos_2019")
    mat = med_mat.attach(bare, raw, tmp_path / "out", partial=True)
    assert set(mat.tags.sources) == {"acrima", "kvasir_seg"}
    for name in ("acrima", "kvasir_seg"):
        folder = f"data/{name}"
        assert digests(tmp_path / "out" / folder) == digests(built.out / folder)
    said = [one.getMessage() for one in caplog.records if "left out" in one.getMessage()]
    assert sorted(one.split()[0] for one in said) == ["aptos_2019", "busi"]
    assert any("expected" in one and "found no" in one for one in said)
    with pytest.raises(HubError, match="None of busi can be attached"):
        med_mat.attach(bare, raw, tmp_path / "none", sources=["busi"], partial=True)


def test_pictures_other_than_the_published_ones_are_refused(bare: Path, built: Built, tmp_path: Path) -> None:
    other = Path(shutil.copytree(bare, tmp_path / "other"))
    manifest = json.loads((other / "med_mat.json").read_text("utf-8"))
    files = manifest["without_pixels"]["busi"]
    name = next(name for name in files if name.startswith("data/busi/097/train-"))
    files[name]["sha256"] = "0" * 64
    (other / "med_mat.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(HubError, match=f"{name} does not have the published images"):
        med_mat.attach(other, built.raw, tmp_path / "out", sources=["busi"])


def test_what_other_libraries_decode_otherwise_is_told_and_the_rest_compared(
    bare: Path, raw: Path, built: Built, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Path(shutil.copytree(bare, tmp_path / "other"))
    manifest = json.loads((other / "med_mat.json").read_text("utf-8"))
    manifest["sources"]["busi"]["libraries"]["picture hashes"] = "0"
    (other / "med_mat.json").write_text(json.dumps(manifest), "utf-8")
    index = pq.read_table(other / "index.parquet")
    hashes = pa.array(["0" * 32] * len(index), pa.string())
    index = index.set_column(index.schema.get_field_index("pixel_hash"), index.schema.field("pixel_hash"), hashes)
    pq.write_table(index, other / "index.parquet")
    med_mat.attach(other, built.raw, tmp_path / "out", sources=["busi"])
    assert re.search(r"busi: .*decoded differently here \(picture hashes 0 -> \w+\)", caplog.text)
    widths = pa.array([7] * len(index), index.schema.field("width").type)
    index = index.set_column(index.schema.get_field_index("width"), index.schema.field("width"), widths)
    pq.write_table(index, other / "index.parquet")
    with pytest.raises(HubError, match="differs in 'width': expected 7"):
        med_mat.attach(other, built.raw, tmp_path / "out", sources=["busi"])


def test_hashes_of_pixels_count_where_the_libraries_are_the_same(bare: Path, built: Built, tmp_path: Path) -> None:
    other = Path(shutil.copytree(bare, tmp_path / "other"))
    index = pq.read_table(other / "index.parquet")
    hashes = pa.array(["0" * 32] * len(index), pa.string())
    index = index.set_column(index.schema.get_field_index("pixel_hash"), index.schema.field("pixel_hash"), hashes)
    pq.write_table(index, other / "index.parquet")
    with pytest.raises(HubError, match="differs in 'pixel_hash'"):
        med_mat.attach(other, built.raw, tmp_path / "out", sources=["busi"])


def test_a_source_that_does_not_lie_there(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(LayoutError, match="busi"):
        med_mat.attach(bare, tmp_path / "raw", tmp_path / "out", sources=["busi"])


def test_a_source_that_the_set_does_not_hold(bare: Path, raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownSourceError, match=r"no source 'busy'\. Did you mean 'busi'"):
        med_mat.attach(bare, raw, tmp_path / "out", sources=["busy"])


def test_the_set_without_pixels_opens_and_its_records_have_none(
    bare: Path, arrow_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mat = med_mat.open(bare)
    assert not caplog.records
    assert set(mat.tags.sources) == set(SOURCES)
    record = mat.select("US/Breast/Cancer", split="train")[0]
    assert record["image"] is None
    mat.select("US/Breast/Cancer")
    (warning,) = caplog.messages
    assert "image and mask are null in the records of all sources; 'med-mat attach" in warning
    assert record["label"] in ("Benign", "Malignant", "Normal")


def _padded(png: bytes, size: int) -> bytes:
    """A PNG of that many bytes, by a comment before its end."""
    import zlib

    room = size - len(png) - 12
    assert room >= 2
    chunk = b"tEXt" + b"a\0" + b"b" * (room - 2)
    return png[:-12] + room.to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + png[-12:]
