"""Reads DICOM files frame by frame: values and display transformations. Every failure is a ReadError."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from med_mat import limits
from med_mat.errors import ReadError
from med_mat.example import Frame, Pixels
from med_mat.imaging import dicom_doubts, dicom_file, jpegs
from med_mat.imaging.open_file import Check, PlaneFile, RawFile, Want
from med_mat.imaging.opened import no_frame, sentence
from med_mat.imaging.stored import Stored, from_plane
from med_mat.imaging.windowing import Array, Plane, Window

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from med_mat.selection import MAT

_COLOR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"})
_GRAY = "MONOCHROME"  # both gray interpretations begin with it
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_RUN = 64  # maximum decompressed bytes per byte of run-length data


def open_file(raw: RawFile) -> DicomFile:
    """A parsed DICOM file that has pixels."""
    name = str(raw.path)
    digest = hashlib.sha256()
    with raw.stream() as file:
        while block := file.read(1 << 20):
            digest.update(block)
        file.seek(0)
        dataset = open_dataset(file, name)
    return DicomFile(name, digest.hexdigest(), raw.size, dataset, raw.used)


@dataclass(frozen=True, slots=True)
class DicomFile(PlaneFile):
    """A DICOM file, parsed; its pixels are decoded frame by frame."""

    name: str
    sha256: str
    size: int
    dataset: Dataset
    used: set[str]

    def references(self) -> Iterator[Pixels]:
        """Its frames."""
        path = PurePosixPath(self.name)
        return (Frame(path, index) for index in range(frames(self.dataset)))

    def plane(self, reference: Pixels) -> Plane:
        """One frame, with the functions that transform it for display."""
        self.used.update(steps(self.dataset))
        return frame(self.dataset, _index(reference), self.name)

    def values(self, reference: Pixels, want: Want) -> Array:
        """One frame as stored, colors as RGB."""
        self.used.update(steps(self.dataset))
        return stored_values(self.dataset, _index(reference), self.name)

    def stored(self, reference: Pixels, mat: MAT | None, check: Check) -> Stored:
        """One frame as PNG."""
        count, plane = frames(self.dataset), self.plane(reference)
        several = isinstance(reference, Frame) or count > 1
        notes = ["DICOM to PNG", *([f"frame {_index(reference)} of {count}"] if several else [])]
        return from_plane(plane, mat, self.sha256, self.name, notes)


def _index(reference: Pixels) -> int:
    return reference.index if isinstance(reference, Frame) else 0


def open_dataset(file: IO[bytes], name: str) -> Dataset:
    """A parsed file with pixels; preamble and transfer syntax may be missing if the latter can be inferred."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dicom_file.parsed(file, name, pixels=True)
            if not len(dataset):
                raise ReadError(f"{name}: is not DICOM, whatever its name says, or it is cut short.")
            if not any(keyword in dataset for keyword in _PIXELS):
                raise ReadError(f"{name}: {_without_pixels(dataset)}.")
            _assume_syntax(dataset, name)
        except ReadError:
            raise
        except Exception as error:
            raise ReadError(f"{name}: cannot be read as DICOM ({sentence(error)}).") from error
    return dataset


def frames(dataset: Dataset) -> int:
    """The number of frames."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return max(1, int(dataset.get("NumberOfFrames") or 1))
        except Exception:  # pydicom parses an element on first access; decoding will report what is wrong
            return 1


def steps(dataset: Dataset) -> tuple[str, ...]:
    """The steps of :data:`med_mat.formats.STEPS` that decoding its pixels requires in addition to this module."""
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    try:
        plain = syntax is None or syntax.is_private or not syntax.is_compressed
    except (AttributeError, ValueError):  # no transfer syntax: decoding will report what is wrong
        plain = False
    return () if plain else ("compressed DICOM",)


def frame(dataset: Dataset, index: int, name: str) -> Plane:
    """One frame (8-bit color as RGB, all else as stored), with the functions that transform it for display."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = _decoded(dataset, index, name)
        try:
            plane = _gray(dataset, index, found) if found.values.ndim == 2 else _color(found)
            plane.spacing = _spacing(dataset, index)
            plane.notes = [*found.odd]
            plane.odd = (*found.odd, *dicom_doubts.persons(dataset))
        except ReadError:
            raise
        except Exception as error:
            raise ReadError(f"{name}: its header cannot be applied to its pixels ({sentence(error)}).") from error
    return plane


def stored_values(dataset: Dataset, index: int, name: str) -> Array:
    """One frame as stored, colors as RGB, for masks."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _decoded(dataset, index, name).values


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A frame as stored, colors as RGB."""

    values: Array  # (rows, columns) or (rows, columns, 3)
    bits: int  # bits per value
    odd: tuple[str, ...]  # notes on errors in the header


def _decoded(dataset: Dataset, index: int, name: str) -> _Decoded:
    try:
        count = frames(dataset)
        if not 0 <= index < count:
            raise no_frame(name, index, count)
        rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
        if rows < 1 or columns < 1:
            raise ReadError(f"{name}: its header gives no Rows or Columns.")
        limits.pixels(name, columns, rows)
        photometric = str(dataset.get("PhotometricInterpretation") or "").upper()
        if photometric not in _COLOR | {"PALETTE COLOR"} and not photometric.startswith(_GRAY):
            raise ReadError(f"{name}: its photometric interpretation is {photometric or 'missing'!r}.")
        _need_decoder(dataset, name)
        compressed = bool(dataset.file_meta.TransferSyntaxUID.is_compressed)
        odd = _lengths(dataset, index, count, name, compressed=compressed)
        if compressed:
            _bounded(dataset, index, count, name)
        values, called = _colors(dataset, index, photometric, compressed=compressed)
        if compressed:
            _whole(dataset, index, count, values, name)
    except (ReadError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of a Rust decoder is not an Exception
        reason = sentence(error)
        raise ReadError(f"{name}: the pixels of its frame {index} cannot be decoded ({reason}).") from error
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise ReadError(f"{name}: its pixels have the shape {values.shape}, which is not one picture.")
    odd += [called] if called else []
    bits = 64
    if values.dtype.kind in "iu" and photometric != "PALETTE COLOR":
        values, bits, wrong = dicom_doubts.bits(values, dataset, _padding(dataset))
        odd += [wrong] if wrong else []
    return _Decoded(values, bits, tuple(odd))


def _colors(dataset: Dataset, index: int, photometric: str, *, compressed: bool) -> tuple[Array, str]:
    """The values of a frame, colors as RGB, and a note if its photometric interpretation is wrong."""
    from pydicom.pixels.processing import apply_color_lut, convert_color_space
    from pydicom.pixels.utils import pixel_array

    if int(dataset.get("SamplesPerPixel") or 1) == 1:
        values = np.asarray(pixel_array(dataset, index=index, correct_unused_bits=False))
        if photometric == "PALETTE COLOR":
            return _narrow(np.asarray(apply_color_lut(values, dataset))[..., :3]), ""
        return values, f"{photometric} of one sample read as MONOCHROME2" if photometric in _COLOR else ""
    if compressed or photometric not in _COLOR:
        values = np.asarray(pixel_array(dataset, index=index, correct_unused_bits=False))
        if photometric in _COLOR or values.ndim != 3:
            return values, ""
        if photometric.startswith(_GRAY) and bool((values == values[..., :1]).all()):
            return values[..., 0], f"{photometric} of three samples that are equal"
        return values, f"{photometric} of three samples read as RGB"
    values = np.asarray(pixel_array(dataset, index=index, correct_unused_bits=False, raw=True))
    if values.dtype != np.uint8:
        return np.asarray(pixel_array(dataset, index=index, correct_unused_bits=False)), ""
    return dicom_doubts.color(values, photometric, lambda ybr: np.asarray(convert_color_space(ybr, "YBR_FULL", "RGB")))


def _lengths(dataset: Dataset, index: int, count: int, name: str, *, compressed: bool) -> list[str]:
    """Notes if there are more pixels than declared; reported with the first frame only."""
    if "PixelData" not in dataset:
        return []
    fault, note = ("", "") if compressed else dicom_doubts.length(dataset, count)
    if fault:
        raise ReadError(f"{name}: {fault}.")
    if compressed and not index:
        note = dicom_doubts.fragments(dataset, count)
    return [note] if note and not index else []


def _bounded(dataset: Dataset, index: int, count: int, name: str) -> None:
    """Refuse a compressed frame that decompresses to too much, whatever the header of the file says."""
    from pydicom.encaps import get_frame
    from pydicom.uid import RLELossless

    data = get_frame(dataset.PixelData, index, number_of_frames=count)
    size = dicom_doubts.size(data)
    if size is not None:
        limits.pixels(name, *size)
    if dataset.file_meta.TransferSyntaxUID == RLELossless:
        samples, bits = int(dataset.get("SamplesPerPixel") or 1), int(dataset.get("BitsAllocated") or 8)
        expected = int(dataset.Rows) * int(dataset.Columns) * samples * -(-bits // 8)
        if _RUN * len(data) > limits.LARGE and (held := dicom_doubts.run_length(data)) > 2 * expected + limits.LARGE:
            raise ReadError(f"{name}: its frame {index} unpacks to {held} bytes, its header declares {expected}.")


def _whole(dataset: Dataset, index: int, count: int, values: Array, name: str) -> None:
    """Refuse a compressed frame whose size differs from the header, and an incomplete JPEG."""
    from pydicom.encaps import get_frame

    data = get_frame(dataset.PixelData, index, number_of_frames=count)
    size = dicom_doubts.size(data)
    if size is not None and size != (values.shape[1], values.shape[0]):
        raise ReadError(
            f"{name}: its header declares {values.shape[1]} x {values.shape[0]} pixels, its compressed frame "
            f"{index} has {size[0]} x {size[1]}."
        )
    if data.startswith(b"\xff\xd8") and values.dtype == np.uint8 and (missing := jpegs.missing(data, values)):
        raise ReadError(f"{name}: the JPEG of its frame {index} is damaged: {missing}.")


def _without_pixels(dataset: Dataset) -> str:
    if "DirectoryRecordSequence" in dataset:
        return "is a DICOMDIR, an index of other files: it has no pixels"
    kind = getattr(dataset.get("SOPClassUID"), "name", "") or dataset.get("Modality") or ""
    if not kind:
        return "has no pixels: it is cut short, or no DICOM file of an image, or none at all"
    return f"has no pixels (it is a {sentence(kind)}), or is cut short before them"


def _assume_syntax(dataset: Dataset, name: str) -> None:
    """Infer a missing transfer syntax from the encoding of the header, if the pixels are not compressed."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    if dataset.file_meta.get("TransferSyntaxUID"):
        return
    implicit, little = dataset.original_encoding
    element: Any = dataset[next(keyword for keyword in _PIXELS if keyword in dataset)]
    if element.is_undefined_length or implicit is None:
        raise ReadError(f"{name}: has compressed pixels and no transfer syntax that says how.")
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _need_decoder(dataset: Dataset, name: str) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise ReadError(f"{name}: its transfer syntax {sentence(syntax.name)} is not one that can be read.") from None
    if not decoder.is_available:
        raise ReadError(
            f"{name}: its pixels are compressed as {syntax.name}, for which no decoder is installed: "
            "pip install 'med-mat[dicom]'."
        )


def _gray(dataset: Dataset, index: int, found: _Decoded) -> Plane:
    groups = _groups(dataset, index)
    slope, intercept = _numbers(groups, "RescaleSlope"), _numbers(groups, "RescaleIntercept")
    scale, offset = (slope or [1.0])[0] or 1.0, (intercept or [0.0])[0]
    lut = dataset.get("ModalityLUTSequence")

    def real(stored: Array) -> Array:
        if lut:
            from pydicom.pixels.processing import apply_modality_lut

            # pydicom keeps the type of its input for the index: wide enough for a difference
            return np.asarray(apply_modality_lut(stored.astype(np.int64), dataset), dtype=np.float64)
        return np.asarray(stored * scale + offset)

    return Plane(
        found.values,
        bits=found.bits,
        real=real,
        shown=_voi(dataset, groups),
        hounsfield=True if intercept and intercept[0] <= -500 else None,
        inverted="MONOCHROME1" if str(dataset.PhotometricInterpretation).upper() == "MONOCHROME1" else "",
        padding=_padding(dataset),
    )


def _color(found: _Decoded) -> Plane:
    """Colors of more than 8 bits share one window; colors of fewer bits are scaled to 8 bits."""
    values = np.ascontiguousarray(found.values[..., :3])
    if found.bits > 8 or values.dtype.kind != "u":
        return Plane(values, hounsfield=False)
    if found.bits < 8:
        return Plane(np.rint(values * (255 / (2**found.bits - 1))).astype(np.uint8))
    return Plane(values.astype(np.uint8))


def _padding(dataset: Dataset) -> tuple[float, float] | None:
    """The range of padding values as stored, lowest first, whatever the order in the header."""
    ends = [
        number for key in ("PixelPaddingValue", "PixelPaddingRangeLimit") for number in _numbers([dataset], key)[:1]
    ]
    if not ends or not _numbers([dataset], "PixelPaddingValue"):
        return None
    if int(dataset.get("PixelRepresentation") or 0):  # some write the bits of a negative number as a positive one
        bits = int(dataset.get("BitsAllocated") or 16)
        ends = [number - 2**bits if number >= 2 ** (bits - 1) else number for number in ends]
    return min(ends), max(ends)


def _spacing(dataset: Dataset, index: int) -> tuple[float, float] | None:
    """Millimeters per pixel along x and y; None if the file does not state it.

    PixelSpacing comes first: it applies to the patient or was calibrated. ImagerPixelSpacing applies to the detector,
    where a projection is larger by the magnification factor, if that is given. A digitized film has the
    spacing of its scanner. All of them list the distance between rows, along y, first.
    """
    measures = [
        item for group in _frame_groups(dataset, index) for item in (group.get("PixelMeasuresSequence") or [])[:1]
    ]
    factor = (_numbers([dataset], "EstimatedRadiographicMagnificationFactor") or [1.0])[0]
    for keyword, magnified in (
        ("PixelSpacing", 1.0),
        ("ImagerPixelSpacing", factor),
        ("NominalScannedPixelSpacing", 1.0),
    ):
        ends = _numbers([*measures, dataset], keyword)
        if len(ends) == 2 and min(ends) > 0 and magnified > 0:
            return ends[1] / magnified, ends[0] / magnified
    return None


def _groups(dataset: Dataset, index: int) -> list[Dataset]:
    """Where rescale and window may be, by priority: the frame's groups, the shared groups, the file itself."""
    found: list[Dataset] = []
    for item in _frame_groups(dataset, index):
        for keyword in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            found += (item.get(keyword) or [])[:1]
    return [*found, dataset]


def _frame_groups(dataset: Dataset, index: int) -> list[Dataset]:
    """The functional groups of a frame: its own, then the shared ones."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    return [*per_frame[index : index + 1], *(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]]


def _numbers(groups: list[Dataset], keyword: str) -> list[float]:
    """The finite values of a number element in the first group that has any."""
    for group in groups:
        value = group.get(keyword)
        if value is None or value == "":
            continue
        several = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
        try:
            numbers = [float(x) for x in several]
        except (TypeError, ValueError):
            continue
        if numbers and all(math.isfinite(x) for x in numbers):
            return numbers
    return []


class _Table:
    """A VOI lookup table of the file."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.top = 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1

    def __call__(self, real: Array) -> Array:
        from pydicom.pixels.processing import apply_voi

        # beyond its ends a table repeats its first or last entry
        item = self.dataset.VOILUTSequence[0]
        first, entries = int(item.LUTDescriptor[1]), int(item.LUTDescriptor[0]) or 1 << 16
        inside = np.clip(np.nan_to_num(np.rint(real)), first, first + entries - 1).astype(np.int64)
        return np.asarray(np.asarray(apply_voi(inside, self.dataset), dtype=np.float64) / self.top)

    def __str__(self) -> str:
        return "lookup table of the file"


def _voi(dataset: Dataset, groups: list[Dataset]) -> Window | _Table | None:
    """The file's display transformation: its lookup table, else its first window."""
    if dataset.get("VOILUTSequence"):
        return _Table(dataset)
    center, width = _numbers(groups, "WindowCenter"), _numbers(groups, "WindowWidth")
    if not center or not width:
        return None
    function = next((str(g.VOILUTFunction).upper() for g in groups if g.get("VOILUTFunction")), "LINEAR")
    if width[0] <= 0 or (function == "LINEAR" and width[0] < 1):
        return None
    return Window(center[0], width[0], function if function in ("LINEAR_EXACT", "SIGMOID") else "LINEAR")


def _narrow(colors: Array) -> Array:
    """The colors of a palette in 8 bits: some writers fill only the low byte of 16-bit tables."""
    if colors.dtype.itemsize > 1 and int(colors.max(initial=0)) > 255:
        colors = colors >> 8
    return np.ascontiguousarray(colors.astype(np.uint8))
