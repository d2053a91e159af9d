"""Tables of text, row by row: csv, tsv, txt and xlsx, also gzipped or alone in a zip."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date, datetime, time
from pathlib import Path, PurePath
from typing import IO, Any, cast

from med_mat.errors import ReadError

WORKBOOK_LIMIT = 256 << 20  # bytes that the parts of an xlsx file may unpack to; shared strings are held in memory
LINE_LIMIT = 16 << 20  # characters

_CHUNK = 1 << 20
_DELIMITERS = (",", "\t", ";", "|")

_Cells = Iterator[tuple[int, list[str]]]  # line or row number -> stripped cells


def rows(
    full: Path,
    *,
    columns: Sequence[str] = (),
    delimiter: str | None = None,
    encoding: str | None = None,
    header: Sequence[str] | None = None,
    replace_header: bool = False,
    sheet: str | None = None,
) -> Iterator[dict[str, str]]:
    """The rows of a table, as :meth:`RawFolder.table` describes."""
    suffix = full.suffix.lower()
    if suffix in (".xlsx", ".xlsm"):
        found = _workbook(full, sheet)
    elif suffix in (".xls", ".xlsb", ".ods"):
        raise ReadError(f"{full}: {suffix} tables are not supported. Save it as .xlsx or .csv beside it.")
    else:
        found = _delimited(full, delimiter, encoding, expected=header or columns)
    filled = ((number, cells) for number, cells in found if any(cells))
    if header is None:
        first = next(filled, None)
        if first is None:
            raise ReadError(f"{full} is empty: expected a header{_names(columns)} and rows.")
        names = _unique(first[1])
    else:
        names = [name.strip() for name in header]
        if replace_header:
            next(filled, None)
    missing = [column for column in columns if column not in names]
    if missing:
        raise ReadError(
            f"{full} has no column{_names(missing)}. Its columns are{_names(names)}. Is it the publisher's own file, "
            "and not one that was edited?"
        )
    width = len(names)
    for number, cells in filled:
        if any(cells[width:]):
            raise ReadError(
                f"{full}, line {number}: {len(cells)} cells where the header has {width} columns ({cells!r}). A cell "
                "with an unquoted separator, or a cut file: download it again."
            )
        yield dict(zip(names, cells + [""] * (width - len(cells)), strict=False))


def encoding_of(chunks: Iterable[bytes]) -> str:
    """UTF-8 or UTF-16 by the byte order mark, else UTF-8 if it decodes, else Latin-1."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    first = True
    try:
        for chunk in chunks:
            if first and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16"
            first = False
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"  # drops the mark where there is one


def _delimited(full: Path, delimiter: str | None, encoding: str | None, *, expected: Sequence[str]) -> _Cells:
    stream, suffix = _stream(full)
    line = 0
    try:
        if encoding is None:
            with stream() as data:
                encoding = encoding_of(iter(lambda: data.read(_CHUNK), b""))
        with ExitStack() as stack:
            data = stack.enter_context(stream())
            text = stack.enter_context(io.TextIOWrapper(data, encoding, newline=""))
            lines = _bounded(text, full)
            start: list[str] = []  # up to the first line that says something: it tells the delimiter
            for one in lines:
                start.append(one)
                if one.strip():
                    break
            if delimiter is None:
                delimiter = _delimiter(start[-1] if start else "", suffix, expected)
            reader = csv.reader(_chained(start, lines), delimiter=delimiter, skipinitialspace=True)
            for cells in reader:
                line = reader.line_num
                yield line, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise ReadError(
            f"{full}, after line {line}: {error}. A quote that is never closed, or no table at all: look at that line."
        ) from error
    except (UnicodeError, LookupError) as error:
        raise ReadError(f"{full} is not text in {encoding}: {error}. Pass the right encoding=….") from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise ReadError(f"{full} cannot be read: {error}. Download it again.") from error


def _stream(full: Path) -> tuple[Callable[[], IO[bytes]], str]:
    """What opens the bytes of a table, unpacked, and the suffix that says what they are."""
    suffix = full.suffix.lower()
    if suffix == ".gz":
        return lambda: cast("IO[bytes]", gzip.open(full)), PurePath(full.stem).suffix.lower()
    if suffix != ".zip":
        return lambda: full.open("rb"), suffix
    try:
        with zipfile.ZipFile(full) as archive:
            members = [one for one in archive.namelist() if not one.endswith("/") and not one.startswith("__MACOSX/")]
    except (OSError, zipfile.BadZipFile) as error:
        raise ReadError(f"{full} is not a zip archive: {error}. Download it again.") from error
    if len(members) != 1:
        raise ReadError(f"{full} holds {len(members)} files, where one table is expected. Unpack it first.")
    inner = PurePath(members[0]).suffix.lower()
    if inner in (".xlsx", ".xls"):
        raise ReadError(f"{full} holds {members[0]!r}. Unpack it first.")

    def member() -> IO[bytes]:
        with zipfile.ZipFile(full) as archive:
            return archive.open(members[0])  # keeps the archive's file open until it is closed itself

    return member, inner


def _bounded(text: IO[str], full: Path) -> Iterator[str]:
    for line in iter(lambda: text.readline(LINE_LIMIT), ""):
        if len(line) >= LINE_LIMIT:
            raise ReadError(f"{full} has a line of over {LINE_LIMIT:,} characters: it is no table of text.")
        if "\0" in line:
            raise ReadError(
                f"{full} holds NUL bytes: it is no text, or UTF-16 without a mark (pass encoding='utf-16-le')."
            )
        yield line


def _chained(start: list[str], rest: Iterator[str]) -> Iterator[str]:
    yield from start
    yield from rest


def _delimiter(line: str, suffix: str, expected: Sequence[str]) -> str:
    """The delimiter under which the first line holds the expected names, or else the most cells."""

    def cells(candidate: str) -> list[str]:
        try:
            return [cell.strip() for cell in next(csv.reader([line], delimiter=candidate, skipinitialspace=True), [])]
        except csv.Error:
            return []

    preferred = ("\t", *_DELIMITERS) if suffix in (".tsv", ".tab") else _DELIMITERS
    split = {candidate: cells(candidate) for candidate in preferred}
    best = max(split, key=lambda candidate: (len(set(expected) & set(split[candidate])), len(split[candidate])))
    if len(split[best]) < 2 and suffix not in (".csv", ".tsv", ".tab") and len(cells(" ")) > 1:
        return " "
    return best


def _workbook(full: Path, sheet: str | None) -> _Cells:
    import openpyxl

    try:
        with zipfile.ZipFile(full) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise ReadError(f"{full} is not an xlsx workbook: {error}. Download it again.") from error
    if unpacked > WORKBOOK_LIMIT:  # zipfile never unpacks more than is declared
        raise ReadError(
            f"{full} would unpack to {unpacked >> 20:,} MiB, over the limit of {WORKBOOK_LIMIT >> 20} MiB. If it is "
            "the publisher's own, save it as .csv."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and validations that openpyxl does not know
            book = openpyxl.load_workbook(full, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl lets through whatever its parser stumbles over
        raise ReadError(f"{full} is not an xlsx workbook: {error}. Download it again.") from error
    try:
        pages = {page.title: page for page in book.worksheets}
        if not pages or (sheet is not None and sheet not in pages):
            raise ReadError(f"{full} has no sheet {sheet or ''!r}; it has{_names(list(pages))}.")
        page: Any = pages[sheet] if sheet is not None else next(iter(pages.values()))
        page.reset_dimensions()  # many writers declare wrong ones
        for number, cells in enumerate(page.iter_rows(values_only=True), 1):
            yield number, [_text(cell) for cell in cells]
    except ReadError:
        raise
    except Exception as error:
        raise ReadError(f"{full} is not an xlsx workbook: {error}. Download it again.") from error
    finally:
        book.close()


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # Excel stores 7 as 7.0
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return str(cell).strip()


def _unique(cells: list[str]) -> list[str]:
    """Column names, each its own: unnamed ones get their number, repeated ones a count."""
    while cells and not cells[-1]:
        cells = cells[:-1]
    seen: set[str] = set()
    names = []
    for position, cell in enumerate(cells, 1):
        base = re.sub(r"\s+", " ", cell) or f"column {position}"
        name, count = base, 2
        while name in seen:
            name, count = f"{base} ({count})", count + 1
        seen.add(name)
        names.append(name)
    return names


def _names(names: Sequence[str]) -> str:
    return " " + ", ".join(map(repr, names)) if names else ""
