"""Writing a tiny copy of a source's layout with synthetic pictures: for tests, for the demo, and as documentation.

The same calls give the same bytes: pictures, places and identifiers follow from the path, dates are fixed.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from med_mat.errors import ReadError
from med_mat.example import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

Mode = Literal["L", "RGB", "RGBA", "I;16", "P", "CMYK", "1", "LA"]
Shape = Literal["ellipse", "rectangle", "ring"]
Color = tuple[int, int, int]
Size = tuple[int, int]  # width, height
AnyPath = str | PurePosixPath

_DATE = (2020, 1, 1, 0, 0, 0)
_SOP_CLASSES = {
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


class Miniature:
    """A tiny copy of a source, written below ``root``. Sizes are (width, height); paths are relative, with ``/``."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).absolute()

    def __repr__(self) -> str:
        return f"Miniature({str(self.root)!r})"

    # ---- pictures

    def image(
        self,
        path: AnyPath,
        *,
        size: Size = (96, 80),
        mode: Mode = "L",
        format: str | None = None,  # noqa: A002 - Pillow's word
        orientation: int = 1,
        seed: str | None = None,
    ) -> None:
        """A smooth picture with blobs, speckle and a dark rim, different for each path.

        Args:
            path: where it is written.
            size: width and height.
            mode: Pillow's: "L", "RGB", "RGBA", "I;16", "P", "CMYK", "1" or "LA".
            format: Pillow's name of the format; None: by the suffix. A .jpg may hold a PNG.
            orientation: EXIF orientation, 1 to 8; 1 writes none.
            seed: what the picture follows from, instead of the path: two paths of one seed hold the same picture.
        """
        self._save(path, picture(size, mode, seed or str(path)), format, orientation)

    def mask(
        self,
        path: AnyPath,
        *,
        size: Size = (96, 80),
        shape: Shape = "ellipse",
        value: int = 255,
        background: int = 0,
        empty: bool = False,
        mode: Mode = "L",
        format: str | None = None,  # noqa: A002
        seed: str | None = None,
        speck: bool = False,
    ) -> None:
        """A picture of ``background`` in which one shape has ``value``, in :meth:`box` of the path (or of ``seed``).

        Args:
            path: where it is written.
            size: width and height.
            shape: "ellipse", "rectangle" or "ring".
            value: that of the shape.
            background: that of all else.
            empty: leave the shape out.
            mode: Pillow's; in "RGB" and the like all channels hold the value.
            format: Pillow's name of the format; None: by the suffix.
            seed: what the place follows from, instead of the path.
            speck: four stray pixels have the value too, at the top left or, where the shape is there, bottom right.
        """
        import numpy as np

        values = np.full((size[1], size[0]), background, np.uint8)
        if not empty:
            left, top, right, bottom = self.box(size, seed or str(path))
            values[_inside(size, (left, top, right, bottom), shape)] = value
            if speck:
                corner = slice(0, 2) if left > 2 or top > 2 else slice(-2, None)
                values[corner, corner] = value
        self._save(path, _as_mode(values, mode), format)

    def label_map(
        self,
        path: AnyPath,
        *,
        size: Size = (96, 80),
        values: Sequence[int],
        mode: Mode = "L",
        format: str | None = None,  # noqa: A002
    ) -> None:
        """A picture in which every one of ``values`` has an ellipse, side by side, on a background of 0."""
        import numpy as np

        drawn = np.zeros((size[1], size[0]), np.uint16 if mode == "I;16" else np.uint8)
        for value, box in zip(values, _columns(size, len(values), str(path)), strict=True):
            drawn[_inside(size, box, "ellipse")] = value
        self._save(path, _as_mode(drawn, mode), format)

    def color_map(
        self,
        path: AnyPath,
        *,
        size: Size = (96, 80),
        colors: Sequence[Color],
        background: Color = (0, 0, 0),
        format: str | None = None,  # noqa: A002
    ) -> None:
        """A colour picture in which every one of ``colors`` has an ellipse, side by side."""
        import numpy as np

        drawn = np.full((size[1], size[0], 3), background, np.uint8)
        for color, box in zip(colors, _columns(size, len(colors), str(path)), strict=True):
            drawn[_inside(size, box, "ellipse")] = color
        self._save(path, _as_mode(drawn, "RGB"), format)

    def pages(
        self,
        path: AnyPath,
        n: int,
        *,
        size: Size = (96, 80),
        empty: Sequence[bool] = (),
        value: int = 255,
    ) -> None:
        """A TIFF of ``n`` pages, each a mask. ``empty`` says, page by page, which hold nothing; missing flags: full."""
        import numpy as np

        drawn = []
        for page in range(n):
            values = np.zeros((size[1], size[0]), np.uint8)
            if not (page < len(empty) and empty[page]):
                values[_inside(size, self.box(size, f"{path}#{page}"), "ellipse")] = value
            drawn.append(_as_mode(values, "L"))
        buffer = io.BytesIO()
        drawn[0].save(buffer, "TIFF", save_all=True, append_images=drawn[1:])
        self._write(path, buffer.getvalue())

    def dicom(
        self,
        path: AnyPath,
        *,
        size: Size = (96, 80),
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
    ) -> None:
        """A DICOM file, with identifiers that follow from the path.

        Args:
            path: where it is written.
            size: width and height.
            bits: stored bits of a sample.
            photometric: "MONOCHROME1", "MONOCHROME2" or "RGB" (8 bits).
            modality: "CR", "CT", "DX", "MG", "MR", "US"…
            patient: patient id.
            window: centre and width.
            slope: of the rescale to the modality's unit.
            intercept: of the same.
            compressed: as baseline JPEG (8 bits).
            series: a name; files of one series share its identifier. "": one per file.
            instance: the number in the series.
            frames: how many.
            pixels: what to store instead of a synthetic picture: (rows, columns), (rows, columns, 3), or either with
                the frames in front.
        """
        import numpy as np
        from pydicom.dataset import FileDataset, FileMetaDataset
        from pydicom.encaps import encapsulate
        from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit

        color = photometric not in ("MONOCHROME1", "MONOCHROME2")
        if (color or compressed) and bits != 8 and pixels is None:
            bits = 8
        if pixels is None:
            drawn = [_values(size, f"{path}#{frame}", color=color) for frame in range(frames)]
            stored = np.stack([np.rint(one * (2**bits - 1)) for one in drawn])
            stored = stored.astype(np.uint8 if bits == 8 else np.uint16)
        else:
            stored = pixels if pixels.ndim == (4 if color else 3) else pixels[np.newaxis]
            bits = 8 if stored.dtype.itemsize == 1 else bits
        if photometric == "MONOCHROME1" and pixels is None:
            stored = (2**bits - 1) - stored

        sop_class = _SOP_CLASSES.get(modality, _SECONDARY_CAPTURE)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = UID(sop_class)
        meta.MediaStorageSOPInstanceUID = UID(_uid(f"instance {path}"))
        meta.TransferSyntaxUID = JPEGBaseline8Bit if compressed else ExplicitVRLittleEndian
        meta.ImplementationClassUID = UID(_uid("implementation"))
        meta.ImplementationVersionName = "MED_MAT"
        header = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        header.SOPClassUID = meta.MediaStorageSOPClassUID
        header.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        header.StudyInstanceUID = _uid(f"study {patient or path}")
        header.SeriesInstanceUID = _uid(f"series {series or path}")
        header.StudyDate = "20200101"
        header.Modality = modality
        header.PatientID = patient
        header.PatientName = ""
        header.InstanceNumber = instance
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
        if window is not None:
            header.WindowCenter, header.WindowWidth = (f"{number:g}" for number in window)
        if slope is not None or intercept is not None:
            header.RescaleSlope = f"{1 if slope is None else slope:g}"
            header.RescaleIntercept = f"{0 if intercept is None else intercept:g}"
        if compressed:
            header.LossyImageCompression = "01"
            encoded = [_encoded(_as_mode(one, "RGB" if color else "L"), "JPEG") for one in stored]
            header.PixelData = encapsulate(encoded)
            header["PixelData"].VR = "OB"
        else:
            header.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
            header["PixelData"].VR = "OB" if stored.dtype.itemsize == 1 else "OW"
            if len(header.PixelData) % 2:
                header.PixelData += b"\0"
        buffer = io.BytesIO()
        header.save_as(buffer, enforce_file_format=True)
        self._write(path, buffer.getvalue())

    def dicom_mask(
        self,
        path: AnyPath,
        *,
        size: Size = (96, 80),
        shape: Shape = "ellipse",
        value: int = 1,
        empty: bool = False,
        modality: str = "MR",
        patient: str = "",
        series: str = "",
        instance: int = 1,
    ) -> None:
        """A DICOM file of 16 bit whose pixels are a mask, as :meth:`mask` draws it; all else as for :meth:`dicom`."""
        import numpy as np

        values = np.zeros((size[1], size[0]), np.uint16)
        if not empty:
            values[_inside(size, self.box(size, str(path)), shape)] = value
        self.dicom(path, bits=16, modality=modality, patient=patient, series=series, instance=instance, pixels=values)

    def volume(
        self,
        path: AnyPath,
        shape: Sequence[int],
        *,
        labels: bool = False,
        values: Sequence[int] = (1,),
        axes: str = "RAS",
        seed: str | None = None,
    ) -> None:
        """A NIfTI volume (.nii or .nii.gz) of Hounsfield-like values, or of labels.

        Args:
            path: where it is written.
            shape: its lengths along the three axes of the file, and a fourth where there are several volumes.
            labels: a label map, in which every one of ``values`` has a ball.
            values: those of the label map.
            axes: the direction of each axis of the file, e.g. "LPS".
            seed: what the content follows from, instead of the path.
        """
        import nibabel
        import numpy as np

        spatial = tuple(shape[:3])
        random = _random(seed or str(path))
        grid: list[NDArray[Any]] = list(np.ogrid[tuple(slice(-1, 1, complex(0, length)) for length in spatial)])

        def distance(center: Sequence[float], extent: Sequence[float] = (1, 1, 1)) -> NDArray[Any]:
            squares = [((axis - c) / e) ** 2 for axis, c, e in zip(grid, center, extent, strict=True)]
            return np.asarray(squares[0] + squares[1] + squares[2])

        data: NDArray[Any]
        if labels:
            data = np.zeros(spatial, np.uint8)
            for number, value in enumerate(values):
                away = distance((-0.8 + 1.6 * (number + 0.5) / len(values), 0, 0))
                data[away <= max((0.7 / len(values)) ** 2, away.min())] = value
        else:
            body = distance((0, 0, 0), (0.9, 0.8, 1.1)) < 1
            drawn = np.where(body, 40.0, -1000.0)
            for _ in range(4):
                blob = np.exp(-distance(random.uniform(-0.5, 0.5, 3).tolist()) / 0.05)
                drawn += np.where(body, random.uniform(-300, 500) * blob, 0)
            data = (drawn + random.normal(0, 8, spatial)).astype(np.int16)
        if len(shape) > 3:
            data = np.stack([data] * shape[3], axis=-1)
        orient: Any = nibabel.orientations.axcodes2ornt
        turn = orient(axes)
        affine = np.zeros((4, 4))
        for axis, (target, direction) in enumerate(turn):
            affine[int(target), axis] = direction
        affine[3, 3] = 1
        make: Any = nibabel.Nifti1Image
        image = make(data, affine)
        raw: bytes = image.to_bytes()
        self._write(path, gzip.compress(raw, mtime=0) if str(path).lower().endswith(".gz") else raw)

    # ---- annotations

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
        """A table of text. A ``header`` that is one text is written as it stands, unquoted."""
        buffer = io.StringIO(newline="")
        if isinstance(header, str):
            buffer.write(header + newline)
        writer = csv.writer(buffer, delimiter=delimiter, lineterminator=newline)
        if header is not None and not isinstance(header, str):
            writer.writerow(header)
        writer.writerows(rows)
        self.text(path, buffer.getvalue(), encoding=encoding, bom=bom)

    def xlsx(
        self, path: AnyPath, rows: Iterable[Sequence[object]], header: Sequence[str] | None, *, sheet: str = "Sheet1"
    ) -> None:
        """An Excel workbook of one sheet."""
        import openpyxl

        book = openpyxl.Workbook()
        page = book.active
        page.title = sheet  # type: ignore[union-attr]  # a new workbook has an active sheet
        for row in ([header] if header is not None else []) + [list(row) for row in rows]:
            page.append(list(row))  # type: ignore[union-attr]
        buffer = io.BytesIO()
        book.save(buffer)
        self._write(path, _without_dates(buffer.getvalue()))

    def json(self, path: AnyPath, obj: object) -> None:
        """A JSON file."""
        self.text(path, json.dumps(obj, ensure_ascii=False, indent=1) + "\n")

    def text(self, path: AnyPath, text: str, *, encoding: str = "utf-8", bom: bool = False) -> None:
        """A text file; gzipped where the path ends with .gz."""
        data = text.encode(encoding)
        if bom:
            data = b"\xef\xbb\xbf" + data
        self._write(path, gzip.compress(data, mtime=0) if str(path).lower().endswith(".gz") else data)

    def voc(self, path: AnyPath, boxes: Sequence[Box], *, image: str, size: Size = (96, 80)) -> None:
        """A Pascal VOC file: the boxes of one image."""
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

    def corrupt(self, path: AnyPath, *, keep: float = 0.6) -> None:
        """Cut a file that is already written down to its first part."""
        target = self._target(path)
        data = target.read_bytes()
        target.write_bytes(data[: int(len(data) * keep)])

    # ---- places

    @staticmethod
    def box(size: Size, seed: str) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, in whole pixels, of the place that follows from a text (a mask's: its path)."""
        width, height = size
        random = _random(f"place {seed}")
        across, down = (max(1, round(length * random.uniform(0.25, 0.45))) for length in size)
        left = int(random.integers(0, width - across + 1))
        top = int(random.integers(0, height - down + 1))
        return left, top, left + across, top + down

    @staticmethod
    def run_lengths(
        size: Size,
        *,
        seed: str,
        order: Literal["rows", "columns"] = "rows",
        relative: bool = False,
        first: int = 1,
    ) -> str:
        """The run lengths of an ellipse in :meth:`box` of the seed, as ``RunLengths`` of med_mat.example reads them."""
        import numpy as np

        inside = _inside(size, Miniature.box(size, seed), "ellipse")
        flat = np.concatenate(([False], inside.ravel("F" if order == "columns" else "C"), [False]))
        starts, ends = np.flatnonzero(flat[1:] != flat[:-1]).reshape(-1, 2).T
        gaps = starts - np.concatenate(([0], ends[:-1])) if relative else starts + first
        return " ".join(f"{start} {length}" for start, length in zip(gaps, ends - starts, strict=True))

    # ---- inside

    def _target(self, path: AnyPath) -> Path:
        relative = PurePosixPath(path)
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise ReadError(f"{str(path)!r} leads out of {self.root}: the paths of a miniature stay inside it.")
        return self.root / relative

    def _write(self, path: AnyPath, data: bytes) -> None:
        target = self._target(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def _save(self, path: AnyPath, image: Image.Image, format: str | None, orientation: int = 1) -> None:  # noqa: A002
        from PIL import Image

        if format is None:
            suffix = PurePosixPath(path).suffix.lower()
            format = Image.registered_extensions().get(suffix)  # noqa: A001
            if format is None:
                raise ReadError(f"{str(path)!r}: {suffix!r} is the suffix of no image format. Name it with format=….")
        self._write(path, _encoded(image, format, orientation))


def picture(size: Size, mode: Mode, seed: str) -> Image.Image:
    """A synthetic picture that follows from a text."""
    from PIL import Image

    values = _values(size, seed, color=mode in ("RGB", "RGBA", "CMYK", "P"))
    if mode == "I;16":
        return _as_mode((values * 65535).astype("uint16"), mode)
    image = _as_mode((values * 255).astype("uint8"), "RGB" if values.ndim == 3 else "L")
    if mode == "P":
        return image.quantize(64, dither=Image.Dither.NONE)
    return image.convert(mode)


def _random(seed: str) -> np.random.Generator:
    import numpy as np

    return np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))


def _uid(seed: str) -> str:
    """An identifier of the UUID branch of DICOM."""
    return f"2.25.{int.from_bytes(hashlib.sha256(seed.encode()).digest()[:15], 'big')}"


def _values(size: Size, seed: str, *, color: bool) -> NDArray[Any]:
    """Values in 0 to 1, (rows, columns) or (rows, columns, 3): blobs under a dark rim, with speckle."""
    import numpy as np

    random = _random(f"picture {seed}")
    width, height = size
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    drawn = np.full((height, width), random.uniform(0.25, 0.4))
    for _ in range(6):
        across, down = random.uniform(-0.8, 0.8, 2)
        narrow, tall = random.uniform(0.12, 0.6, 2)
        drawn += random.uniform(-0.35, 0.5) * np.exp(-(((x - across) / narrow) ** 2) - ((y - down) / tall) ** 2)
    drawn *= 1 + 0.12 * random.standard_normal((height, width))  # speckle grows with the signal
    drawn *= 1 - 0.45 * np.clip((x**2 + y**2) / 2, 0, 1)
    drawn = np.asarray(np.clip(drawn, 0, 1))
    if not color:
        return drawn
    tint = np.array([0.95, random.uniform(0.45, 0.75), random.uniform(0.4, 0.8)])
    return np.asarray(np.clip(drawn[..., np.newaxis] * tint + 0.12 * random.random(3), 0, 1))


def _inside(size: Size, box: tuple[int, int, int, int], shape: Shape) -> NDArray[np.bool_]:
    """Which pixels a shape that fills a box covers."""
    import numpy as np

    left, top, right, bottom = box
    y, x = np.ogrid[0.5 : size[1], 0.5 : size[0]]
    across = (x - (left + right) / 2) / ((right - left) / 2)
    down = (y - (top + bottom) / 2) / ((bottom - top) / 2)
    if shape == "rectangle":
        return (abs(across) <= 1) & (abs(down) <= 1)
    distance = across**2 + down**2
    filled: NDArray[np.bool_] = distance <= 1
    return filled & (distance > 0.3) if shape == "ring" else filled


def _columns(size: Size, count: int, seed: str) -> list[tuple[int, int, int, int]]:
    """``count`` boxes side by side."""
    width, height = size
    if count > width:
        raise ReadError(
            f"{count} values do not fit side by side in a picture {width} pixels wide: pass a larger size=…."
        )
    edges = [round(number * width / max(count, 1)) for number in range(count + 1)]
    down = int(_random(f"columns {seed}").integers(0, height // 3 + 1))
    return [(left, down, right, down + max(1, height // 2)) for left, right in pairwise(edges)]


def _as_mode(values: NDArray[Any], mode: Mode) -> Image.Image:
    from PIL import Image

    if mode == "1":
        return Image.fromarray(values).point(lambda value: 255 * (value > 0), "1")
    image = Image.fromarray(values)
    if mode == "P":
        image = image.convert("L")
        paletted = Image.frombytes("P", image.size, image.tobytes())  # keeps the values as palette indices
        paletted.putpalette(
            [channel for value in range(256) for channel in (value, 97 * value % 256, 193 * value % 256)]
        )
        return paletted
    return image if image.mode == mode else image.convert(mode)


def _encoded(image: Image.Image, format: str, orientation: int = 1) -> bytes:  # noqa: A002
    from PIL import Image

    options: dict[str, Any] = {}
    if format == "JPEG":
        options["quality"] = 90
    if format == "WEBP":
        options["lossless"] = True
    if orientation != 1:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif.tobytes()
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def _without_dates(data: bytes) -> bytes:
    """The same workbook, zipped at a fixed time and created at one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2020-01-01T00:00:00Z", content)
            new.writestr(zipfile.ZipInfo(entry.filename, _DATE), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
