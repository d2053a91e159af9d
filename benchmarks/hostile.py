"""What files cost that are small and unpack to much, or are large and hold nothing: seconds and peak memory of each.

Each is read in a process of its own, with an address space of what is promised: a gigabyte and the largest file that is
read (Linux).
"""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from med_mat import limits

#: Beside the promise: what the libraries map when they are imported, which is address space and not memory.
_MAPPED = 1 << 30
_LONGEST = 60  # seconds
_READ = r"""
import resource, sys, time
from pathlib import Path, PurePosixPath
from benchmarks.timing import peak_memory
from med_mat import image
from med_mat.example import Slice
from med_mat.raw.folder import RawFolder
import nibabel, pydicom, openpyxl
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]),) * 2)
root, name = Path(sys.argv[1]), sys.argv[2]
raw, path, start = RawFolder(root), PurePosixPath(name), time.perf_counter()
cache = image.FileCache()
def pixels():
    if ".nii" in name:
        for index in range(12):
            image.read(root, Slice(path, index), mat=None, cache=cache)
    else:
        image.read(root, path, mat=None, cache=cache)
doors = {".json": raw.json, ".xml": raw.xml, ".csv": raw.table, ".xlsx": raw.table, ".gz": raw.table}
try:
    if ".nii" not in name and path.suffix in doors:
        found = doors[path.suffix](path)
        sum(1 for _ in found)
    else:
        pixels()
    said = "read"
except Exception as error:
    said = f"{type(error).__name__}: {error}"
print(f"{time.perf_counter() - start:.1f} {peak_memory()} {said}")
"""


def _zeros(count: int, level: int = 9, wbits: int = 15) -> bytes:
    packer, block = zlib.compressobj(level, zlib.DEFLATED, wbits), bytes(1 << 20)
    return b"".join([*(packer.compress(block) for _ in range(-(-count >> 20))), packer.flush()])


def sparse(path: Path, head: bytes, size: int) -> None:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)


def deflated_dicom(path: Path, rows: int, columns: int, frames: int) -> None:
    def element(group: int, number: int, kind: bytes, value: bytes) -> bytes:
        value += b" " * (len(value) % 2)
        length = len(value).to_bytes(2, "little")
        return group.to_bytes(2, "little") + number.to_bytes(2, "little") + kind + length + value

    meta = element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1.99")
    short = [(2, b"\1\0"), (0x10, rows.to_bytes(2, "little")), (0x11, columns.to_bytes(2, "little"))]
    plain = element(0x28, 2, b"US", b"\1\0") + element(0x28, 4, b"CS", b"MONOCHROME2")
    plain += element(0x28, 8, b"IS", str(frames).encode())
    plain += b"".join(element(0x28, number, b"US", value) for number, value in short[1:])
    for number, value in ((0x100, 8), (0x101, 8), (0x102, 7), (0x103, 0)):
        plain += element(0x28, number, b"US", value.to_bytes(2, "little"))
    size = rows * columns * frames
    plain += b"\xe0\x7f\x10\0OB\0\0" + size.to_bytes(4, "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(plain)
    block = bytes(1 << 20)
    packed += b"".join(packer.compress(block[: min(1 << 20, size - at)]) for at in range(0, size, 1 << 20))
    head = bytes(128) + b"DICM" + element(2, 0, b"UL", len(meta).to_bytes(4, "little")) + meta
    path.write_bytes(head + packed + packer.flush())


def png(path: Path, width: int, height: int, color: int, depth: int = 8) -> None:
    from med_mat.imaging.containers.png import SIGNATURE, packed

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((depth, color, 0, 0, 0))
    samples = {0: 1, 2: 3, 6: 4}[color]
    rows = _zeros(height * (1 + width * samples * depth // 8) + (1 << 20))
    path.write_bytes(SIGNATURE + packed(b"IHDR", header) + packed(b"IDAT", rows) + packed(b"IEND", b""))


def nifti(path: Path, shape: tuple[int, int, int], held: int) -> None:
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(np.uint8)
    header.set_sform(np.eye(4), code=1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4)) + _zeros(held, wbits=31))


def _tiff(path: Path, width: int, height: int) -> None:
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "TIFF", compression="tiff_deflate")
    path.write_bytes(buffer.getvalue())


def tags(path: Path) -> None:
    """A TIFF of many tags that all stand in the same megabyte."""
    entries = b"".join((700 + n % 60000).to_bytes(2, "little") + b"\1\0" + (1 << 20).to_bytes(4, "little") + bytes(4)
                       for n in range(60_000))  # fmt: skip
    path.write_bytes(b"II*\0\x08\0\0\0" + (60_000).to_bytes(2, "little") + entries + bytes(1 << 20))


def workbook(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["image", "label"])
    buffer = io.BytesIO()
    book.save(buffer)
    rows = b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (n, n) for n in range(2, 200_000))
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data.replace(b"</sheetData>", rows + b"</sheetData>"))


def _table(path: Path) -> None:
    path.write_text(",".join(["finding"] * 100_000) + "\n" + "1\n" * 100_000)


def _pictures(path: Path, mode: str, width: int, height: int) -> None:
    Image.new(mode, (width, height)).save(path)


#: File name -> what makes it.
FILES: dict[str, Callable[[Path], object]] = {
    "sparse of 10 GB.dcm": lambda path: sparse(path, b"", 10 * 10**9),
    "sparse of 10 GB.png": lambda path: sparse(path, b"\x89PNG\r\n\x1a\n", 10 * 10**9),
    "sparse of 1.9 GB.png": lambda path: sparse(path, b"", 19 * 10**8),
    "sparse of 1.9 GB.dcm": lambda path: sparse(path, bytes(128) + b"DICM", 19 * 10**8),
    "sparse of 1.9 GB.json": lambda path: sparse(path, b"[", 19 * 10**8),
    "sparse of 1.9 GB.csv": lambda path: sparse(path, b"a,b\n", 19 * 10**8),
    "deflated to 2.5 GB.dcm": lambda path: deflated_dicom(path, 50_000, 50_000, 1),
    "deflated to 1.9 GB.dcm": lambda path: deflated_dicom(path, 10_000, 10_000, 19),
    "declares 40000 x 40000.png": lambda path: png(path, 40_000, 40_000, 0),
    "200 megapixels grey.png": lambda path: png(path, 20_000, 10_000, 0),
    "200 megapixels colour.png": lambda path: png(path, 20_000, 10_000, 2),
    "240 megapixels of 16 bit.png": lambda path: png(path, 24_000, 10_000, 0, 16),
    "100 megapixels colour of 16 bit.png": lambda path: png(path, 10_000, 10_000, 2, 16),
    "200 megapixels colour.jpg": lambda path: _pictures(path, "RGB", 20_000, 10_000),
    "200 megapixels palette.gif": lambda path: _pictures(path, "P", 20_000, 10_000),
    "200 megapixels deflated.tif": lambda path: _tiff(path, 20_000, 10_000),
    "a tag 60,000 times.tif": tags,
    "2 GB volume, 12 slices.nii.gz": lambda path: nifti(path, (1_000, 1_000, 1_900), 19 * 10**8),
    "volume that goes on for 4 GB.nii.gz": lambda path: nifti(path, (100, 100, 100), 4 << 30),
    "volume of 100 GB.nii.gz": lambda path: nifti(path, (10_000, 10_000, 1_000), 1 << 30),
    "lists in lists.json": lambda path: path.write_text("[" + "[]," * 80_000_000 + "[]]"),
    "elements.xml": lambda path: path.write_text("<a>" + "<b/>" * 60_000_000 + "</a>"),
    "100,000 equal names.csv": _table,
    "table of 4 GB.csv.gz": lambda path: path.write_bytes(gzip.compress(b"a,b\n") + _zeros(4 << 30, wbits=31)),
    "far cells.xlsx": workbook,
}


def measured(files: dict[str, Callable[[Path], object]]) -> Iterator[tuple[str, str, str, str]]:
    """Name, seconds, peak in MB, and what was said, of each."""
    promise = 10**9 + limits.MAX_FILE + _MAPPED
    for name, make in files.items():
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder, name))
            command = [sys.executable, "-c", _READ, folder, name, str(promise)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST)
            except subprocess.TimeoutExpired:
                yield name, f"over {_LONGEST}", "-", "ended"
                continue
            seconds, peak, said = (done.stdout or f"- - ended: {done.stderr[-200:]}").split(maxsplit=2)
            yield name, seconds, peak, said.strip().replace(f"{folder}/", "")


def main() -> None:
    print()
    for name, seconds, peak, said in measured(FILES):
        print(f"{name}: {seconds} s, {peak} MB; {said[:160]}", flush=True)


if __name__ == "__main__":
    main()
