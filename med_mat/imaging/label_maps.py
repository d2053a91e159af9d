"""Label maps as boolean masks, and stored images as a reader of pixels wants them: upright, in one mode."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from med_mat.errors import ReadError, UsageError
from med_mat.imaging.opened import pillow, sentence
from med_mat.imaging.stored import png_bytes

Color = Literal["RGB", "L"]
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # 16 bits; Pillow reads some of them as 32


def masks(record: Mapping[str, Any]) -> dict[str, NDArray[np.bool_]]:
    """The mask of each label of a record.

    Args:
        record: A record with the columns ``mask`` and ``mask_legend``: of ``datasets``, decoded or not, or of
            :meth:`med_mat.MedMAT.read`.

    Returns:
        Label -> bool of shape (height, width), origin at the top left corner of the displayed image, in the order of
        the legend. Masks may overlap. Empty if the image was annotated and nothing was found.

    Raises:
        UsageError: The record has no mask, which does not mean that nothing is there; or no such columns.
        ReadError: The mask is damaged.
    """
    name = record.get("id", "This record")
    if "mask" not in record or "mask_legend" not in record:
        raise UsageError(f"{name} was read without the columns mask and mask_legend: read both.")
    stored, legend = record["mask"], record["mask_legend"]
    if stored is None or legend is None:
        raise UsageError(
            f"{name} has no mask: its row is not annotated with masks, or its pixels are not in this build. Ask for "
            "masks of records whose 'mask' is not None."
        )
    return regions(values(stored, name), legend)


def regions(values_: NDArray[Any], legend: Iterable[Mapping[str, Any]]) -> dict[str, NDArray[np.bool_]]:
    """The mask of each label of a label map.

    Args:
        values_: (height, width) of integers.
        legend: Entries with a ``value`` and its ``labels``.
    """
    of_label: dict[str, list[int]] = {}
    for entry in legend:
        for label in entry["labels"]:
            of_label.setdefault(label, []).append(entry["value"])
    return {label: np.isin(values_, numbers) for label, numbers in of_label.items()}


def values(stored: Any, name: object) -> NDArray[Any]:
    """The values of a label map, (height, width) of uint8 or uint16.

    Args:
        stored: A Pillow image, bytes, or the stored form of ``datasets``: bytes and a path, which is not followed.
        name: Of the record, for messages.

    Raises:
        ReadError: It is damaged, or no label map.
    """
    picture = stored if isinstance(stored, Image.Image) else _opened(_bytes(stored, name), name)
    found = np.asarray(picture)
    if found.ndim != 2:
        raise ReadError(f"The mask of {name} has mode {picture.mode}: expected one value for each pixel.")
    return found.astype(np.uint16 if found.itemsize > 1 else np.uint8, copy=False)


def upright(stored: Any, name: object, color: Color | None = None) -> Image.Image:
    """A stored image, decoded, with its EXIF orientation applied.

    Args:
        stored: As for :func:`values`.
        name: Of the record, for messages.
        color: The mode to convert to; None: as stored. Values of 16 bits are divided by 256.

    Raises:
        ReadError: It is damaged.
    """
    if isinstance(stored, Image.Image):
        turned = ImageOps.exif_transpose(stored)
    else:
        turned = _opened(_bytes(stored, name), name)
        ImageOps.exif_transpose(turned, in_place=True)
    if color is None or turned.mode == color:
        return turned
    if turned.mode in _DEEP:
        turned = Image.fromarray(np.clip(np.asarray(turned).astype(np.int64) >> 8, 0, 255).astype(np.uint8))
    return turned.convert(color)


def is_turned(content: bytes, name: object) -> bool:
    """Whether an encoded image is displayed in another orientation than it is stored in. Reads its header alone.

    Raises:
        ReadError: It is damaged.
    """
    try:
        with pillow(), Image.open(io.BytesIO(content)) as picture:
            return bool(picture.getexif().get(0x0112, 1) not in (0, 1))
    except (OSError, ValueError, SyntaxError) as error:
        raise ReadError(f"The image of {name} cannot be read: {sentence(error)}") from error


def as_png(stored: Any, name: object, color: Color | None = None) -> bytes:
    """A stored image as an upright PNG of the same pixels; the same image always gives the same bytes.

    Args:
        stored, name, color: As for :func:`upright`.
    """
    picture = upright(stored, name, color)
    picture = picture if picture.mode in ("1", "L", "LA", "RGB", "RGBA") else picture.convert("RGB")
    picture.info.clear()
    return png_bytes(picture)


def _bytes(stored: Any, name: object) -> bytes:
    content = stored.get("bytes") if isinstance(stored, Mapping) else stored
    if not isinstance(content, bytes) or not content:
        raise ReadError(f"{name} has no pixels in this build: see 'med-mat attach'.")
    return content


def _opened(content: bytes, name: object) -> Image.Image:
    try:
        with pillow():
            picture = Image.open(io.BytesIO(content))
            picture.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise ReadError(f"The pixels of {name} cannot be read: {sentence(error)}") from error
    return picture
