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

CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cc"]))
COLUMNS = ["id", "label", "note"]
ROWS = st.lists(st.tuples(st.from_regex(r"[0-9]{1,6}", fullmatch=True), CELL, CELL))


def write(root: Path, name: str, content: bytes | str) -> RawFolder:
    (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return RawFolder(root)


@given(ROWS, st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    delimiter: str,
    newline: str,
    bom: bool,
    zipped: bool,
) -> None:
    root = tmp_path_factory.getbasetemp()
    name = "a.csv.gz" if zipped else "a.csv"
    Miniature(root).csv(name, rows, header=COLUMNS, delimiter=delimiter, newline=newline, bom=bom)
    found = RawFolder(root).table(name, columns=["label"])
    assert [tuple(row.values()) for row in found] == [tuple(cell.strip() for cell in row) for row in rows]


@given(st.lists(st.tuples(st.text("0123456789", min_size=1), st.text("äöß abc"))))
def test_latin_1(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    root = tmp_path_factory.getbasetemp()
    Miniature(root).csv("latin.csv", rows, header=["id", "größe"], encoding="latin-1")
    assert [tuple(row.values()) for row in RawFolder(root).table("latin.csv")] == [(a, b.strip()) for a, b in rows]


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
    "more cells.csv": b"a,b\n1,2\n1,2,3\n",
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
def test_workbooks_keep_text_and_whole_numbers(
    tmp_path_factory: pytest.TempPathFactory, rows: Sequence[tuple[str, int]]
) -> None:
    root = tmp_path_factory.getbasetemp()
    Miniature(root).xlsx("a.xlsx", [(a, float(b)) for a, b in rows], ["id", " n "])
    assert [tuple(row.values()) for row in RawFolder(root).table("a.xlsx", columns=["id", "n"])] == [
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
