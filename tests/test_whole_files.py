"""What is written is whole or not there, is nobody else's, and leaves nothing behind."""

import errno
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med_mat.errors import MedMATError, WriteError
from med_mat.files import (
    holds,
    is_temporary,
    relative,
    replacing,
    scratch,
    sha256,
    sweep,
    temporary_path,
    write_atomically,
)

HALF = """
import sys, time
from pathlib import Path
from med_mat.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write_bytes(b"half")
    print("begun", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def killed(path: Path) -> Path:
    """A file that a process had begun when it was killed."""
    run = subprocess.Popen([sys.executable, "-c", HALF, str(path)], stdout=subprocess.PIPE)
    assert run.stdout is not None
    assert run.stdout.readline() == b"begun\n"
    (left,) = [one for one in path.parent.iterdir() if is_temporary(one.name)]
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    return left


def test_a_file_is_written_whole_into_a_folder_that_was_not_there(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a/b/file", b"one")
    write_atomically(tmp_path / "a/b/file", b"two")
    assert (tmp_path / "a/b/file").read_bytes() == b"two"
    assert names(tmp_path / "a/b") == ["file"]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"old")

    def fail() -> None:
        with replacing(tmp_path / "file") as temporary:
            temporary.write_bytes(b"ne")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(WriteError) as caught:
        fail()
    assert str(caught.value) == f"Cannot write {tmp_path / 'file'}: No space left on device."
    assert isinstance(caught.value, MedMATError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_full_disk_is_a_sentence_that_names_the_file() -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("needs /dev/full")
    with pytest.raises(WriteError, match=r"^Cannot write /dev/full: No space left on device\.$"):
        write_atomically(Path("/dev/full"), b"data")
    assert Path("/dev/full").is_char_device()


def test_a_folder_of_that_name_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "split.json").mkdir()
    with pytest.raises(WriteError, match=r"^Cannot write .*split\.json: "):
        write_atomically(tmp_path / "split.json", b"data")
    assert names(tmp_path) == ["split.json"]


def test_a_link_and_a_device_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere/file")
    write_atomically(tmp_path / "link", b"data")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere/file").read_bytes() == b"data"
    write_atomically(Path(os.devnull), b"data")
    assert Path(os.devnull).is_char_device()


def test_a_name_of_any_length_that_a_file_may_have_can_be_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 255), b"data")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"data"


def test_what_a_killed_process_left_goes_with_the_next_write_and_nothing_else_does(tmp_path: Path) -> None:
    mine = ["notes.tmp", ".split.parquet.99.tmp", ".hidden.tmp", ".med-mat-notes.tmp", "x.parquet.7.tmp"]
    for name in mine:
        (tmp_path / name).write_text("mine")
    left = killed(tmp_path / "split.parquet")
    assert left.name.startswith(".")
    write_atomically(tmp_path / "other.parquet", b"data")
    assert names(tmp_path) == sorted([*mine, "other.parquet"])


def test_what_another_process_is_writing_stays(tmp_path: Path) -> None:
    ours = temporary_path(tmp_path / "file")
    ours.write_bytes(b"half")
    elsewhere = ours.with_name(ours.name.replace(ours.name.split("-")[2], "0" * 8, 1))  # another machine
    elsewhere.write_bytes(b"half")
    sweep(tmp_path)
    assert ours.exists()
    assert elsewhere.exists()
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(elsewhere, (two_days_ago, two_days_ago))
    sweep(tmp_path)
    assert ours.exists()
    assert not elsewhere.exists()


def test_a_scratch_folder_is_private_and_goes_even_where_its_process_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    code = "import time; from med_mat.files import scratch\n"
    code += "with scratch() as folder: (folder / 'file').touch(); print('begun', flush=True); time.sleep(60)"
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert run.stdout is not None
    run.stdout.readline()
    (left,) = tmp_path.iterdir()
    assert left.stat().st_mode & 0o077 == 0
    run.kill()
    run.wait()
    run.stdout.close()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch() as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert not list(tmp_path.iterdir())


@given(st.text(st.sampled_from("a./\\:\0C"), max_size=8), st.booleans())
def test_no_name_leads_out_of_its_folder(name: str, backslashes: bool) -> None:
    try:
        path = relative(name, backslashes=backslashes)
    except ValueError:
        return
    assert path.parts
    assert ".." not in path.parts
    assert not path.is_absolute()


def test_a_folder_holds_what_lies_in_it_by_whatever_name(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "deep").symlink_to(tmp_path / "a/b")
    assert holds(tmp_path / "a", tmp_path / "a")
    assert holds(tmp_path / "a", tmp_path / "link/b/new/newer")
    assert holds(tmp_path / "link", tmp_path / "a/b")
    assert holds(tmp_path / "a", tmp_path / "deep")
    assert holds(tmp_path / "new", tmp_path / "new/newer")
    assert not holds(tmp_path / "a/b", tmp_path / "a")
    assert not holds(tmp_path / "a", tmp_path / "ab")


def test_a_sha256_is_that_of_all_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 1_000_000)
    assert sha256(tmp_path / "file") == "f4096a131e7e6ebfa7a512b5c299e13b065df34d15624ee1202ab394cc4d7e90"
