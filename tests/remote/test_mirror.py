"""A Med-MAT is copied to an address, goes on where it was killed, and replaces an earlier one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from servers import Wire

import med_mat
from med_mat.building import sums
from med_mat.building.mirror import mirror
from med_mat.cli import cli
from med_mat.errors import BuildError, BuildNotFoundError, RemoteError
from med_mat.mounts.urls import url

THERE = url("s3://bucket/Med-MAT")


def there(s3: Wire) -> dict[str, bytes]:
    """What the bucket holds."""
    client = s3.store.client
    found = client.list_objects_v2(Bucket="bucket", Prefix="Med-MAT/").get("Contents", [])
    return {
        one["Key"].removeprefix("Med-MAT/"): client.get_object(Bucket="bucket", Key=one["Key"])["Body"].read()
        for one in found
    }


def test_a_build_goes_to_a_bucket_and_a_killed_copy_goes_on(
    s3: Wire, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("med_mat.mounts.stores._PAUSES", (0.01,))
    out = tmp_path / "out"
    command = ["build", f"busi={raw / 'busi'}", "--out", str(THERE), "--staging", str(out), "--jobs", "1", "--quiet"]
    s3.faults.append(lambda method, path: 503 if method == "PUT" and "index.parquet" in path else None)
    assert isinstance(CliRunner().invoke(cli, command).exception, RemoteError | SystemExit)
    with pytest.raises(BuildNotFoundError):
        med_mat.open(str(THERE))
    s3.faults.clear()
    before = len(s3.log)
    ran = CliRunner().invoke(cli, command)
    assert not ran.exit_code, ran.output
    assert not any(method == "PUT" and "/data/" in path for method, path in s3.log[before:])
    wanted = [*sums.read(out), "SHA256SUMS"]
    assert there(s3) == {name: (out / name).read_bytes() for name in wanted}
    assert len(med_mat.open(str(THERE)).select()) == len(med_mat.open(out).select())
    assert mirror(out, THERE).sent == 0
    command[1:2] = [f"head_ct={raw / 'head_ct'}"]
    assert not CliRunner().invoke(cli, command).exit_code
    assert there(s3) == {name: (out / name).read_bytes() for name in [*sums.read(out), "SHA256SUMS"]}


def test_a_place_with_other_files_is_refused(s3: Wire, raw: Path, tmp_path: Path) -> None:
    s3.store.put(raw / "head_ct", "Med-MAT/")
    with pytest.raises(BuildError, match="SHA256SUMS"):
        mirror(tmp_path, THERE)
    (tmp_path / "SHA256SUMS").write_bytes(sums.to_bytes({}))
    with pytest.raises(BuildError, match="choose an empty place"):
        mirror(tmp_path, THERE)
    shutil.rmtree(tmp_path)
