"""Writes synthetic DICOM files whose identifiers are derived from the path."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from med_mat.raw.miniature import drawn
from med_mat.raw.miniature.drawn import SIZE, Shape, Size
from med_mat.raw.miniature.folder import AnyPath, Folder
from med_mat.raw.miniature.pictures import encoded, in_mode

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset

_SOP_CLASSES = {
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


class Dicoms(Folder):
    """Writes DICOM files."""

    def dicom(
        self,
        path: AnyPath,
        *,
        size: Size = SIZE,
        bits: Literal[8, 12, 16] = 12,
        photometric: str = "MONOCHROME2",
        modality: str = "DX",
        patient: str = "",
        window: tuple[float, float] | None = None,
        slope: float | None = None,
        intercept: float | None = None,
        compressed: bool = False,
        series: str = "",
        instance: int = 1,
        frames: int = 1,
        pixels: NDArray[Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write a DICOM file whose identifiers are derived from the path.

        Args:
            path: Path of the file.
            size: Width and height.
            bits: Bits stored per sample.
            photometric: "MONOCHROME1", "MONOCHROME2" or "RGB" (8 bits).
            modality: "CR", "CT", "DX", "MG", "MR", "US"…
            patient: Patient id.
            window: Window center and width.
            slope: Rescale slope.
            intercept: Rescale intercept.
            compressed: Whether to compress as baseline JPEG (8 bits).
            series: Name of the series, whose files share an identifier; "": one series per file.
            instance: Number in the series.
            frames: Number of frames.
            pixels: Array to store instead of a synthetic image: (rows, columns), (rows, columns, 3), or either with a
                leading axis of frames.
            tags: Further elements by keyword: ``{"PatientSex": "F"}``.
        """
        import numpy as np

        color = photometric not in ("MONOCHROME1", "MONOCHROME2")
        if pixels is None:
            bits = 8 if color or compressed else bits
            names = [f"{path}#frame={frame}" for frame in range(frames)] if frames > 1 else [str(path)]
            textures = [self._drawn(name, size, f"{path}#{frame}", color=color) for frame, name in enumerate(names)]
            stored = np.rint(np.stack(textures) * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
            if photometric == "MONOCHROME1":
                stored = (2**bits - 1) - stored
        else:
            stored = pixels if pixels.ndim == (4 if color else 3) else pixels[np.newaxis]
            bits = 8 if stored.dtype.itemsize == 1 else bits

        header = _identified(str(path), modality, patient, series, compressed=compressed)
        header.InstanceNumber = instance
        for keyword, value in (tags or {}).items():
            setattr(header, keyword, value)
        if window is not None:
            header.WindowCenter, header.WindowWidth = (f"{number:g}" for number in window)
        if slope is not None or intercept is not None:
            header.RescaleSlope = f"{1 if slope is None else slope:g}"
            header.RescaleIntercept = f"{0 if intercept is None else intercept:g}"
        _fill(header, stored, bits, photometric, compressed=compressed)
        buffer = io.BytesIO()
        header.save_as(buffer, enforce_file_format=True)
        self.write(path, buffer.getvalue())

    def dicom_mask(
        self,
        path: AnyPath,
        *,
        size: Size = SIZE,
        shape: Shape = "ellipse",
        value: int = 1,
        empty: bool = False,
        modality: str = "MR",
        patient: str = "",
        series: str = "",
        instance: int = 1,
    ) -> None:
        """Write a 16-bit DICOM file whose pixels are a mask as drawn by :meth:`mask`; otherwise like :meth:`dicom`."""
        values = drawn.filled(size, str(path), shape=shape, value=value, empty=empty, dtype="uint16")
        self._shaped(str(path), size, () if empty else (drawn.place(size, str(path)),))
        self.dicom(path, bits=16, modality=modality, patient=patient, series=series, instance=instance, pixels=values)


def _identified(path: str, modality: str, patient: str, series: str, *, compressed: bool) -> FileDataset:
    """A file without pixels: its identifiers and those of the patient."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_SOP_CLASSES.get(modality, _SECONDARY_CAPTURE))
    meta.MediaStorageSOPInstanceUID = UID(_uid(f"instance {path}"))
    meta.TransferSyntaxUID = JPEGBaseline8Bit if compressed else ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_uid("implementation"))
    meta.ImplementationVersionName = "MED_MAT"
    header = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID = meta.MediaStorageSOPClassUID
    header.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    header.StudyInstanceUID = _uid(f"study {patient or path}")
    header.SeriesInstanceUID = _uid(f"series {series or path}")
    header.StudyDate = "20200101"
    header.Modality = modality
    header.PatientID = patient
    header.PatientName = ""
    return header


def _fill(header: FileDataset, stored: NDArray[Any], bits: int, photometric: str, *, compressed: bool) -> None:
    """Add frames to a file: (frames, rows, columns) or (frames, rows, columns, 3)."""
    from pydicom.encaps import encapsulate

    color = stored.ndim == 4
    header.Rows, header.Columns = stored.shape[1:3]
    header.SamplesPerPixel = 3 if color else 1
    if color:
        header.PlanarConfiguration = 0
    header.PhotometricInterpretation = "YBR_FULL_422" if compressed and color else photometric
    header.BitsAllocated = 8 * stored.dtype.itemsize
    header.BitsStored = bits
    header.HighBit = bits - 1
    header.PixelRepresentation = int(stored.dtype.kind == "i")
    if len(stored) > 1:
        header.NumberOfFrames = len(stored)
    if compressed:
        header.LossyImageCompression = "01"
        header.PixelData = encapsulate([encoded(in_mode(one, "RGB" if color else "L"), "JPEG") for one in stored])
        header["PixelData"].VR = "OB"
        return
    header.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    header["PixelData"].VR = "OB" if stored.dtype.itemsize == 1 else "OW"
    if len(header.PixelData) % 2:
        header.PixelData += b"\0"


def _uid(seed: str) -> str:
    """An identifier of the UUID branch of DICOM."""
    return f"2.25.{int.from_bytes(hashlib.sha256(seed.encode()).digest()[:15], 'big')}"
