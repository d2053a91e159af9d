"""What a build does with folders and files that are not as they should be: one clear sentence, and nothing is lost."""

import os
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pydicom
import pytest
from building import CLASS_FOLDERS, Toy, content, draw, ledger, make, make_miniature, reasons, records, row

import med_mat
from med_mat.building import find
from med_mat.demo import miniature
from med_mat.errors import BuildError, LayoutError, ReadError
from med_mat.raw import Miniature, RawFolder

MakeToy = Callable[..., Toy]
MED_MAT = [sys.executable, "-c", "from med_mat.cli import main; main()"]


def command(*arguments: object, start: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``med-mat`` as a user does, after some lines of Python."""
    program = [*MED_MAT[:2], f"{start}\n{MED_MAT[2]}"]
    return subprocess.run([*program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def is_one_sentence(text: str) -> bool:
    return "\n" not in text.strip() and "Traceback" not in text and text.strip().endswith((".", ")"))


def is_one_line(error: Exception) -> bool:
    return "\n" not in str(error)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """What mounts a small file system; the test is skipped where that is not permitted."""
    places = []

    def mount(options: str) -> Path:
        place = tmp_path / "mounted"
        place.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("mounting is not permitted here")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", "--lazy", place], check=True)  # a busy one goes when it is left


# ------------------------------------------------------------------------------------------------------- raw folders


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(LayoutError) as caught:
        find({"busi": tmp_path}, None)
    assert is_one_line(caught.value)
    assert "The folder is empty" in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(LayoutError, match="No source of Med-MAT is recognized"):
        find({}, tmp_path)


def test_the_wrong_folder(tmp_path: Path) -> None:
    miniature(tmp_path, ["head_ct"])
    with pytest.raises(LayoutError) as caught:
        find({"busi": tmp_path / "head_ct"}, None)
    assert is_one_line(caught.value)
    for part in ("not laid out as BUSI", "benign/benign (*).png", "There lies: 'head_ct/'", "med-mat show busi"):
        assert part in str(caught.value)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    miniature(tmp_path, ["busi"])
    with pytest.raises(LayoutError, match=r"buzi does not exist.*'busi'"):
        find({"busi": tmp_path / "buzi"}, None)
    with pytest.raises(LayoutError, match=r"is a file"):
        find({"busi": tmp_path / "busi" / "SYNTHETIC.txt"}, None)


@pytest.mark.parametrize("levels", [1, 3])
def test_a_folder_some_levels_too_high_is_looked_through(tmp_path: Path, levels: int) -> None:
    place = tmp_path.joinpath(*"xyz"[: levels - 1])
    miniature(place, ["busi"])
    assert find({"busi": tmp_path}, None)["busi"].root == place / "busi" / "Dataset_BUSI_with_GT"


def test_a_folder_far_too_high_names_the_right_one(tmp_path: Path) -> None:
    miniature(tmp_path / "a" / "b" / "c" / "d", ["busi"])
    with pytest.raises(LayoutError) as caught:
        find({"busi": tmp_path}, None)
    assert "too high: pass " + str(tmp_path / "a/b/c/d/busi/Dataset_BUSI_with_GT") in str(caught.value)


def test_a_folder_too_deep_names_the_right_one(tmp_path: Path) -> None:
    miniature(tmp_path, ["busi"])
    right = tmp_path / "busi" / "Dataset_BUSI_with_GT"
    with pytest.raises(LayoutError) as caught:
        find({"busi": right / "benign"}, None)
    assert f"one level too deep: pass {right}" in str(caught.value)


def test_an_archive_that_was_not_unpacked_is_read_in_place(tmp_path: Path) -> None:
    (tmp_path / "busi").mkdir()
    with zipfile.ZipFile(tmp_path / "busi" / "archive.zip", "w") as archive:
        archive.writestr("benign/benign (1).png", b"")
    assert find({"busi": None}, tmp_path)["busi"].images() == [PurePosixPath("benign/benign (1).png")]


def test_the_command_line_says_it_in_one_sentence_and_makes_no_output(tmp_path: Path) -> None:
    done = command("build", f"busi={tmp_path}", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert is_one_sentence(done.stderr)
    assert not (tmp_path / "out").exists()


# --------------------------------------------------------------------------------------------------------- bad files


def test_a_truncated_jpeg_is_skipped_and_said_so(tmp_path: Path) -> None:
    out = make_miniature(tmp_path, "brain_tumor_mri")
    assert set(reasons(out, "brain_tumor_mri")) == {"Training/glioma/Tr-gl_0013.jpg"}
    (reason,) = reasons(out, "brain_tumor_mri").values()
    assert "cannot be decoded" in reason
    assert "truncated" in reason
    assert "Training/glioma/Tr-gl_0013.jpg" in ledger(out, "brain_tumor_mri")["skipped_files"]


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.3, 0.99])
@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tif", "gif", "webp", "dcm"])
def test_a_truncated_file_of_any_kind_is_skipped_and_the_rest_is_built(toy: MakeToy, suffix: str, keep: float) -> None:
    source = toy(CLASS_FOLDERS)
    write = Miniature(source.raw)
    for number in (1, 2):
        if suffix == "dcm":
            write.dicom(f"a/{number}.dcm")
        else:
            write.image(f"a/{number}.{suffix}")
    write.corrupt(f"a/1.{suffix}", keep=keep)
    report = source.build()
    assert [one["id"] for one in records(source.out)] == [f"toy/48/a/2.{suffix}"]
    assert report.skipped == 1
    (reason,) = reasons(source.out).values()
    assert reason.startswith(f"a/1.{suffix}: ")
    assert is_one_sentence(reason)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>please sign in</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"PK\x03\x04 an archive", "ZIP"),
        (b"just some text", "no image"),
    ],
)
def test_a_file_that_is_no_image_is_called_what_it_is(toy: MakeToy, content: bytes, words: str) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png")
    (source.raw / "a/2.png").write_bytes(content)
    source.build()
    assert words in reasons(source.out)["a/2.png"]


def test_a_dicom_file_without_pixels(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    write = Miniature(source.raw)
    write.dicom("a/1.dcm")
    write.dicom("a/2.dcm")
    header = pydicom.dcmread(source.raw / "a/2.dcm")
    del header.PixelData
    header.save_as(source.raw / "a/2.dcm")
    source.build()
    assert [one["id"] for one in records(source.out)] == ["toy/48/a/1.dcm"]
    assert "has no pixels" in reasons(source.out)["a/2.dcm"]


def test_a_source_of_bad_files_only_is_an_error_that_says_why(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    (source.raw / "a").mkdir()
    (source.raw / "a/1.png").write_bytes(b"")
    with pytest.raises(ReadError, match=r"None of the 1 examples.*the file is empty \(first: a/1\.png\)"):
        source.build()


def test_a_csv_with_a_missing_column(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["head_ct"])
    table = tmp_path / "raw/head_ct/labels.csv"
    table.write_text(table.read_text().replace("hemorrhage", "bleeding"))
    with pytest.raises(ReadError) as caught:
        make(tmp_path / "raw", tmp_path / "out", "head_ct")
    assert is_one_line(caught.value)
    for part in (str(table), "no column 'hemorrhage'", "'id', 'bleeding'"):
        assert part in str(caught.value)


def test_an_image_that_the_table_names_and_the_folder_lacks_is_missing_in_the_ledger(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["head_ct"])
    (tmp_path / "raw/head_ct/head_ct/head_ct/003.png").unlink()
    make(tmp_path / "raw", tmp_path / "out", "head_ct")
    assert ledger(tmp_path / "out", "head_ct")["missing"] == {"003": "labels.csv"}


def test_a_label_that_the_card_does_not_know(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["head_ct"])
    table = tmp_path / "raw/head_ct/labels.csv"
    table.write_text(table.read_text().replace("\n3,1", "\n3,perhaps"))
    report = make(tmp_path / "raw", tmp_path / "out", "head_ct")
    assert (report.written, report.skipped) == (19, 1)
    (reason,) = reasons(tmp_path / "out", "head_ct").values()
    assert "'perhaps' is not among those that the card of 'head_ct' lists for row 7: '0', '1'" in reason
    assert is_one_sentence(reason)


def test_two_files_with_one_id_stop_a_build_that_raises_and_lose_nothing_in_one_that_skips(toy: MakeToy) -> None:
    source = toy("""
    for image in raw.images("*/*"):
        yield Example(image, label=image.parent.name, key=image.name)
""")
    source.draw("a/1.png", "b/1.png", "b/2.png")
    with pytest.raises(ReadError, match=r"b/1\.png: its id '1\.png' is already that of a/1\.png"):
        source.build(on_error="raise")
    source.build()
    assert len(records(source.out)) == 2
    assert ledger(source.out)["skipped_files"] == {"b/1.png": "its id '1.png' is already that of a/1.png"}


def test_a_mask_of_another_size(tmp_path: Path) -> None:
    out = make_miniature(tmp_path, "busi")
    (entry,) = ledger(out, "busi")["quarantine"]
    assert entry["id"] == "busi/97/malignant/malignant (6).png"
    assert "malignant (6)_mask.png: a mask of 50 x 45 pixels on an image of 106 x 90" in entry["reason"]
    assert "busi/48/malignant/malignant (6).png" in {one["id"] for one in records(out)}


NAMES = (
    "new\nline",
    "🫁 lung",
    "ñandú",
    "tab\tand 'quote\"",
    "[1]{2}*?",
    "-rf",
    "% $HOME `x`",
    "back\\slash",
    "a" * 200,
)


@pytest.mark.parametrize("jobs", [1, 2])
def test_any_name_that_a_file_system_takes_is_read(toy: MakeToy, jobs: int) -> None:
    source = toy(
        """
    for image in raw.images("**/*.png", exclude="*_mask.png"):
        masks = [BinaryMask(path, "a") for path in raw.siblings(image, f"{image.stem}_mask.png")]
        yield Example(image, label="a", masks=masks)
""",
        row(97, "masks", {"a": "Benign"}),
    )
    source.draw(*(f"{name}/{name}.png" for name in NAMES), *(f"{name}/{name}_mask.png" for name in NAMES))
    source.build(jobs=jobs)
    assert {one["id"] for one in records(source.out)} == {f"toy/97/{name}/{name}.png" for name in NAMES}
    assert all(one["mask_legend"] for one in records(source.out))
    assert ledger(source.out)["files"]["found"] == 2 * len(NAMES)
    assert len(med_mat.open(source.out)) == len(NAMES)


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names")
def test_a_name_that_is_not_text_is_skipped(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png")
    (source.raw / "a" / os.fsdecode(b"\xff.png")).write_bytes((source.raw / "a/1.png").read_bytes())
    source.build()
    assert ledger(source.out)["skipped_files"] == {"a/\\xff.png": "its name is not valid UTF-8: rename it"}


def test_links_to_files_are_read_and_others_are_named(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png")
    secret = draw(source.raw.parent / "secret" / "2.png", 9)
    (source.raw / "a/2.png").symlink_to(secret)
    (source.raw / "a/3.png").symlink_to("../../secret/2.png")
    (source.raw / "b").symlink_to(secret.parent)
    (source.raw / "a/4.png").symlink_to("1.png")  # inside: a name like any other
    (source.raw / "a/5.png").symlink_to("nowhere.png")
    (source.raw / "a/loop").symlink_to("..")
    source.build()
    assert {one["id"] for one in records(source.out)} == {f"toy/48/a/{number}.png" for number in range(1, 5)}
    account = ledger(source.out)
    assert account["links"] == {"a/2.png": str(secret), "a/3.png": "../../secret/2.png", "a/4.png": "1.png"}
    assert account["read_through_links"] == 3
    assert account["skipped_files"].keys() == {"b", "a/5.png", "a/loop"}
    assert account["skipped_files"]["b"] == account["skipped_files"]["a/loop"] == "a link to a folder"
    assert str(secret) not in (source.out / "ledger.json").read_text("utf-8"), "paths of this machine are not published"


def test_a_pipe_in_the_folder_does_not_hang_the_build(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png")
    os.mkfifo(source.raw / "a/2.png")
    source.build()
    assert ledger(source.out)["skipped_files"] == {"a/2.png": "not a regular file"}


def test_a_file_that_goes_away_during_the_build_is_skipped(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS + '        (raw.root / "a/2.png").unlink(missing_ok=True)\n')
    source.draw("a/1.png", "a/2.png", "a/3.png")  # of one size, so that they are compared
    report = source.build()
    assert (report.written, report.skipped) == (2, 1)
    assert "a/2.png: cannot be opened" in reasons(source.out)["a/2.png"]


# ------------------------------------------------------------------------------------------------------------- bombs


def test_a_workbook_that_unpacks_to_a_whole_memory_is_refused(toy: MakeToy) -> None:
    source = toy("""
    for row in raw.table("labels.xlsx"):
        yield Example(PurePosixPath("1.png"), label="a")
""")
    source.draw("1.png")
    with (
        zipfile.ZipFile(source.raw / "labels.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("xl/sharedStrings.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(300):
            part.write(bytes(1 << 20))
    assert (source.raw / "labels.xlsx").stat().st_size < 2 << 20
    with pytest.raises(ReadError, match=r"labels\.xlsx would unpack to 300 MiB") as caught:
        source.build()
    assert is_one_line(caught.value)


@pytest.mark.parametrize("check", ["header", "decode"])
@pytest.mark.parametrize("suffix", ["png", "gif", "tif"])
def test_an_image_that_declares_more_pixels_than_any_image_has_is_skipped(
    toy: MakeToy, check: str, suffix: str
) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png")
    bomb = draw(source.raw / f"a/2.{suffix}", 5, size=(60_001, 2))
    height = {"png": slice(20, 24), "gif": slice(8, 10)}.get(suffix)
    data = bytearray(bomb.read_bytes())
    if height is None:
        at = data.index(b"\x01\x01\x04\x00") if b"\x01\x01\x04\x00" in data else data.index(b"\x01\x01\x03\x00")
        data[at + 8 : at + 10] = (60_000).to_bytes(2, "little")
    elif suffix == "png":
        data[height] = (60_000).to_bytes(4, "big")
    else:
        data[height] = (60_000).to_bytes(2, "little")
        frame = data.index(b",")
        data[frame + 7 : frame + 9] = (60_000).to_bytes(2, "little")
    bomb.write_bytes(data)
    source.build(check=check)
    assert [one["id"] for one in records(source.out)] == ["toy/48/a/1.png"]
    assert "pixels" in reasons(source.out)[f"a/2.{suffix}"]


# ------------------------------------------------------------------------------------------------------------ output


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["busi"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("precious")
    with pytest.raises(BuildError, match="contains files that are not a Med-MAT build") as caught:
        make(tmp_path / "raw", tmp_path / "out", "busi")
    assert is_one_line(caught.value)
    assert content(tmp_path / "out") == {"thesis.tex": b"precious"}


def test_an_output_that_is_a_file_is_left_alone(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["busi"])
    (tmp_path / "out").write_text("precious")
    for out in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(BuildError, match="out"):
            make(tmp_path / "raw", out, "busi")
    assert (tmp_path / "out").read_text() == "precious"


def test_an_output_inside_a_raw_folder_is_refused(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["head_ct"])
    for out in (tmp_path / "raw" / "head_ct" / "Med-MAT", tmp_path / "raw" / "head_ct"):
        with pytest.raises(BuildError, match="is inside the raw folder"):
            make(tmp_path / "raw", out, "head_ct")
    assert not (tmp_path / "raw" / "head_ct" / "Med-MAT").exists()


def test_a_raw_folder_inside_the_output_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    raw = tmp_path / "out" / "raw"
    miniature(raw, ["head_ct"])
    (raw / "head_ct" / "notes.tmp").write_text("mine")
    (tmp_path / "link").symlink_to(raw)
    (tmp_path / "way").symlink_to(tmp_path / "out")
    before = content(tmp_path / "out")
    for where, out in [(raw, tmp_path / "out"), (tmp_path / "link", tmp_path / "out"), (raw, tmp_path / "way")]:
        with pytest.raises(BuildError, match=r"^The raw folder .* is inside the output .*: choose another folder"):
            make(where, out, "head_ct")
    assert content(tmp_path / "out") == before


def test_a_build_removes_no_file_of_the_user(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["head_ct"])
    out = tmp_path / "out"
    make(tmp_path / "raw", out, "head_ct")
    mine = [
        "a.tmp",
        ".a.parquet.7.tmp",
        "data/a.tmp",
        "data/head_ct/.x.1.tmp",
        ".build/.a.tmp",
        "x.tmp/y",
        "cards/a.txt",
    ]
    for name in mine:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    next((tmp_path / "raw").rglob("*.png")).unlink()  # so that files are replaced
    make(tmp_path / "raw", out, "head_ct", allow_fewer=True)
    assert all((out / name).read_text() == "mine" for name in mine)


def test_a_read_only_folder(tmp_path: Path, mounted: Callable[..., Path]) -> None:
    miniature(tmp_path / "raw", ["busi"])
    place = mounted("ro")
    for out in (place, place / "out"):
        with pytest.raises(BuildError, match="Read-only file system") as caught:
            make(tmp_path / "raw", out, "busi")
        assert is_one_line(caught.value)
        assert str(out) in str(caught.value)


def test_a_finished_build_that_was_made_read_only(tmp_path: Path, mounted: Callable[..., Path]) -> None:
    miniature(tmp_path / "raw", ["busi", "head_ct"])
    out = mounted("size=64m")
    make(tmp_path / "raw", out, "busi")
    before = content(out)
    subprocess.run(["mount", "-o", "remount,ro", out], check=True)
    with pytest.raises(BuildError, match="Read-only file system"):
        make(tmp_path / "raw", out, "head_ct")
    assert content(out) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_to_write(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["busi"])
    (tmp_path / "closed").mkdir(mode=0o555)
    with pytest.raises(BuildError, match="Permission denied"):
        make(tmp_path / "raw", tmp_path / "closed" / "out", "busi")


@pytest.mark.parametrize(("limit", "jobs"), [(20, 1), (3_000, 1), (100_000, 1), (3_000, 2), (100_000, 2)])
def test_no_space_for_a_file_and_then_there_is(built: Path, tmp_path: Path, limit: int, jobs: int) -> None:
    raw = built.parent / "raw"
    start = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    arguments = ("build", "--raw", raw, "--out", tmp_path / "out", "--quiet", "--jobs", jobs)
    done = command(*arguments, start=start)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Cannot write ")
    assert "File too large" in done.stderr
    # joblib's tracker is a process of its own, and may complain that a killed worker's folder is gone already
    theirs = re.compile(r".*resource_tracker.*\n(?:  warnings\.warn\(\n)?")
    assert is_one_sentence(theirs.sub("", done.stderr))
    assert jobs > 1 or not list((tmp_path / "out").rglob("*.tmp"))  # other workers are stopped as by a kill
    assert not (tmp_path / "out" / "med_mat.json").exists()
    make(raw, tmp_path / "out", "head_ct", "busi")
    assert content(tmp_path / "out") == content(built)


@pytest.mark.parametrize("size", ["120k", "300k", "700k"])
def test_a_full_disk_and_then_there_is_space(built: Path, mounted: Callable[..., Path], size: str) -> None:
    raw = built.parent / "raw"
    out = mounted(f"size={size}")
    with pytest.raises(BuildError, match="No space left on device") as caught:
        make(raw, out, "head_ct", "busi")
    assert is_one_line(caught.value)
    assert not list(out.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=64m", out], check=True)
    make(raw, out, "head_ct", "busi")
    assert content(out) == content(built)


def test_a_second_build_on_the_same_folder_is_refused_and_the_first_goes_on(toy: MakeToy, tmp_path: Path) -> None:
    source = toy(
        """
    import time
    (raw.root.parent / "begun").touch()
    while not (raw.root.parent / "go on").exists():
        time.sleep(0.01)
"""
        + CLASS_FOLDERS
    )
    source.draw("a/1.png", "b/2.png")
    miniature(tmp_path / "other", ["head_ct"])
    first = threading.Thread(target=source.build)
    first.start()
    try:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        done = command("build", "--raw", tmp_path / "other", "--out", source.out, "--quiet", "--jobs", 1)
    finally:
        (tmp_path / "go on").touch()
        first.join()
    assert done.returncode == 1
    assert "Another build is writing to" in done.stderr
    assert is_one_sentence(done.stderr)
    assert {one["source"] for one in records(source.out)} == {"toy"}
    source.build(tmp_path / "clean")
    assert content(source.out) == content(tmp_path / "clean")


def test_two_builds_that_start_at_once_leave_one_whole_build(built: Path, tmp_path: Path) -> None:
    arguments = ["build", "--raw", str(built.parent / "raw"), "--out", str(tmp_path / "out"), "--quiet", "--jobs", "1"]
    both = [subprocess.Popen([*MED_MAT, *arguments], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for one in both:
        _, said = one.communicate(timeout=60)
        assert one.returncode == 0 or "Another build is writing to" in said
    assert 0 in [one.returncode for one in both]
    assert content(tmp_path / "out") == content(built)


def test_the_raw_folder_is_never_written_to(built: Path) -> None:
    raw = built.parent / "raw"
    before = RawFolder(raw).files
    make(raw, built.parent / "again", "head_ct", "busi")
    assert dict(RawFolder(raw).files) == dict(before)


def spoil(raw: Path) -> None:
    """Take away a column that the loader of Head CT needs."""
    table = raw / "head_ct/labels.csv"
    table.write_text(table.read_text().replace("hemorrhage", "bleeding"))


def test_a_source_that_cannot_be_read_does_not_stop_the_others_and_is_named(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["head_ct", "busi"])
    spoil(tmp_path / "raw")
    report = make(tmp_path / "raw", tmp_path / "out", "head_ct", "busi")
    assert "no column 'hemorrhage'" in str(report.failed["head_ct"])
    assert report.failed.keys() == {"head_ct"}
    assert {one["source"] for one in records(tmp_path / "out")} == {"busi"}
    make(tmp_path / "raw", tmp_path / "clean", "busi")
    assert content(tmp_path / "out") == content(tmp_path / "clean")
    with pytest.raises(ReadError, match="no column 'hemorrhage'"):
        make(tmp_path / "raw", tmp_path / "out", "head_ct", "busi", on_error="raise")


def test_the_command_line_fails_where_a_source_failed(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["head_ct", "busi"])
    spoil(tmp_path / "raw")
    done = command("build", "--raw", tmp_path / "raw", "--out", tmp_path / "out", "--quiet", "--jobs", 1)
    assert done.returncode != 0
    assert "no column 'hemorrhage'" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(med_mat.open(tmp_path / "out")) == 35


def test_a_build_of_nothing_is_not_taken_for_a_finished_one(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["head_ct"])
    spoil(tmp_path / "raw")
    with pytest.raises(ReadError):
        make(tmp_path / "raw", tmp_path / "out", "head_ct")
    with pytest.raises(BuildError):
        med_mat.open(tmp_path / "out")
