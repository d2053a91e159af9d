"""Training by TRL: a checkpoint per epoch, resumed after a kill, with the loss on the answer only."""

from __future__ import annotations

import json
import logging
import math
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from med_mat.errors import EngineError
from med_mat.experiment.finetune import models
from med_mat.experiment.finetune.conversations import Chat, Prepare
from med_mat.experiment.finetune.settings import Recipe, Settings
from med_mat.files import write_atomically

if TYPE_CHECKING:
    import datasets

log = logging.getLogger(__name__)

#: Below the folder of a task: checkpoints, and what the finished training says.
CHECKPOINTS, TRAINED = "checkpoints", "trained.json"
#: Parts of a checkpoint that answering needs.
_WEIGHTS = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
#: Ranks of LoRA and the scale of their sum.
_ALPHA_PER_RANK = 2


def train(
    records: datasets.Dataset,
    turns: Mapping[str, tuple[str, str]],
    settings: Settings,
    seeds: tuple[int, int],
    folder: Path,
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Fine-tune a model, or resume where an earlier call was killed.

    Args:
        records: training records with the columns ``id`` and ``image``.
        turns: record id -> question and target.
        settings: the settings.
        seeds: of the model (new weights of LoRA, dropout), and of the order of the records.
        folder: checkpoints are kept below it.
        progress: whether to show a bar on a terminal.

    Returns:
        ``checkpoints``: the names of the weights after each epoch, or of those after the last if they answer;
        ``facts``: what was done.

    Raises:
        EngineError: the model cannot be loaded or trained, or the loss would not be on the answer only.
    """
    done = folder / TRAINED
    if done.exists():
        return dict(json.loads(done.read_text("utf-8")))
    import torch
    from transformers import PrinterCallback, set_seed

    models.quietly()
    family = models.load_config(settings).model_type
    recipe = settings.recipe(family)
    processor = models.load_processor(settings)
    low = models.bf16(settings)
    set_seed(seeds[0])
    begun = _newest(folder / CHECKPOINTS)
    model = models.load_model(
        settings,
        weights=None if settings.lora else begun,
        dtype=torch.bfloat16 if low and settings.lora else torch.float32,
    )
    chat = Chat(processor)
    data = records.select_columns(["id", "image"]).with_transform(Prepare(chat, turns, settings.images))
    arguments = _arguments(settings, recipe, seeds, folder / CHECKPOINTS, low)
    arguments.disable_tqdm = not (progress and sys.stderr.isatty())
    trainer = _trainer_class()(
        model=model,
        args=arguments,
        train_dataset=data,
        processing_class=processor,
        peft_config=_adapters(settings) if settings.lora else None,
        callbacks=[_keep_weights(arguments)] if settings.selection == "validation accuracy" else None,
    )
    trainer.remove_callback(PrinterCallback)
    if trainer.accelerator.num_processes != settings.processes:  # each batch would have another size
        raise EngineError(
            f"{trainer.accelerator.num_processes} processes train, and the settings say {settings.processes}. Check "
            "num_processes and num_machines of the configuration of accelerate."
        )
    _check_first_batch(trainer, data, [turns[one] for one in records["id"][:2]], processor)
    with models.enough_memory("Training", "device_batch=1, LoRA (lora=16), or more GPUs with ZeRO-3 (processes)"):
        trainer.train(resume_from_checkpoint=None if begun is None else str(begun))
    trainer.accelerator.wait_for_everyone()
    losses = [one["loss"] for one in trainer.state.log_history if "loss" in one]
    if not all(math.isfinite(one) for one in losses):
        raise EngineError(
            f"The training of {settings.model} diverged: its loss per epoch is {', '.join(map(str, losses))}. Set a "
            f"learning rate below {recipe.learning_rate}, or precision=float32."
        )
    facts = {
        "family": family,
        "epochs": recipe.epochs,
        "batch": recipe.batch,
        "learning_rate": recipe.learning_rate,
        "steps": trainer.state.global_step,
        "parameters": sum(one.numel() for one in model.parameters()),
        "trained_parameters": sum(one.numel() for one in trainer.model.parameters() if one.requires_grad),
        "precision": "bf16" if low else "float32",
        "loss": losses,
    }
    found = [one.name for one in _complete(folder / CHECKPOINTS)]
    made = {"checkpoints": found, "facts": facts}
    if trainer.is_world_process_zero():
        write_atomically(done, (json.dumps(made, indent=1) + "\n").encode())
        for name in found:
            _prune(folder / CHECKPOINTS / name)
    trainer.accelerator.wait_for_everyone()
    return made


def _trainer_class() -> Any:
    from trl import SFTTrainer

    class Trainer(SFTTrainer):  # type: ignore[misc]  # not installed, it is Any
        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            """Leave whole weights as they were loaded from the checkpoint before.

            The trainer of transformers 5.24 loads none of those of a model whose names in files differ from those in
            memory, such as LLaVA: it warns, and trains the model as published.
            """
            if self.is_fsdp_enabled or self.is_deepspeed_enabled or models.is_adapter(Path(resume_from_checkpoint)):
                super()._load_from_checkpoint(resume_from_checkpoint, model)

    return Trainer


def _arguments(settings: Settings, recipe: Recipe, seeds: tuple[int, int], folder: Path, low: bool) -> Any:
    import torch
    from trl import SFTConfig

    at_once, accumulated = settings.divided(recipe.batch)
    made = SFTConfig(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=accumulated,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup,  # below 1: a share of the steps
        weight_decay=settings.weight_decay,
        seed=seeds[0],
        data_seed=seeds[1],
        bf16=low,
        use_cpu=not torch.cuda.is_available(),
        max_length=None,  # 1,024 tokens would cut answers off behind a large image
        remove_unused_columns=False,  # the transform reads columns that the trainer does not know
        completion_only_loss=True,
        activation_checkpointing=settings.gradient_checkpointing,
        dataloader_num_workers=settings.workers,
        save_strategy="epoch",
        save_total_limit=1 if settings.selection == "last" else None,
        logging_strategy="epoch",
        logging_nan_inf_filter=False,  # a loss that is no number must be seen
        report_to="none",
    )
    if settings.processes == 1:
        made._n_gpu = min(made.n_gpu, 1)  # several visible devices would make one process split each batch among them
    return made


def _adapters(settings: Settings) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=settings.lora,
        lora_alpha=_ALPHA_PER_RANK * settings.lora,
        lora_dropout=0.05,
        target_modules="all-linear",
        exclude_modules=r".*(vision|visual|image).*",  # the images are encoded as before
        task_type="CAUSAL_LM",
    )


def _check_first_batch(trainer: Any, data: datasets.Dataset, turns: list[tuple[str, str]], processor: Any) -> None:
    """Check that the loss is computed only on the answer and an end mark.

    Raises:
        EngineError: it is not; the message quotes the text that it would be on.
    """
    words = processor.tokenizer
    batch = trainer.data_collator([data[place] for place in range(len(turns))])
    for labels, (_, target) in zip(batch["labels"], turns, strict=True):
        kept = labels[labels != -100]
        learned = words.decode(kept, skip_special_tokens=True).strip()
        ends = words.eos_token_id in kept.tolist()
        plain = " ".join(target.split())
        if " ".join(learned.split()) != plain or not ends:
            raise EngineError(
                f"The chat template of the model does not let the answer be learned alone: of the answer {plain!r} the "
                f"loss would fall on {words.decode(kept)!r}{'' if ends else ', without an end mark'}. Use another "
                "version of the model, or a copy with a corrected chat_template.jinja."
            )


def _keep_weights(arguments: Any) -> Any:
    """A callback that keeps the weights of every epoch, and what resuming needs of the last alone."""
    from transformers import TrainerCallback

    class KeepWeights(TrainerCallback):  # type: ignore[misc]  # not installed, it is Any
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                for older in _complete(Path(arguments.output_dir))[:-1]:
                    _prune(older)

    return KeepWeights()


def _complete(folder: Path) -> list[Path]:
    """The complete checkpoints, oldest first: the state of the trainer is written last."""
    found = []
    for path in folder.glob("checkpoint-*"):
        try:
            found.append((int(json.loads((path / "trainer_state.json").read_text("utf-8"))["global_step"]), path))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return [path for _, path in sorted(found)]


def _newest(folder: Path) -> Path | None:
    """The newest complete checkpoint; incomplete ones, of a killed process, are removed."""
    complete = _complete(folder)
    for path in folder.glob("checkpoint-*"):
        if path not in complete:
            shutil.rmtree(path, ignore_errors=True)
    if complete:
        log.info("Going on from %s.", complete[-1])
    return complete[-1] if complete else None


def _prune(checkpoint: Path) -> None:
    """Remove everything but the weights and what reads them: states of the optimizer are twice as large."""
    kept = {path for pattern in _WEIGHTS for path in checkpoint.glob(pattern)}
    for path in checkpoint.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path not in kept:
            path.unlink()
