"""A source's folder on disk, read-only: finds files by patterns and parses annotation files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from med_mat import formats, limits
from med_mat.errors import LayoutError, ReadError
from med_mat.example import Slice
from med_mat.mounts.base import RawPath
from med_mat.mounts.copies import Copies
from med_mat.raw import tables
from med_mat.raw.files import Files, some
from med_mat.raw.refusals import cannot_read

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    import pydicom

#: Approximate bytes of memory that each element of an XML or JSON file takes in addition to its text.
_ELEMENT, _ITEM, _LIST, _DICT, _KEY = 150, 40, 72, 200, 32


class VolumeShape(NamedTuple):
    """The shape of a volume according to its header."""

    shape: tuple[int, int, int]  # in the closest RAS+ orientation
    volumes: int  # length of the fourth axis; 1 if there is none


class RawFolder(Files):
    """A source's folder (:class:`~med_mat.raw.files.Files`) with parsers for its annotation files."""

    def table(
        self,
        path: PurePosixPath | str,
        *,
        columns: Sequence[str] = (),
        delimiter: str | None = None,
        encoding: str | None = None,
        header: Sequence[str] | None = None,
        replace_header: bool = False,
        sheet: str | None = None,
    ) -> Iterator[tables.Row]:
        """Yields the rows of a csv, tsv, txt or xlsx file (also .gz, or .zip with one member) as text.

        Whitespace, including zero-width characters, is stripped from names and cells; blank rows are left out; short
        rows are padded with "". Cells stay text (ids keep their leading zeros). Formulas are not evaluated: their saved
        value is used. A column without a name is called "column N", a repeated name becomes "name (2)". Excel's
        ``sep=;`` and lines that begin with ``#`` may precede the header. A row with too many cells or an unclosed quote
        is left out and noted in ``faults``; the rows around it are read. Each row has its file and line
        (:class:`med_mat.raw.tables.Row`).

        Args:
            path: The file.
            columns: Required column names.
            delimiter: Cell separator; None: detected. " " stands for any number of blanks.
            encoding: Text encoding; None: UTF-8 or UTF-16 by the byte order mark, else UTF-8, else Windows-1252, which
                is a guess and is noted.
            header: Column names, if the file has no header.
            replace_header: The file has a header, but ``header`` replaces it, column by column.
            sheet: Sheet of an xlsx file; None: the first one.

        Raises:
            LayoutError: The file does not exist.
            ReadError: The file is not such a table, a column is missing, or no row can be read. The message names the
                file and what was found.
        """
        full = self._open(path)
        if replace_header and header is None:
            raise ReadError("table(replace_header=True) needs header=…, the names that hold instead.")
        return tables.rows(
            full,
            columns=columns,
            delimiter=delimiter,
            encoding=encoding,
            header=header,
            replace_header=replace_header,
            sheet=sheet,
            fault=self.faults.setdefault,
            note=self.notes.setdefault,
        )

    def text(self, path: PurePosixPath | str, *, encoding: str | None = None) -> str:
        """The text of a file, decoded as in :meth:`table`."""
        data = self._bytes(path, copies=2)
        if not data.isascii():
            limits.memory(self._at(path), 5 * len(data))  # up to four bytes per character
        encoding = encoding or tables.encoding_of((data,))
        if encoding in tables.GUESSES:
            self.notes.setdefault(PurePosixPath(path).name, tables.guessed(encoding))
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError) as error:
            raise ReadError(f"{self._at(path)} is not text in {encoding}: {error}.") from error

    def lines(self, path: PurePosixPath | str) -> list[str]:
        """The lines of a text file, stripped, without blank lines."""
        return [line for line in map(str.strip, self.text(path).splitlines()) if line]

    def json(self, path: PurePosixPath | str) -> Any:
        """The content of a JSON file."""
        import json

        try:
            text = self.text(path)
            limits.memory(self._at(path), _json_memory(text))
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ReadError(f"{self._at(path)} is not JSON: {error}. Download it again.") from error

    def xml(self, path: PurePosixPath | str) -> Element:
        """The root element of an XML file. Entities are refused: they can make a small file fill the memory."""
        from xml.etree.ElementTree import ParseError

        from defusedxml import DefusedXmlException, ElementTree

        data = self._bytes(path)
        limits.memory(self._at(path), len(data) + _ELEMENT * data.count(b"<"))
        try:
            root: Element = ElementTree.fromstring(data)
        except DefusedXmlException as error:
            raise ReadError(
                f"{self._at(path)} declares XML entities, which can make a small file fill the memory. "
                "No publisher of these data does: download the file again."
            ) from error
        except (ParseError, ValueError, LookupError) as error:
            raise ReadError(f"{self._at(path)} is not XML: {error}. Download it again.") from error
        return root

    def dicom(self, path: PurePosixPath | str) -> pydicom.Dataset:
        """The header of a DICOM file, without its pixels; the preamble may be missing."""
        from med_mat.imaging import dicom_file

        full = self._open(path)
        limits.path(full)
        try:
            with full.open() as file:
                header = dicom_file.parsed(file, self._at(path), pixels=False)
            known = "SOPClassUID" in header or "Rows" in header or "Modality" in header
        except ReadError:
            raise
        except Exception as error:  # pydicom may raise any exception on a broken file
            raise ReadError(cannot_read(full, error, "is not a DICOM file")) from error
        if not known:
            raise ReadError(f"{self._at(path)} is not a DICOM file: it names no SOP class, modality or size.")
        return header

    def volume(self, path: PurePosixPath | str) -> VolumeShape:
        """The shape of a volume in any format whose decoder reads slices."""
        full = self._open(path)
        limits.path(full)
        try:
            with full.open() as file:
                decoder = formats.recognized(file.read(1 << 12), full.path)
            from med_mat.imaging import decoding, nifti, volumes
            from med_mat.imaging.open_file import on_disk

            if decoder in (None, formats.NIFTI):  # decompressing the voxels would take long
                copies = Copies(self.mount)
                try:
                    return VolumeShape(*nifti.shape_of(on_disk(self.mount, full.path, copies)))
                finally:
                    copies.remove()
            found = decoding.open_file(self.mount, Slice(full.path, 0), decoding.FileCache())
        except ReadError as error:
            raise ReadError(f"{self.root}/{error}") from error
        except Exception as error:  # nibabel passes on any exception of its parser
            raise ReadError(cannot_read(full, error, "is not a NIfTI or Analyze volume")) from error
        if not isinstance(found, volumes.Volume):
            raise ReadError(f"{self._at(path)} is not a volume.")
        return VolumeShape(found.shape, found.volumes)

    def _open(self, path: PurePosixPath | str) -> RawPath:
        """An annotation file, noted as read. Its case may differ from that in the folder."""
        full, name = self.file(path), str(PurePosixPath(path))
        if name not in self._files:
            alike = self._alike(name)
            if len(alike) > 1:
                raise LayoutError(
                    f"{self.root} holds no file {name!r}, but {len(alike)} that differ from it in case alone: "
                    f"{some(alike)}. Keep the one that the publisher ships and move the others away."
                )
            if not alike:
                raise LayoutError(f"{self.root} holds no file {name!r}. {self._near(name)}")
            (name,) = alike
            full = self.file(name)
        self.read.add(name)
        self.latest = name
        return full

    def _bytes(self, path: PurePosixPath | str, copies: int = 1) -> bytes:
        full = self._open(path)
        limits.path(full)
        limits.memory(full, copies * full.stat().st_size)
        try:
            return full.read_bytes()
        except OSError as error:
            raise ReadError(cannot_read(full, error)) from error


def _json_memory(text: str) -> int:
    """Approximate bytes of memory that a parsed JSON text takes, which may be about ten times its size."""
    return (
        len(text) + _ITEM * text.count(",") + _LIST * text.count("[") + _DICT * text.count("{") + _KEY * text.count(":")
    )
