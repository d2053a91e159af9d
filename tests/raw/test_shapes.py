from pathlib import Path

from med_mat.example import Example
from med_mat.raw import SPLITS, RawFolder, class_folders


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
