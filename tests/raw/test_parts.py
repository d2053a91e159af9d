from pathlib import Path

from med_mat.raw import Miniature, RawFolder, listed_or_skipped, lookup


def folder(root: Path) -> RawFolder:
    mini = Miniature(root)
    for name in ("a", "b", "c"):
        mini.image(f"Training/{name}.jpg")
    mini.csv("Training.csv", [("a", "1", "L1"), ("b", "0", ""), ("d", "1", "L1")], header="image,MEL,lesion")
    mini.image("Test/e.jpg")
    mini.csv("Validation.csv", [("f", "1", "")], header="image,MEL,lesion")
    return RawFolder(root)


def rows(raw: RawFolder, part: str) -> list[tuple[str, str]]:
    images = raw.by_stem(f"{part}/*.jpg")
    found = listed_or_skipped(raw, [f"{part}.csv", f"{part}/{part}.csv"], images, "image", columns=["MEL"])
    return [(row["MEL"], str(image)) for row, image in found]


def test_a_part_that_is_there(tmp_path: Path) -> None:
    raw = folder(tmp_path)
    assert rows(raw, "Training") == [("1", "Training/a.jpg"), ("0", "Training/b.jpg")]
    assert raw.missing == {"d": "Training.csv"}
    assert raw.skipped == {"Training/c.jpg": "Training.csv does not list it"}


def test_a_part_without_its_table(tmp_path: Path) -> None:
    raw = folder(tmp_path)
    assert rows(raw, "Test") == []
    assert raw.skipped == {"Test/e.jpg": "Test.csv, which holds its label, is not in the folder"}


def test_a_part_without_its_images_misses_nothing(tmp_path: Path) -> None:
    raw = folder(tmp_path)
    assert rows(raw, "Validation") == []
    assert not raw.missing
    assert not raw.skipped


def test_lookup(tmp_path: Path) -> None:
    raw = folder(tmp_path)
    assert lookup(raw, "**/Training.csv", "image", "lesion") == {"a": "L1", "d": "L1"}
    assert lookup(raw, "Lesions.csv", "image", "lesion") == {}
