"""MetaImage volumes (``.mha``, or ``.mhd`` with a ``.raw`` or ``.zraw`` file), as ITK writes them.

Coordinates are those of ITK: x to the left, y to the back, z to the head of the patient, in millimeters. Supported are
two or three spatial axes, a fourth axis of volumes, and 8-bit colors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from med_mat.errors import ReadError
from med_mat.imaging import detached, voxels
from med_mat.imaging.detached import affine_of, beside, digest, numbers, unpacking
from med_mat.imaging.open_file import OpenFile, RawFile
from med_mat.imaging.opened import sentence
from med_mat.imaging.volumes import LPS_TO_RAS, MILLIMETERS, Volume, axes_of, lengths, lowest
from med_mat.imaging.windowing import Array

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",  # 32 bits, on any machine
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
#: Alias of a field -> the name used here.
_NAMES = {
    "Orientation": "TransformMatrix",
    "Rotation": "TransformMatrix",
    "Position": "Offset",
    "Origin": "Offset",
    "ElementSize": "ElementSpacing",
    "ElementByteOrderMSB": "BinaryDataByteOrderMSB",
}

Fields = dict[str, str]


def open_file(raw: RawFile) -> OpenFile:
    """Opens a volume whose voxels are in the same file or in the one that its header names."""
    name = str(raw.path)
    found, end = detached.lines(raw, lambda line: line.partition("=")[0].strip() == "ElementDataFile")
    fields: Fields = {}
    for line in found:
        key, _, value = line.partition("=")
        fields.setdefault(_NAMES.get(key.strip(), key.strip()), value.strip())
    with detached.header(name, "MetaImage"):
        return _open(raw, fields, end, name)


def _need(fields: Fields, key: str, name: str) -> str:
    if not fields.get(key):
        raise ReadError(f"{name}: its MetaImage header lacks the field {key!r}, or is cut short before it.")
    return fields[key]


def _open(raw: RawFile, fields: Fields, end: int, name: str) -> Volume:
    if fields.get("ObjectType", "Image") != "Image":
        raise ReadError(f"{name}: is a MetaIO {sentence(fields['ObjectType'])}, not an image.")
    count = int(_need(fields, "NDims", name))
    sizes = tuple(int(word) for word in _need(fields, "DimSize", name).split())
    if len(sizes) != count or not 2 <= count <= 4:
        raise ReadError(f"{name}: it has {count} dimensions and {len(sizes)} sizes; 2 to 4 of both are read.")
    dtype = _dtype(fields, name)
    shape = voxels.checked_shape(sizes, name)
    file, found = _voxels(raw, fields, end, dtype, shape, name)
    spacing = numbers(fields.get("ElementSpacing", ""))[:3]
    sides = lengths([*spacing, *([1.0] if len(spacing) == 2 else [])], _unit(fields))
    affine = _affine(fields, count, sides or (1.0, 1.0, 1.0))
    placed = axes_of(affine)
    axes, flips = placed or ((0, 1, 2), (False, False, False))
    return Volume(
        name=name,
        sha256=digest(raw, file),
        size=found.size,
        data=found.data,
        slope=1.0,
        inter=0.0,
        axes=axes,
        flips=flips,
        oriented="TransformMatrix" in fields and placed is not None,
        affine=affine,
        zooms=sides,
        minimum=0.0 if dtype.fields else lowest(found.data),
        odd=found.odd,
    )


def _dtype(fields: Fields, name: str) -> np.dtype[Any]:
    kind = _need(fields, "ElementType", name)
    kind = kind.removesuffix("_ARRAY")  # some writers state this for colors
    if kind not in _TYPES:
        raise ReadError(f"{name}: its voxels are of the type {sentence(kind)!r}, which is not a number that is read.")
    dtype = np.dtype(_TYPES[kind])
    if dtype.itemsize > 1:
        dtype = dtype.newbyteorder(">" if _true(fields, "BinaryDataByteOrderMSB") else "<")
    channels = int(fields.get("ElementNumberOfChannels") or 1)
    if channels == 1:
        return dtype
    if channels not in (3, 4) or dtype != np.uint8:
        raise ReadError(f"{name}: a voxel has {channels} values of {kind}; several are read as a color of 8 bit alone.")
    return np.dtype([(channel, dtype) for channel in "rgba"[:channels]])


def _true(fields: Fields, key: str) -> bool:
    return fields.get(key, "").lower() in ("true", "1")


def _voxels(
    raw: RawFile, fields: Fields, end: int, dtype: np.dtype[Any], shape: tuple[int, ...], name: str
) -> tuple[Path, voxels.Voxels]:
    """The file of the voxels, and how they are stored in it."""
    if "BinaryData" in fields and not _true(fields, "BinaryData"):
        raise ReadError(f"{name}: its voxels are written as text; save it as binary data.")
    named = _need(fields, "ElementDataFile", name)
    if named.upper().startswith("LIST") or "%" in named:
        raise ReadError(f"{name}: its voxels are spread over several files; convert it to one file first.")
    file, offset = (raw.full, end) if named.upper() == "LOCAL" else (beside(raw, named), 0)
    skip = int(fields.get("HeaderSize") or 0)
    compressed = _true(fields, "CompressedData")
    if skip < -1 or (compressed and skip):
        raise ReadError(f"{name}: its HeaderSize is {skip}, which is not read.")
    if skip == -1:  # the voxels are the last bytes
        offset = max(file.stat().st_size - int(np.prod(shape, dtype=object)) * dtype.itemsize, 0)
    elif skip:
        offset = skip
    unpacked = unpacking(file, offset, "zlib" if compressed else "raw")
    return file, voxels.read(name, file, dtype, shape, offset=offset, unpacked=unpacked)


def _unit(fields: Fields) -> float:
    """Millimeters per unit."""
    return MILLIMETERS.get(fields["DistanceUnits"].lower(), 0.0) if fields.get("DistanceUnits") else 1.0


def _affine(fields: Fields, count: int, sides: tuple[float, float, float]) -> Array:
    """Stored voxel to RAS+ millimeters; each row of the header's matrix is the direction of one axis."""
    matrix = np.eye(3)
    if "TransformMatrix" in fields:
        rows = np.array(numbers(fields["TransformMatrix"])).reshape(count, count)
        space = min(count, 3)
        matrix[:space, :space] = rows[:space, :space]
    unit = _unit(fields) or 1.0
    offset = np.zeros(3)
    place = numbers(fields.get("Offset", ""))[:3]
    offset[: len(place)] = np.array(place) * unit
    return np.asarray(LPS_TO_RAS @ affine_of(matrix.T * np.array(sides), offset.tolist()))
