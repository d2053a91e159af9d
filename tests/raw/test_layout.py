import logging
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med_mat.catalog import Layout, Source
from med_mat.errors import LayoutError
from med_mat.layouts.listing import Tree
from med_mat.layouts.locating import has_all_parts, locate, recognize
from med_mat.layouts.matching import lacking
from med_mat.mounts.folder import mounted
from med_mat.raw import RawFolder


def source(name: str, *layouts: Iterable[str] | Layout) -> Source:
    return Source(
        name=name,
        title=name.upper(),
        summary="",
        rows=(),
        license="unknown",
        terms="",
        access="open",
        redistributable=None,
        homepage="",
        downloads=(),
        layouts=tuple(
            files if isinstance(files, Layout) else Layout(f"variant {number}", tuple(files))
            for number, files in enumerate(layouts)
        ),
        patients="",
        published_split=(),
        counts={},
        overlaps={},
        errata=(),
        verified="facts only",
        certainty="low",
        citation="",
        prose="",
    )


def tree(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


BUSI = source("busi", ["benign/benign (*).png", "{malignant,normal}/*_mask.png"])
HEAD = source("head_ct", ["labels.csv", "head_ct/head_ct/*.png"], ["labels.csv", "head_ct/*.png"])
SPLIT = source("split", ["Train/**/*.jpeg"])
CATALOG = {one.name: one for one in (BUSI, HEAD, SPLIT)}
BUSI_FILES = ("benign/benign (1).png", "normal/normal (1)_mask.png")


def found(raw: RawFolder, below: Path) -> tuple[str, str]:
    return raw.root.relative_to(below).as_posix(), raw.variant


@pytest.mark.parametrize("wrapper", ["", "a", "a/b c", "archive/Dataset_BUSI_with_GT/x/y"])
def test_a_source_is_found_up_to_four_levels_below(tmp_path: Path, wrapper: str) -> None:
    tree(tmp_path / wrapper, *BUSI_FILES)
    assert found(locate(BUSI, tmp_path), tmp_path) == (wrapper or ".", "variant 0")


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["x", "y", "y/z", "w/x"]), unique=True, min_size=1))
def test_the_shallowest_place_counts(tmp_path_factory: pytest.TempPathFactory, places: list[str]) -> None:
    top = tmp_path_factory.mktemp("top")
    for place in places:
        tree(top / place, *BUSI_FILES)
    first = min(places, key=lambda place: (place.count("/"), place))
    assert found(locate(BUSI, top), top)[0] == first


def test_the_first_layout_counts_and_case_does_not(tmp_path: Path) -> None:
    tree(tmp_path, "a/Labels.CSV", "a/HEAD_CT/1.PNG", "b/labels.csv", "b/head_ct/head_ct/1.png")
    assert found(locate(HEAD, tmp_path), tmp_path) == ("b", "variant 0")
    assert found(locate(HEAD, tmp_path / "a"), tmp_path) == ("a", "variant 1")


def test_two_stars_match_any_number_of_folders(tmp_path: Path) -> None:
    for number, place in enumerate(("train", "train/a", "train/a/b")):
        top = tree(tmp_path / str(number), f"{place}/x.jpeg")
        assert locate(SPLIT, top).root == top


def misfit(one: Source, folder: Path) -> str:
    with pytest.raises(LayoutError) as error:
        locate(one, folder)
    text = str(error.value)
    assert str(folder) in text
    assert one.name in text
    assert re.search(r"[.?]$", text)
    return text


def test_the_folder_is_one_level_too_deep(tmp_path: Path) -> None:
    tree(tmp_path, *BUSI_FILES)
    assert f"one level too deep: pass {tmp_path}." in misfit(BUSI, tmp_path / "benign")
    tree(tmp_path / "two", "labels.csv", "head_ct/head_ct/1.png")
    assert f"2 levels too deep: pass {tmp_path / 'two'}." in misfit(HEAD, tmp_path / "two" / "head_ct" / "head_ct")


def test_the_folder_is_too_high(tmp_path: Path) -> None:
    tree(tmp_path / "1/2/3/4/5/6", *BUSI_FILES)
    assert f"6 levels too high: pass {tmp_path}/1/2/3/4/5/6." in misfit(BUSI, tmp_path)


def test_an_archive_that_does_not_fit(tmp_path: Path) -> None:
    tree(tmp_path, "sub/archive.ZIP", "scan.nii.gz")
    assert f"{tmp_path}/sub/archive.ZIP cannot be read as a zip archive" in misfit(BUSI, tmp_path)
    with zipfile.ZipFile(tmp_path / "sub" / "archive.ZIP", "w") as archive:
        archive.writestr("other/1.png", b"x")
    assert f"{tmp_path}/sub/archive.ZIP was looked into as well, and nothing there fits." in misfit(BUSI, tmp_path)
    assert "archive.ZIP is not laid out as BUSI" in misfit(BUSI, tmp_path / "sub" / "archive.ZIP")
    assert "is a file" in misfit(BUSI, tmp_path / "scan.nii.gz")


def test_the_folder_is_empty_or_missing(tmp_path: Path) -> None:
    tree(tmp_path, ".DS_Store")
    assert "The folder is empty" in misfit(BUSI, tmp_path)
    (tmp_path / "BUSI").mkdir()
    assert "'BUSI': is it meant?" in misfit(BUSI, tmp_path / "BUSII")
    assert f"Nor does {tmp_path / 'x'} exist." in misfit(BUSI, tmp_path / "x" / "y")


def test_the_wrong_and_the_incomplete_folder(tmp_path: Path) -> None:
    top = tree(tmp_path / "wrong", *(f"cat {number}.jpg" for number in range(20)), "dogs/1.jpg")
    text = misfit(BUSI, top)
    assert "'dogs/', 'cat 0.jpg'" in text
    assert "and 13 more" in text
    assert "benign/benign (*).png and {malignant,normal}/*_mask.png (variant 0)" in text
    top = tree(tmp_path / "half", "x/benign/benign (1).png")
    text = misfit(BUSI, top)
    assert f"{top / 'x'} nearly fits (layout variant 0): it lacks {{malignant,normal}}/*_mask.png." in text


def test_hidden_files_and_links_to_folders_identify_nothing_and_links_to_files_do(tmp_path: Path) -> None:
    outside = tree(tmp_path / "outside", *BUSI_FILES)
    top = tree(tmp_path / "top", *(f"__MACOSX/{path}" for path in BUSI_FILES), "other.txt")
    (top / "link").symlink_to(outside)
    misfit(BUSI, top)
    assert recognize(top, CATALOG) == {}
    for path in BUSI_FILES:
        (top / path).parent.mkdir(exist_ok=True)
        (top / path).symlink_to(outside / path)
    (top / "benign" / "to itself.png").symlink_to("to itself.png")
    assert recognize(top, CATALOG).keys() == {"busi"}
    assert recognize(top, CATALOG, follow=False) == {}


# ---- parts


CELLS = source("cells", Layout("published", files=("names.csv",), parts=("ABE/*.jpg", "KSC/*.jpg"), also=("masks/*",)))


@pytest.mark.parametrize("there", [["ABE/1.jpg"], ["KSC/2.jpg"], ["ABE/1.jpg", "KSC/2.jpg", "masks/3.png"]])
def test_one_part_is_enough_and_what_a_whole_copy_holds_besides_is_not_asked_for(
    tmp_path: Path, there: list[str]
) -> None:
    tree(tmp_path / "x", "names.csv", *there)
    assert found(locate(CELLS, tmp_path), tmp_path) == ("x", "published")
    assert recognize(tmp_path, {"cells": CELLS}).keys() == {"cells"}
    (layout,) = CELLS.layouts
    lacks = lacking(Tree(mounted(tmp_path / "x")), (), layout)
    assert len(lacks) == len(layout.patterns) - 1 - len(there)


@pytest.mark.parametrize("there", [["names.csv"], ["ABE/1.jpg"], ["names.csv", "masks/3.png"]])
def test_without_any_part_or_without_what_all_parts_need_nothing_is_there(tmp_path: Path, there: list[str]) -> None:
    tree(tmp_path, *there)
    assert "names.csv and any of ABE/*.jpg | KSC/*.jpg (published)" in misfit(CELLS, tmp_path)


def test_whether_another_download_may_bring_parts(tmp_path: Path) -> None:
    tree(tmp_path, "names.csv", "ABE/1.jpg")
    assert not has_all_parts(CELLS, locate(CELLS, tmp_path))
    tree(tmp_path, "KSC/1.jpg")
    assert has_all_parts(CELLS, locate(CELLS, tmp_path))


def reader(raw: RawFolder) -> list[object]:
    return list(raw.glob("**/benign/*.png"))


def test_who_names_a_source_and_its_folder_gets_what_the_loader_can_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree(tmp_path / "mine/deeper", "benign/1.png")
    misfit(BUSI, tmp_path / "mine")
    assert recognize(tmp_path, CATALOG) == {}
    with caplog.at_level(logging.WARNING):
        assert locate(BUSI, tmp_path / "mine", reader, CATALOG).root == tmp_path / "mine"
    assert f"{tmp_path / 'mine'} lacks benign/benign (*).png, {{malignant,normal}}/*_mask.png of busi" in caplog.text
    (tmp_path / "mine").rename(tmp_path / "BUSI")  # a folder of that name says as much
    assert recognize(tmp_path, CATALOG, lambda source: reader)["busi"].root == tmp_path / "BUSI"


def test_a_folder_that_is_laid_out_as_another_source_is_not_read_under_a_wrong_name(tmp_path: Path) -> None:
    tree(tmp_path, "labels.csv", "head_ct/1.png", "benign/1.png")
    with pytest.raises(LayoutError, match="is laid out as head_ct"):
        locate(BUSI, tmp_path, reader, CATALOG)


def test_a_loader_that_finds_nothing_or_stumbles_leaves_the_folder_refused(tmp_path: Path) -> None:
    tree(tmp_path, "other/1.png")

    def stumbles(raw: RawFolder) -> list[object]:
        raise KeyError("a column")

    for one in (reader, stumbles):
        with pytest.raises(LayoutError, match="is not laid out as"):
            locate(BUSI, tmp_path, one, CATALOG)


# ---- recognize


def test_recognise_by_name_and_by_layout(tmp_path: Path) -> None:
    tree(tmp_path / "busi" / "inner", *BUSI_FILES)
    tree(tmp_path / "another copy", *BUSI_FILES)
    tree(tmp_path / "downloads" / "hemorrhage", "labels.csv", "head_ct/1.png")
    tree(tmp_path / "SPLIT", "train/a/1.jpeg")
    known = recognize(tmp_path, CATALOG)
    assert {name: found(raw, tmp_path) for name, raw in known.items()} == {
        "busi": ("busi/inner", "variant 0"),
        "head_ct": ("downloads/hemorrhage", "variant 1"),
        "split": ("SPLIT", "variant 0"),
    }
    assert list(known) == list(CATALOG)


def test_recognise_a_folder_that_is_itself_a_source(tmp_path: Path) -> None:
    tree(tmp_path, *BUSI_FILES)
    assert found(recognize(tmp_path, CATALOG)["busi"], tmp_path)[0] == "."


def test_a_source_in_a_linked_folder_of_its_name(tmp_path: Path) -> None:
    disk = tree(tmp_path / "disk", *BUSI_FILES)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "busi").symlink_to(disk)
    assert recognize(tmp_path / "raw", CATALOG)["busi"].root == tmp_path / "raw" / "busi"


def test_the_layout_that_says_most_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    top = tree(tmp_path / "x", "train/NORMAL/1.jpeg", "train/SICK/2.jpeg")
    less, more = source("less", ["train/NORMAL/*.jpeg"]), source("more", ["train/NORMAL/*.jpeg", "train/SICK/*.jpeg"])
    assert recognize(tmp_path, {"less": less, "more": more}).keys() == {"more"}
    same = source("same", ["train/NORMAL/*.jpeg", "train/SICK/*.jpeg"])
    with caplog.at_level(logging.WARNING):
        assert recognize(tmp_path, {"less": less, "more": more, "same": same}) == {}
    assert f"{top} may be any of more, same" in caplog.text
    top.rename(tmp_path / "same")
    assert recognize(tmp_path, {"more": more, "same": same}).keys() == {"same"}


def test_what_lies_inside_a_source_is_its_own(tmp_path: Path) -> None:
    tree(tmp_path / "busi", *BUSI_FILES, "labels.csv", "head_ct/1.png", "extra/train/1.jpeg")
    assert recognize(tmp_path, CATALOG).keys() == {"busi"}


def test_a_folder_of_that_name_that_does_not_fit_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(tmp_path / "busi", "archive.zip")
    tree(tmp_path / "other", *BUSI_FILES)
    with caplog.at_level(logging.WARNING):
        assert found(recognize(tmp_path, CATALOG)["busi"], tmp_path)[0] == "other"
    assert "archive.zip cannot be read as a zip archive" in caplog.text


def test_rare_names_survive_the_sampling(tmp_path: Path) -> None:
    many = [f"images/{number:05d}.png" for number in range(500)]
    tree(tmp_path / "x", *many, "images/00123_mask.png", "images/rare 7.png", *(f"images/t{n}.csv" for n in range(99)))
    for pattern in ("images/*_mask.png", "images/rare *.png", "images/00321.png", "images/t77.csv", "images/*.png"):
        assert recognize(tmp_path, {"one": source("one", [pattern])}), pattern
    assert not recognize(tmp_path, {"one": source("one", ["images/*_label.png"])})


def test_recognise_nothing(tmp_path: Path) -> None:
    assert recognize(tmp_path, CATALOG) == {}
    assert recognize(tmp_path, {"bare": source("bare")}) == {}
    with pytest.raises(LayoutError, match="is not a folder"):
        recognize(tmp_path / "none", CATALOG)
