import unicodedata
from pathlib import Path

import pytest

from med_mat.example import Example
from med_mat.raw import SPLITS, RawFolder, class_folders, listed


def tree(root: Path, *paths: str) -> RawFolder:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return RawFolder(root)


def facts(example: Example) -> tuple[str | None, ...]:
    return example.label, example.split, example.patient, example.raw_label, example.name


def test_class_folders_tell_label_split_and_name(tmp_path: Path) -> None:
    raw = tree(tmp_path, "Train/a/1.png", "wrapper/test/b/2.JPG", "test/a/notes.txt")
    found = [facts(one) for one in class_folders(raw, "**/{train,test}/*/*", splits=SPLITS)]
    assert found == [("a", "train", None, None, "train/a/1.png"), ("b", "test", None, None, "test/b/2.JPG")]


def test_class_folders_ask_for_label_patient_and_raw_label(tmp_path: Path) -> None:
    raw = tree(tmp_path, "Sick/7_1.png", "sick/7_2.png", "well/other.png")
    found = class_folders(
        raw,
        "*/*",
        label=lambda path: path.parent.name.lower(),
        patient=lambda path: path.stem.partition("_")[0] if "_" in path.stem else None,
        raw_label=lambda path: f"{path.parent.name}!",
    )
    assert [facts(one) for one in found] == [
        ("sick", None, "7", "Sick!", "sick/7_1.png"),
        ("sick", None, "7", "sick!", "sick/7_2.png"),
        ("well", None, None, "well!", "well/other.png"),
    ]


def test_class_folders_do_not_hang_on_the_case_of_folders(tmp_path: Path) -> None:
    pattern = "{train,test}/{glioma,no tumour}/*"
    found = []
    for number, paths in enumerate(
        (["train/glioma/a.png", "test/no tumour/b.png"], ["TRAIN/Glioma/a.png", "Test/NO TUMOUR/b.png"])
    ):
        raw = tree(tmp_path / str(number), *paths)
        found.append([facts(one) for one in class_folders(raw, pattern, splits=SPLITS, patient=lambda path: path.stem)])
    assert found[0] == found[1]
    assert found[0][1][:2] == ("glioma", "train")


def test_two_files_that_differ_in_case_alone_stay_two(tmp_path: Path) -> None:
    raw = tree(tmp_path, "Train/glioma/1.png", "train/glioma/1.png", "train/glioma/2.png", "train/glioma/2.PNG")
    names = [one.name for one in class_folders(raw, "{train,test}/{glioma,other}/*", splits=SPLITS)]
    assert sorted(names) == ["Train/glioma/1.png", "train/glioma/1.png", "train/glioma/2.PNG", "train/glioma/2.png"]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("a,1\nb,2", {"a.png": "1", "b.png": "2"}),
        ("A,1\nB,2", {"a.png": "1", "b.png": "2"}),
        ("A,1\nb,2", {"a.png": "1", "b.png": "2"}),
        ("A,1\na,3\nb,2", {"a.png": "3", "b.png": "2"}),  # the row that names it to the letter
        ("B,2\nb,4", {"b.png": "4"}),
        ("A,1\nA,1", {"a.png": "1"}),
    ],
)
def test_a_table_may_name_images_in_another_case(table: str, expected: dict[str, str], tmp_path: Path) -> None:
    raw = tree(tmp_path, "a.png", "b.png")
    (tmp_path / "T.csv").write_text(f"id,grade\n{table}\n")
    found = {
        str(image): row["grade"] for row, image in listed(RawFolder(tmp_path), "t.csv", raw.by_stem("*.png"), "id")
    }
    assert found == expected


def test_a_table_may_spell_accents_otherwise_than_the_disk(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "é")
    for number, (disk, cell) in enumerate([("é", apart), (apart, "é"), (apart, "É")]):
        raw = tree(tmp_path / str(number), f"{disk}.png")
        (raw.root / "t.csv").write_text(f"id\n{cell}\n", "utf-8")
        assert [str(image) for _, image in listed(RawFolder(raw.root), "t.csv", raw.by_stem("*.png"), "id")] == [
            f"{disk}.png"
        ]


def test_a_number_that_lost_its_zeros_is_not_guessed(tmp_path: Path) -> None:
    raw = tree(tmp_path, "0001.png")
    (tmp_path / "t.csv").write_text("id\n1\n")
    raw = RawFolder(tmp_path)
    assert list(listed(raw, "t.csv", raw.by_stem("*.png"), "id")) == []
    assert raw.missing == {"1": "t.csv"}
    assert raw.skipped == {"0001.png": "t.csv does not list it"}
