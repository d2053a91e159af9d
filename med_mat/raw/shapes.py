"""The two shapes that most sources have: a folder per class, and a table that lists the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from med_mat.example import Example, Split
from med_mat.raw.folder import RawFolder
from med_mat.raw.names import folded, respelled, spelling
from med_mat.raw.pairs import skip_unlisted
from med_mat.raw.tables import Row

_Patterns = str | Sequence[str]

#: What publishers call the parts of a split, in lower case.
SPLITS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def class_folders(
    raw: RawFolder,
    pattern: _Patterns,
    *,
    exclude: _Patterns | None = None,
    splits: Mapping[str, Split] | None = None,
    label: Callable[[PurePosixPath], str] = lambda path: path.parent.name,
    patient: Callable[[PurePosixPath], str | None] = lambda path: None,
    raw_label: Callable[[PurePosixPath], str | None] = lambda path: None,
) -> Iterator[Example]:
    """Images whose folder is their class: ``train/glioma/1.jpg``.

    The examples are named by split, class and file: wrapper folders, which differ between copies, do not matter. Nor
    does the case of folders that the pattern spells out: ``label``, ``patient`` and ``raw_label`` are asked with the
    path as the pattern writes it (:func:`med_mat.raw.names.spelling`). What ``patient`` tells is folded, since it is
    the disk's spelling of it. Where case alone tells two files apart, each is named by its path on the disk.

    Args:
        raw: the folder of the source.
        pattern: which images, e.g. ``"{train,test}/*/*"``.
        exclude: which of them not.
        splits: folder in lower case -> split, e.g. :data:`SPLITS`; the innermost folder that is named there counts.
            None: the publisher has no split.
        label: the raw label of a path.
        patient: the patient that a path tells, or None.
        raw_label: what is known of a path beyond its label, or None.
    """
    written = spelling(pattern)
    for image in raw.images(pattern, exclude=exclude):
        path = written(image)
        parts = (folded(part) for part in reversed(path.parent.parts))
        split = next((splits[part] for part in parts if part in splits), None) if splits else None
        name, person = label(path), patient(path)
        yield Example(
            image,
            label=name,
            patient=None if person is None else folded(person),
            split=split,
            raw_label=raw_label(path),
            key=str(image) if str(image) in raw.twins else "/".join(filter(None, (split, name, path.name))),
        )


def listed(
    raw: RawFolder,
    table: PurePosixPath | str,
    images: Mapping[str, PurePosixPath],
    name: str | Callable[[Mapping[str, str]], str],
    *,
    columns: Sequence[str] = (),
    delimiter: str | None = None,
) -> Iterator[tuple[Row, PurePosixPath]]:
    """The rows of a table, each with the image that it names.

    Names that differ in case or normal form alone are one, where no other is like them. A row whose image is not in
    the folder is noted as missing, an image that no row names is skipped with that reason.

    Args:
        raw: the folder of the source.
        table: the file of the table.
        images: name -> path, as :meth:`RawFolder.by_stem` and :meth:`RawFolder.by_name` give them.
        name: the column that names the image, or what makes the name from a row.
        columns: further columns that must be there.
        delimiter: what separates cells; found out where None.
    """
    left = dict(images)
    for key, row in _keyed(raw, table, images, name, columns, delimiter):
        left.pop(key, None)
        yield row, images[key]
    skip_unlisted(raw, left, f"{PurePosixPath(table).name} does not list it{_in_bad_rows(raw, table)}")


def listed_parts(
    raw: RawFolder,
    tables: Mapping[str, Split],
    images: Mapping[str, PurePosixPath],
    name: str | Callable[[Mapping[str, str]], str],
    *,
    columns: Sequence[str] = (),
    delimiter: str | None = None,
) -> Iterator[tuple[Row, PurePosixPath, Split]]:
    """As :func:`listed`, where all images lie in one place and each part of the split has a table of its own.

    Args:
        raw: the folder of the source.
        tables: pattern of a table -> the part that it lists; a pattern that matches nothing is passed over.
        images: as for :func:`listed`.
        name: as for :func:`listed`.
        columns: as for :func:`listed`.
        delimiter: as for :func:`listed`.
    """
    left = dict(images)
    found = [(table, split) for pattern, split in tables.items() for table in raw.glob(pattern)]
    for table, split in found:
        for key, row in _keyed(raw, table, images, name, columns, delimiter):
            left.pop(key, None)
            yield row, images[key], split
    bad = "".join(_in_bad_rows(raw, table) for table, _ in found)
    skip_unlisted(raw, left, f"none of {', '.join(table.name for table, _ in found) or 'the tables'} lists it{bad}")


def _in_bad_rows(raw: RawFolder, table: PurePosixPath | str) -> str:
    """What is to be added where an image may be named in a row that was left out."""
    bad = [where for where in raw.faults if where.startswith(f"{PurePosixPath(table).name}, ")]
    return f", but in a row that cannot be read, if at all ({bad[0]})" if bad else ""


def _keyed(
    raw: RawFolder,
    table: PurePosixPath | str,
    images: Mapping[str, PurePosixPath],
    name: str | Callable[[Mapping[str, str]], str],
    columns: Sequence[str],
    delimiter: str | None,
) -> Iterator[tuple[str, Row]]:
    """The rows of a table whose image is there, each with the name of the image."""
    needed = [name, *columns] if isinstance(name, str) else list(columns)

    def named() -> Iterator[tuple[str, Row]]:
        for row in raw.table(table, columns=needed, delimiter=delimiter):
            yield row[name] if isinstance(name, str) else name(row), row

    meant: dict[str, str] | None = None
    for key, row in named():
        if key not in images:
            if meant is None:  # seldom: a table is read twice only where the folder lacks a name as it is spelled
                meant = respelled((one for one, _ in named()), images)
            key = meant.get(key, key)
        if key in images:
            yield key, row
        else:
            raw.miss(key, str(table))
