"""A source's folder on disk, read only: its files, found by patterns, and its annotation files, parsed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from med_mat import formats, limits
from med_mat.errors import LayoutError, ReadError
from med_mat.example import Slice
from med_mat.raw import tables
from med_mat.raw.files import Files, some
from med_mat.raw.refusals import cannot_read

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    import pydicom

#: Bytes of memory that a part of an XML or JSON file takes beside its text, about.
_ELEMENT, _ITEM, _LIST, _DICT, _KEY = 150, 40, 72, 200, 32


class VolumeShape(NamedTuple):
    """The shape of a volume, by its header."""

    shape: tuple[int, int, int]  # in the closest RAS+ orientation
    volumes: int  # along the fourth axis; 1 where there is none


class RawFolder(Files):
    """A source's folder (:class:`~med_mat.raw.files.Files`) whose annotation files are parsed."""

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
        """The rows of a csv, tsv, txt or xlsx file (also .gz, or .zip with one member), as text, one at a time.

        Names and cells are stripped of blanks, unseen ones too; blank rows are left out; short rows are filled with "".
        Cells stay text (ids keep their leading zeros). Formulas are not evaluated: the value that was saved with them
        counts. A column without a name is called "column N", a name that comes again "name (2)". Before the header may
        stand Excel's ``sep=;`` and lines that begin with ``#``. A row with too many cells, or with a quote that is
        never closed, is left out and noted in ``faults``; its neighbours are read. Each row knows where it stands
        (:class:`med_mat.raw.tables.Row`).

        Args:
            path: the file.
            columns: names that must be there.
            delimiter: what separates cells; found out where None. " " stands for any number of blanks.
            encoding: that of the text; None: UTF-8 or UTF-16 by its byte order mark, else UTF-8, else Windows-1252,
                which is a guess and noted.
            header: the names of the columns, where the file has none.
            replace_header: the file has a header but ``header`` holds instead of it, column by column.
            sheet: the sheet of an xlsx file; None: the first one.

        Raises:
            LayoutError: there is no such file.
            ReadError: it is no such table, a column is missing, or no row can be read. Names the file and what was
                found.
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
        """The text of a file, decoded as :meth:`table` does."""
        data = self._bytes(path, copies=2)
        if not data.isascii():
            limits.memory(self._at(path), 5 * len(data))  # four bytes for each character, where one of them needs them
        encoding = encoding or tables.encoding_of((data,))
        if encoding in tables.GUESSES:
            self.notes.setdefault(PurePosixPath(path).name, tables.guessed(encoding))
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError) as error:
            raise ReadError(f"{self._at(path)} is not text in {encoding}: {error}.") from error

    def lines(self, path: PurePosixPath | str) -> list[str]:
        """The lines of a text file, stripped, blank ones left out."""
        return [line for line in map(str.strip, self.text(path).splitlines()) if line]

    def json(self, path: PurePosixPath | str) -> Any:
        """What a JSON file holds."""
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
        """The header of a DICOM file, without its pixels; also of one that lacks the preamble."""
        from med_mat.imaging import dicom_file

        full = self._open(path)
        limits.path(full)
        try:
            with full.open("rb") as file:
                header = dicom_file.parsed(file, self._at(path), pixels=False)
            known = "SOPClassUID" in header or "Rows" in header or "Modality" in header
        except ReadError:
            raise
        except Exception as error:  # pydicom raises anything on a broken file
            raise ReadError(cannot_read(full, error, "is not a DICOM file")) from error
        if not known:
            raise ReadError(f"{self._at(path)} is not a DICOM file: it names no SOP class, modality or size.")
        return header

    def volume(self, path: PurePosixPath | str) -> VolumeShape:
        """The shape of a volume of any format that a decoder reads slices of."""
        full = self._open(path)
        limits.path(full)
        try:
            with full.open("rb") as file:
                decoder = formats.recognized(file.read(1 << 12), PurePosixPath(full.name))
            if decoder in (None, formats.NIFTI):  # decompressing the voxels would take long
                from med_mat.imaging import nifti

                return VolumeShape(*nifti.shape_of(full))
            from med_mat.imaging import decoding, volumes

            found = decoding.open_file(full.parent, Slice(PurePosixPath(full.name), 0), decoding.FileCache())
        except ReadError as error:
            raise ReadError(f"{full.parent}/{error}") from error
        except Exception as error:  # nibabel lets through whatever its parser stumbles over
            raise ReadError(cannot_read(full, error, "is not a NIfTI or Analyze volume")) from error
        if not isinstance(found, volumes.Volume):
            raise ReadError(f"{self._at(path)} is not a volume.")
        return VolumeShape(found.shape, found.volumes)

    def _open(self, path: PurePosixPath | str) -> Path:
        """Where an annotation file lies, noted as read. Its path may differ from that on the disk in case."""
        full, name = self.absolute(path), str(PurePosixPath(path))
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
            full = self.absolute(name)
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
    """The bytes that a JSON text takes when it is parsed, about: it may be some ten times its own size."""
    return (
        len(text) + _ITEM * text.count(",") + _LIST * text.count("[") + _DICT * text.count("{") + _KEY * text.count(":")
    )
