"""The record: one Arrow schema for every source, read by ``datasets`` with its own features (``Image``, ``List``…).

============  ======================================================================================================
column        meaning
============  ======================================================================================================
id            stable name: ``source/row/path inside the source[#frame]``, in the publisher's spelling, NFC.
              In a set that was published without names, digits of ``sha256`` stand for the path, ``path`` is null, and
              so may ``raw_label`` be: see :mod:`med_mat.nameless`
image_id      the same without the row: what the records of one image share
source, row, subset   the source's name, upstream's row number (1 to 109), upstream's subset number (1 to 53)
modality, area, task  the triplet, from the closed vocabularies of :mod:`med_mat.taxonomy`
split         train, validation or test: as published, or our seeded 9:1 split where the publisher has none.
              Records that share a group with a held-out part keep it, and lie in the files of the split ``withheld``
published_split       the publisher's own split; null where there is none
label         human label where one holds per image (classes, grades); null for findings, boxes and masks
labels        human labels present in the image
labels_absent, labels_unknown   labels stated to be absent; labels uncertain or not mentioned (unknown is not absent)
raw_label     what the publisher's file says
path          of the raw file, below the root of the source, with the frame or slice in it
boxes         corners in pixels of the image as shown: origin at its top left corner, x right, y down, xmax and ymax
              just past the last pixel; with human label;
              null where this row has no boxes or masks, empty where somebody looked and found nothing
mask          PNG of the image's size; each value stands for the set of labels that hold there, 0 for none of them;
              null where the image has no mask, all 0 where somebody looked and found nothing
mask_legend   value -> labels; null as ``mask`` is
patient       number of the patient, from 0, in the order in which the source's loader first meets them; null where the
              publisher gives no patient
attributes    age group, sex, device and view as the publisher states them; null where it does not
spacing       millimetres per pixel along x and y of the image as shown (DICOM, NIfTI); null where it is not known
question, options   single choice, in upstream's form; where there are no options, the question for an open answer.
              Made of other columns, the row's card and a seed, and so asked otherwise without a build
              (:meth:`med_mat.dataset.MedMAT.questions`)
answer        the letter of the right option; null where there are no options
open_question, open_answer  the same without options; ``open_answer`` is null where the labels do not say
target        what answers ``question``: the letter where there are options, else ``open_answer``; null where there is
              no answer as text: the labels do not say, or the mask is the answer. Never empty
sha256        of the raw file
pixel_hash    of the decoded pixels, as stored; null where the build passed them through without decoding them
perceptual_hash   of what the picture looks like (:mod:`med_mat.leakage`); null as ``pixel_hash`` is, and if all is flat
width, height in pixels, as shown (EXIF orientation applied)
transform     what was done to the pixels, and what was removed from the file beside them: EXIF, GPS position, XMP,
              comment…; "none": the publisher's bytes
license       the source's licence, as a Hub identifier
license_certainty   how it is known: "confirmed", "reported" (by a copy or a catalogue), or "unknown"
image         the picture: the publisher's file without its metadata where a browser shows it, else PNG. Its compressed
              image data, orientation and colour profile are the publisher's
============  ======================================================================================================

The index holds all columns but the pixels, and six more: ``label_set`` (the label, or the labels in a row, as one
text: what records are balanced over), ``group`` (records that must stay on one side of a split share its number),
``withheld`` (why a record of train or validation is withheld, and for which source's held-out part; null where it is
not), ``key`` (what seeded draws hang on: source, row, sha256 of the raw file, and frame), ``file`` and ``position``
(where the pixels are).
"""

from __future__ import annotations

import functools
import json
from typing import Any

import pyarrow as pa

#: Raised whenever the meaning of a column changes; part of every build's manifest.
VERSION = 5

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_STRINGS = pa.list_(pa.string())
#: What a publisher may state of the person and the device: see :class:`med_mat.example.Attributes`.
_ATTRIBUTES = pa.struct([(name, pa.string()) for name in ("age_group", "sex", "device", "view")])

FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("id", pa.string()),
    ("image_id", pa.string()),
    ("source", pa.string()),
    ("row", pa.int16()),
    ("subset", pa.int16()),
    ("modality", pa.string()),
    ("area", pa.string()),
    ("task", pa.string()),
    ("split", pa.string()),
    ("published_split", pa.string()),
    ("label", pa.string()),
    ("labels", _STRINGS),
    ("labels_absent", _STRINGS),
    ("labels_unknown", _STRINGS),
    ("raw_label", pa.string()),
    ("path", pa.string()),
    (
        "boxes",
        pa.list_(
            pa.struct(
                [
                    ("xmin", pa.float32()),
                    ("ymin", pa.float32()),
                    ("xmax", pa.float32()),
                    ("ymax", pa.float32()),
                    ("label", pa.string()),
                ]
            )
        ),
    ),
    ("mask_legend", pa.list_(pa.struct([("value", pa.int32()), ("labels", _STRINGS)]))),
    ("patient", pa.int32()),
    ("attributes", _ATTRIBUTES),
    ("spacing", pa.list_(pa.float32())),
    ("question", pa.string()),
    ("options", _STRINGS),
    ("answer", pa.string()),
    ("open_question", pa.string()),
    ("open_answer", pa.string()),
    ("target", pa.string()),
    ("sha256", pa.string()),
    ("pixel_hash", pa.string()),
    ("perceptual_hash", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("transform", pa.string()),
    ("license", pa.string()),
    ("license_certainty", pa.string()),
    ("image", _IMAGE),
    ("mask", _IMAGE),
)

PIXEL_COLUMNS = ("image", "mask")
#: What a record asks, and what is right.
QUESTION_COLUMNS = ("question", "options", "answer", "open_question", "open_answer", "target")
#: What separates the labels of a ``label_set``; no label holds it.
LABEL_SEPARATOR = "; "
#: The columns of one record that the whole shard shares, so that readers skip row groups by them.
TAG_COLUMNS = ("source", "row", "subset", "modality", "area", "task", "split", "license")
INDEX_FIELDS = (
    *((name, kind) for name, kind in FIELDS if name not in PIXEL_COLUMNS),
    ("label_set", pa.string()),
    ("group", pa.int32()),
    ("withheld", pa.string()),
    ("key", pa.int64()),
    ("file", pa.string()),
    ("position", pa.int32()),
)


#: What a build keeps of every record for itself, below ``.build``, and never publishes.
PRIVATE_FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("patient_key", pa.string()),  # the source whose patient numbers these are, and the number as published
    ("key", pa.int64()),  # what seeded draws of the record hang on: see med_mat.building.record
    ("image_key", pa.int64()),  # the same of its image: what the seeded split hangs on
    ("stratum", pa.string()),  # what the seeded split is even over
    ("ordinal", pa.int32()),  # place in the chunk
    ("thumbnail", pa.int32()),  # place among the thumbnails of the chunk; null where there is none
    ("format", pa.string()),  # of the stored image; and of the raw one:
    ("raw_width", pa.int32()),
    ("raw_height", pa.int32()),
    ("orientation", pa.int8()),
    ("notes", _STRINGS),  # what may be wrong with its pixels
    ("encoded", pa.bool_()),  # the stored image is a PNG that the build made
    ("removed", _STRINGS),  # what the raw file held beside its picture
    ("descriptor", pa.binary()),  # finds pictures that are turned, shifted or zoomed: see med_mat.leakage
)


@functools.cache
def record_schema() -> pa.Schema:
    """The schema of a shard, with the ``datasets`` features in its metadata."""
    return _with_features(FIELDS)


def index_schema() -> pa.Schema:
    """The schema of ``index.parquet``."""
    return _with_features(INDEX_FIELDS)


def features(fields: tuple[tuple[str, pa.DataType], ...] = FIELDS) -> dict[str, Any]:
    """The ``datasets`` features as plain data, so that writing a shard need not import ``datasets``."""
    return {name: {"_type": "Image"} if name in PIXEL_COLUMNS else _feature(kind) for name, kind in fields}


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {kind.field(i).name: _feature(kind.field(i).type) for i in range(kind.num_fields)}
    return {"dtype": {"float": "float32"}.get(str(kind), str(kind)), "_type": "Value"}


def _with_features(fields: tuple[tuple[str, pa.DataType], ...]) -> pa.Schema:
    metadata = {
        "huggingface": json.dumps({"info": {"features": features(fields)}}),
        "med_mat.schema_version": str(VERSION),
    }
    return pa.schema([pa.field(name, kind) for name, kind in fields], metadata=metadata)
