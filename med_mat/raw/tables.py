"""Reads tables row by row as text: csv, tsv, txt and xlsx, also gzipped or as the only member of a zip."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import string
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date, datetime, time
from itertools import chain
from pathlib import PurePath
from typing import IO, Any, cast

from med_mat import limits
from med_mat.errors import ReadError
from med_mat.mounts.base import RawPath
from med_mat.raw.refusals import cannot_read

WORKBOOK_LIMIT = 256 << 20  # bytes that the parts of an xlsx file may unpack to; shared strings are kept in memory
PART_LIMIT = 8 << 20  # bytes of the parts that openpyxl keeps in memory as objects: styles, relations and the like
CELL_LIMIT = 20_000_000  # cells of a table, including empty ones: a few bytes can stand for many thousands of them
COLUMN_LIMIT = 1_000_000
LINE_LIMIT = 16 << 20  # characters of a line and of a cell: the RLE of a large mask is long
#: Encodings that are always a guess: any file can be decoded as Latin-1, and nearly any as Windows-1252.
GUESSES = ("cp1252", "latin-1")

_CHUNK = 1 << 20
_SHOWN = 60  # column names listed in an error
_ROWS = ("xl/worksheets/", "xl/sharedStrings")  # parts that openpyxl reads row by row, or as plain text
_DELIMITERS = (",", "\t", ";", "|")
_UNDEFINED = b"\x81\x8d\x8f\x90\x9d"  # bytes without a character in Windows-1252
_SPAN = 200  # lines that a quoted cell may span: beyond that, the quote is unclosed
_EXACT = 10**15  # from here on a number may be rounded: a workbook keeps 15 digits
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"  # zero-width characters that web pages leave in cells
_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # the first line by which Excel states the delimiter

#: Line or row number, stripped cells, and why they cannot be trusted, or "".
_Cells = Iterator[tuple[int, list[str], str]]
#: Called with an oddity of a table: its location, and a description.
Note = Callable[[str, str], object]


class Row(dict[str, str]):
    """A row of a table, column -> cell, that knows its file and line."""

    __slots__ = ("where",)

    def __init__(self, cells: Iterable[tuple[str, str]], where: str) -> None:
        super().__init__(cells)
        self.where = where


def rows(
    full: RawPath,
    *,
    columns: Sequence[str] = (),
    delimiter: str | None = None,
    encoding: str | None = None,
    header: Sequence[str] | None = None,
    replace_header: bool = False,
    sheet: str | None = None,
    fault: Note = lambda where, what: None,
    note: Note = lambda where, what: None,
) -> Iterator[Row]:
    """Yields the rows of a table: see :meth:`RawFolder.table`.

    Rows that are left out are reported to ``fault``, oddities that were read nevertheless to ``note``.
    """
    suffix = full.suffix.lower()
    limits.path(full)
    if suffix in (".xlsx", ".xlsm"):
        found = _workbook(full, sheet, note)
    elif suffix in (".xls", ".xlsb", ".ods"):
        raise ReadError(f"{full}: {suffix} tables are not supported. Save it as .xlsx or .csv beside it.")
    else:
        found = _delimited(full, delimiter, encoding, note, expected=header or columns)
    filled = (one for one in found if any(one[1]))
    if header is None:
        first = next(filled, None)
        if first is None:
            raise ReadError(f"{full} is empty: expected a header{_names(columns)} and rows.")
        names = _unique(first[1])
    else:
        names = [name.strip() for name in header]
        if replace_header:
            next(filled, None)
    if len(names) > COLUMN_LIMIT:
        raise ReadError(f"{full} names {len(names):,} columns, more than the {COLUMN_LIMIT:,} that are read.")
    known = frozenset(names)
    missing = [column for column in columns if column not in known]
    if missing:
        raise ReadError(
            f"{full} has no column{_names(missing)}. Its columns are{_names(names)}. Is it the publisher's own file, "
            "and not an edited one, or one of another edition?"
        )
    width, sound, refused, filled_in = len(names), 0, "", 0
    for number, cells, why in filled:
        if not why and any(cells[width:]):
            why = f"{len(cells)} cells where the header has {width} columns ({_short(cells)}): an unquoted separator"
        if why:
            refused = refused or f"{full}, line {number}: {why}. Is the file cut short? Download it again."
            fault(f"{full.name}, line {number}", why)
            continue
        sound += 1
        filled_in += max(width - len(cells), 0)
        if filled_in > CELL_LIMIT:
            raise ReadError(f"{full} lacks over {CELL_LIMIT:,} cells of the {width:,} columns that its header names.")
        filled_up = cells + [""] * (width - len(cells))
        yield Row(zip(names, filled_up, strict=False), f"{full.name}, line {number}")
    if refused and not sound:
        raise ReadError(refused)


def encoding_of(chunks: Iterable[bytes]) -> str:
    """The encoding: UTF-8 or UTF-16 by the byte order mark, else UTF-8 if it decodes, else one of :data:`GUESSES`."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    first = utf8 = western = True
    for chunk in chain(chunks, (b"",)):
        if first and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        first = False
        western = western and (chunk.isascii() or not any(byte in chunk for byte in _UNDEFINED))
        try:
            if utf8:
                decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            utf8 = False
    return "utf-8-sig" if utf8 else "cp1252" if western else "latin-1"  # the first one drops a byte order mark


def guessed(encoding: str) -> str:
    """The note on a text whose encoding is a guess."""
    return f"its encoding is neither UTF-8 nor UTF-16: it was read as {encoding}, which is a guess"


def _delimited(
    full: RawPath, delimiter: str | None, encoding: str | None, note: Note, *, expected: Sequence[str]
) -> _Cells:
    unpacked, suffix = _packing(full)

    def stream() -> IO[bytes]:
        return cast("IO[bytes]", io.BufferedReader(_Unpacked(full, unpacked), 1 << 16))

    line = 0
    try:
        if encoding is None:
            with stream() as data:
                encoding = encoding_of(iter(lambda: data.read(_CHUNK), b""))
            if encoding in GUESSES:
                note(full.name, guessed(encoding))
        with ExitStack() as stack:
            data = stack.enter_context(stream())
            text = stack.enter_context(io.TextIOWrapper(data, encoding, newline=""))
            lines = _Lines(_bounded(text, full))
            told = _preamble(lines, suffix, expected)
            delimiter = delimiter or told or _delimiter(lines.peek(), suffix, expected)
            for number, cells, fault in _records(lines, delimiter):
                line = number
                yield number, [_stripped(cell) for cell in cells], fault
    except csv.Error as error:
        raise ReadError(f"{full}, after line {line}: {error}. Is it a table at all? Look at that line.") from error
    except (UnicodeError, LookupError) as error:
        raise ReadError(f"{full} is not text in {encoding}: {error}. Pass the right encoding=….") from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise ReadError(cannot_read(full, error)) from error


class _Lines:
    """The lines of a text, numbered from 1, with pushback."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._back: list[str] = []
        self.number = 0  # number of the last line read
        self.span: list[str] = []  # lines read since the record began

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._back.pop() if self._back else next(self._lines)
        self.number += 1
        self.span.append(line)
        if len(self.span) > _SPAN:
            raise csv.Error("a cell that reaches over too many lines")
        return line

    def begin(self) -> None:
        """Start a record at the next line."""
        self.span.clear()

    def give_back(self, count: int) -> None:
        """Push back the last ``count`` lines."""
        for _ in range(count):
            self._back.append(self.span.pop())
        self.number -= count

    def peek(self) -> str:
        """The next nonblank line; "" if there is none."""
        self.begin()
        for line in self:
            if line.strip():
                break
            self.begin()
        said = self.span[-1] if self.span else ""
        self.give_back(len(self.span))
        return said


def _preamble(lines: _Lines, suffix: str, expected: Sequence[str]) -> str | None:
    """Skip lines before the header: Excel's ``sep=;``, which states the delimiter, and comments (``#``)."""
    told: str | None = None
    while True:
        line = lines.peek().strip(" \r\n")
        separator = _SEPARATOR.fullmatch(line)
        if separator:
            told = separator[1]
        elif line.startswith("#"):
            cells = _split(line, told or _delimiter(line, suffix, expected))
            if set(expected) & set(cells) or (not expected and len(cells) > 1):
                return told  # a header whose first name begins with "#"
        else:
            return told
        next(lines)


def _records(lines: _Lines, delimiter: str) -> _Cells:
    """The records of a table. A record with an unclosed quote does not affect others: it is read line by line."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    width = 0
    while True:
        lines.begin()
        fault = ""
        try:
            cells = _next(reader)
        except csv.Error as error:
            cells, fault = _mended(lines, delimiter, width), str(error)
        if cells is None and not lines.span:
            return
        number = lines.number - len(lines.span) + 1
        if cells and _swallows(lines.span, delimiter, width):
            fault, cells = "a cell holds whole rows", None
        if cells is not None:
            width = width or len(cells)
            yield number, cells, ""
            continue
        lines.give_back(len(lines.span) - 1)
        first = lines.span[0].strip()
        yield number, _split(first, delimiter) or [first], f"a quote that is never closed ({_short([first])}; {fault})"


def _swallows(span: Sequence[str], delimiter: str, width: int) -> bool:
    """Whether the further lines of a record are rows of their own: equally many cells, the first of the same shape."""
    shape = _shape(span[0], delimiter)
    return width > 1 and len(span) > 1 and all(
        line.count(delimiter) == width - 1 and _shape(line, delimiter) == shape for line in span[1:]
    )  # fmt: skip


def _shape(line: str, delimiter: str) -> str:
    """The first cell of a line with its numbers replaced by 0 and its words by a."""
    return re.sub(r"[^\W\d]+", "a", re.sub(r"\d+", "0", line.partition(delimiter)[0].strip()))


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    """The next record, with cells as long as a line may be; the limit of the csv module is global to the process."""
    before = csv.field_size_limit(LINE_LIMIT)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def _mended(lines: _Lines, delimiter: str, width: int) -> list[str] | None:
    """The cells of a single line that is valid except for text after a closing quote, which is kept; else None."""
    if len(lines.span) != 1 or lines.span[0].count('"') % 2:
        return None
    cells = _next(csv.reader(lines.span[:], delimiter=delimiter, skipinitialspace=True))
    return cells if cells and (not width or len(cells) <= width) else None


def _packing(full: RawPath) -> tuple[Callable[[IO[bytes]], IO[bytes]], str]:
    """A function from the file of a table to its unpacked bytes, and the suffix that states their format."""
    suffix = full.suffix.lower()
    if suffix == ".gz":
        return lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)), PurePath(full.stem).suffix.lower()
    if suffix != ".zip":
        return lambda file: file, suffix
    try:
        with full.open() as file, zipfile.ZipFile(file) as archive:
            members = [one for one in archive.namelist() if not one.endswith("/") and not one.startswith("__MACOSX/")]
    except (OSError, zipfile.BadZipFile) as error:
        raise ReadError(cannot_read(full, error, "is not a zip archive")) from error
    if len(members) != 1:
        raise ReadError(f"{full} holds {len(members)} files, where one table is expected. Unpack it first.")
    inner = PurePath(members[0]).suffix.lower()
    if inner in (".xlsx", ".xls"):
        raise ReadError(f"{full} holds {members[0]!r}. Unpack it first.")
    return lambda file: zipfile.ZipFile(file).open(members[0]), inner


class _Unpacked(io.RawIOBase):
    """A stream that refuses to unpack to more than the limit of a file."""

    def __init__(self, full: RawPath, unpacked: Callable[[IO[bytes]], IO[bytes]]) -> None:
        super().__init__()
        self._full, self._file, self._held = full, full.open(), 0
        try:
            self._packed = unpacked(self._file)
        except BaseException:
            self._file.close()
            raise

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._packed.read(len(buffer))
        buffer[: len(data)] = data
        self._held += len(data)
        if self._held > limits.allowance().most:
            limits.unpacked(self._full, self._held, at_least=True)
        return len(data)

    def close(self) -> None:
        self._packed.close()
        self._file.close()
        super().close()


def _bounded(text: IO[str], full: RawPath) -> Iterator[str]:
    for line in iter(lambda: text.readline(LINE_LIMIT), ""):
        if len(line) >= LINE_LIMIT:
            raise ReadError(f"{full} has a line of over {LINE_LIMIT:,} characters: it is no table of text.")
        if "\0" in line:
            raise ReadError(
                f"{full} holds NUL bytes: it is no text, or UTF-16 without a mark (pass encoding='utf-16-le')."
            )
        yield line


def _delimiter(line: str, suffix: str, expected: Sequence[str]) -> str:
    """The delimiter with which the first line contains the expected names, or else the most cells."""
    preferred = ("\t", *_DELIMITERS) if suffix in (".tsv", ".tab") else _DELIMITERS
    split = {candidate: _split(line, candidate) for candidate in preferred}
    best = max(split, key=lambda candidate: (len(set(expected) & set(split[candidate])), len(split[candidate])))
    if len(split[best]) < 2 and suffix not in (".csv", ".tsv", ".tab") and len(_split(line, " ")) > 1:
        return " "
    return best


def _split(line: str, delimiter: str) -> list[str]:
    """The cells of one line; none if it is not a record."""
    try:
        found = _next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return []
    return [_stripped(cell) for cell in found or ()]


def _stripped(cell: str) -> str:
    """A cell without surrounding whitespace, including zero-width characters."""
    cell = cell.strip()
    return cell if cell.isascii() else cell.strip(_INVISIBLE + string.whitespace + "\xa0")


def _short(cells: Sequence[str], length: int = 100) -> str:
    text = ", ".join(map(repr, cells))
    return text if len(text) <= length else text[:length] + "…"


def _workbook(full: RawPath, sheet: str | None, note: Note) -> _Cells:
    import openpyxl

    try:
        with full.open() as file, zipfile.ZipFile(file) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    except (OSError, zipfile.BadZipFile) as error:
        raise ReadError(cannot_read(full, error, "is not an xlsx workbook")) from error
    unpacked = sum(sizes.values())
    if unpacked > WORKBOOK_LIMIT:  # zipfile never unpacks more than declared
        raise ReadError(
            f"{full} would unpack to {unpacked >> 20:,} MiB, over the limit of {WORKBOOK_LIMIT >> 20} MiB. If it is "
            "the publisher's own, save it as .csv."
        )
    for part, size in sizes.items():
        if size > PART_LIMIT and part.endswith((".xml", ".rels")) and not part.startswith(_ROWS):
            raise ReadError(
                f"{full}: its part {part!r} would unpack to {size >> 20:,} MiB, over the limit of {PART_LIMIT >> 20} "
                "MiB. If it is the publisher's own, save it as .csv."
            )
    stack = ExitStack()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and validations that openpyxl does not support
            file = stack.enter_context(full.open())
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl may raise any exception on a broken file
        stack.close()
        raise ReadError(cannot_read(full, error, "is not an xlsx workbook")) from error
    try:
        pages = {page.title: page for page in book.worksheets}
        if not pages or (sheet is not None and sheet not in pages):
            raise ReadError(f"{full} has no sheet {sheet or ''!r}; it has{_names(list(pages))}.")
        page: Any = pages[sheet] if sheet is not None else next(iter(pages.values()))
        page.reset_dimensions()  # many writers declare wrong dimensions
        held = 0
        for number, cells in enumerate(page.iter_rows(values_only=True), 1):
            held += len(cells)
            if held > CELL_LIMIT:
                raise ReadError(f"{full} holds over {CELL_LIMIT:,} cells: it is no table of labels.")
            if any(isinstance(cell, int | float) and abs(cell) >= _EXACT for cell in cells):
                note(f"{full.name}, row {number}", "a number of more than 15 digits, of which a workbook keeps 15")
            yield number, [_text(cell) for cell in cells], ""
    except ReadError:
        raise
    except Exception as error:
        raise ReadError(cannot_read(full, error, "is not an xlsx workbook")) from error
    finally:
        book.close()
        stack.close()


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # Excel stores 7 as 7.0
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return _stripped(str(cell))


def _unique(cells: list[str]) -> list[str]:
    """Unique column names: unnamed columns get their number, repeated names a count."""
    while cells and not cells[-1]:
        cells.pop()
    seen: set[str] = set()
    counts: dict[str, int] = {}  # repeated name -> the next number that may be free
    names = []
    for position, cell in enumerate(cells, 1):
        base = re.sub(r"\s+", " ", cell) or f"column {position}"
        name = base
        while name in seen:
            counts[base] = counts.get(base, 1) + 1
            name = f"{base} ({counts[base]})"
        seen.add(name)
        names.append(name)
    return names


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return " " + ", ".join(map(repr, names[:_SHOWN])) + more if names else ""
