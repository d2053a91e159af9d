"""A Med-MAT in object storage is opened by its address: the index is downloaded, of the data what is asked for."""

from __future__ import annotations

import pickle
from pathlib import Path

import datasets
import pytest
from servers import Wire
from workshop import once

import med_mat
from med_mat.building import Options, build, find
from med_mat.errors import BuildError, BuildNotFoundError, RemoteError


@pytest.fixture
def out(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build. Look, but do not touch."""
    return once(tmp_path_factory, "remote-out", lambda root: build(find({}, raw), root, Options(jobs=1)))


def test_a_bucket_gives_the_records_of_the_folder(
    s3: Wire, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "copies")
    s3.store.put(out, "Med-MAT/")
    here, there = med_mat.open(out), med_mat.open("s3://bucket/Med-MAT")
    assert s3.asked("data/") == 0
    picked = there.select(area="Brain")
    assert len(picked) == len(here.select(area="Brain")) > 0
    files = {path for method, path in s3.log if "/data/" in path}
    assert files
    assert all("head_ct" in path for path in files)
    asked = len(s3.log)
    streamed = list(there.select(area="Brain", streaming=True))
    assert [one["id"] for one in streamed] == picked["id"]
    assert [one["image"] for one in streamed] == [one["image"] for one in here.select(area="Brain", streaming=True)]
    assert len(s3.log) == asked  # the blocks are here already
    assert str(pickle.loads(pickle.dumps(there.location))) == "s3://bucket/Med-MAT"


def test_what_is_no_build_is_told(s3: Wire, out: Path, raw: Path) -> None:
    s3.store.put(raw, "raw/")
    with pytest.raises(BuildNotFoundError, match="s3://bucket/raw contains no Med-MAT"):
        med_mat.open("s3://bucket/raw")
    s3.store.put(out, "part/")
    s3.store.client.delete_object(Bucket="bucket", Key="part/index.parquet")
    with pytest.raises(BuildError, match=r"s3://bucket/part lacks index\.parquet"):
        med_mat.open("s3://bucket/part")
    with pytest.raises(BuildError, match="no revisions"):
        med_mat.open("s3://bucket/part", revision="main")


def test_a_build_that_changes_while_it_is_read_is_told(s3: Wire, out: Path) -> None:
    s3.store.put(out, "Med-MAT/")
    mat = med_mat.open("s3://bucket/Med-MAT")
    for path in sorted((out / "data").rglob("*.parquet")):
        key = f"Med-MAT/{path.relative_to(out).as_posix()}"
        s3.store.client.put_object(Bucket="bucket", Key=key, Body=path.read_bytes()[::-1])
    with pytest.raises(RemoteError, match="has changed"):
        list(mat.select(streaming=True))
