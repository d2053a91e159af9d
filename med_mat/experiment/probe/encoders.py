"""Frozen image encoders by name: what an image becomes before it is encoded, and how a batch becomes features.

=====================  ===============================================================================================
name                   features
=====================  ===============================================================================================
``lite0``              EfficientNet-Lite0 with ImageNet weights, 1280; the weights come in a package, so no network
``timm:NAME``          a model of timm with its pretrained weights
``open_clip:NAME/TAG`` the image tower of a model of open_clip with the pretrained weights of that tag, or a
                       ``hf-hub:`` name
``transformers:NAME``  a vision model, or the vision tower of an image-text model: a local folder, or a name on the Hub
``random:ENCODER``     the network of one of these with random weights: a control
``pixels``             16 x 16 gray values, 256: a control; needs no network library
``text``               no image: the embedding of the question; a control
=====================  ===============================================================================================

Images are resized as a whole, without a crop: a finding may be at the edge.
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from med_mat.errors import UsageError
from med_mat.experiment.probe import networks
from med_mat.experiment.probe.packages import package

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

#: The encoder that sees no image.
TEXT = "text"
_PIXELS = 16
_RANDOM = "random:"


@dataclass(frozen=True)
class Encoder:
    """A frozen image encoder.

    Attributes:
        name: as it was asked for.
        identity: everything that its features depend on, as plain data: weights, preprocessing, versions.
        prepare: the bytes of an image file -> (side, side, 3) or (side, side) uint8. Called from several threads.
        encode: (n, side, side[, 3]) uint8 -> (n, d) float32.
    """

    name: str
    identity: Mapping[str, Any]
    prepare: Callable[[bytes], Bytes]
    encode: Callable[[Bytes], Floats]


def check(name: str) -> None:
    """Check the name of an encoder, and that the packages that it needs are installed.

    Raises:
        UsageError: no encoder has this name.
        MissingExtraError: a package is missing.
    """
    plain = name.removeprefix(_RANDOM)
    if plain == "pixels" and plain == name:
        return
    if plain == TEXT and plain == name:
        return
    family, _, model = plain.partition(":")
    if family not in networks.FAMILIES or (family != "lite0") != bool(model):
        raise UsageError(
            f"No encoder is called {name!r}. Encoders: lite0, timm:NAME, open_clip:NAME/TAG, transformers:NAME, "
            "each also as random:ENCODER, pixels and text."
        )
    for module, install in networks.FAMILIES[family].packages.items():
        package(module, f"The encoder {name}", install)


@functools.lru_cache(maxsize=4)  # an encoder and its controls
def load(name: str, seed: int = 0) -> Encoder:
    """Load an encoder.

    Args:
        name: see the table of this module; not "text", which encodes no image.
        seed: of the random weights of ``random:ENCODER``; without effect on the others.

    Raises:
        UsageError: no encoder has this name.
        EngineError: its weights cannot be loaded.
        MissingExtraError: a package is missing.
    """
    check(name)
    if name == "pixels":
        identity = {"encoder": name, "side": _PIXELS, "pillow": metadata.version("pillow")}
        return Encoder(name, identity, functools.partial(_gray, side=_PIXELS), _flat)
    plain = name.removeprefix(_RANDOM)
    family, _, model = plain.partition(":")
    made = networks.load(family, model, seed if plain != name else None)
    look = made.look
    identity = {
        "encoder": name,
        "weights": networks.digest(made.module),
        "side": look.side,
        "mean": list(look.mean),
        "std": list(look.std),
        "resample": look.resample,
        "versions": {one: metadata.version(one) for one in ("pillow", "torch", *made.versions)},
    }
    prepare = functools.partial(_color, side=look.side, resample=look.resample)
    return Encoder(name, identity, prepare, functools.partial(networks.encode, made))


def opened(data: bytes, side: int) -> Image.Image:
    """An image file as an upright image: gray as L, all else as RGB. JPEGs are decoded at a reduced size if large.

    Args:
        data: the bytes of the file.
        side: the size that it will have; it is not decoded below twice that.
    """
    with Image.open(io.BytesIO(data)) as file:
        file.draft(None, (2 * side, 2 * side))
        picture = ImageOps.exif_transpose(file)
    if picture.mode.startswith("I;16"):
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    elif picture.mode in ("I", "F"):
        values = np.asarray(picture, dtype=np.float64)
        scale = 255 / max(float(np.ptp(values)), 1e-9)
        picture = Image.fromarray(((values - values.min()) * scale).astype(np.uint8))
    return picture if picture.mode in ("L", "RGB") else picture.convert("RGB")


def slug(name: str) -> str:
    """The name of an encoder as a part of a file name."""
    plain = "".join(one if one.isascii() and one.isalnum() else "-" for one in name)[-40:].strip("-")
    return plain or hashlib.sha256(name.encode()).hexdigest()[:8]


def _color(data: bytes, side: int, resample: int) -> Bytes:
    picture = opened(data, side).resize((side, side), Image.Resampling(resample))
    return np.asarray(picture.convert("RGB"))


def _gray(data: bytes, side: int) -> Bytes:
    picture = opened(data, side).convert("L").resize((side, side), Image.Resampling.BOX)
    return np.asarray(picture)


def _flat(batch: Bytes) -> Floats:
    found: Floats = batch.reshape(len(batch), -1).astype(np.float32) / np.float32(255)
    return found
