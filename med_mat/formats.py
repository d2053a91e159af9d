"""File formats of images: how a file is recognized, which decoder opens it, and what its pixels then depend on.

A decoder is a module with a function ``open_file`` (see :mod:`med_mat.imaging.open_file`) and an entry in this table.
Other packages add decoders by entry points of the group ``med_mat.decoders``, each of which names a :class:`Decoder`::

    [project.entry-points."med_mat.decoders"]
    "Aperio SVS" = "slides.decoder:DECODER"

Nothing is imported for the table itself; the module of a decoder is imported when a file of its format is opened.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import PurePosixPath
from typing import Literal

from med_mat import plugins
from med_mat.example import Frame, Pixels, Region, Slice
from med_mat.files import relative
from med_mat.mounts.base import Mount

#: Entry points by which other packages add decoders.
PLUGINS = "med_mat.decoders"

Picture = Literal["JPEG", "PNG", "GIF", "WEBP", "DICOM", "other"]


@dataclass(frozen=True, slots=True)
class Needs:
    """What stored pixels depend on, beyond the code that all of them need: a change makes them again."""

    modules: tuple[str, ...] = ()  # dotted names of modules that nothing else needs
    libraries: tuple[str, ...] = ()  # distributions, or names of probes in med_mat.building.libraries


@dataclass(frozen=True, slots=True)
class Decoder:
    """One file format.

    ``sniff`` gets the first bytes of a file (4 KiB or more, less of a smaller file) and its name in lower case. It
    must be quick and must not raise: every file that is opened may be shown to it.
    """

    name: str  # of the format, as a person knows it
    suffixes: tuple[str, ...]  # of the files that count as images, lower case, with the dot
    reads: tuple[type[Pixels], ...]  # the references that it resolves
    module: str  # dotted name of the module that has open_file
    sniff: Callable[[bytes, str], bool]
    needs: Needs = Needs()  # beside the module itself
    #: From the first 64 KiB of a file and its name: the file beside it that holds its pixels or its header, or "".
    beside: Callable[[bytes, str], str] | None = None


def sniff(head: bytes, name: str) -> Picture:
    """The kind of a picture by its first bytes; the name matters only for a DICOM file without preamble."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head[128:132] == b"DICM":
        return "DICOM"
    if head.startswith((b"BM", b"II*\0", b"MM\0*", b"<", b"version https://git-lfs")):
        return "other"
    # without preamble: by name, or a first element of group 2 or 8 in little endian
    if name.lower().endswith(_DICOM) or (head[:2] in (b"\x02\0", b"\x08\0") and head[3:4] == b"\0"):
        return "DICOM"
    return "other"


def foreign(data: bytes) -> str:
    """What a file that is not an image is instead, in words; "" if that is not known."""
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if is_web_page(data):
        return "a web page, not an image: download it again"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not an image: fetch it with `git lfs pull`"
    if start.startswith(b"pk\x03\x04"):
        return "a ZIP archive, not an image: unpack it"
    if start.startswith((b"<?xml", b"<svg")):
        return "XML, not an image"
    if data[:2] == b"\x1f\x8b" or data[344:348] in (b"n+1\0", b"ni1\0") or data[4:8] in (b"n+2\0", b"ni2\0"):
        return "a volume or a gzip archive, not an image: name a Slice of a NIfTI file"
    return ""


def is_web_page(head: bytes) -> bool:
    """Whether a file begins as a web page, which servers send in place of a file that they do not hand out."""
    return _PAGE.match(head[:4096].removeprefix(b"\xef\xbb\xbf")) is not None


_PAGE = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
_HEADER = 1 << 16
_DICOM = (".dcm", ".dicom")
_NIFTI = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
_META = (".mha", ".mhd")
_PAIRS = {"hdr": ".img", "img": ".hdr"}
_IMAGING = "med_mat.imaging"
_OF_VOLUMES = (f"{_IMAGING}.volumes", f"{_IMAGING}.voxels", f"{_IMAGING}.grids", f"{_IMAGING}.windowing")

#: What stands between files and records beside the decoders. ``FileCache.used`` tells which of all these were needed. A
#: PNG that is stored as it was published needs only "look": what its pixels are is beyond doubt.
STEPS: Mapping[str, Needs] = {
    "look": Needs(libraries=("picture hashes",)),  # hashes of decoded pixels
    "mask": Needs(),  # a label map, encoded: it is no pixel of the image
    "window": Needs((f"{_IMAGING}.windowing",), ("numpy",)),
    "JPEG": Needs((f"{_IMAGING}.jpegs",), ("JPEG decoding",)),
    "compressed DICOM": Needs(
        (),
        ("pillow", "pydicom", "pyjpegls", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "python-gdcm"),
    ),
}

#: Whatever Pillow reads; the fallback for a path or a frame that no other decoder recognizes.
PICTURE = Decoder(
    "picture",
    (".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm"),
    (PurePosixPath, Frame),
    f"{_IMAGING}.web",
    lambda head, name: sniff(head, name) not in ("DICOM", "other"),
    Needs(
        (
            *(f"{_IMAGING}.{name}" for name in ("pictures", "tiffs", "tiff_tags", "jpegs")),
            *(f"{_IMAGING}.containers.{name}" for name in ("webp", "gif")),
        ),
        ("pillow", "PNG encoding"),
    ),
)
#: NIfTI and Analyze; the fallback for a slice of a file that no other decoder recognizes.
NIFTI = Decoder(
    "NIfTI",
    (".nii", ".nii.gz", ".img", ".img.gz"),  # not .hdr, which lies beside an .img
    (Slice,),
    f"{_IMAGING}.nifti",
    lambda head, name: name.endswith(_NIFTI),
    Needs(_OF_VOLUMES, ("nibabel", "numpy", "PNG encoding")),
    lambda head, name: re.sub(r"\.(hdr|img)(?=$|\.)", lambda found: _PAIRS[found[1].lower()], name, flags=re.I),
)
#: The decoders of Med-MAT, in the order in which they are asked.
DECODERS = (
    PICTURE,
    Decoder(
        "DICOM",
        _DICOM,
        (PurePosixPath, Frame),
        f"{_IMAGING}.dicom",
        lambda head, name: sniff(head, name) == "DICOM",
        Needs(
            tuple(f"{_IMAGING}.{name}" for name in ("dicom_doubts", "dicom_file", "jpegs", "windowing")),
            ("pydicom", "numpy", "PNG encoding"),
        ),
    ),
    Decoder(
        "NRRD",
        (".nrrd", ".nhdr"),
        (Slice,),
        f"{_IMAGING}.nrrd",
        lambda head, name: head.startswith(b"NRRD000"),
        Needs(_OF_VOLUMES, ("numpy", "PNG encoding")),
        lambda head, name: _named(head, rb"data ?file: "),
    ),
    Decoder(
        "MetaImage",
        _META,
        (Slice,),
        f"{_IMAGING}.metaimage",
        lambda head, name: name.endswith(_META) or head.startswith((b"ObjectType = Image", b"ObjectType=Image")),
        Needs(_OF_VOLUMES, ("numpy", "PNG encoding")),
        lambda head, name: _named(head, rb"ElementDataFile\s*=").replace("LOCAL", ""),
    ),
    NIFTI,
)


@functools.cache
def decoders() -> tuple[Decoder, ...]:
    """All decoders, in the order in which they are asked: those of Med-MAT, then those of other packages by name."""
    found = {decoder.name: decoder for decoder in DECODERS}

    def problem(point: EntryPoint, decoder: object) -> str:
        return _problem(decoder, found)

    for point, decoder in plugins.named(PLUGINS, "decoder", problem):
        libraries = (*decoder.needs.libraries, *([point.dist.name] if point.dist else []))
        needs = Needs((*decoder.needs.modules, point.module), libraries)
        found[decoder.name] = replace(decoder, needs=needs)
    return tuple(found.values())


def _problem(decoder: object, found: Mapping[str, Decoder]) -> str:
    """Why an entry point does not name a decoder that can be used; "" if it does."""
    if not isinstance(decoder, Decoder):
        return f"It names a {type(decoder).__name__}, where a med_mat.formats.Decoder is expected."
    if decoder.name in found or decoder.name in STEPS:
        return f"There is already a decoder named {decoder.name!r}."
    if not decoder.reads or not set(decoder.reads) <= {PurePosixPath, Frame, Slice, Region}:
        return "Its 'reads' must list at least one of PurePosixPath, Frame, Slice and Region."
    if not all(suffix.startswith(".") and suffix == suffix.lower() for suffix in decoder.suffixes):
        return "Its suffixes must be in lower case and begin with a dot."
    return ""


@functools.cache
def needs() -> Mapping[str, Needs]:
    """What pixels depend on that came through a decoder or a step, by its name."""
    of_decoders = {one.name: replace(one.needs, modules=(one.module, *one.needs.modules)) for one in decoders()}
    return {**STEPS, **of_decoders}


def recognized(head: bytes, path: PurePosixPath) -> Decoder | None:
    """The decoder that recognizes a file by its first bytes and its name."""
    name = path.name.lower()
    return next((decoder for decoder in decoders() if decoder.sniff(head, name)), None)


def decoder_of(head: bytes, path: PurePosixPath, reference: Pixels) -> Decoder | None:
    """The decoder for a reference to a file that begins with ``head``; None if there is none."""
    name = path.name.lower()
    for decoder in decoders():
        if isinstance(reference, decoder.reads) and decoder.sniff(head, name):
            return decoder
    return next((fallback for fallback in (PICTURE, NIFTI) if isinstance(reference, fallback.reads)), None)


@functools.lru_cache(maxsize=4096)
def companion(mount: Mount, path: PurePosixPath, facts: object) -> PurePosixPath | None:
    """The file beside another that holds its pixels or its header; None where there is none, or it leads elsewhere.

    Args:
        mount: the raw folder.
        path: of a file, below the root.
        facts: what tells whether the file has changed.
    """
    try:
        with mount.open(path) as file:
            head = file.read(_HEADER)
        decoder = recognized(head, path)
        named = decoder.beside(head, path.name) if decoder is not None and decoder.beside is not None else ""
        found = path.parent / relative(named, backslashes=True) if named else path
    except (OSError, ValueError):  # which opening the file will tell
        return None
    return None if found == path else found


def _named(head: bytes, field: bytes) -> str:
    """The value of a field of a header of lines; "" where it is not there."""
    found = re.search(rb"^" + field + rb"[ \t]*([^\r\n]*?)[ \t]*$", head, re.M | re.I)
    return found[1].decode("utf-8", "surrogateescape") if found else ""


@functools.cache
def headers() -> tuple[str, ...]:
    """The suffixes of files whose pixels, or whose header, may lie in a file beside them; for ``str.endswith``."""
    return tuple(sorted({suffix for one in decoders() if one.beside is not None for suffix in one.suffixes} | {".hdr"}))


@functools.cache
def picture_suffixes() -> frozenset[str]:
    """The suffixes of files that a path or a frame refers to."""
    return frozenset(suffix for one in decoders() if PurePosixPath in one.reads for suffix in one.suffixes)


@functools.cache
def image_suffixes() -> tuple[str, ...]:
    """The suffixes of all files that hold images, volumes and slides included; for ``str.endswith``."""
    return tuple(sorted({suffix for one in decoders() for suffix in one.suffixes}))
