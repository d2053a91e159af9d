"""Upstream's data: the records that the authors are known to have published, on the miniatures of their sources."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from workshop import Workshop

import med_mat
from med_mat import official, paper, schema
from med_mat.building import Options, build, find
from med_mat.catalog import load
from med_mat.cli import cli
from med_mat.dataset import MedMAT
from med_mat.errors import BuildError, LayoutError, ReadError
from med_mat.files import temporary_path
from med_mat.official import overlaps
from med_mat.official.labels import known_labels, split_labels
from med_mat.official.overlaps import to_text as overlaps_text
from med_mat.official.paths import Found, Paths
from med_mat.questions import SUFFIX

GOOD = {
    "id": 1,
    "caption": "Good",
    "image": "med-mat/DRIMBD/DRIMDB/Good/drimdb_good (3).jpg",
    "Question": "Please evaluate the quality of this fundus image. If it's good for diagnosis, return 'Good'; if not, "
    "return 'Bad'; and if it's an outlier, return 'Outlier'.",
    "Answer": "Good",
    "Question-choice": "Please evaluate the quality of this fundus image. If it's good for diagnosis, return 'Good'; "
    "if not, return 'Bad'; and if it's an outlier, return 'Outlier'.\nA: Outlier\nB: Good\nC: Bad\n"
    "Answer with the option's letter from the given choices directly.",
    "Answer-choice": "B",
    "data-no": "30",
}
LATER = {
    "id": "Subset-17--1",
    "image": "/server/of/the/authors/Med-MAT/images/Subset-17--1.png",
    "question": "Can you analyze this fundus image and determine if the quality is adequate for a retinal diagnosis?",
    "choices": {"A": "Good", "B": "Bad", "C": "Outlier"},
    "caption": "Outlier",
}


def entry(
    number: int, image: str, caption: str, options: Iterable[str], question: str, row: int | None
) -> dict[str, Any]:
    """One entry in the layout of December 2024."""
    options = tuple(options)
    lines = "".join(f"\n{letter}: {option}" for letter, option in zip("ABCD", options, strict=False))
    one = {
        "id": number,
        "caption": caption,
        "image": image,
        "Question": question,
        "Answer": caption,
        "Question-choice": f"{question}{lines}\n{SUFFIX}",
        "Answer-choice": "ABCD"[options.index(caption)],
    }
    return one if row is None else one | {"data-no": str(row)}


def write(path: Path, entries: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries, indent=4), "utf-8")
    return path


def read(path: Path) -> list[official.Entry]:
    (file,) = official.find_files(path)
    return file.entries()


Release = Callable[..., Path]


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """Writes files of entries, and returns their folder."""

    def make(**files: list[dict[str, Any]]) -> Path:
        for name, entries in files.items():
            kind, number = name.split("_")
            folder = {"Subset": "Aggregated_Subsets", "ori": "Original_Medical_Datasets"}[kind]
            write(tmp_path / "json" / folder / f"{kind}--{number}-train.json", entries)
        return tmp_path / "json"

    return make


@pytest.fixture
def mat(workshop: Workshop, arrow_cache: Path) -> MedMAT:
    return med_mat.open(workshop.out)


def of_row(workshop: Workshop, row: int, prefix: str, **words: str) -> list[dict[str, Any]]:
    """An entry for each record of a row, as upstream would have written it: below folders that wrap the source."""
    records = [one for one in workshop.records if one["row"] == row]
    named = [words.get(one["label"], one["label"]) for one in records]
    options = sorted(set(named))[:4]
    return [
        entry(n, f"med-mat/{prefix}/{one['path']}", name, sorted({name, *options})[:4], "What is it?", row)
        for n, (one, name) in enumerate(zip(records, named, strict=True), 1)
        if name in sorted({name, *options})[:4]
    ]


# ------------------------------------------------------------------------------------------------------------- reading


def test_the_layout_of_december_2024(release: Release) -> None:
    (one,) = read(release(Subset_17=[GOOD]))
    assert one.id == "1"
    assert one.row == 30
    assert one.options == ("Outlier", "Good", "Bad")
    assert one.answer == "B"
    assert one.answered == one.caption == one.open_answer == "Good"
    assert one.question == GOOD["Question-choice"]
    assert one.open_question == GOOD["Question"]


def test_the_later_layout_is_brought_to_the_same_form(tmp_path: Path) -> None:
    (one,) = read(write(tmp_path / "Subset-17-train.json", [LATER]))
    assert (one.id, one.row, one.options, one.answer) == ("Subset-17--1", None, ("Good", "Bad", "Outlier"), "C")
    assert one.question == f"{LATER['question']}\nA: Good\nB: Bad\nC: Outlier\n{SUFFIX}"
    assert not one.located


def test_the_names_of_files_say_what_they_hold(tmp_path: Path) -> None:
    for name in ("Aggregated_Subsets/Subset--24-train.json", "Original/ori--48-train.json", "Subset-05-test.json"):
        write(tmp_path / name, [])
    write(tmp_path / "dataset_infos.json", {})
    found = {file.name: (file.subset, file.row, file.split) for file in official.find_files(tmp_path)}
    assert found == {
        "Aggregated_Subsets/Subset--24-train.json": (24, None, "train"),
        "Original/ori--48-train.json": (None, 48, "train"),
        "Subset-05-test.json": (5, None, "test"),
    }
    with pytest.raises(LayoutError, match=r"holds none of the authors' files.*Subset--24-train\.json"):
        official.find_files(tmp_path / "dataset_infos.json")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"image": "med-mat/../../etc/passwd"}, "not the path of a file inside"),
        ({"image": "med-mat/..\\x.png"}, "not the path of a file inside"),
        ({"image": "/etc/passwd"}, "absolute path"),
        ({"image": "C:\\x.png"}, "absolute path"),
        ({"image": "a\0b"}, "not the path of a file inside"),
        ({"image": "folder/"}, "not the path of a file inside"),
        ({"image": None}, "'image' is null; a text was expected"),
        ({"caption": ["Good"]}, "'caption' is a list; a text was expected"),
        ({"caption": "\ud800"}, "lone surrogate"),
        ({"id": True}, "'id' is true or false"),
        ({"id": 1.5}, "'id' is a number; a number or a text was expected"),
        ({"data-no": "thirty"}, "'data-no' is 'thirty'; the number of a row was expected"),
        ({"data-no": {}}, "'data-no' is {}; the number of a row was expected"),
    ],
)
def test_a_hostile_entry_is_named(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = write(tmp_path / "Subset--17-train.json", [GOOD, GOOD | {"id": 2} | change])
    with pytest.raises(ReadError, match=re.escape(says)) as caught:
        read(path)
    assert f"{path}, entry 2" in str(caught.value)


@pytest.mark.parametrize("key", sorted(GOOD.keys() - {"Answer", "data-no"}))
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    path = write(tmp_path / "Subset--17-train.json", [{name: GOOD[name] for name in GOOD if name != key}])
    with pytest.raises(ReadError, match=f"entry 1 lacks '{key}'"):
        read(path)


@pytest.mark.parametrize(
    "choices", [["Good"], {"A": 1}, {"B": "Good"}, {"A": "Good", "C": "Bad"}, {"B": "Good", "A": "Bad"}, "Good"]
)
def test_choices_of_another_form(tmp_path: Path, choices: object) -> None:
    with pytest.raises(ReadError, match=r"entry 1.*'choices'"):
        read(write(tmp_path / "Subset-17-train.json", [LATER | {"choices": choices}]))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not begin with a JSON list"),
        ("<!doctype html>", "does not begin with a JSON list"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        ("{}", "does not begin with a JSON list"),
        ("[", "entry 1 is not JSON"),
        ("[1]", "entry 1 is a number; an object"),
        ("[{}]", "entry 1 lacks 'id'"),
        ('[{"id": NaN}]', "entry 1: NaN is not a JSON value"),
        ('[{"id": -Infinity}]', "entry 1: -Infinity is not a JSON value"),
        ('[{"id": ' + "9" * 5000 + "}]", "entry 1 is not JSON"),
        ("[" + "[" * 300_000, "entry 1 is nested too deeply"),
        ('[{"a":' * 200_000, "entry 1 is nested too deeply"),
        ('["' + "x" * 5_000_000, "entry 1 is not JSON, or longer than"),
        ("[" + json.dumps(GOOD), "after entry 1 a comma or the end"),
        ("[" + json.dumps(GOOD) + json.dumps(GOOD), "after entry 1 a comma or the end"),
        ("[" + json.dumps(GOOD) + ",]", "entry 2 is not JSON"),
        ("[" + json.dumps(GOOD) + "] []", "something follows"),
        ("[" + json.dumps(GOOD) + "," + json.dumps(GOOD) + "]", "entry 2: its id '1' was used by entry 1"),
    ],
)
def test_a_hostile_file_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "Subset--17-train.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ReadError, match=re.escape(says)) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "Subset--17-train.json"
    path.write_bytes(b'[{"id": "\xff"}]')
    with pytest.raises(ReadError, match="is not text in UTF-8"):
        read(path)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=5),
    st.sampled_from([None, 1, 4]),
    st.sampled_from(["", " ", "\n\n"]),
)
def test_reading_gives_back_what_was_written(scratch: Path, texts: list[str], indent: int | None, blanks: str) -> None:
    path = scratch / "Subset--17-train.json"
    entries = [GOOD | {"id": number, "caption": text} for number, text in enumerate(texts)]
    path.write_text(blanks + json.dumps(entries, indent=indent, ensure_ascii=False) + blanks, "utf-8", newline="")
    assert [(one.number, one.caption) for one in read(path)] == list(enumerate(texts, 1))


def test_a_file_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    entries = [GOOD | {"id": number, "caption": f"é {number}"} for number in range(6000)]
    assert [one.caption for one in read(write(tmp_path / "Subset--17-train.json", entries))] == [
        one["caption"] for one in entries
    ]


# --------------------------------------------------------------------------------------------------------------- paths


def test_the_longest_common_end_wins() -> None:
    files = ["01_Normal/image_001.BMP", "04_Amorphous/image_001.BMP", "04_Amorphous/image_013.BMP"]
    paths = Paths(dict.fromkeys(files, "image"))
    assert paths.find("med-mat/HuSHeM/HuSHem/04_Amorphous/image_001.BMP") == Found(files[1], "path")
    assert paths.find("med-mat/HuSHeM/HuSHem/04_amorphous/image_013.bmp") == Found(files[2], "path")


def test_a_file_that_is_not_in_the_folder_that_upstream_names_is_missing() -> None:
    paths = Paths({"train/Cyst/1.png": "image", "test/Cyst/2.png": "image", "train/Stone/3.png": "image"})
    assert paths.find("med-mat/kidney/train/Cyst/1.png").how == "path"
    assert paths.find("med-mat/kidney/train/Cyst/2.png").how == "missing", "2.png is another picture in test"
    assert paths.find("med-mat/kidney/train/Cyst/3.png").how == "missing"


def test_a_folder_of_another_name() -> None:
    paths = Paths({"images/1.png": "image", "images/2.png": "image", "masks/2.png": "mask"})
    assert paths.find("med-mat/x/pictures/1.png") == Found("images/1.png", "renamed folder")
    assert paths.find("med-mat/x/pictures/2.png") == Found(None, "ambiguous")


def test_a_converted_file() -> None:
    paths = Paths(
        {"all-mias/mdb147.pgm": "image", "Info.txt": "table", "files/79.jpg": "image", "files/79.dcm": "skipped"}
    )
    assert paths.find("med-mat/MIAS/all-mias-png/mdb147.png") == Found("all-mias/mdb147.pgm", "converted")
    assert paths.find("med-mat/CT/files/79.png") == Found("files/79.jpg", "converted"), "the twin gives no record"
    assert paths.find("med-mat/MIAS/Info.png") == Found(None, "missing"), "a table is no picture"


def test_wrapper_folders_may_have_the_names_of_folders_inside() -> None:
    paths = Paths({f"head_ct/head_ct/{number:03d}.png": "image" for number in range(40)})
    assert paths.find("med-mat/Head_CT/head_ct/head_ct/035.png") == Found("head_ct/head_ct/035.png", "path")
    assert paths.find("med-mat/Head_CT/head_ct/035.png").path == "head_ct/head_ct/035.png"


NAMES = st.lists(st.sampled_from(["a", "b", "A", "c d", "x(1)"]), min_size=1, max_size=4).map("/".join)


@given(st.sets(NAMES, min_size=1, max_size=12), NAMES, NAMES)
def test_found_files_share_more_parts_than_all_others(files: set[str], wrapper: str, image: str) -> None:
    roles = {f"{path}.png": "image" for path in files}
    wanted = f"{wrapper}/{image}.png"

    def shared(path: str) -> int:
        pairs = zip(reversed(path.lower().split("/")), reversed(wanted.lower().split("/")), strict=False)
        count = 0
        for one, other in pairs:
            if one != other:
                break
            count += 1
        return count

    found = Paths(roles).find(wanted)
    if found.path is not None:
        most = max(map(shared, roles))
        assert shared(found.path) == most > 0
        same = [path for path in roles if shared(path) == most]
        whole = [path for path in same if path.count("/") + 1 == most]
        assert [found.path] == (whole or same)


def test_a_path_of_the_source_below_any_wrapper_is_found(workshop: Workshop) -> None:
    here = official.RawImages(find(dict.fromkeys(("busi", "drimdb", "hushem", "ct_kidney")), workshop.raw))
    for row in (48, 30, 38, 2):
        paths = here.paths(row)
        assert paths is not None
        images = [path for path, role in paths.roles.items() if role == "image"]
        assert images
        for path in images:
            assert paths.find(f"med-mat/Some_Wrapper/{path}") == Found(path, "path")


# -------------------------------------------------------------------------------------------------------------- labels


def test_a_label_that_holds_the_separator_is_one_label() -> None:
    mias, rsna = load()["mias"].row(58), load()["rsna_pneumonia"].row(85)
    known = known_labels([mias, rsna])
    for several in (False, True):
        assert split_labels("Other, ill-defined masses", known, several=several) == ["Other, ill-defined masses"]
    joined = "Asymmetry, other, ill-defined masses, calcification"
    assert split_labels(joined, known, several=True) == ["Asymmetry", "other, ill-defined masses", "calcification"]
    assert split_labels("No lung opacity, not normal, edema", known, several=True)[-1] == "edema"


@given(st.lists(st.sampled_from(["Cytosol", "Other, ill-defined masses", "a, b, c", "a", "b, c", "new"]), min_size=1))
def test_splitting_loses_nothing(labels: list[str]) -> None:
    known = frozenset({"cytosol", "other, ill-defined masses", "a, b, c", "a"})
    parts = split_labels(", ".join(labels), known, several=True)
    assert ", ".join(parts) == ", ".join(labels)
    assert parts == split_labels(", ".join(parts), known, several=True)


def test_blood_cells_keep_their_duplicates() -> None:
    known = known_labels(load()["blood_cell_images"].rows)
    assert split_labels("Lymphocyte, lymphocyte", known, several=True) == ["Lymphocyte", "lymphocyte"]


# ----------------------------------------------------------------------------------------------------------- attaching


def test_upstream_stands_beside_our_record(workshop: Workshop, mat: MedMAT, release: Release) -> None:
    found = official.attach(release(Subset_17=[GOOD]), mat)
    assert found.column_names == [name for name, _ in (*schema.FIELDS, *official.FIELDS)]
    (one,) = found
    (ours,) = (record for record in workshop.of("drimdb") if record["path"] == "Good/drimdb_good (3).jpg")
    assert {name: one[name] for name in ("id", "question", "options", "answer", "split", "label")} == {
        name: ours[name] for name in ("id", "question", "options", "answer", "split", "label")
    }
    assert one["image"].size == (76, 57)
    assert (one["upstream_question"], one["upstream_answer"]) == (GOOD["Question-choice"], "B")
    assert one["upstream_options"] == ["Outlier", "Good", "Bad"]
    assert (one["upstream_file"], one["upstream_id"]) == ("Aggregated_Subsets/Subset--17-train.json", "1")
    assert (one["upstream_subset"], one["upstream_row"], one["upstream_split"]) == (17, 30, "train")
    assert (one["upstream_image"], one["upstream_match"]) == (GOOD["image"], "path")
    assert (one["upstream_labels"], one["upstream_open_answer"]) == (["Good"], "Good")


@pytest.mark.parametrize(
    ("row", "image", "outcome"),
    [
        (7, "med-mat/Head_CT/head_ct/head_ct/015.png", "path"),
        (8, "med-mat/CT_of_Brain/files/cancer/3.jpg", "path"),
        (38, "med-mat/HuSHeM/HuSHem/04_Amorphous/image_013.BMP", "path"),
        (
            2,
            "med-mat/CT_Kindney_Dataset/CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone/"
            "CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone/Cyst/Cyst- (5).jpg",
            "path",
        ),
        (
            52,
            "med-mat/The_Vertebrae_X-ray/xkt857dsxk-1/ImagesOriginalSize/ScolFinal/N1, Rt TAIS, F, 15 yrs.jpg",
            "path",
        ),
        (58, "med-mat/MIAS/all-mias-png/mdb148.png", "converted"),
        (48, "med-mat/BUSI/Dataset_BUSI_with_GT/benign/benign (2).png", "path"),
        (48, "med-mat/BUSI/Dataset_BUSI_with_GT/benign/benign (2)_mask.png", "mask used as an image"),
        (48, "med-mat/BUSI/Dataset_BUSI_with_GT/benign/benign (215).png", "missing"),
        (30, "med-mat/DRIMBD/DRIMDB/Bad/drimdb_bad (6).jpg", "file gives no record"),
        (200, "med-mat/x/y.png", "row unknown"),
    ],
)
def test_the_published_paths(mat: MedMAT, release: Release, row: int, image: str, outcome: str) -> None:
    place = release(Subset_01=[entry(1, image, "A", ["A", "B"], "What?", row)])
    (file,) = official.find_files(place)
    (one,) = official.match(file, file.entries(), official.BuiltImages(mat))
    assert one.outcome == outcome
    assert one.attached == (outcome in ("path", "converted"))


def test_every_record_of_a_row_comes_back(workshop: Workshop, mat: MedMAT, release: Release) -> None:
    place = release(ori_48=of_row(workshop, 48, "BUSI/Dataset_BUSI_with_GT"), ori_38=of_row(workshop, 38, "HuSHeM"))
    found = official.attach(place, mat)
    wanted = [one["id"] for row in (38, 48) for one in workshop.records if one["row"] == row]
    assert found["id"][:] == wanted
    assert set(found["upstream_row"]) == {38, 48}


def test_attaching_copies_no_picture(workshop: Workshop, mat: MedMAT, arrow_cache: Path, release: Release) -> None:
    entries = of_row(workshop, 48, "BUSI")
    place = release(ori_48=entries[::-1], Subset_24=entries)
    found = official.attach(place, mat)
    assert found["upstream_id"][:] == [str(one["id"]) for one in [*entries, *entries[::-1]]], "each record twice"
    records = [one["id"] for one in workshop.records if one["row"] == 48]
    assert found["id"][:] == [*records, *records[::-1]]
    assert {path.parent.name for path in arrow_cache.rglob("*") if path.is_file()} == {"med_mat"}
    assert not list((arrow_cache / "med_mat").glob("cache-*"))


def test_without_a_row_the_path_tells_it(workshop: Workshop, mat: MedMAT, release: Release) -> None:
    """The authors' first upload had no data-no."""
    entries = [{k: v for k, v in one.items() if k != "data-no"} for one in of_row(workshop, 53, "Knee")]
    assert entries
    found = official.attach(release(Subset_25=entries), mat)
    assert set(found["row"]) == {53}
    assert len(found) == len(entries)


def test_a_file_that_two_paths_claim(mat: MedMAT, release: Release) -> None:
    images = ["med-mat/MIAS/all-mias/mdb148.pgm", "med-mat/MIAS/png/mdb148.png", "med-mat/MIAS/a/mdb001.png",
              "med-mat/MIAS/b/mdb001.png"]  # fmt: skip
    place = release(ori_58=[entry(n, image, "A", "AB", "What?", 58) for n, image in enumerate(images)])
    (file,) = official.find_files(place)
    outcomes = [one.outcome for one in official.match(file, file.entries(), official.BuiltImages(mat))]
    assert outcomes == ["path", "ambiguous", "ambiguous", "ambiguous"]


def test_another_distribution_and_a_source_that_is_not_here(workshop: Workshop, release: Release) -> None:
    strange = [entry(n, f"med-mat/Vertebrae/{n} yrs.jpg", "A", "AB", "What?", 52) for n in range(9)]
    place = release(ori_52=strange, ori_30=[GOOD], ori_48=[entry(1, "med-mat/BUSI/x.png", "A", "AB", "What?", 48)])
    images = official.RawImages(find(dict.fromkeys(("vertebrae_xray", "busi")), workshop.raw))
    files = official.check(place, images).files
    outcomes = {name[-13:-11]: dict(one.outcomes) for name, one in files.items()}
    assert outcomes == {
        "52": {"another distribution": 9},
        "30": {"source not in this build": 1},
        "48": {"missing": 1},
    }


def test_the_later_layout_says_that_its_paths_are_lost(tmp_path: Path, mat: MedMAT) -> None:
    path = write(tmp_path / "Subset-17-train.json", [LATER])
    (contents,) = official.check(path, official.BuiltImages(mat)).files.values()
    assert contents.outcomes == {"path unknown": 1}
    with pytest.raises(BuildError, match=r"No entry of .* has a record"):
        official.write(path, mat, tmp_path / "out")
    with pytest.raises(BuildError, match="is a Med-MAT"):
        official.write(path, mat, mat.location.root)


def test_parquet_that_load_dataset_opens(workshop: Workshop, mat: MedMAT, release: Release, tmp_path: Path) -> None:
    from datasets import load_dataset

    place = release(Subset_24=of_row(workshop, 48, "BUSI"), Subset_17=[GOOD])
    counts = official.write(place, mat, tmp_path / "out")
    assert counts["Aggregated_Subsets/Subset--17-train.json"] == (1, 1)
    read_back = load_dataset(str(tmp_path / "out"), split="train")
    found = official.attach(place, mat)
    assert read_back.features == found.features
    assert read_back.to_dict() == found.to_dict()
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.parquet")}
    for path in before:  # what a run that was killed leaves behind
        temporary_path(path).write_bytes(path.read_bytes()[:5000])
    assert load_dataset(str(tmp_path / "out"), split="train").to_dict() == found.to_dict()
    official.write(place, mat, tmp_path / "out")
    assert {path: path.read_bytes() for path in before} == before


def test_raw_folders_attach_what_a_build_of_them_attaches(workshop: Workshop, mat: MedMAT, release: Release) -> None:
    masks = [
        entry(100, "med-mat/BUSI/malignant/malignant (6)_mask.png", "A", "AB", "What?", 48),
        entry(101, "med-mat/BUSI/malignant/malignant (60).png", "A", "AB", "What?", 48),
    ]
    place = release(ori_48=[*of_row(workshop, 48, "BUSI"), *masks], ori_58=of_row(workshop, 58, "MIAS"))
    raw = official.RawImages(find(dict.fromkeys(("busi", "mias")), workshop.raw))
    assert official.check(place, raw).files == official.check(place, official.BuiltImages(mat)).files


# ------------------------------------------------------------------------------------------------------------ checking


def faults(report: official.Report) -> dict[str, int]:
    return {kind: fault.count for kind, fault in report.faults.items()}


def test_sound_data_has_no_fault(workshop: Workshop, mat: MedMAT, release: Release) -> None:
    report = official.check(release(Subset_24=of_row(workshop, 48, "BUSI")), official.BuiltImages(mat))
    assert faults(report) == {}
    assert "No faults were found." in report.to_text()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"Answer-choice": "A"}, "answer"),
        ({"Answer-choice": "D"}, "answer"),
        ({"Answer-choice": "Good"}, "answer"),
        ({"Answer": "Bad"}, "answer"),
        ({"Question-choice": f"{GOOD['Question']}\nA: Good\nB: Good\nC: Bad\n{SUFFIX}"}, "options"),
        ({"data-no": "7", "image": "med-mat/x.png"}, "row"),
        ({"image": "med-mat/BUSI/benign/benign (215)_mask.png"}, "mask"),
        ({"image": "med-mat/x/masks/1.png"}, "mask"),
    ],
)
def test_faults_of_one_entry(release: Release, change: dict[str, str], kind: str) -> None:
    report = official.check(release(Subset_17=[GOOD, GOOD | {"id": 7, "image": "med-mat/y.png"} | change]))
    assert faults(report).keys() - {"other words"} == {kind}
    (example,) = report.to_json()["faults"][kind]["examples"]
    assert example["id"] == "7"
    assert official.FAULTS[kind] in report.to_text()


def test_masks_of_busi(workshop: Workshop, mat: MedMAT, release: Release) -> None:
    paths = sorted(path.relative_to(workshop.raw / "busi") for path in (workshop.raw / "busi").rglob("*.png"))
    entries = [
        entry(n, f"med-mat/BUSI/{path}", path.parent.name.capitalize(), ["Benign", "Malignant", "Normal"], "What?", 48)
        for n, path in enumerate(paths)
    ]
    masks = sum("_mask" in path.name for path in paths)
    for images in (None, official.BuiltImages(mat)):
        report = official.check(release(Subset_24=entries), images)
        assert faults(report) == {"mask": masks}
    (contents,) = report.files.values()
    assert contents.outcomes == {"path": len(paths) - masks, "mask used as an image": masks}


def test_words_that_the_question_does_not_name(release: Release) -> None:
    question = (
        "Can you analyze this bone X-ray and determine if Scoliosis or Spondylolisthesis is present? Reply with the "
        "condition name, or 'Normal' if neither is detected."
    )
    labels = ["Normal", "Scol", "Spond"]
    entries = [entry(n, f"med-mat/V/{n}.jpg", label, labels, question, 52) for n, label in enumerate(labels)]
    report = official.check(release(Subset_27=entries))
    assert faults(report) == {"unnamed label": 2, "other words": 2}
    busi = "Review this breast ultrasound image and specify the stage, or return 'Normal' if none is found."
    assert not official.check(
        release(Subset_27=[], Subset_24=[entry(1, "med-mat/1.png", "Benign", ["Benign", "Normal"], busi, 48)])
    ).faults


def test_free_text_and_sets_of_labels(release: Release) -> None:
    texts = [f"Right upper ptb {n}" for n in range(8)]
    named = ["Normal"] * 20
    captions = [*texts, *named]
    chest = [entry(n, f"med-mat/S/{n}.png", one, {one, "A", "B"}, "What?", 54) for n, one in enumerate(captions)]
    sets = ["Cytosol", "Nucleoplasm, cytosol", "Nuclear bodies, nucleoplasm", "Nucleoli, cytosol", "Golgi apparatus",
            "Nucleoli, nuclear bodies", "Nuclear speckles, nucleoli"]  # fmt: skip
    cells = [entry(n, f"med-mat/H/{n}.png", one, {one, "A", "B"}, "What?", 84) for n, one in enumerate(sets)]
    report = official.check(release(Subset_28=chest, Subset_33=cells))
    assert report.faults["free text"].count == len(texts)
    assert set(report.faults["free text"].files) == {"Aggregated_Subsets/Subset--28-train.json"}


def test_an_image_under_several_rows_by_path_and_by_group(workshop: Workshop, mat: MedMAT, release: Release) -> None:
    by_row = {row: of_row(workshop, row, "Chaoyang") for row in (37, 70)}
    assert len(by_row[37]) == len(by_row[70]) > 0
    report = official.check(release(ori_37=by_row[37], ori_70=by_row[70]), official.BuiltImages(mat))
    assert report.faults["several rows"].count == len(by_row[70])
    assert report.faults["shared group"].count == report.shared_groups[37, 70] == len(by_row[70])
    again = [*by_row[37], by_row[37][0] | {"id": 1000}]
    assert official.check(release(ori_37=again, ori_70=[])).faults["repeated image"].count == 1


def test_the_same_file_in_both_of_their_folders_is_no_fault(release: Release) -> None:
    assert not official.check(release(Subset_17=[GOOD], ori_30=[GOOD])).faults


def test_a_caption_that_contradicts_our_labels(workshop: Workshop, mat: MedMAT, release: Release) -> None:
    entries = of_row(workshop, 48, "BUSI")
    wrong = next(one for one in entries if one["caption"] == "Benign")
    wrong |= {"caption": "Normal", "Answer": "Normal", "Answer-choice": "C"}
    report = official.check(release(ori_48=entries), official.BuiltImages(mat))
    assert faults(report) == {"contradiction": 1}
    assert report.faults["contradiction"].examples[0]["id"] == str(wrong["id"])


def test_a_broken_file_does_not_keep_the_others_from_being_checked(release: Release) -> None:
    place = release(Subset_17=[GOOD], Subset_24=[{}])
    report = official.check(place)
    assert list(report.files) == ["Aggregated_Subsets/Subset--17-train.json"]
    assert "entry 1 lacks 'id'" in report.unreadable["Aggregated_Subsets/Subset--24-train.json"]


# -------------------------------------------------------------------------------------------------------- command line


def run(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(cli, ["official", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_check_and_attach(workshop: Workshop, arrow_cache: Path, release: Release, tmp_path: Path) -> None:
    place = release(Subset_17=[GOOD], Subset_24=[GOOD | {"image": "med-mat/\x1b[2J/benign_mask.png"}])
    said = run("check", place, "--build", workshop.out, "--json", tmp_path / "report.json")
    assert "Subset--17-train.json: 1 entries, 1 images, 1 labels; 1 attached (path 1)" in said
    assert "\x1b" not in said
    assert "1 x a mask used as an image" in said
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert set(report) == {"files", "unreadable", "faults", "shared_groups"}
    assert report["faults"]["mask"]["count"] == 1
    said = run("attach", place, "--build", workshop.out, "--out", tmp_path / "out")
    assert "Subset--17-train.json: 1 of 1 entries attached" in said
    assert [path.name for path in (tmp_path / "out").rglob("*.parquet")] == ["Subset--17-train.parquet"]


def test_check_of_raw_folders_and_of_nothing(workshop: Workshop, release: Release) -> None:
    place = release(Subset_17=[GOOD], Subset_24=[{}])
    assert "1 attached" in run("check", place, "--raw", workshop.raw / "drimdb", code=1)
    assert "attached" not in run("check", place, code=1)
    run("check", place, "--raw", workshop.raw, "--build", workshop.out, code=2)


# ------------------------------------------------------------------------------------- what held-out targets share


def test_what_each_combination_of_the_paper_shares_with_its_target(workshop: Workshop) -> None:
    found = overlaps(med_mat.open(workshop.out))
    assert [(one.kind, one.number) for one in found] == [(row.kind, row.number) for row in paper.combinations()]
    assert not [one.missing for one in found if one.missing]
    group_of: dict[int, set[int]] = {}
    for record in workshop.records:
        group_of.setdefault(record["row"], set()).add(record["group"])
    lungs = next(one for one in found if (one.kind, one.number) == ("detection", 1))
    assert lungs.target.startswith("X-ray/Lung/Diseases")
    expected = sum(record["row"] == 79 and record["group"] in group_of[99] for record in workshop.records)
    assert lungs.rows["79/99"] == expected > 0, "Montgomery, classified and segmented"
    assert lungs.shared_by_any >= expected
    for one in found:
        assert one.shared <= one.tested <= one.held
        assert one.shared <= one.shared_by_any <= one.held
        assert bool(one.rows) == bool(one.shared_by_any)
    text = overlaps_text(found)
    assert f"row 79/99: {expected} records" in text
    assert f"{sum(bool(one.shared_by_any) for one in found)} of the 60 combinations" in text


def test_what_cannot_be_counted_is_said(workshop: Workshop, tmp_path: Path) -> None:
    build(find({"chest_ct_scan": None}, workshop.raw), tmp_path / "out", Options(jobs=1))
    found = overlaps(med_mat.open(tmp_path / "out"))
    assert all(one.missing for one in found)
    assert "60 could not be counted" in overlaps_text(found)


def test_a_pipe_among_the_files_is_a_sentence_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Subset-1-train.json")
    done = CliRunner().invoke(cli, ["official", "check", str(tmp_path)])
    assert done.exit_code == 1
    assert "a pipe, a socket or a device" in done.output
