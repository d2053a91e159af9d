"""Writes tables and other text files."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import zipfile
from collections.abc import Iterable, Sequence

from med_mat.example import Box
from med_mat.raw.miniature.drawn import SIZE, Size
from med_mat.raw.miniature.folder import AnyPath, Folder

_DATE = (2020, 1, 1, 0, 0, 0)


class Tables(Folder):
    """Writes annotation files."""

    def csv(
        self,
        path: AnyPath,
        rows: Iterable[Sequence[object]],
        *,
        header: Sequence[str] | str | None,
        delimiter: str = ",",
        encoding: str = "utf-8",
        newline: str = "\n",
        bom: bool = False,
    ) -> None:
        """Write a text table. A ``header`` that is a single string is written verbatim, unquoted."""
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, delimiter=delimiter, lineterminator=newline)
        if isinstance(header, str):
            buffer.write(header + newline)
        elif header is not None:
            writer.writerow(header)
        writer.writerows(rows)
        self.text(path, buffer.getvalue(), encoding=encoding, bom=bom)

    def xlsx(
        self, path: AnyPath, rows: Iterable[Sequence[object]], header: Sequence[str] | None, *, sheet: str = "Sheet1"
    ) -> None:
        """Write an Excel workbook with one sheet."""
        import openpyxl

        book = openpyxl.Workbook()
        page = book.active
        page.title = sheet  # type: ignore[union-attr]  # a new workbook has an active sheet
        for row in ([] if header is None else [header]) + list(rows):
            page.append(list(row))  # type: ignore[union-attr]
        buffer = io.BytesIO()
        book.save(buffer)
        self.write(path, _without_dates(buffer.getvalue()))

    def json(self, path: AnyPath, obj: object) -> None:
        """Write a JSON file."""
        self.text(path, json.dumps(obj, ensure_ascii=False, indent=1) + "\n")

    def text(self, path: AnyPath, text: str, *, encoding: str = "utf-8", bom: bool = False) -> None:
        """Write a text file; gzipped if the path ends with .gz."""
        self.write(path, (codecs.BOM_UTF8 if bom else b"") + text.encode(encoding))

    def voc(self, path: AnyPath, boxes: Sequence[Box], *, image: str, size: Size = SIZE) -> None:
        """Write a Pascal VOC file with the boxes of one image."""
        from xml.sax.saxutils import escape

        objects = "".join(
            f"  <object>\n    <name>{escape(box.label)}</name>\n    <bndbox>\n"
            f"      <xmin>{box.xmin:g}</xmin>\n      <ymin>{box.ymin:g}</ymin>\n"
            f"      <xmax>{box.xmax:g}</xmax>\n      <ymax>{box.ymax:g}</ymax>\n    </bndbox>\n  </object>\n"
            for box in boxes
        )
        self.text(
            path,
            f"<annotation>\n  <filename>{escape(image)}</filename>\n  <size>\n    <width>{size[0]}</width>\n"
            f"    <height>{size[1]}</height>\n    <depth>3</depth>\n  </size>\n{objects}</annotation>\n",
        )


def _without_dates(data: bytes) -> bytes:
    """The same workbook with fixed times of creation and compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2020-01-01T00:00:00Z", content)
            new.writestr(zipfile.ZipInfo(entry.filename, _DATE), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
