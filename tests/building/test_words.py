from collections.abc import Callable
from dataclasses import replace

import pytest
from building import CLASS_FOLDERS, Toy, ledger, row

from med_mat.building import words
from med_mat.errors import LayoutError, ReadError
from med_mat.raw import Miniature

MakeToy = Callable[..., Toy]
TABLE = """
    images = raw.by_stem("*.png")
    for row in raw.table("labels.csv"):
        if row["id"] in images:
            yield Example(images.pop(row["id"]), label=row["label"])
        else:
            raw.miss(row["id"], "labels.csv")
    for image in images.values():
        raw.skip(image, "labels.csv does not list it")
"""


def said(source: Toy) -> list[str]:
    """What a build says of the toy."""
    return words.lines(source.source, source.build().ledgers["toy"], "toy.json")


def test_where_all_is_well_there_is_one_line(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "a/2.png", "b/3.png")
    (found,) = words.lines(replace(source.source, counts={"images": 3}), source.build().ledgers["toy"], "toy.json")
    assert found == "toy: 3 image files = 3 in records + 0 not used; 3 records, 0 skipped"


def test_what_lies_there_is_in_records_masks_or_not_used(toy: MakeToy) -> None:
    source = toy(
        """
    for image in raw.images("*.png", exclude="*_mask*"):
        yield Example(image, masks=[BinaryMask(mask, "a") for mask in raw.siblings(image, f"{image.stem}_mask.png")])
""",
        row(97, "masks", {"a": "Benign"}),
    )
    source.draw("1.png", "1_mask.png", "2.png", "2_mask.png", "3.jpg", ".4.png")
    (source.raw / "2.png").write_bytes(b"")
    assert said(source)[:3] == [
        "toy: 5 image files = 1 in records + 2 masks + 2 not used; 1 record, 1 skipped; see toy.json",
        "  1 image file not used: outside the layout that the loader reads (first: 3.jpg)",
        "  1 image file not used: the file is empty (first: 2.png)",
    ]
    images = ledger(source.out)["images"]
    assert {name: images[name] for name in ("found", "in_records", "annotations", "unused")} == {
        "found": 5,
        "in_records": 1,
        "annotations": 2,
        "unused": 2,
    }
    assert images["unused_by_reason"]["the file is empty."] == {"files": 1, "first": "2.png"}


def test_images_that_no_table_lists_and_rows_without_an_image_are_told_with_the_first(toy: MakeToy) -> None:
    source = toy(TABLE)
    source.draw(*(f"{name}.png" for name in "abcde"))
    Miniature(source.raw).csv("labels.csv", [("a", "a"), ("Y", "a"), ("X", "b")], header="id,label")
    found = said(source)
    assert "  4 image files not used: labels.csv does not list it (first: b.png)" in found
    assert "  labels.csv names 2 images not in the folder (first: Y)" in found
    assert ledger(source.out)["missing_by_table"] == {"labels.csv": {"images": 2, "first": "Y"}}


def test_a_source_that_gives_nothing_says_what_lies_there(toy: MakeToy) -> None:
    source = toy(TABLE)
    source.draw("a.png", "b.png")
    Miniature(source.raw).csv("labels.csv", [("A", "a"), ("B", "b")], header="id,label")
    with pytest.raises(LayoutError) as caught:
        source.build()
    assert "2 image files not used: labels.csv does not list it (first: a.png). " in str(caught.value)
    assert "Labels.csv names 2 images not in the folder (first: A). " in str(caught.value)


def test_examples_that_all_fail_say_why(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "a/2.png")
    for name in ("1.png", "2.png"):
        (source.raw / "a" / name).write_bytes(b"")
    with pytest.raises(ReadError, match=r"None of the 2 examples .* 2 image files not used: the file is empty \(first"):
        source.build()


def test_a_folder_that_cannot_be_looked_into_is_told(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png")
    (source.raw / "b").symlink_to(source.raw / "a")
    assert "  1 entry not looked into: a link to a folder (first: b)" in said(source)


def test_notes_and_skipped_records_are_told_with_the_first(toy: MakeToy) -> None:
    source = toy(
        """
    for image in raw.images():
        yield Example(image, label="a" if image.stem == "1" else "unheard of", boxes=(Box(-5, 0, 9, 9, "a"),))
""",
        row(48, "classes", {"a": "Benign", "b": "Malignant"}),
        row(97, "boxes", {"a": "Benign"}),
    )
    source.draw("1.png", "2.png", "3.png")
    found = said(source)
    assert any(one.startswith("  3 records noted: boxes clipped to the image (first: toy/") for one in found)
    assert any(one.startswith("  2 records skipped: The label 'unheard of' is not among") for one in found)
    assert found[0] == "toy: 3 image files = 3 in records + 0 not used; 4 records, 2 skipped; see toy.json"


@pytest.mark.parametrize(("number", "told"), [(3, ""), (60, "is the download complete?"), (2, "another edition")])
def test_a_count_that_is_far_from_the_cards_is_told(toy: MakeToy, number: int, told: str) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "a/2.png", "b/3.png")
    account = source.build().ledgers["toy"]
    card = replace(source.source, counts={"images": number, "certainty": "medium"})
    found = [one for one in words.lines(card, account, "toy.json") if "its card counts" in one]
    assert bool(found) == bool(told)
    assert not told or (
        told in found[0] and f"{number} images to read, which is not certain; here 3 came in" in found[0]
    )
    account.synthetic = True
    assert not [one for one in words.lines(card, account, "toy.json") if "its card counts" in one]


def test_many_reasons_are_summed_up(toy: MakeToy) -> None:
    source = toy("""
    for image in raw.images("a/*"):
        yield Example(image, label="a")
    for image in raw.images("c/*"):
        raw.skip(image, f"reason {'abcdefgh'[int(image.stem)]}")
""")
    source.draw("a/1.png", *(f"c/{n}.png" for n in range(8)))
    found = said(source)
    assert sum("not used: reason" in one for one in found) == 5
    assert "  3 image files more, for 3 other reasons" in found


def test_what_names_do_to_a_terminal_they_do_not_do(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "b\x1b[2J.png")
    assert not any("\x1b" in one for one in said(source))


def test_rows_that_cannot_be_read_and_guessed_encodings_are_in_the_ledger_and_said(toy: MakeToy) -> None:
    source = toy(TABLE, row(48, "classes", {"é": "Normal", "b": "Benign"}))
    source.draw("0.png", "1.png", "2.png", "3.png")
    table = "id,label\n0,é\n1,b,b\n2,b\n1,b,b\n"
    (source.raw / "labels.csv").write_text(table, "cp1252")
    told = said(source)
    why = "3 cells where the header has 2 columns ('1', 'b', 'b'): an unquoted separator"
    guess = "its encoding is neither UTF-8 nor UTF-16: it was read as cp1252, which is a guess"
    assert [one for one in told if "row" in one] == [f"  2 rows of a table left out: {why} (first: labels.csv, line 3)"]
    assert f"  labels.csv: {guess}" in told
    written = ledger(source.out)
    assert written["rows_unread"] == {"labels.csv, line 3": why, "labels.csv, line 5": why}
    assert written["rows_unread_by_reason"] == {why: {"rows": 2, "first": "labels.csv, line 3"}}
    assert written["tables_noted_at"] == {"labels.csv": guess}
    assert written["tables_noted"] == {guess: {"places": 1, "first": "labels.csv"}}
    page = (source.out / "cards" / "toy.md").read_text("utf-8")
    assert f"- 2 rows of a table left out: {why} (first: labels.csv, line 3)\n" in page
    assert f"- 1 place of a table noted: {guess} (first: labels.csv)\n" in page


def test_a_second_build_that_keeps_all_says_the_same_of_tables(toy: MakeToy) -> None:
    source = toy(TABLE, row(48, "classes", {"é": "Normal"}))
    source.draw("0.png")
    (source.raw / "labels.csv").write_text("id,label\n0,é\n1,b,b\n", "cp1252")
    told = said(source)
    before = ledger(source.out)
    assert said(source) == told
    assert ledger(source.out) == before
