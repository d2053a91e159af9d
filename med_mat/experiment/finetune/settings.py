"""The options of a fine-tuning, and the recipes of the paper."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from med_mat.errors import EngineError


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a family of models is trained unless the settings say otherwise."""

    learning_rate: float
    epochs: int = 5
    batch: int = 32


#: Settings of the paper (arXiv 2412.20070), by the ``model_type`` of a model's configuration.
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {"llava": Recipe(5e-6), "qwen2_vl": Recipe(2e-6), "mllama": Recipe(2e-6)}
)
#: Of every other family: the lower of the paper's learning rates.
OTHERS = Recipe(2e-6)
#: Learning rate of adapters, which start from zero and need a far larger one. The paper trained all weights.
ADAPTERS = 1e-4


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of the engine ``trl``.

    Args:
        model: A vision-language model: a name on the Hugging Face Hub, or a folder.
        revision: Branch, tag or commit of the model on the Hub.
        style: Form of the questions: "choice" (with options), "open", or "auto" (options where the record has them).
        images: "own", or "gray": every image is replaced by a gray one of its size, in training and in answering, so
            that only the text can be learned.
        control: Run the control "gray images" beside every arm; it costs as much as the arm.
        epochs: Passes over the training records; default: the paper's 5.
        batch: Records per step over all devices; default: the paper's 32.
        learning_rate: Default: the paper's, 5e-6 for LLaVA, 2e-6 for Qwen2-VL and Llama 3.2 Vision; 2e-6 for other
            models; 1e-4 with LoRA.
        schedule: Schedule of the learning rate; the paper does not state it.
        warmup: Share of the steps over which the learning rate increases.
        weight_decay: Of AdamW.
        lora: Rank of LoRA adapters on all linear layers but those of the vision tower; 0 trains all weights.
        selection: Which weights answer: "last", those after the last epoch; "validation accuracy", those of the epoch
            that answers most of the validation records correctly, the earliest if several do.
        predict: "greedy": the most likely text; "likelihood": the log likelihood of each option's letter as the answer,
            which cannot be misread. Questions without options are always answered by greedy decoding.
        max_new_tokens: Length limit of a greedy answer, in tokens.
        predict_batch: Questions answered at a time on each device.
        device_batch: Records per device at a time; gradients are accumulated up to ``batch``.
        processes: Number of processes that train and answer, one per device; 1 uses this process.
        accelerate_config: A configuration file of ``accelerate``, such as DeepSpeed ZeRO-3 or FSDP.
        precision: Of the arithmetic: "bf16", "float32", or "auto": bf16 where the device has it. Weights that are
            trained are always float32: in bf16, updates at a learning rate of 2e-6 would be lost to rounding.
        gradient_checkpointing: Recompute activations instead of storing them: slower, with less memory.
        workers: Processes per device that read and decode images; 0 reads between steps.
        keep_weights: Keep the weights that answered; False deletes them once the answers are written.
    """

    model: str
    revision: str | None = None
    style: Literal["choice", "open", "auto"] = "choice"
    images: Literal["own", "gray"] = "own"
    control: bool = True
    epochs: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.03
    weight_decay: float = 0.0
    lora: int = 0
    selection: Literal["last", "validation accuracy"] = "last"
    predict: Literal["greedy", "likelihood"] = "greedy"
    max_new_tokens: int = 32
    predict_batch: int = 8
    device_batch: int = 1
    processes: int = 1
    accelerate_config: str | None = None
    precision: Literal["auto", "bf16", "float32"] = "auto"
    gradient_checkpointing: bool = True
    workers: int = 0
    keep_weights: bool = True

    def __post_init__(self) -> None:
        least = {"epochs": 1, "batch": 1, "lora": 0, "max_new_tokens": 1, "predict_batch": 1, "device_batch": 1}
        for name, smallest in {**least, "processes": 1, "workers": 0}.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise EngineError(f"The setting {name} of the engine trl must be at least {smallest}, not {value}.")
        if not self.model:
            raise EngineError("The setting model of the engine trl is empty: give a name on the Hub, or a folder.")
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise EngineError(f"The learning rate of the engine trl must be between 0 and 1, not {self.learning_rate}.")
        if not 0 <= self.warmup < 1:
            raise EngineError(f"The setting warmup of the engine trl is a share of the steps, not {self.warmup}.")

    def recipe(self, family: str) -> Recipe:
        """The recipe of a family of models (``model_type`` of the configuration), with what these settings replace."""
        known = RECIPES.get(family, OTHERS)
        if self.lora:
            known = dataclasses.replace(known, learning_rate=ADAPTERS)
        given = {name: getattr(self, name) for name in ("learning_rate", "epochs", "batch")}
        return dataclasses.replace(known, **{name: value for name, value in given.items() if value is not None})

    def divided(self, batch: int) -> tuple[int, int]:
        """The records per device at a time, and how often gradients are accumulated, for a batch over all devices.

        The first is the largest divisor up to ``device_batch``, so that the batch is the same on any number of devices.

        Raises:
            EngineError: The batch cannot be divided among the processes.
        """
        share, rest = divmod(batch, self.processes)
        if rest or not share:
            raise EngineError(
                f"A batch of {batch} records cannot be divided among {self.processes} processes: set batch to a "
                "multiple."
            )
        at_once = next(size for size in range(min(self.device_batch, share), 0, -1) if share % size == 0)
        return at_once, share // at_once
