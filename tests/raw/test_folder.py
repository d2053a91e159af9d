import json
import os
import pickle
import subprocess
import sys
import time
import unicodedata
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from med_mat.errors import LayoutError, ReadError
from med_mat.raw import FileFacts, Miniature, RawFolder, VolumeShape, folded
from med_mat.raw.patterns import is_hidden, matcher


def tree(root: Path, *paths: str) -> RawFolder:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return RawFolder(root)


def names(paths: list[PurePosixPath]) -> list[str]:
    return [str(path) for path in paths]


def test_importing_is_cheap() -> None:
    code = (
        "import sys; from med_mat.raw import RawFolder, Miniature, multi_hot, joined, one_hot, corners; "
        "import med_mat.layouts.locating; "
        "print(sorted({'numpy', 'PIL', 'pydicom', 'nibabel', 'pyarrow', 'pandas', 'openpyxl', 'yaml', 'wcmatch'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ---- files


def test_files_are_sorted_and_told_by_size_and_time(tmp_path: Path) -> None:
    raw = tree(tmp_path, "b/1.png", "a b/1.png", "a/1.png", "A/1.png", "1.png")
    assert list(raw.files) == ["1.png", "a b/1.png", "A/1.png", "a/1.png", "b/1.png"]
    assert raw.files["1.png"] == FileFacts(1, (tmp_path / "1.png").stat().st_mtime_ns)
    assert pickle.loads(pickle.dumps(raw)).files == raw.files
    with pytest.raises(TypeError):
        raw.files["x"] = FileFacts(1, 1)  # type: ignore[index]


ODD = [
    "new\nline.png",
    "😀.png",
    "100%20.png",
    "a[1].png",
    "{b}.png",
    "a (1).png",
    "back\\slash.png",
    "star*.png",
    "é.png",
    "ends\n",
    " .png",
]


def test_odd_names_are_found_and_read(tmp_path: Path) -> None:
    raw = tree(tmp_path, *ODD)
    assert names(raw.glob("**")) == sorted(ODD)
    assert names(raw.images()) == sorted(name for name in ODD if name.endswith(".png"))
    for name in ODD:
        assert raw.text(name) == "x"
    assert raw.read == set(ODD)
    assert names(raw.glob("a[1].png")) == ["a[1].png"]
    assert names(raw.glob("\\{b\\}.png")) == ["{b}.png"]
    assert names(raw.glob("ends")) == []


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0/*?{}\\"), min_size=1))
def test_a_name_without_wildcards_matches_itself_alone(name: str) -> None:
    match = matcher((name,))
    assert match(name)
    assert not match(name + "x")
    assert not match(name + "\n")
    assert not match("x/" + name)
    assert matcher((f"**/{name}",))(f"a/b/{name}")


def test_patterns(tmp_path: Path) -> None:
    raw = tree(
        tmp_path, "train/A/1.PNG", "train/A/1_mask.png", "train/b/2.jpg", "test/A/3.png", "labels.csv", "x/y/z/4.tif"
    )
    assert names(raw.glob("{Train,test}/*/*.png", exclude="*_MASK*")) == ["test/A/3.png", "train/A/1.PNG"]
    assert names(raw.glob(["labels.csv", "train/?/2.*"])) == ["labels.csv", "train/b/2.jpg"]
    assert names(raw.glob("**/*.{png,tif}", exclude=["train/**", "3.png"])) == ["x/y/z/4.tif"]
    assert names(raw.glob("train/**")) == ["train/A/1.PNG", "train/A/1_mask.png", "train/b/2.jpg"]
    assert names(raw.glob("*")) == ["labels.csv"]
    assert raw.glob([]) == []
    assert names(raw.images(exclude="*_mask*")) == ["test/A/3.png", "train/A/1.PNG", "train/b/2.jpg", "x/y/z/4.tif"]
    assert raw.first("**/*.jpg") == PurePosixPath("train/b/2.jpg")
    assert raw.first("*.jpg") is None
    with pytest.raises(ReadError, match="cannot be used"):
        raw.glob("{1..100000}")


def test_hidden_files_match_nothing_and_are_noted(tmp_path: Path) -> None:
    hidden = ["__MACOSX/a/._1.png", ".DS_Store", "a/._1.png", ".git/x.png", "a/.thumbs/1.jpg"]
    raw = tree(tmp_path, "a/1.png", *hidden)
    assert raw.skipped == dict.fromkeys(hidden, "hidden file")
    assert names(raw.images()) == names(raw.glob("**/*")) == ["a/1.png"]
    assert set(hidden) < set(raw.files)
    assert not is_hidden("a/b..png")


def test_one(tmp_path: Path) -> None:
    raw = tree(tmp_path, "Labels.csv", "a/1.png", "a/2.png")
    assert raw.one("labels.CSV") == PurePosixPath("Labels.csv")
    with pytest.raises(LayoutError, match=r"holds 2 files 'a/\*\.png'.*'a/1.png', 'a/2.png'"):
        raw.one("a/*.png")
    with pytest.raises(LayoutError, match=r"no file 'label\.csv'.*'Labels\.csv': was it renamed"):
        raw.one("label.csv")
    with pytest.raises(LayoutError, match="complete, and unpacked"):
        raw.one("zzzzzzzz")


def test_a_missing_or_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="is not a folder"):
        RawFolder(tmp_path / "nothing").glob("**")
    with pytest.raises(LayoutError, match="no file at all"):
        RawFolder(tmp_path).one("a.csv")


def test_siblings_take_names_literally(tmp_path: Path) -> None:
    raw = tree(
        tmp_path,
        *(f"Benign/benign (4){end}" for end in (".png", "_mask.png", "_mask_1.PNG", "_mask_12.png")),
        "Benign/benign (40)_mask.png",
        "Benign/a[1].png",
        "Benign/a[1]_{x}.png",
        "Benign/a1_x.png",
        "masks/benign (4).png",
        "top.png",
        "top_1.png",
    )
    image = PurePosixPath("Benign/benign (4).png")
    masks = [f"Benign/benign (4){end}" for end in ("_mask.png", "_mask_1.PNG", "_mask_12.png")]
    assert names(raw.siblings(image, f"{image.stem}_mask*.png")) == masks
    assert names(raw.siblings(image, f"{image.stem}_mask_?.png")) == [masks[1]]
    assert names(raw.siblings(image, "BENIGN (4)*")) == masks
    assert names(raw.siblings(image, "../masks/benign (4).*")) == ["masks/benign (4).png"]
    assert names(raw.siblings(PurePosixPath("Benign/a[1].png"), "a[1]_{x}.*")) == ["Benign/a[1]_{x}.png"]
    assert names(raw.siblings(PurePosixPath("top.png"), "top*.png")) == ["top_1.png"]
    assert raw.siblings(image, "../../../*") == []


@given(
    st.lists(st.text("ab_(.", min_size=1, max_size=6), unique=True, min_size=1),
    st.text("ab_(*?", min_size=1, max_size=5),
)
def test_siblings_agree_with_glob(all_names: list[str], pattern: str) -> None:
    assume("**" not in pattern)
    raw = RawFolder("/nowhere")
    visible = sorted(name for name in all_names if not is_hidden(name))
    raw.__dict__["_visible"] = visible  # what a scan would have found
    assert names(raw.siblings(PurePosixPath("none of them"), pattern)) == names(raw.glob(pattern))


def test_by_name(tmp_path: Path) -> None:
    raw = tree(tmp_path, "a/1.png", "b/1.png", "b/2.png", "b/2.jpg", "c/1.png")
    assert raw.by_name("**/*.png") == {"1.png": PurePosixPath("a/1.png"), "2.png": PurePosixPath("b/2.png")}
    assert raw.skipped.keys() == {"b/1.png", "c/1.png"}
    assert "'1.png' is already that of a/1.png" in raw.skipped["c/1.png"]
    assert raw.by_stem("b/**", exclude="1.*") == {"2": PurePosixPath("b/2.jpg")}
    assert raw.by_name("b/*.png", key=lambda path: path.stem.zfill(3)).keys() == {"001", "002"}


APART = unicodedata.normalize("NFD", "é")


def test_files_have_one_order_whatever_the_case_and_the_normal_form(tmp_path: Path) -> None:
    plain = ["é/a.png", "e/b.png", "Z.png", "a.png", "x y/1.png", "x/1.png"]
    orders = []
    apart = [unicodedata.normalize("NFD", path) for path in plain]
    for number, paths in enumerate((plain, apart, [path.upper() for path in plain])):
        raw = tree(tmp_path / str(number), *paths)
        orders.append([folded(path) for path in raw.files])
    assert all(order == orders[0] for order in orders)


def test_patterns_ignore_case_and_normal_form(tmp_path: Path) -> None:
    raw = tree(tmp_path, f"Caf{APART}/{APART}tude.PNG")
    for pattern in ("café/*.png", "CAFÉ/étude*", f"caf{APART}/**", "**/ÉTUDE.png"):
        assert names(raw.glob(pattern)) == [f"Caf{APART}/{APART}tude.PNG"]
    assert names(raw.siblings(PurePosixPath("café/x.png"), "étude.png")) == [f"Caf{APART}/{APART}tude.PNG"]
    assert list(raw.by_stem()) == ["étude"]


def test_annotations_are_found_in_another_case_where_there_is_one_alone(tmp_path: Path) -> None:
    raw = tree(tmp_path, "CSV/TRAIN.csv", "a.txt", "B.txt", "b.txt")
    assert raw.text("csv/train.csv") == "x"
    assert raw.read == {"CSV/TRAIN.csv"}
    assert raw.text("b.txt") == raw.text("B.txt") == "x"
    with pytest.raises(LayoutError, match=r"holds no file 'csv/test\.csv'"):
        raw.text("csv/test.csv")
    raw = tree(tmp_path / "twins", "TABLE.csv", "Table.csv")
    with pytest.raises(LayoutError, match=r"2 that differ from it in case alone: 'TABLE\.csv', 'Table\.csv'"):
        raw.text("table.csv")


def test_case_tells_siblings_apart_where_two_files_differ_in_case_alone(tmp_path: Path) -> None:
    raw = tree(tmp_path, "A.png", "a.png", "A_mask.png", "a_mask.png", "a_mask_1.png", "B.png", "b_MASK.png")
    assert names(raw.siblings(PurePosixPath("A.png"), "A_mask*.png")) == ["A_mask.png"]
    assert names(raw.siblings(PurePosixPath("a.png"), "a_mask*.png")) == ["a_mask.png", "a_mask_1.png"]
    assert names(raw.siblings(PurePosixPath("B.png"), "B_mask*.png")) == ["b_MASK.png"]
    raw = tree(tmp_path / "folders", "X/a.png", "x/a.png", "X/a_m.png", "x/a_m.png")
    assert names(raw.siblings(PurePosixPath("X/a.png"), "a_m.png")) == ["X/a_m.png"]
    assert raw.twins == set(raw.files)


def test_the_first_reason_to_skip_holds(tmp_path: Path) -> None:
    raw = tree(tmp_path, "1.png")
    raw.skip(PurePosixPath("1.png"), "a copy")
    raw.skip("1.png", "another")
    assert raw.skipped == {"1.png": "a copy"}


# ---- what a hostile tree holds


def test_links_and_special_files(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "root of another"
    tree(outside, "secret.png")
    raw = tree(root, "a/1.png")
    (root / "out.png").symlink_to(outside / "secret.png")
    (root / "up").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "in.png").symlink_to(root / "a" / "1.png")
    (root / "broken.png").symlink_to(root / "none.png")
    (root / "circle.png").symlink_to(root / "circle.png")
    os.mkfifo(root / "pipe.png")
    (root / "device.png").symlink_to("/dev/null")
    (root / "system.png").symlink_to("/proc/self/environ")
    assert list(raw.files) == ["a/1.png", "in.png", "out.png"]
    assert raw.links == {"in.png": str(root / "a" / "1.png"), "out.png": str(outside / "secret.png")}
    assert raw.text("out.png") == "x"
    turned_down = {"up", "loop", "broken.png", "circle.png", "pipe.png", "device.png", "system.png"}
    assert raw.skipped.keys() == turned_down
    assert raw.skipped["up"] == raw.skipped["loop"] == "a link to a folder"
    assert raw.skipped["pipe.png"] == "not a regular file"
    assert raw.skipped["device.png"] == raw.skipped["system.png"] == "a link to a file of the system"
    kept = RawFolder(root, follow=False)
    assert list(kept.files) == ["a/1.png", "in.png"]
    assert kept.skipped.keys() == turned_down | {"out.png"}
    assert "leads out" in kept.skipped["out.png"]
    with pytest.raises(ReadError, match="leads out of"):
        kept.text("out.png")
    for path in (
        "up/secret.png",
        "../root of another/secret.png",
        str(outside / "secret.png"),
        "a/../..",
        "\0",
    ):
        with pytest.raises(ReadError, match="leads out of"):
            raw.text(path)
    assert raw.text("in.png") == "x"


def test_a_root_that_is_a_link(tmp_path: Path) -> None:
    tree(tmp_path / "disk", "1.png")
    (tmp_path / "busi").symlink_to(tmp_path / "disk")
    raw = RawFolder(tmp_path / "busi")
    assert names(raw.images()) == ["1.png"]
    assert str(raw.file("1.png")) == str(tmp_path / "busi" / "1.png")


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    raw = tree(tmp_path, "1.png")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/gr\xfcn.png")).touch()
    except OSError:
        pytest.skip("This file system takes UTF-8 names alone.")
    assert list(raw.files) == ["1.png"]
    assert raw.skipped == {"gr\\xfcn.png": "its name is not valid UTF-8: rename it"}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may open everything")
def test_a_folder_that_cannot_be_opened(tmp_path: Path) -> None:
    raw = tree(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a").chmod(0)
    try:
        assert list(raw.files) == ["b/1.png"]
        assert "cannot be opened" in raw.skipped["a"]
    finally:
        (tmp_path / "a").chmod(0o700)


# ---- annotations


def test_json_text_and_lines(tmp_path: Path) -> None:
    mini = Miniature(tmp_path)
    mini.json("a.json", {"é": [1, None]})
    mini.text("bom.json", '{"a": 1}', bom=True)
    mini.text("list.txt", "  a.png \r\n\n b.png\n")
    raw = RawFolder(tmp_path)
    assert raw.json("a.json") == {"é": [1, None]}
    assert raw.json("bom.json") == {"a": 1}
    assert raw.lines(PurePosixPath("list.txt")) == ["a.png", "b.png"]
    assert raw.read == {"a.json", "bom.json", "list.txt"}


@pytest.mark.parametrize("content", ["", "{", "[1,]", "[" * 100_000, "<html>", "\0"])
def test_json_refuses(tmp_path: Path, content: str) -> None:
    Miniature(tmp_path).text("a.json", content)
    with pytest.raises(ReadError, match=r"a\.json is not JSON"):
        RawFolder(tmp_path).json("a.json")


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


def test_xml_of_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes('<?xml version="1.0" encoding="latin-1"?><a>é</a>'.encode("latin-1"))
    assert RawFolder(tmp_path).xml("a.xml").text == "é"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a>&l9;</a>', "declares XML entities"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "declares XML entities"),
        ("<a><b></a>", "is not XML"),
        ("", "is not XML"),
        ("<a>\0</a>", "is not XML"),
        ('<?xml version="1.0" encoding="nonsense"?><a/>', "is not XML"),
    ],
)
def test_xml_refuses(tmp_path: Path, content: str, why: str) -> None:
    Miniature(tmp_path).text("a.xml", content)
    with pytest.raises(ReadError, match=why):
        RawFolder(tmp_path).xml("a.xml")


def test_dicom_headers(tmp_path: Path) -> None:
    mini = Miniature(tmp_path)
    mini.dicom("a.dcm", patient="007", modality="CT", size=(6, 4))
    data = (tmp_path / "a.dcm").read_bytes()
    meta = int.from_bytes(data[140:144], "little")
    (tmp_path / "bare.dcm").write_bytes(data[144 + meta :])  # no preamble, no file meta information
    mini.text("text.dcm", "not a DICOM file " * 20)
    mini.text("empty.dcm", "")
    raw = RawFolder(tmp_path)
    for name in ("a.dcm", "bare.dcm"):
        header = raw.dicom(name)
        assert (header.PatientID, header.Rows, header.Columns) == ("007", 4, 6)
        assert "PixelData" not in header
    for name in ("text.dcm", "empty.dcm"):
        with pytest.raises(ReadError, match=f"{name} is not a DICOM file"):
            raw.dicom(name)
    assert raw.read == {"a.dcm", "bare.dcm", "text.dcm", "empty.dcm"}


def test_volume_headers_are_of_the_closest_orientation(tmp_path: Path) -> None:
    import nibabel

    mini = Miniature(tmp_path)
    mini.volume("a.nii.gz", (4, 5, 6))
    mini.volume("b.nii", (4, 5, 6, 2), axes="SLP")
    mini.text("c.nii", "x")
    nibabel.Nifti1Image(np.zeros((4, 5), np.uint8), np.eye(4)).to_filename(tmp_path / "flat.nii")  # type: ignore[no-untyped-call]
    raw = RawFolder(tmp_path)
    assert raw.volume("a.nii.gz") == VolumeShape((4, 5, 6), 1)
    assert raw.volume("b.nii") == VolumeShape((5, 6, 4), 2)
    canonical = nibabel.as_closest_canonical(nibabel.load(tmp_path / "b.nii"))  # type: ignore[no-untyped-call]
    assert canonical.shape == (5, 6, 4, 2)
    assert raw.volume("flat.nii") == VolumeShape((4, 5, 1), 1)
    with pytest.raises(ReadError, match=r"c\.nii is not a NIfTI"):
        raw.volume("c.nii")


def test_missing_files(tmp_path: Path) -> None:
    raw = tree(tmp_path, "labels.json")
    for read in (raw.text, raw.json, raw.xml, raw.lines, raw.dicom, raw.volume):
        with pytest.raises(LayoutError, match=r"no file 'label\.json'.*labels\.json"):
            read("label.json")
    assert raw.read == set()


@pytest.mark.slow
def test_200_000_files_are_scanned_in_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "MED_MAT_SLOW" not in os.environ:
        pytest.skip("Set MED_MAT_SLOW=1 to write 200,000 files.")
    for folder in range(20):
        (tmp_path / str(folder)).mkdir()
        for number in range(10_000):
            os.close(os.open(tmp_path / str(folder) / f"{number:06d}.png", os.O_CREAT | os.O_WRONLY))
    raw, times = RawFolder(tmp_path), {}
    for name in ("_files", "images", "by_stem"):
        start = time.perf_counter()
        found = getattr(raw, name)
        assert len(found() if callable(found) else found) == (10_000 if name == "by_stem" else 200_000)
        times[name] = round(time.perf_counter() - start, 2)
    with capsys.disabled():
        print(json.dumps(times))
