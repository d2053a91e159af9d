import csv
import gzip
import zipfile
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med_mat.errors import LayoutError, ReadError
from med_mat.raw import Miniature, RawFolder, tables

UNSEEN = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0#" + UNSEEN, exclude_categories=["Cc"]))
COLUMNS = ["id", "label", "note"]
ROWS = st.lists(st.tuples(st.from_regex(r"[0-9]{1,6}", fullmatch=True), CELL, CELL))


def write(root: Path, name: str, content: bytes | str) -> RawFolder:
    (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return RawFolder(root)


@given(ROWS, st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_what_is_written_is_read(
    scratch: Path,
    rows: list[tuple[str, str, str]],
    delimiter: str,
    newline: str,
    bom: bool,
    zipped: bool,
) -> None:
    name = "a.csv.gz" if zipped else "a.csv"
    Miniature(scratch).csv(name, rows, header=COLUMNS, delimiter=delimiter, newline=newline, bom=bom)
    found = RawFolder(scratch).table(name, columns=["label"])
    assert [tuple(row.values()) for row in found] == [tuple(cell.strip() for cell in row) for row in rows]


@given(st.lists(st.tuples(st.text("0123456789", min_size=1), st.text("äöß abc"))))
def test_latin_1(scratch: Path, rows: list[tuple[str, str]]) -> None:
    Miniature(scratch).csv("latin.csv", rows, header=["id", "größe"], encoding="latin-1")
    assert [tuple(row.values()) for row in RawFolder(scratch).table("latin.csv")] == [(a, b.strip()) for a, b in rows]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_byte_order_marks(tmp_path: Path, encoding: str) -> None:
    raw = write(tmp_path, "a.csv", "id,größe\n001,ü\n".encode(encoding))
    assert list(raw.table("a.csv", columns=["id"])) == [{"id": "001", "größe": "ü"}]
    assert raw.lines("a.csv") == ["id,größe", "001,ü"]


def test_blanks_short_rows_and_blank_rows(tmp_path: Path) -> None:
    raw = write(tmp_path, "a.csv", '\n , \nid, hemorrhage ,\n\n000, 0 ,,\n,,\n001\n002, "a, b"\n')
    assert list(raw.table("a.csv", columns=["hemorrhage"])) == [
        {"id": "000", "hemorrhage": "0"},
        {"id": "001", "hemorrhage": ""},
        {"id": "002", "hemorrhage": "a, b"},
    ]


NIH = "Image Index,Finding Labels,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
NIH_BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n00013118_008.png,Atelectasis,225.08,547.01,86.77,79.18,,,\n"


def test_the_header_of_nih_that_holds_unquoted_commas(tmp_path: Path) -> None:
    raw = write(tmp_path, "Data_Entry.csv", NIH + "00000001_000.png,Cardiomegaly,2682,2749,0.143,0.143,\n")
    (row,) = raw.table("Data_Entry.csv", columns=["Image Index"])
    assert row["OriginalImage[Width"] == "2682"
    names = ["image", "labels", "width", "height", "x", "y"]
    (row,) = raw.table("Data_Entry.csv", header=names, replace_header=True)
    assert row == dict(zip(names, ["00000001_000.png", "Cardiomegaly", "2682", "2749", "0.143", "0.143"], strict=True))


def test_the_boxes_of_nih(tmp_path: Path) -> None:
    raw = write(tmp_path, "BBox.csv", NIH_BOXES)
    (row,) = raw.table("BBox.csv", header=["image", "label", "x", "y", "w", "h"], replace_header=True, columns=["h"])
    assert row["h"] == "79.18"
    with pytest.raises(ReadError, match="needs header="):
        raw.table("BBox.csv", replace_header=True)


def test_files_without_header_and_with_other_separators(tmp_path: Path) -> None:
    raw = write(tmp_path, "a.txt", "1  a.png   COVID-19\n2 b.png negative\n")
    assert [row["name"] for row in raw.table("a.txt", header=["n", "name", "label"])] == ["a.png", "b.png"]
    raw = write(tmp_path, "b.txt", "my image.png\t0\n")
    assert list(raw.table("b.txt", header=["name", "label"])) == [{"name": "my image.png", "label": "0"}]
    raw = write(tmp_path, "c.csv", "a;b,c\n1;2\n")
    assert list(raw.table("c.csv", columns=["b,c"])) == [{"a": "1", "b,c": "2"}]
    raw = write(tmp_path, "d.tsv", "one column\n1\n")
    assert list(raw.table("d.tsv")) == [{"one column": "1"}]


def test_unnamed_and_repeated_columns(tmp_path: Path) -> None:
    raw = write(tmp_path, "a.csv", ",x,x,x\n0,1,2,3\n")
    assert list(raw.table("a.csv")) == [{"column 1": "0", "x": "1", "x (2)": "2", "x (3)": "3"}]


@given(st.lists(st.sampled_from(["", "x", "x (2)", "column 2"]), min_size=1))
def test_every_column_has_a_name_of_its_own(header: list[str]) -> None:
    names = tables._unique([*header, "end"])
    assert len(set(names)) == len(names) == len(header) + 1
    assert all(names)


def test_a_missing_column_is_named_with_what_is_there(tmp_path: Path) -> None:
    raw = write(tmp_path, "a.csv", "Id,Label\n1,2\n")
    with pytest.raises(ReadError) as error:
        next(raw.table("a.csv", columns=["Id", "Finding"]))
    assert str(tmp_path / "a.csv") in str(error.value)
    assert "'Finding'" in str(error.value)
    assert "'Id', 'Label'" in str(error.value)


HOSTILE = {
    "empty.csv": b"",
    "blank.csv": b"\n , ,\n\n",
    "nul.csv": b"a,b\n\0\0,1\n",
    "utf16 without mark.csv": "a,b\n1,2\n".encode("utf-16-le"),
    "more cells.csv": b"a,b\n1,2,3\n1,2,3\n",
    "open quote.csv": b'a,b\n1,"' + b"x" * 200_000,
    "one line.csv": b"x" * (tables.LINE_LIMIT + 1),
    "cut.csv.gz": gzip.compress(b"a,b\n" + bytes(range(49, 58)) * 9999)[:-30],
    "no gzip.csv.gz": b"a,b\n",
    "no zip.zip": b"a,b\n",
    "old.xls": b"\xd0\xcf\x11\xe0",
    "no workbook.xlsx": b"a,b\n1,2\n",
    "cut.xlsx": b"PK\x03\x04",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tables_are_refused_in_a_sentence_that_names_them(tmp_path: Path, name: str) -> None:
    raw = write(tmp_path, name, HOSTILE[name])
    with pytest.raises(ReadError) as error:
        list(raw.table(name))
    assert str(tmp_path / name) in str(error.value)


def test_a_wrong_encoding(tmp_path: Path) -> None:
    raw = write(tmp_path, "a.csv", "a\né\n".encode("latin-1"))
    for encoding in ("ascii", "utf-8", "no-such-encoding"):
        with pytest.raises(ReadError, match="encoding="):
            list(raw.table("a.csv", encoding=encoding))
    assert list(raw.table("a.csv")) == [{"a": "é"}]


@pytest.mark.parametrize("text", ["“benign” – naïve", "Größe €", "naïve"])
def test_western_windows_text_keeps_its_quotes_and_dashes_and_the_guess_is_noted(tmp_path: Path, text: str) -> None:
    raw = write(tmp_path, "a.csv", f"id,label\n1,{text}\n".encode("cp1252"))
    assert [row["label"] for row in raw.table("a.csv")] == [text]
    assert "cp1252, which is a guess" in raw.notes["a.csv"]


@pytest.mark.parametrize("encoding", ["gbk", "big5", "shift-jis", "cp1251"])
def test_other_encodings_are_never_read_without_a_word_and_may_be_stated(tmp_path: Path, encoding: str) -> None:
    text = "опухоль" if encoding == "cp1251" else "日本"
    raw = write(tmp_path, "a.csv", f"id,label\n1,{text}\n".encode(encoding))
    assert [row["id"] for row in raw.table("a.csv")] == ["1"]
    assert "a guess" in raw.notes["a.csv"]
    again = RawFolder(tmp_path)
    assert [row["label"] for row in again.table("a.csv", encoding=encoding)] == [text]
    assert again.notes == {}


@pytest.mark.parametrize(
    "start", ["sep=;\n", '"sep=;"\r\n', "\ufeffsep=;\n", "# from the web\n\n#\n", "# a; b\nsep=;\n"]
)
def test_what_stands_before_the_header_is_passed_over(tmp_path: Path, start: str) -> None:
    raw = write(tmp_path, "a.csv", f"{start}id;note\n1;a,b,c\n")
    assert list(raw.table("a.csv", columns=["id"])) == [{"id": "1", "note": "a,b,c"}]


def test_excel_may_tell_that_tabs_separate(tmp_path: Path) -> None:
    raw = write(tmp_path, "a.csv", "sep=\t\nid,x\tnote\n1\ta\n")
    assert list(raw.table("a.csv")) == [{"id,x": "1", "note": "a"}]


def test_a_header_may_begin_with_the_sign_of_a_comment(tmp_path: Path) -> None:
    raw = write(tmp_path, "a.csv", "#id,label\n1,x\n")
    assert list(raw.table("a.csv")) == [{"#id": "1", "label": "x"}]
    assert list(raw.table("a.csv", columns=["label"])) == [{"#id": "1", "label": "x"}]


def test_blanks_that_nobody_sees_are_stripped(tmp_path: Path) -> None:
    raw = write(tmp_path, "a.csv", f"{UNSEEN}id ,\u200blabel\u200b\n 1\ufeff,\xa0\u200bx y\u2060 \n")
    assert list(raw.table("a.csv", columns=["id", "label"])) == [{"id": "1", "label": "x y"}]
    Miniature(tmp_path).xlsx("a.xlsx", [["\u200bx\u200b"]], ["\ufeffid"])
    assert list(RawFolder(tmp_path).table("a.xlsx")) == [{"id": "x"}]


@pytest.mark.parametrize(
    ("bad", "lines"),
    [
        ('2,"x', 1),  # swallows all that follows
        ('2,"x\n3,y\n4,z"', 1),  # swallows two rows
        ("2,x,y", 1),
        ('2,"x"y"', 1),
    ],
)
def test_one_bad_row_is_left_out_and_noted_and_its_neighbours_are_read(tmp_path: Path, bad: str, lines: int) -> None:
    raw = write(tmp_path, "a.csv", f"id,label\n1,a\n{bad}\n5,b\n6,c\n")
    found = {row["id"]: row["label"] for row in raw.table("a.csv")}
    assert found["1"] == "a"
    assert found["5"] == "b"
    assert found["6"] == "c"
    assert "2" not in found
    assert len(found) == 3 + bad.count("\n")
    assert list(raw.faults) == ["a.csv, line 3"]


def test_an_open_quote_in_every_row_leaves_none_and_does_not_take_forever(tmp_path: Path) -> None:
    raw = write(tmp_path, "a.csv", "id,label\n" + "".join(f'{n},"x\n' for n in range(0, 20_000)))
    with pytest.raises(ReadError, match="line 2: a quote that is never closed"):
        list(raw.table("a.csv"))


@given(
    st.lists(st.tuples(st.integers(0, 9999), st.sampled_from(["a", "a b", "one, two", 'he said "no"', "l1\nl2, l3"])))
)
def test_cells_may_hold_delimiters_quotes_and_lines(scratch: Path, rows: list[tuple[int, str]]) -> None:
    Miniature(scratch).csv("lines.csv", rows, header=["id", "text"])
    raw = RawFolder(scratch)
    assert [(int(row["id"]), row["text"]) for row in raw.table("lines.csv")] == rows
    assert raw.faults == {}


def test_a_blank_after_a_closing_quote_is_harmless(tmp_path: Path) -> None:
    raw = write(tmp_path, "a.csv", 'id,label\n"1" ,"a" \n5" long,b\n')
    assert [tuple(row.values()) for row in raw.table("a.csv")] == [("1", "a"), ('5" long', "b")]


def test_a_cell_may_be_as_long_as_a_run_length_code_and_the_limit_of_the_process_stays(tmp_path: Path) -> None:
    long = "1 2 " * 100_000
    before = csv.field_size_limit()
    raw = write(tmp_path, "a.csv", f"id,code\n1,{long}\n2,x\n")
    assert [len(row["code"]) for row in raw.table("a.csv")] == [len(long) - 1, 1]
    assert csv.field_size_limit() == before


def test_a_row_knows_its_file_and_line(tmp_path: Path) -> None:
    raw = write(tmp_path, "a.csv", '# x\nid,label\n\n1,"a\nb"\n2,c\n')
    assert [row.where for row in raw.table("a.csv")] == ["a.csv, line 4", "a.csv, line 6"]


def test_long_numbers_of_a_workbook_are_noted(tmp_path: Path) -> None:
    Miniature(tmp_path).xlsx("a.xlsx", [[1234567890123456], [12]], ["id"])
    raw = RawFolder(tmp_path)
    assert [row["id"] for row in raw.table("a.xlsx")] == ["1234567890123456", "12"]
    assert list(raw.notes) == ["a.xlsx, row 2"]


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    raw = write(tmp_path, "labels.csv", "a\n")
    with pytest.raises(LayoutError, match=r"labels\.csv"):
        raw.table("label.csv")


def zipped(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_a_zip_with_one_table(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", {"in/a.csv": b"a,b\n01,2\n", "__MACOSX/in/._a.csv": b"\0"})
    assert list(RawFolder(tmp_path).table("a.zip")) == [{"a": "01", "b": "2"}]
    zipped(tmp_path / "two.zip", {"a.csv": b"a\n", "b.csv": b"a\n"})
    with pytest.raises(ReadError, match="2 files"):
        list(RawFolder(tmp_path).table("two.zip"))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.from_regex(r"0[0-9]{1,5}", fullmatch=True), st.integers(-(10**9), 10**9)), max_size=5))
def test_workbooks_keep_text_and_whole_numbers(scratch: Path, rows: Sequence[tuple[str, int]]) -> None:
    Miniature(scratch).xlsx("a.xlsx", [(a, float(b)) for a, b in rows], ["id", " n "])
    assert [tuple(row.values()) for row in RawFolder(scratch).table("a.xlsx", columns=["id", "n"])] == [
        (a, str(b)) for a, b in rows
    ]


def test_formulas_are_not_evaluated(tmp_path: Path) -> None:
    Miniature(tmp_path).xlsx("a.xlsx", [["001", "=1+1"], ["002", '=WEBSERVICE("http://x")']], ["id", "n"])
    assert [row["n"] for row in RawFolder(tmp_path).table("a.xlsx")] == ["", ""]


def test_sheets(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("second").append(["a"])
    book["second"].append([True])
    book.save(tmp_path / "a.xlsx")
    raw = RawFolder(tmp_path)
    assert list(raw.table("a.xlsx", sheet="second")) == [{"a": "True"}]
    with pytest.raises(ReadError, match="'Sheet', 'second'"):
        list(raw.table("a.xlsx", sheet="third"))
    with pytest.raises(ReadError, match="is empty"):
        list(raw.table("a.xlsx"))


def test_a_workbook_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped(tmp_path / "bomb.xlsx", {"xl/sharedStrings.xml": bytes(tables.WORKBOOK_LIMIT // 64 + 1)})
    monkeypatch.setattr(tables, "WORKBOOK_LIMIT", tables.WORKBOOK_LIMIT // 64)
    monkeypatch.setattr(openpyxl, "load_workbook", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(ReadError, match="would unpack to"):
        list(RawFolder(tmp_path).table("bomb.xlsx"))


def test_a_workbook_with_entities(tmp_path: Path) -> None:
    Miniature(tmp_path).xlsx("a.xlsx", [["x"]], ["a"])
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    sheet = members["xl/worksheets/sheet1.xml"]
    bomb = b'<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + sheet[sheet.index(b"<worksheet") :]
    zipped(tmp_path / "a.xlsx", {**members, "xl/worksheets/sheet1.xml": bomb})
    with pytest.raises(ReadError, match="not an xlsx workbook"):
        list(RawFolder(tmp_path).table("a.xlsx"))


def test_a_large_table_is_read_in_bounded_memory(tmp_path: Path) -> None:
    import tracemalloc

    raw = write(tmp_path, "a.csv", "id,label\n" + f"1.png,{'Effusion|' * 40}\n" * 20_000)
    tracemalloc.start()
    assert sum(1 for _ in raw.table("a.csv")) == 20_000
    assert tracemalloc.get_traced_memory()[1] < 4 << 20  # of 7; it is read in pieces of one
    tracemalloc.stop()
