"""Reads NIfTI and Analyze volumes, using nibabel for the headers."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from med_mat.errors import ReadError
from med_mat.files import sha256
from med_mat.imaging import voxels
from med_mat.imaging.open_file import OpenFile, RawFile
from med_mat.imaging.opened import sentence
from med_mat.imaging.volumes import MILLIMETERS, Volume, axes_of, lengths, lowest
from med_mat.imaging.windowing import Array
from med_mat.limits import Unpacking

_COMPRESSED = (".gz", ".bz2", ".zst")
_SAME = 0.01  # relative difference up to which two voxel sizes count as equal


def open_file(raw: RawFile) -> OpenFile:
    """Opens a volume in a format that nibabel supports."""
    name = raw.path.as_posix()
    try:
        return _open(raw.full, name)
    except ReadError:
        raise
    except Exception as error:
        # messages of nibabel and of the system contain paths of this machine
        reason = getattr(error, "strerror", None) or sentence(error).replace(str(raw.full), raw.path.name)
        raise ReadError(f"{name}: cannot be read as a NIfTI or Analyze volume ({reason}).") from error


def shape_of(path: Path) -> tuple[tuple[int, int, int], int]:
    """The shape in the closest RAS+ orientation, and the number of volumes. Only the header is read.

    Raises:
        ReadError: The file contains no volume.
        Exception: Any exception of nibabel.
    """
    import nibabel

    image: Any = nibabel.load(path)
    shape = tuple(int(length) for length in image.shape)
    if len(shape) < 2 or min(shape) < 1:
        raise ReadError(f"{path.name} holds no volume: its shape is {shape}.")
    placed = axes_of(np.asarray(image.affine, dtype=np.float64))
    x, y, z = ((*shape, 1)[:3][stored] for stored in (placed[0] if placed else (0, 1, 2)))
    return (x, y, z), shape[3] if len(shape) > 3 else 1


def _open(path: Path, name: str) -> Volume:
    import nibabel
    from nibabel.analyze import AnalyzeImage
    from nibabel.arrayproxy import ArrayProxy

    image: Any = nibabel.load(path)
    proxy = image.dataobj
    if not isinstance(image, AnalyzeImage) or not isinstance(proxy, ArrayProxy):
        raise ReadError(f"{name}: is a {type(image).__name__}; only NIfTI and Analyze volumes are read.")
    dtype = np.dtype(proxy.dtype)
    if dtype.kind not in "iufV" or (dtype.kind == "V" and not dtype.fields):
        raise ReadError(f"{name}: its voxels are {dtype}, which is not a picture.")
    shape = voxels.checked_shape(proxy.shape, name)
    found = _voxels(image, proxy, shape, dtype, name)
    slope, inter = float(proxy.slope), float(proxy.inter)
    if dtype.fields or not np.isfinite([slope, inter]).all():
        slope, inter = 1.0, 0.0
    affine = np.asarray(image.affine, dtype=np.float64)
    placed = axes_of(affine)
    codes = [int(image.header[code]) for code in ("qform_code", "sform_code") if code in image.header]
    oriented = placed is not None and any(codes)
    axes, flips = placed or ((0, 1, 2), (False, False, False))
    return Volume(
        name=name,
        sha256=sha256(path),
        size=found.size,
        data=found.data,
        slope=slope,
        inter=inter,
        axes=axes,
        flips=flips,
        oriented=oriented,
        affine=affine,
        zooms=_zooms(image.header, affine, oriented=oriented),
        minimum=0.0 if dtype.fields else lowest(found.data) * slope + inter,
        odd=found.odd,
    )


def _voxels(image: Any, proxy: Any, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> voxels.Voxels:
    holder = image.file_map["image"]
    pixels, offset = Path(holder.filename), int(proxy.offset)

    @contextmanager
    def unpacked() -> Iterator[Unpacking]:
        with ExitStack() as stack:
            # nibabel would use indexed_gzip if it is installed, which checks no checksum
            if pixels.suffix.lower() == ".gz":
                file: Any = stack.enter_context(gzip.GzipFile(fileobj=stack.enter_context(pixels.open("rb"))))
            else:
                file = stack.enter_context(holder.get_prepare_fileobj("rb"))
            file.seek(offset)
            yield file

    packed = pixels.suffix.lower() in _COMPRESSED
    return voxels.read(name, pixels, dtype, shape, offset=offset, unpacked=unpacked if packed else None)


def _zooms(header: Any, affine: Array, *, oriented: bool) -> tuple[float, float, float] | None:
    """Millimeters per voxel along the stored axes; None if the file gives no unit or contradicts itself."""
    if "xyzt_units" in header:
        unit = MILLIMETERS.get(str(header.get_xyzt_units()[0]), 0.0)
    else:  # Analyze states the unit as text
        unit = MILLIMETERS.get(bytes(header["vox_units"].item()).rstrip(b"\0 ").decode("latin-1"), 0.0)
    zooms = np.array((*header.get_zooms()[:3], 0.0, 0.0)[:3], dtype=np.float64)
    if oriented and not np.allclose(np.linalg.norm(affine[:3, :3], axis=0), zooms, rtol=_SAME, atol=0):
        return None
    return lengths(zooms.tolist(), unit)
