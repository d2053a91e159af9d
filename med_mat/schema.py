"""The record: one Arrow schema for every source, read by ``datasets`` with its own features (``Image``, ``List``…).

:data:`COLUMNS` is the only list of columns: the schema of the files, the index, the Croissant description and the
documentation follow from it. A new column is one entry there, and the place that fills it
(:func:`med_mat.building.record.record`). Nullable columns are null where a value is unknown or does not apply; an empty
list means "annotated, nothing found".

"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

#: Incremented whenever the meaning of a column changes; recorded in every build's manifest.
VERSION = 5

#: Where a column is stored: in the data files (and, except for pixels, in the index), only in the index, or in neither:
#: private columns stay below ``.build`` and are never published.
Level = Literal["record", "index", "private"]
#: Special roles of a column: pixels are not in the index; a tag has one value throughout a data file, so that readers
#: skip files and row groups by it; questions and answers can be made again from the other columns.
Role = Literal["", "pixels", "tag", "question"]

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_STRINGS = pa.list_(pa.string())
_BOX = pa.struct([*((name, pa.float32()) for name in ("xmin", "ymin", "xmax", "ymax")), ("label", pa.string())])
_LEGEND = pa.struct([("value", pa.int32()), ("labels", _STRINGS)])
#: Attributes of the person and the device: see :class:`med_mat.example.Attributes`.
_ATTRIBUTES = pa.struct([(name, pa.string()) for name in ("age_group", "sex", "device", "view")])


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a record."""

    name: str
    type: pa.DataType
    meaning: str  # description, a phrase in Markdown
    unit: str = ""
    level: Level = "record"
    role: Role = ""
    since: int = 5  # the schema version that introduced it; 5 for the first release


#: In the order of the files.
COLUMNS: tuple[Column, ...] = (
    Column(
        "id",
        pa.string(),
        "stable name: `source/row/path inside the source[#part]`, as the publisher spells it, in NFC. In a dataset "
        "published without file names, digits of `sha256` stand for the path, `path` is null, and `raw_label` may be",
    ),
    Column("image_id", pa.string(), "the same without the row: shared by all records of one image"),
    Column("source", pa.string(), "name of the source", role="tag"),
    Column("row", pa.int16(), "number of the row in the catalog: 1 to 109 are upstream's", role="tag"),
    Column("subset", pa.int16(), "number of upstream's subset, 1 to 53; null if it has none", role="tag"),
    Column("modality", pa.string(), "imaging modality, the first element of the triplet", role="tag"),
    Column("area", pa.string(), "anatomical area, the second element of the triplet", role="tag"),
    Column("task", pa.string(), "task, the third element of the triplet", role="tag"),
    Column(
        "split",
        pa.string(),
        "train, validation or test: as published, or a seeded 9:1 split by group if the publisher defines none. Train "
        "and validation records that share a group with a held-out part keep it, in the files of the split `withheld`",
        role="tag",
    ),
    Column("published_split", pa.string(), "the publisher's own split; null if it defines none"),
    Column("label", pa.string(), "human label if an image has exactly one (classes, grades); null for all other tasks"),
    Column("labels", _STRINGS, "human labels that are present in the image"),
    Column("labels_absent", _STRINGS, "human labels that are stated to be absent"),
    Column("labels_unknown", _STRINGS, "human labels that are uncertain or not mentioned: unknown is not absent"),
    Column("raw_label", pa.string(), "label as in the publisher's files"),
    Column("path", pa.string(), "path of the raw file below the root of the source, with the frame, slice or region"),
    Column(
        "boxes",
        pa.list_(_BOX),
        "bounding boxes with human labels, in pixels of the displayed image: origin at its top left corner, x right, y "
        "down, xmax and ymax exclusive. Null if the row has no boxes or masks, empty if nothing was found",
        unit="px",
    ),
    Column("mask_legend", pa.list_(_LEGEND), "mask value to human labels; null if `mask` is"),
    Column(
        "patient",
        pa.int32(),
        "number of the patient within the source, counted from 0 in the order of the loader; null if the publisher "
        "identifies no patients",
    ),
    Column("attributes", _ATTRIBUTES, "age group, sex, device and view as published; null if not stated"),
    Column(
        "spacing",
        pa.list_(pa.float32()),
        "pixel spacing along x and y of the displayed image (DICOM, volumes); null if unknown",
        unit="mm",
    ),
    Column(
        "question",
        pa.string(),
        "single-choice question in upstream's form; without options, the open question. Made from other columns, the "
        "card of the source and a seed, so it can be made again without a build",
        role="question",
    ),
    Column("options", _STRINGS, "answer options of the question", role="question"),
    Column("answer", pa.string(), "letter of the correct option; null without options", role="question"),
    Column("open_question", pa.string(), "the question without options", role="question"),
    Column("open_answer", pa.string(), "its answer; null if the labels do not determine one", role="question"),
    Column(
        "target",
        pa.string(),
        "answer to `question`: the letter if there are options, else `open_answer`; null if no text answers it, as "
        "where the mask is the answer. Never empty",
        role="question",
    ),
    Column("sha256", pa.string(), "SHA-256 of the raw file; of a volume in two files, of both of them"),
    Column("pixel_hash", pa.string(), "hash of the decoded pixels as stored; null if a build did not decode them"),
    Column(
        "perceptual_hash",
        pa.string(),
        "hash of the appearance, for near-duplicates; null if `pixel_hash` is, and for images without structure",
    ),
    Column("width", pa.int32(), "width of the displayed image, EXIF orientation applied", unit="px"),
    Column("height", pa.int32(), "height of the displayed image, EXIF orientation applied", unit="px"),
    Column(
        "transform",
        pa.string(),
        "what was done to the pixels, and which metadata were removed from the file (EXIF, GPS position, XMP, "
        'comment…); "none" for the publisher\'s bytes',
    ),
    Column("license", pa.string(), "license of the source, as a Hub identifier", role="tag"),
    Column(
        "license_certainty",
        pa.string(),
        'how the license is known: "confirmed", "reported" (by a copy or a catalog) or "unknown"',
    ),
    Column(
        "image",
        _IMAGE,
        "the image: the publisher's compressed image data, without metadata, if a browser shows the format, else PNG",
        role="pixels",
    ),
    Column(
        "mask",
        _IMAGE,
        "PNG of the image's size, each value of which stands for a set of labels, 0 for none; null if the image has no "
        "mask, all 0 if nothing was found",
        role="pixels",
    ),
    Column(
        "label_set", pa.string(), "the label, or all labels, as one text; sampling is balanced over it", level="index"
    ),
    Column("group", pa.int32(), "number shared by records that must stay on one side of a split", level="index"),
    Column(
        "withheld",
        pa.string(),
        "why a train or validation record is withheld, and for the held-out part of which source; null if it is not",
        level="index",
    ),
    Column(
        "key",
        pa.int64(),
        "what seeded sampling depends on: source, row, SHA-256 of the raw file, and frame",
        level="index",
    ),
    Column("file", pa.string(), "data file that contains the pixels", level="index"),
    Column("position", pa.int32(), "row of that file", level="index"),
    Column(
        "patient_key",
        pa.string(),
        "source that the patient numbers belong to, and the number as published",
        level="private",
    ),
    Column("key", pa.int64(), "what seeded sampling of the record depends on", level="private"),
    Column("image_key", pa.int64(), "the same for its image: what the seeded split depends on", level="private"),
    Column("stratum", pa.string(), "what the seeded split is stratified by", level="private"),
    Column("ordinal", pa.int32(), "position in the chunk", level="private"),
    Column(
        "thumbnail", pa.int32(), "position among the thumbnails of the chunk; null if there is none", level="private"
    ),
    Column("format", pa.string(), "format of the stored image", level="private"),
    Column("raw_width", pa.int32(), "width of the raw image", unit="px", level="private"),
    Column("raw_height", pa.int32(), "height of the raw image", unit="px", level="private"),
    Column("orientation", pa.int8(), "EXIF orientation of the raw image", level="private"),
    Column("notes", _STRINGS, "possible defects of its pixels", level="private"),
    Column("encoded", pa.bool_(), "whether the stored image is a PNG that the build encoded", level="private"),
    Column("removed", _STRINGS, "what the raw file contained besides its image", level="private"),
    Column("descriptor", pa.binary(), "finds images that are rotated, shifted or scaled", level="private"),
)

Fields = tuple[tuple[str, pa.DataType], ...]


def _fields(columns: Sequence[Column]) -> Fields:
    """Name and type of columns."""
    return tuple((one.name, one.type) for one in columns)


def _names(role: Role) -> tuple[str, ...]:
    return tuple(one.name for one in COLUMNS if one.role == role)


RECORD_COLUMNS = tuple(one for one in COLUMNS if one.level == "record")
#: All columns of the index.
INDEX_COLUMNS = tuple(one for one in COLUMNS if one.level in ("record", "index") and one.role != "pixels")
FIELDS = _fields(RECORD_COLUMNS)
INDEX_FIELDS = _fields(INDEX_COLUMNS)
PRIVATE_FIELDS = _fields([one for one in COLUMNS if one.level == "private"])
PIXEL_COLUMNS = _names("pixels")
#: The question of a record and its correct answer.
QUESTION_COLUMNS = _names("question")
#: The columns that have one value throughout a data file, so that readers skip row groups by them.
TAG_COLUMNS = _names("tag")
#: What separates the labels of a ``label_set``; no label contains it.
LABEL_SEPARATOR = "; "


def markdown(*levels: Level) -> str:
    """The columns of some levels as a Markdown table: name, type, unit and meaning.

    Args:
        levels: Levels to list (default: the published ones).
    """
    listed = [one for one in COLUMNS if one.level in (levels or ("record", "index"))]
    lines = [f"| `{one.name}` | {_type_name(one.type)} | {one.unit} | {one.meaning} |" for one in listed]
    return "\n".join(["| column | type | unit | meaning |", "|---|---|---|---|", *lines])


def _type_name(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_type_name(kind.value_type)}"
    if kind == _IMAGE:
        return "image"
    if pa.types.is_struct(kind):
        return f"({', '.join(kind.field(i).name for i in range(kind.num_fields))})"
    return {"float": "float32"}.get(str(kind), str(kind))


@functools.cache
def record_schema() -> pa.Schema:
    """The schema of a shard, with the ``datasets`` features in its metadata."""
    return _with_features(FIELDS)


def index_schema() -> pa.Schema:
    """The schema of ``index.parquet``."""
    return _with_features(INDEX_FIELDS)


def features(fields: Fields = FIELDS) -> dict[str, Any]:
    """The ``datasets`` features as plain data, so that writing a shard need not import ``datasets``."""
    return {name: {"_type": "Image"} if name in PIXEL_COLUMNS else _feature(kind) for name, kind in fields}


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {kind.field(i).name: _feature(kind.field(i).type) for i in range(kind.num_fields)}
    return {"dtype": {"float": "float32"}.get(str(kind), str(kind)), "_type": "Value"}


def _with_features(fields: Fields) -> pa.Schema:
    metadata = {
        "huggingface": json.dumps({"info": {"features": features(fields)}}),
        "med_mat.schema_version": str(VERSION),
    }
    return pa.schema([pa.field(name, kind) for name, kind in fields], metadata=metadata)


__doc__ = f"{__doc__}{markdown()}\n"
