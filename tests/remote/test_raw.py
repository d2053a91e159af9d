"""Raw folders behind addresses give the bytes of folders on disk; what a store does wrong is told or tried again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from servers import Wire, fresh, sftp

from med_mat import doctor
from med_mat.building import Options, build, find
from med_mat.catalog import load
from med_mat.errors import FolderNotFoundError, LayoutError, MedMATError, RemoteError, UsageError
from med_mat.mounts import blocks, cache, remote
from med_mat.mounts.choice import mount_of
from med_mat.mounts.urls import URLPath, url
from med_mat.raw import RawFolder


def content(out: Path) -> dict[str, bytes]:
    """Every file of a build but its state, and the sums, which include the state."""
    files = (path for path in out.rglob("*") if path.is_file() and ".build" not in path.parts)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files if path.name != "SHA256SUMS"}


def some(fault: int | str, times: int, of: str = ".png") -> Callable[[str, str], int | str | None]:
    """A fault of the first requests for something."""
    left = [times]

    def answer(method: str, path: str) -> int | str | None:
        if method == "GET" and of in path and left[0]:
            left[0] -= 1
            return fault
        return None

    return answer


def test_addresses_keep_both_slashes_whatever_is_done_with_them() -> None:
    where = url("S3://bucket/raw/")
    assert str(where / "busi" / "x.png") == "s3://bucket/raw/busi/x.png"
    assert [str(one) for one in (where.parent, where.joinpath("a"))] == ["s3://bucket", "s3://bucket/raw/a"]
    assert str((where / "a/b").relative_to(where)) == "a/b"
    assert isinstance(where.parent, URLPath)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("s3://key:hunter2@bucket/raw", "hunter2"),
        ("sftp://me:hunter2@host/raw", "hunter2"),
        ("s3://bucket/raw?X-Amz-Signature=hunter2", "hunter2"),
        ("hf://hf_hunter2@datasets/owner/name", "hunter2"),
        ("ftp://me:hunter2@host/raw", "hunter2"),
        ("s3:///raw", ""),
        ("s3://bucket/../other", ""),
        ("hf://owner", ""),
    ],
)
def test_addresses_with_secrets_or_of_unknown_kinds_are_refused(text: str, secret: str) -> None:
    with pytest.raises(UsageError) as error:
        mount_of(text)
    assert not secret or secret not in str(error.value)


def test_a_build_from_a_bucket_has_the_bytes_of_one_from_the_folder(s3: Wire, raw: Path, tmp_path: Path) -> None:
    """Half objects, broken connections, and busy answers in between included."""
    s3.store.put(raw, "raw/")
    s3.faults += [some("half", 2), some("cut", 2, "_mask"), some(503, 2, "isic")]
    report = build(find({}, url("s3://bucket/raw")), tmp_path / "out", Options(jobs=1))
    assert not report.failed
    build(find({}, raw), tmp_path / "other", Options(jobs=1))
    assert content(tmp_path / "out") == content(tmp_path / "other")
    told = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"the-secret-of-the-user" not in told
    assert b"s3:/bucket" not in told
    asked = len(s3.log)
    again = build(find({}, url("s3://bucket/raw")), tmp_path / "out", Options(jobs=1))
    assert again.kept
    assert len(s3.log) - asked < 10  # the list alone: what is finished is not read again


def test_an_archive_in_a_bucket_is_read_in_place(s3: Wire, raw: Path, tmp_path: Path) -> None:
    (tmp_path / "packed").mkdir()
    shutil.make_archive(str(tmp_path / "packed" / "busi"), "zip", raw / "busi")
    s3.store.put(tmp_path / "packed", "raw/")
    whole, below = find({}, url("s3://bucket/raw")), find({"busi": url("s3://bucket/raw/busi.zip")}, None)
    plain = find({"busi": raw / "busi"}, None)
    for found in (whole, below):
        assert {str(one): facts.size for one, facts in found["busi"].files.items()} == {
            str(one): facts.size for one, facts in plain["busi"].files.items()
        }
        assert str(found["busi"].root).startswith("s3://bucket/raw/busi.zip")
    reports = [build(one, tmp_path / name, Options(jobs=1)) for one, name in ((below, "a"), (plain, "b"))]
    assert not reports[0].failed
    assert content(tmp_path / "a") == content(tmp_path / "b")


@pytest.mark.parametrize(("fault", "told"), [(403, "access is denied"), (503, "tries"), ("half", "tries")])
def test_a_fault_that_stays_fails_the_source_and_skips_no_record(
    s3: Wire, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int | str, told: str
) -> None:
    monkeypatch.setattr("med_mat.mounts.stores._PAUSES", (0.01,) * 4)
    s3.store.put(raw, "raw/")
    s3.faults.append(some(fault, 10**9, "head_ct/005.png"))
    report = build(find({}, url("s3://bucket/raw")), tmp_path / "out", Options(jobs=1))
    assert set(report.failed) == {"head_ct"}
    assert told in str(report.failed["head_ct"])
    assert "s3://bucket/raw/head_ct" in str(report.failed["head_ct"])
    s3.faults.clear()
    report = build(find({}, url("s3://bucket/raw")), tmp_path / "out", Options(jobs=1))
    assert not report.failed
    build(find({}, raw), tmp_path / "other", Options(jobs=1))
    assert content(tmp_path / "out") == content(tmp_path / "other")


def test_a_table_that_cannot_be_had_fails_its_source(
    s3: Wire, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaders note what they cannot read and go on; for a table that did not arrive, records would be missing."""
    monkeypatch.setattr("med_mat.mounts.stores._PAUSES", (0.01,) * 4)
    s3.store.put(raw, "raw/")
    s3.faults.append(some("half", 10**9, ".csv"))
    report = build(
        find(dict.fromkeys(("busi", "isic_2016")), url("s3://bucket/raw")), tmp_path / "out", Options(jobs=1)
    )
    assert set(report.failed) == {"isic_2016"}
    assert "after several tries" in str(report.failed["isic_2016"])


def test_what_is_not_there_is_told(s3: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FolderNotFoundError, match="s3://bucket/nothing does not exist"):
        mount_of("s3://bucket/nothing")
    with pytest.raises(FolderNotFoundError, match="s3://elsewhere does not exist"):
        mount_of("s3://elsewhere")
    s3.faults.append(some(403, 10**9, "bucket"))
    with pytest.raises(RemoteError, match="access is denied"):
        mount_of("s3://bucket/raw")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://no.such.host.invalid")
    fresh()
    with pytest.raises(RemoteError, match="not known or does not answer"):
        mount_of("s3://bucket/raw")


def test_an_object_that_changes_is_told(s3: Wire, raw: Path) -> None:
    s3.store.put(raw / "head_ct", "raw/")
    mount = mount_of("s3://bucket/raw")
    name = next(iter(RawFolder(mount).images()))
    s3.store.client.put_object(Bucket="bucket", Key=f"raw/{name}", Body=b"something else")
    with pytest.raises(RemoteError, match="has changed"):
        mount.open(name)
    with pytest.raises(RemoteError, match="has changed"), remote.answered(), suppress(Exception):
        mount.open(name)  # a decoder may take it for a damaged file
    s3.store.client.delete_object(Bucket="bucket", Key=f"raw/{name}")
    with pytest.raises(RemoteError, match="was removed"):
        mount.open(name)


def test_another_machine_lists_the_same_or_refuses(
    s3: Wire, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.store.put(raw / "head_ct", "raw/")
    mount = mount_of("s3://bucket/raw")
    before = mount.scan()
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "another cache"))
    remote._listing.cache_clear()
    assert mount.scan() == before
    s3.store.client.put_object(Bucket="bucket", Key="raw/new.png", Body=b"new")
    remote._listing.cache_clear()
    with pytest.raises(RemoteError, match="changed since it was listed"):
        mount.scan()


def test_large_files_are_read_in_blocks_each_once(s3: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "BLOCK", 1000)
    data = bytes(range(256)) * 20
    s3.store.client.put_object(Bucket="bucket", Key="raw/large.bin", Body=data)
    mount = mount_of("s3://bucket/raw")
    for _ in range(2):
        with mount.open("large.bin") as file:
            file.seek(2500)
            assert file.read(10) == data[2500:2510]
            file.seek(-5, 2)
            assert file.read() == data[-5:]
            file.seek(0)
            assert file.read() == data
    assert s3.asked("large.bin") == 6
    copy = mount.local("large.bin", lambda: tmp_path)
    assert copy.read_bytes() == data


def test_blocks_stay_below_their_bound_and_damaged_ones_are_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    monkeypatch.setenv(blocks.VARIABLE, "100KB")

    def used() -> int:
        return sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())

    for number in range(50):
        assert blocks.block(9_000, lambda number=number: bytes([number]) * 9_000, number) == bytes([number]) * 9_000
        assert used() < 100_100
    fetched: list[int] = []

    def fetch() -> bytes:
        fetched.append(1)
        return bytes([49]) * 9_000

    assert blocks.block(9_000, fetch, 49) == bytes([49]) * 9_000
    assert not fetched
    newest = max((path for path in tmp_path.rglob("*/*/*") if path.is_file()), key=lambda one: one.stat().st_mtime_ns)
    newest.write_bytes(b"x" + newest.read_bytes()[1:])
    assert blocks.block(9_000, fetch, 49) == bytes([49]) * 9_000
    assert fetched
    monkeypatch.setenv(blocks.VARIABLE, "much")
    with pytest.raises(UsageError, match="is not a size"):
        blocks.block(1, lambda: b"x", "new")


def test_the_bound_holds_for_several_processes_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    monkeypatch.setenv(blocks.VARIABLE, "1MB")
    code = (
        "import sys; from med_mat.mounts.blocks import block\n"
        "for n in range(300): assert block(9000, lambda: b'x' * 9000, sys.argv[1], n) == b'x' * 9000"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(n)]) for n in range(3)]
    assert [one.wait(120) for one in running] == [0, 0, 0]
    kept = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert 500_000 < kept < 1_000_100


@pytest.fixture
def server(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An SFTP server; its address."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    with sftp(raw, tmp_path / "home") as port:
        yield f"sftp://user@127.0.0.1:{port}"


def test_a_build_over_sftp_has_the_bytes_of_one_from_the_folder(server: str, raw: Path, tmp_path: Path) -> None:
    report = build(find({}, url(server)), tmp_path / "out", Options(jobs=1))
    assert not report.failed
    build(find({}, raw), tmp_path / "other", Options(jobs=1))
    assert content(tmp_path / "out") == content(tmp_path / "other")


def test_a_host_that_is_not_known_is_refused(server: str, tmp_path: Path) -> None:
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text("")
    with pytest.raises(RemoteError, match="known_hosts"):
        mount_of(server)


def test_a_folder_that_fits_nothing_is_told_by_its_address(s3: Wire) -> None:
    s3.store.client.put_object(Bucket="bucket", Key="raw/a.txt", Body=b"a")
    with pytest.raises(LayoutError, match="s3://bucket/raw"):
        find({"busi": url("s3://bucket/raw")}, None)
    with pytest.raises(MedMATError, match="recognized below s3://bucket/raw"):
        find({}, url("s3://bucket/raw"))


def test_doctor_tells_what_a_bucket_holds_and_suggests_nothing_that_moves_files(
    s3: Wire, raw: Path, tmp_path: Path
) -> None:
    s3.store.put(raw, "raw/")
    (tmp_path / "packed" / "notes").mkdir(parents=True)
    shutil.make_archive(str(tmp_path / "packed" / "busi"), "zip", raw / "busi")
    (tmp_path / "packed" / "notes" / "a.txt").write_text("a")
    s3.store.put(tmp_path / "packed", "packed/")
    found = doctor.diagnose("s3://bucket/raw", load())
    plain = doctor.diagnose(raw, load())
    assert [(one.state, one.source, one.complete) for one in found] == [
        (one.state, one.source, one.complete) for one in plain
    ]
    assert [one.where for one in found] == [one.where.replace(str(raw), "s3://bucket/raw") for one in plain]
    packed = doctor.diagnose("s3://bucket/packed", load())
    assert [one.where for one in packed] == [
        "s3://bucket/packed/busi.zip/Dataset_BUSI_with_GT",
        "s3://bucket/packed/notes",
    ]
    assert not any(step.startswith(("mv", "unzip")) for one in (*found, *packed) for step in one.steps)
