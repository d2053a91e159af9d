"""Reads NRRD volumes (``.nrrd``, or ``.nhdr`` with a data file); format: teem.sourceforge.net/nrrd/format.html.

Supported are three spatial axes, at most one other axis (the samples of a color or the volumes of a series), and the
encodings raw, gzip and bzip2.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from med_mat.errors import ReadError
from med_mat.imaging import detached, voxels
from med_mat.imaging.detached import Packing, affine_of, beside, digest, numbers, unpacking
from med_mat.imaging.open_file import OpenFile, RawFile
from med_mat.imaging.opened import sentence
from med_mat.imaging.volumes import LPS_TO_RAS, MILLIMETERS, Volume, axes_of, lengths, lowest
from med_mat.imaging.windowing import Array

_TYPES = {
    name: kind
    for kind, names in {
        "i1": ("signed char", "int8", "int8_t"),
        "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
        "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
        "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
        "i4": ("int", "signed int", "int32", "int32_t"),
        "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
        "i8": (
            "longlong",
            "long long",
            "long long int",
            "signed long long",
            "signed long long int",
            "int64",
            "int64_t",
        ),
        "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
        "f4": ("float",),
        "f8": ("double",),
    }.items()
    for name in names
}
#: Alias of a field -> the name used here.
_NAMES = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip"}
_ENCODINGS: dict[str, Packing] = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_ORDERS = {"little": "<", "big": ">"}
#: Space -> the signs that convert its coordinates to RAS+.
_SPACES = {
    **dict.fromkeys(("right-anterior-superior", "ras"), np.eye(4)),
    **dict.fromkeys(("left-anterior-superior", "las"), np.diag([-1.0, 1, 1, 1])),
    **dict.fromkeys(("left-posterior-superior", "lps"), LPS_TO_RAS),
}
_COLORS = {3: ("rgb-color", "3-color", "hsv-color", "xyz-color"), 4: ("rgba-color", "4-color")}
_VECTOR = re.compile(r"none|\(([^()]*)\)", re.IGNORECASE)
_QUOTED = re.compile(r'"([^"]*)"')

Fields = dict[str, str]


def open_file(raw: RawFile) -> OpenFile:
    """Opens a volume whose voxels are in the same file or in the one that its header names."""
    name = str(raw.path)
    found, end = detached.lines(raw, lambda line: not line)
    fields = _fields(found, name)
    with detached.header(name, "NRRD"):
        return _open(raw, fields, end, name)


def _fields(lines: list[str], name: str) -> Fields:
    """The fields of a header, by name, lowercased and stripped."""
    fields: Fields = {}
    for line in lines[1:]:
        if line.startswith("#") or ":=" in line:  # comments and key/value pairs, which do not affect the pixels
            continue
        key, colon, value = line.partition(": ")
        if not colon:
            continue
        key = key.strip().lower()
        key = _NAMES.get(key, key)
        if key in fields:
            raise ReadError(f"{name}: its NRRD header has two fields {sentence(key)!r}.")
        fields[key] = value.strip()
    return fields


def _need(fields: Fields, key: str, name: str) -> str:
    if key not in fields:
        raise ReadError(f"{name}: its NRRD header lacks the field {key!r}.")
    return fields[key]


def _open(raw: RawFile, fields: Fields, end: int, name: str) -> Volume:
    dtype = _dtype(fields, name)
    sizes = tuple(int(word) for word in _need(fields, "sizes", name).split())
    count = int(_need(fields, "dimension", name))
    if len(sizes) != count or not 2 <= count <= 4:
        raise ReadError(f"{name}: it has {count} dimensions and {len(sizes)} sizes; 2 to 4 of both are read.")
    other = _other_axis(fields, sizes)
    color = other == 0 and count > 2 and _is_color(fields, sizes[0], dtype)
    if color:
        dtype = np.dtype([(channel, dtype) for channel in "rgba"[: sizes[0]]])
        stored = sizes[1:]
    else:
        stored = sizes
    spatial = stored if color or other is None else (*stored[:other], *stored[other + 1 :])
    series = other is not None and not color
    if len(spatial) > 3:
        raise ReadError(f"{name}: its sizes are {sizes}; three spatial axes and at most one other are read.")
    spatial = (*spatial, 1)[:3]
    voxels.checked_shape((*spatial, *((sizes[other],) if series and other is not None else ())), name)
    data_file, found = _voxels(raw, fields, end, dtype, stored, name)
    data = found.data
    if series and other is not None:
        data = np.moveaxis(data, other, -1)
    if len(stored) - series == 2:  # one slice
        data = np.expand_dims(data, 2)
    affine, oriented = _affine(fields, other, name)
    placed = axes_of(affine)
    axes, flips = placed or ((0, 1, 2), (False, False, False))
    return Volume(
        name=name,
        sha256=digest(raw, data_file),
        size=found.size,
        data=data,
        slope=1.0,
        inter=0.0,
        axes=axes,
        flips=flips,
        oriented=oriented and placed is not None,
        affine=affine,
        zooms=_zooms(fields, affine, other, oriented=oriented),
        minimum=0.0 if dtype.fields else lowest(data),
        odd=found.odd,
    )


def _dtype(fields: Fields, name: str) -> np.dtype[Any]:
    kind = " ".join(_need(fields, "type", name).lower().split())
    if kind not in _TYPES:
        raise ReadError(f"{name}: its voxels are of the type {sentence(kind)!r}, which is not a number that is read.")
    dtype = np.dtype(_TYPES[kind])
    if dtype.itemsize == 1:
        return dtype
    order = _need(fields, "endian", name).lower()
    if order not in _ORDERS:
        raise ReadError(f"{name}: its endian is {sentence(order)!r}, where 'little' or 'big' is expected.")
    return np.dtype(_ORDERS[order] + _TYPES[kind])


def _directions(fields: Fields) -> list[list[float] | None]:
    """The direction of each axis in space; None for an axis that is not spatial."""
    return [
        None if found[0].lower() == "none" else [float(word) for word in found[1].split(",")]
        for found in _VECTOR.finditer(fields.get("space directions", ""))
    ]


def _other_axis(fields: Fields, sizes: tuple[int, ...]) -> int | None:
    """The axis that is not spatial; None if all are."""
    directions = _directions(fields)
    if len(directions) == len(sizes):
        others = [axis for axis, direction in enumerate(directions) if direction is None]
    else:
        kinds = fields.get("kinds", "").lower().split()
        others = [axis for axis, kind in enumerate(kinds) if kind not in ("domain", "space", "???", "none")]
    others = others or ([3] if len(sizes) == 4 else [])
    if len(others) > 1:
        raise ValueError(f"{len(others)} of its axes are not of space, and one at most is read")
    return others[0] if others else None


def _is_color(fields: Fields, samples: int, dtype: np.dtype[Any]) -> bool:
    """Whether the samples along the first axis form an 8-bit color."""
    kinds = fields.get("kinds", "").lower().split()
    return dtype == np.uint8 and samples in _COLORS and (not kinds or kinds[0] in (*_COLORS[samples], "vector", "list"))


def _voxels(
    raw: RawFile, fields: Fields, end: int, dtype: np.dtype[Any], shape: tuple[int, ...], name: str
) -> tuple[Path, voxels.Voxels]:
    """The file of the voxels, and how they are stored in it."""
    encoding = _need(fields, "encoding", name).lower()
    if encoding not in _ENCODINGS:
        raise ReadError(f"{name}: its encoding is {sentence(encoding)!r}; raw, gzip and bzip2 are read.")
    packing = _ENCODINGS[encoding]
    named = fields.get("data file")
    if named is not None and (named.upper().startswith("LIST") or re.search(r"%\d*d", named)):
        raise ReadError(f"{name}: its voxels are spread over several files; convert it to one file first.")
    file, offset = (raw.full, end) if named is None else (beside(raw, named), 0)
    for _ in range(_skip(fields, "line skip")):
        with file.open("rb") as lines:
            lines.seek(offset)
            line = lines.readline(1 << 20)
            offset = lines.tell()
        if not line.endswith(b"\n"):
            raise ReadError(f"{name}: it has fewer lines than its header says are to be skipped.")
    skip = int(fields.get("byte skip", "0"))
    if packing != "raw" and skip:
        raise ReadError(f"{name}: its compressed voxels are to begin after {skip} bytes, which is not read.")
    if skip < -1:
        raise ReadError(f"{name}: its byte skip is {skip}, where -1 or more is expected.")
    if skip == -1:  # the voxels are the last bytes
        offset = max(file.stat().st_size - int(np.prod(shape, dtype=object)) * dtype.itemsize, 0)
    else:
        offset += skip
    padded = shape if len(shape) > 2 else (*shape, 1)
    found = voxels.read(name, file, dtype, padded, offset=offset, unpacked=unpacking(file, offset, packing))
    data = found.data if padded == shape else found.data[..., 0]
    return file, found._replace(data=data)


def _skip(fields: Fields, key: str) -> int:
    skip = int(fields.get(key, "0"))
    if not 0 <= skip <= 1000:
        raise ValueError(f"its {key} is {skip}")
    return skip


def _affine(fields: Fields, other: int | None, name: str) -> tuple[Array, bool]:
    """The affine from stored voxels to RAS+ millimeters, and whether the header states the orientation."""
    space = fields.get("space", "").lower()
    every = enumerate(_directions(fields))
    directions = [direction for axis, direction in every if direction is not None and axis != other]
    if space.endswith("-time"):
        directions = [direction[:3] for direction in directions]
    to_ras = _SPACES.get(space.removesuffix("-time"))
    if to_ras is None or not directions:
        spacings = _spacings(fields, other)
        return np.diag([*(side if side > 0 else 1.0 for side in spacings), 1.0]), False
    if any(len(direction) != 3 for direction in directions) or len(directions) not in (2, 3):
        raise ReadError(f"{name}: its space directions are not those of 2 or 3 axes in space.")
    columns = [np.array(direction) for direction in directions]
    if len(columns) == 2:
        across = np.cross(columns[0], columns[1])
        columns.append(across / (np.linalg.norm(across) or 1.0))
    unit = _unit(fields)
    origin = _VECTOR.match(fields.get("space origin", "(0,0,0)"))
    place = [float(word) for word in (origin[1] or "").split(",")] if origin and origin[1] else [0.0, 0.0, 0.0]
    place = place[:3] if space.endswith("-time") else place
    if len(place) != 3:
        raise ReadError(f"{name}: its space origin has {len(place)} numbers.")
    scale = unit or 1.0
    affine = affine_of(np.stack(columns, axis=1) * scale, [number * scale for number in place])
    return np.asarray(to_ras @ affine), True


def _unit(fields: Fields) -> float:
    """Millimeters per unit of the space; unstated units are taken as millimeters, as all writers do."""
    units = _QUOTED.findall(fields.get("space units", ""))
    found = {MILLIMETERS.get(unit.strip(), 0.0) for unit in units[:3] if unit.strip()}
    return found.pop() if len(found) == 1 else 0.0 if found else 1.0


def _spacings(fields: Fields, other: int | None) -> list[float]:
    """The voxel spacing along the spatial axes; 0 where it is unknown."""
    found = numbers(fields.get("spacings", ""))
    if other is not None:
        found = [side for axis, side in enumerate(found) if axis != other]
    found += [1.0] if len(found) == 2 else []  # one slice
    return [side if np.isfinite(side) else 0.0 for side in (*found, 0.0, 0.0, 0.0)[:3]]


def _zooms(fields: Fields, affine: Array, other: int | None, *, oriented: bool) -> tuple[float, float, float] | None:
    """Millimeters per voxel along the stored axes."""
    if oriented:
        return lengths(np.linalg.norm(affine[:3, :3], axis=0).tolist(), 1.0 if _unit(fields) else 0.0)
    units = _QUOTED.findall(fields.get("units", ""))
    if other is not None:
        units = [unit for axis, unit in enumerate(units) if axis != other]
    if not units or len(set(units[:3])) > 1:
        return None
    return lengths(_spacings(fields, other), MILLIMETERS.get(units[0], 0.0))
