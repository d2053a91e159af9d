"""Models and processors from the Hugging Face Hub or a folder, with a sentence for whatever may be missing."""

from __future__ import annotations

import hashlib
import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from med_mat.errors import EngineError, MissingExtraError
from med_mat.experiment.finetune.settings import Settings
from med_mat.files import sha256

log = logging.getLogger(__name__)

#: Module -> the package that provides it.
_NEEDED = {"torch": "torch", "transformers": "transformers", "trl": "trl", "accelerate": "accelerate"}
#: Files of a checkpoint that decide what a model answers.
_DECISIVE = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")


def check_installed(settings: Settings) -> None:
    """Check that what training needs can be imported.

    Raises:
        MissingExtraError: a package is not installed.
    """
    for module, package in {**_NEEDED, **({"peft": "peft"} if settings.lora else {})}.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise MissingExtraError(
                f"The engine trl needs {package} ({error}): pip install 'med-mat[train]'."
            ) from error


@contextmanager
def _loading(settings: Settings, what: str) -> Iterator[None]:
    """Turn the errors of loading into a sentence that names the model and where it was looked for."""
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(f"The {what} of {settings.model} needs a package: {_brief(error)}") from error
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        at = f" at revision {settings.revision}" if settings.revision else ""
        where = "in this folder" if Path(settings.model).is_dir() else "on the Hugging Face Hub and in its local cache"
        raise EngineError(
            f"The {what} of the model {settings.model}{at} cannot be loaded; it was looked for {where}. Expected is a "
            f"vision-language model that transformers reads, or its folder. Without a network, download it first: hf "
            f"download {settings.model}. The cause: {_brief(error)}"
        ) from error


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 400 else f"{text[:400]}…"


@contextmanager
def enough_memory(what: str, advice: str) -> Iterator[None]:
    """Turn a device that is out of memory into a sentence that says what to change.

    Raises:
        EngineError: the device is out of memory.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise EngineError(f"{what} needs more memory than the device has. Try {advice}. {_brief(error)}") from error


def load_config(settings: Settings) -> Any:
    """The configuration of the model.

    Raises:
        EngineError: it cannot be loaded, or is not that of a vision-language model.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    with _loading(settings, "configuration"):
        config = AutoConfig.from_pretrained(settings.model, revision=settings.revision)
    if config.model_type not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        raise EngineError(
            f"The model {settings.model} is a {config.model_type!r}, which does not answer questions about images: "
            "expected is a vision-language model such as llava-hf/llava-1.5-7b-hf or Qwen/Qwen2-VL-7B-Instruct."
        )
    return config


def load_processor(settings: Settings) -> Any:
    """The processor of the model: its tokenizer, image processor and chat template.

    Raises:
        EngineError: it cannot be loaded, reads no images, or has no chat template.
    """
    from transformers import AutoProcessor, ProcessorMixin

    with _loading(settings, "processor"):
        processor = AutoProcessor.from_pretrained(settings.model, revision=settings.revision)
    if not isinstance(processor, ProcessorMixin):
        raise EngineError(f"The processor of {settings.model} is a {type(processor).__name__}, which reads no images.")
    if not processor.chat_template:
        raise EngineError(
            f"The processor of {settings.model} has no chat template, so how the model was asked in its training is "
            "not known. Use its instruction-tuned version, or a copy of the model with a chat_template.jinja beside it."
        )
    words = processor.tokenizer
    if words.eos_token is None:
        raise EngineError(f"The tokenizer of {settings.model} has no end mark (eos_token): its answers would not end.")
    if words.pad_token is None:
        words.pad_token = words.eos_token
    return processor


def load_model(settings: Settings, *, weights: Path | None, dtype: Any) -> Any:
    """The model, on the CPU.

    Args:
        settings: which model.
        weights: a checkpoint of a training, or None for the model as published.
        dtype: of the weights.

    Raises:
        EngineError: it cannot be loaded.
    """
    from transformers import AutoModelForImageTextToText

    adapters = weights is not None and is_adapter(weights)
    whole = settings.model if weights is None or adapters else str(weights)
    revision = settings.revision if whole == settings.model else None
    with _loading(settings, "weights"):
        model = AutoModelForImageTextToText.from_pretrained(whole, revision=revision, dtype=dtype, use_safetensors=True)
        if adapters:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(weights))
    return model


def bf16(settings: Settings) -> bool:
    """Whether to compute in bf16.

    Raises:
        EngineError: it is asked for, and the device has none.
    """
    import torch

    able = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if settings.precision == "bf16" and torch.cuda.is_available() and not able:
        raise EngineError(f"precision=bf16: {torch.cuda.get_device_name()} has no bf16. Use float32 or auto.")
    return settings.precision == "bf16" or (settings.precision == "auto" and able)


def identity(settings: Settings, weights: Path | None) -> str:
    """A hash of the weights that answer: of the files of a folder, or the name and commit of a model on the Hub.

    Args:
        settings: which model.
        weights: a checkpoint of a training, or None for the model as published.
    """
    digest = hashlib.blake2b(digest_size=16)
    base = Path(settings.model)
    if weights is not None:
        _digest(weights, digest)
    if weights is not None and not is_adapter(weights):
        return digest.hexdigest()
    if base.is_dir():
        _digest(base, digest)
    else:
        digest.update(f"{settings.model} {getattr(load_config(settings), '_commit_hash', None)}\n".encode())
    return digest.hexdigest()


def _digest(folder: Path, digest: Any) -> None:
    for path in sorted({path for pattern in _DECISIVE for path in folder.glob(pattern)}):
        if path.name != "trainer_state.json":  # it has the speed of the training
            digest.update(f"{path.name} {sha256(path)}\n".encode())


def is_adapter(weights: Path) -> bool:
    """Whether a checkpoint has LoRA adapters, which need the model that they were trained on."""
    return (weights / "adapter_config.json").exists()


def quietly() -> None:
    """Show no bars of transformers where standard error is a log."""
    from transformers.utils import logging as theirs

    if not sys.stderr.isatty():
        theirs.disable_progress_bar()
