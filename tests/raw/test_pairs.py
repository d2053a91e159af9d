from pathlib import Path, PurePosixPath

from med_mat.raw import RawFolder, matched, paired


def folder(root: Path, *paths: str) -> RawFolder:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return RawFolder(root)


def test_matched_gives_every_fact_its_image_and_notes_the_rest(tmp_path: Path) -> None:
    raw = folder(tmp_path, "a.png", "b.png", "c.png")
    facts = [("b", 1), ("gone", 2), ("a", 3), ("b", 4)]
    found = list(matched(raw, "lists/train.txt", facts, raw.by_stem("*.png")))
    assert found == [(1, PurePosixPath("b.png")), (3, PurePosixPath("a.png")), (4, PurePosixPath("b.png"))]
    assert raw.missing == {"gone": "lists/train.txt"}
    assert raw.skipped == {"c.png": "train.txt does not list it"}


def test_paired_counts_numbers_as_such_and_notes_what_is_alone(tmp_path: Path) -> None:
    raw = folder(tmp_path, "i/10.png", "i/2.png", "i/3.png", "m/2.tif", "m/10.tif", "m/4.tif")
    found = list(paired(raw, raw.by_stem("i/*"), raw.by_stem("m/*")))
    assert [(str(image), str(mask)) for image, mask in found] == [("i/2.png", "m/2.tif"), ("i/10.png", "m/10.tif")]
    assert raw.skipped == {"i/3.png": "there is no mask of its name", "m/4.tif": "a mask of which there is no image"}


def test_names_that_differ_in_case_alone_are_matched_and_paired(tmp_path: Path) -> None:
    raw = folder(tmp_path, "i/A 2.PNG", "i/A 10.PNG", "m/a 10.png", "m/a 2.png")
    found = list(paired(raw, raw.by_stem("i/*"), raw.by_stem("m/*")))
    assert [(str(image), str(mask)) for image, mask in found] == [
        ("i/A 2.PNG", "m/a 2.png"),
        ("i/A 10.PNG", "m/a 10.png"),
    ]
    assert raw.skipped == {}
    assert [fact for fact, _ in matched(raw, "list.txt", [("a 10", 1), ("a 2", 2)], raw.by_stem("i/*"))] == [1, 2]
    assert raw.missing == {}


def test_of_several_names_that_are_alike_none_is_guessed(tmp_path: Path) -> None:
    raw = folder(tmp_path, "aB.png", "Ab.png", "c.png")
    assert list(matched(raw, "list.txt", [("AB", 1), ("C", 2)], raw.by_stem("*.png"))) == [(2, PurePosixPath("c.png"))]
    assert raw.missing == {"AB": "list.txt"}
    assert set(raw.skipped) == {"aB.png", "Ab.png"}
    assert "differs in case" in raw.skipped["aB.png"]
