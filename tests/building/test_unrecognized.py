import os
from pathlib import Path

import pytest

from med_mat.building.unrecognized import Unread, sentences, unread


def lay(top: Path, *paths: str) -> None:
    for path in paths:
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(b"")


def test_what_belongs_to_no_source_is_found_wherever_it_lies(tmp_path: Path) -> None:
    lay(
        tmp_path,
        "busi/Dataset_BUSI_with_GT/benign/1.png",
        "busi/a second edition/1.png",
        "downloads/head_ct/labels.csv",
        "downloads/HEp2 (1)/train/1.png",
        "downloads/HEp2 (1)/train/2.png",
        "downloads/HEp2 (1)/.hidden/3.png",
        "downloads/more.zip",
        "notes/a.txt",
        "all/part.tar.gz",
        "brain.zip",
        "scan.nii.gz",
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "elsewhere").symlink_to(tmp_path / "notes")
    roots = {"busi": tmp_path / "busi/Dataset_BUSI_with_GT", "head_ct": tmp_path / "downloads/head_ct"}
    found = unread(tmp_path, roots)
    assert found == Unread(
        {"downloads/HEp2 (1)": (2, 2), "notes": (0, 1)}, ["elsewhere"], ["brain.zip", "all/part.tar.gz"]
    )
    assert sentences(tmp_path, found) == [
        f"not recognized: downloads/HEp2 (1) (2 images), notes (1 file); see med-mat doctor {tmp_path}",
        "links to folders, not followed: elsewhere; name them as SOURCE=FOLDER",
        "archives, not read: brain.zip, all/part.tar.gz; either what they hold lies there unpacked, or no source fits; "
        f"see med-mat doctor {tmp_path}",
    ]


def test_archives_that_are_read_in_place_are_not_called_unread(tmp_path: Path) -> None:
    lay(tmp_path, "a.zip", "b/c.zip", "b/d.zip")
    found = unread(tmp_path, {"busi": tmp_path / "a.zip" / "Dataset"}, [tmp_path / "a.zip", tmp_path / "b/c.zip"])
    assert found.archives == ["b/d.zip"]


def test_a_folder_that_is_a_source_itself_holds_nothing_strange(tmp_path: Path) -> None:
    lay(tmp_path, "benign/1.png", "more/2.png", "a.zip")
    assert unread(tmp_path, {"busi": tmp_path}) == Unread()
    assert sentences(tmp_path, Unread()) == []


def test_a_link_that_is_a_source_is_recognized(tmp_path: Path) -> None:
    lay(tmp_path, "disk/benign/1.png")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/busi").symlink_to(tmp_path / "disk")
    assert unread(tmp_path / "raw", {"busi": tmp_path / "raw/busi"}) == Unread()


def test_a_folder_that_may_not_be_opened_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, "locked/1.png", "open/2.png")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked")
    found = unread(tmp_path, {})
    assert found == Unread({"open": (1, 1)}, closed=["locked"])
    assert sentences(tmp_path, found)[1] == "folders that cannot be opened: locked; change their permissions"
