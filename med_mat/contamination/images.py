"""The images of a user's copy of a dataset: files in a folder or a ZIP archive, or columns of Parquet and Arrow."""

from __future__ import annotations

import hashlib
import itertools
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from med_mat import formats, limits
from med_mat.errors import MedMATError, UsageError
from med_mat.imaging import decoding, opened
from med_mat.imaging.open_file import FileCache
from med_mat.imaging.opened import sentence
from med_mat.imaging.stored import Stored
from med_mat.imaging.web import PictureFile
from med_mat.leakage.thumbnails import SIDE, Thumbnails
from med_mat.progress import Bar

#: File extensions of images: what Pillow reads, and DICOM. Volumes are not compared.
SUFFIXES = frozenset((*formats.PICTURE.suffixes, ".dcm", ".dicom"))
#: File extensions of tables with images: of ``load_dataset`` and ``save_to_disk``.
TABLES = (".parquet", ".arrow")
_BATCH = 32
#: The hashes of an image, as in the index of a build.
COLUMNS = pa.schema(
    [(name, pa.string()) for name in ("image", "sha256", "pixel_hash", "perceptual_hash")]
    + [("descriptor", pa.binary())]
)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that was found: a file below a folder, or bytes from an archive or a table."""

    name: str  # path below what was given; for a table, with the number of the row and the column
    root: Path | None  # of a file
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Looked:
    """The hashes of images."""

    table: pa.Table  # COLUMNS
    thumbnails: Thumbnails  # by position in the table; zeros where there is none
    unread: dict[str, str]  # name -> why it could not be read


def pictures(where: Path) -> Iterator[Picture | str]:
    """The images in a folder, an archive or a table, in the order of their names; a text is the reason why an image is
    missing.

    Raises:
        UsageError: there is no such file or folder, or it is of another kind.
    """
    if where.is_dir():
        for path in _files(where):
            yield from _of_file(path, path.relative_to(where).as_posix())
    elif not where.exists():
        raise UsageError(f"{where}: there is no such file or folder.")
    elif not _is_container(where.name) and where.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"{where}: expected a folder of images, a .zip of them, a .parquet or .arrow file with a column of images, "
            "or an image."
        )
    else:
        yield from _of_file(where, where.name)


def _is_container(name: str) -> bool:
    return name.lower().endswith((".zip", *TABLES))


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder, sorted; links are not followed out of it."""
    for top, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if _is_container(name) or Path(name).suffix.lower() in SUFFIXES:
                yield Path(top, name)


def _of_file(path: Path, name: str) -> Iterator[Picture | str]:
    try:
        if name.lower().endswith(".zip"):
            yield from _of_archive(path, name)
        elif name.lower().endswith(TABLES):
            yield from _of_table(path, name)
        else:
            root = path.parents[len(PurePosixPath(name).parts) - 1]
            yield Picture(name, root, None)
    except (OSError, zipfile.BadZipFile, pa.ArrowException, NotImplementedError, RuntimeError, ValueError) as error:
        yield f"{name}: {sentence(error)}"


def _of_archive(path: Path, name: str) -> Iterator[Picture | str]:
    most = limits.allowance().most
    with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.infolist(), key=lambda one: one.filename):
            inner = f"{name}/{entry.filename}"
            if entry.is_dir() or PurePosixPath(entry.filename).suffix.lower() not in SUFFIXES:
                continue
            with archive.open(entry) as file:
                data = file.read(most + 1)  # whatever size the archive claims
            yield Picture(inner, None, data) if len(data) <= most else f"{inner}: is larger than {limits.told(most)}"


def _of_table(path: Path, name: str) -> Iterator[Picture | str]:
    found, number = False, 0
    with path.open("rb") as file:
        for batch in _batches(file, path):
            columns = [(column, _image_bytes(batch[column])) for column in batch.schema.names]
            images = [(column, values) for column, values in columns if values is not None]
            found = found or bool(images)
            for row in range(batch.num_rows):
                for column, values in images:
                    for place, data in enumerate(values[row]):
                        one = f"{name}#{number + row}.{column}" + (f".{place}" if len(values[row]) > 1 else "")
                        yield f"{one}: has a path instead of bytes" if data is None else Picture(one, None, data)
            number += batch.num_rows
    if number and not found:
        yield f"{name}: has no column of images"


def _batches(file: IO[bytes], path: Path) -> Iterator[pa.RecordBatch]:
    if path.suffix.lower() == ".parquet":
        with pq.ParquetFile(file) as parquet:
            wanted = [one.name for one in parquet.schema_arrow if _kind(one.type)]
            if wanted:
                yield from parquet.iter_batches(_BATCH, columns=wanted)
            elif parquet.metadata.num_rows:
                yield pa.record_batch([pa.nulls(1)], ["nothing"])
        return
    with pa.ipc.open_stream(file) as stream:
        yield from stream


def _kind(kind: pa.DataType) -> str:
    """What a type is of images: "bytes", "struct" with bytes in it, "list" of either, or ""."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "bytes"
    if pa.types.is_struct(kind):
        named = kind.get_field_index("bytes")
        return "struct" if named >= 0 and _kind(kind.field(named).type) == "bytes" else ""
    if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _kind(kind.value_type) in ("bytes", "struct"):
        return "list"
    return ""


def _image_bytes(column: pa.Array) -> list[list[bytes | None]] | None:
    """The images of each row: no element for null, None for an image of which only the path is there."""
    kind = _kind(column.type)
    if not kind:
        return None
    rows = column.to_pylist()
    several = rows if kind == "list" else [[one] for one in rows]
    return [
        [one["bytes"] if isinstance(one, dict) else one for one in (row or ()) if one is not None] for row in several
    ]


def stored(picture: Picture) -> Stored:
    """An image as a record would store it, with its hashes.

    Raises:
        ReadError: it cannot be read.
    """
    if picture.root is not None:
        return decoding.read(picture.root, PurePosixPath(picture.name), mat=None, cache=FileCache())
    data = picture.data or b""
    with opened.pillow():
        file = PictureFile(picture.name, hashlib.sha256(data).hexdigest(), len(data), data, set())
        return file.stored(PurePosixPath(picture.name), None, "decode")


def _look(picture: Picture | str) -> tuple[str, tuple[Any, ...] | str]:
    """The name of an image, and its hashes and thumbnail, or why it has none."""
    if isinstance(picture, str):
        name, _, why = picture.partition(": ")
        return name, why
    try:
        one = stored(picture)
    except (MedMATError, OSError) as error:
        return picture.name, str(error).removeprefix(f"{picture.name}: ")
    return picture.name, (one.sha256, one.pixel_hash, one.perceptual_hash, one.descriptor, one.thumbnail)


def _looks(batch: Sequence[Picture | str]) -> list[tuple[str, tuple[Any, ...] | str]]:
    return [_look(one) for one in batch]


def look_at(where: Path, scratch: Path, *, jobs: int = 1, progress: bool = False) -> Looked:
    """The hashes of all images in a folder, an archive or a table.

    Args:
        where: see :func:`pictures`.
        scratch: a folder for the thumbnails, of 4 kB each.
        jobs: the number of worker processes.
        progress: whether to show a progress bar.

    Raises:
        UsageError: there are no images, or none that can be read.
    """
    import joblib

    found = pictures(where)
    batches = iter(lambda: list(itertools.islice(found, _BATCH)), [])
    work = joblib.Parallel(n_jobs=jobs, return_as="generator")(joblib.delayed(_looks)(batch) for batch in batches)
    rows: list[tuple[Any, ...]] = []
    unread: dict[str, str] = {}
    path = scratch / "thumbnails"
    with path.open("wb") as file, Bar(desc="images hashed", unit="img", shown=progress) as bar:
        for name, outcome in itertools.chain.from_iterable(work):
            bar.update()
            if isinstance(outcome, str):
                unread[name] = outcome
                continue
            *hashes, thumbnail = outcome
            rows.append((name, *hashes))
            file.write(bytes(SIDE * SIDE) if thumbnail is None else thumbnail)
    if not rows:
        why = next(iter(f"{name}: {why}" for name, why in unread.items()), "")
        raise UsageError(
            f"{where}: no image could be read; the first failed with: {why}"
            if why
            else f"{where}: there are no images ({', '.join(sorted(SUFFIXES))}, {', '.join(TABLES)}, .zip)."
        )
    columns = [
        pa.array(list(values), kind) for values, kind in zip(zip(*rows, strict=True), COLUMNS.types, strict=True)
    ]
    return Looked(pa.Table.from_arrays(columns, schema=COLUMNS), Thumbnails([path]), unread)


def load(where: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Images by name, as a browser shows them; those that can no longer be read are left out."""
    wanted, found = set(names), {}
    for one in pictures(where) if wanted else ():
        if isinstance(one, Picture) and one.name in wanted:
            try:
                found[one.name] = stored(one).data
            except (MedMATError, OSError):
                continue
            if len(found) == len(wanted):
                break
    return found
