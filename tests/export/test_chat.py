"""Conversations in process, and TRL's own trainers on them and on exported files, with a tiny model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import datasets
import pytest

import med_mat
from med_mat.errors import ExportError

TARGET = "CT/Lung/Cancer"
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_a_record_is_a_conversation_with_its_image(mat: med_mat.MedMAT, arrow_cache: Path) -> None:
    experiment = mat.related(TARGET)
    talk = experiment.chat()
    assert len(talk) == len(experiment.train)
    one, record = talk[0], experiment.train[0]
    assert one["prompt"] == [{"role": "user", "content": record["question"]}]
    assert one["completion"] == [{"role": "assistant", "content": record["target"]}]
    assert [image.mode for image in one["images"]] == ["RGB"]
    assert one["images"][0].size == (record["width"], record["height"])
    assert (one["id"], one["triplet"]) == (record["id"], f"CT/{record['area']}/{record['task']}")
    both = experiment.chat("test", style="open", messages=True)[0]
    assert [said["role"] for said in both["messages"]] == ["user", "assistant"]
    assert both["messages"][1]["content"] == experiment.test[0]["open_answer"]


def test_boxes_are_in_the_convention_of_the_model(mat: med_mat.MedMAT, arrow_cache: Path) -> None:
    drawn = mat.single_task("US/Breast/Cancer Detection", kinds="any") if "US" in str(mat.mats) else None
    if drawn is None or not len(drawn.test_positions):
        pytest.skip("no boxes of breast ultrasound here")
    answers = [one["completion"][0]["content"] for one in drawn.chat("test", boxes="qwen3-vl")]
    assert any("bbox_2d" in answer for answer in answers)


def test_what_cannot_be_said_is_refused(mat: med_mat.MedMAT) -> None:
    experiment = mat.related(TARGET)
    with pytest.raises(ExportError, match="no validation records"):
        experiment.chat("validation")
    with pytest.raises(ExportError, match="part"):
        experiment.chat("dev")  # type: ignore[arg-type]
    bare = med_mat.open(mat.location.root)  # type: ignore[union-attr]
    bare.manifest = {**bare.manifest, "without_pixels": {source: {} for source in bare.tags.sources}}
    with pytest.raises(ExportError, match=r"not in this build: 'med-mat attach'"):
        bare.related(TARGET).chat()


@pytest.fixture(scope="module")
def model(mat: med_mat.MedMAT) -> tuple[Any, Any]:
    """A LLaVA of 90,016 parameters with a tokenizer of its own, and its processor."""
    pytest.importorskip("trl")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import tokenizers
    import transformers
    from tokenizers import models, pre_tokenizers, trainers
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    transformers.set_seed(0)
    said = mat.index.select(["question", "target"]).to_pylist()
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    marks = ["<|pad|>", "<|im_end|>", "<|im_start|>", "<image>"]
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=marks, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator([text for one in said for text in one.values() if text], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>", "<|im_start|>"]})
    from transformers import CLIPImageProcessorPil

    images = CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    processor = LlavaProcessor(
        images, tokenizer, patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1,
        image_token="<image>", chat_template=_TEMPLATE,
    )  # fmt: skip
    vision = CLIPVisionConfig(image_size=56, patch_size=14, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                              num_attention_heads=2)  # fmt: skip
    text = LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                       num_attention_heads=2, num_key_value_heads=2, pad_token_id=tokenizer.pad_token_id,
                       eos_token_id=tokenizer.eos_token_id, bos_token_id=None)  # fmt: skip
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )  # fmt: skip
    return LlavaForConditionalGeneration(config), processor


def trained(model: tuple[Any, Any], records: datasets.Dataset, folder: Path, **settings: Any) -> Any:
    """TRL's trainer after two steps."""
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(
        output_dir=str(folder), use_cpu=True, bf16=False, max_length=None, max_steps=2, report_to="none",
        per_device_train_batch_size=2, gradient_checkpointing=False, save_strategy="no", **settings,
    )  # fmt: skip
    trainer = SFTTrainer(model=model[0], args=config, train_dataset=records, processing_class=model[1])
    trainer.train()
    return trainer


def kept(trainer: Any, processor: Any) -> list[str]:
    """The text of the first batch that the loss is on."""
    batch = next(iter(trainer.get_train_dataloader()))
    return [processor.tokenizer.decode(labels[labels != -100]) for labels in batch["labels"]]


@pytest.mark.slow
def test_trl_trains_on_the_exported_files_and_its_loss_is_on_the_answer_alone(
    mat: med_mat.MedMAT, model: tuple[Any, Any], tmp_path: Path
) -> None:
    experiment = mat.related(TARGET)
    experiment.export(tmp_path / "out", format="trl", progress=False)
    records = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    trainer = trained(model, records, tmp_path / "run")
    losses = [one["loss"] for one in trainer.state.log_history if "loss" in one]
    assert trainer.state.global_step == 2
    assert all(0 < loss < 20 for loss in losses)
    assert {text.removesuffix("\n") for text in kept(trainer, model[1])} <= {f"{one}<|im_end|>" for one in "ABCD"}


@pytest.mark.slow
def test_trl_trains_on_the_records_in_process(
    mat: med_mat.MedMAT, model: tuple[Any, Any], tmp_path: Path, arrow_cache: Path
) -> None:
    trainer = trained(model, mat.related(TARGET).chat(), tmp_path / "run", remove_unused_columns=False)
    assert trainer.state.global_step == 2
    assert {text.removesuffix("\n") for text in kept(trainer, model[1])} <= {f"{one}<|im_end|>" for one in "ABCD"}


@pytest.mark.slow
def test_grpo_gives_its_reward_the_answer(mat: med_mat.MedMAT, model: tuple[Any, Any], tmp_path: Path) -> None:
    from trl import GRPOConfig, GRPOTrainer

    mat.related(TARGET).export(tmp_path / "out", format="grpo", progress=False)
    records = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    seen: list[dict[str, Any]] = []

    def reward(completions: list[Any], answer: list[str], target: list[str], **_: Any) -> list[float]:
        seen.append({"answer": answer, "target": target})
        return [float(one[0]["content"].strip() == right) for one, right in zip(completions, answer, strict=True)]

    config = GRPOConfig(
        output_dir=str(tmp_path / "run"), use_cpu=True, bf16=False, max_steps=1, report_to="none", num_generations=2,
        per_device_train_batch_size=2, max_completion_length=4, gradient_checkpointing=False, save_strategy="no",
    )  # fmt: skip
    GRPOTrainer(
        model=model[0], args=config, train_dataset=records, processing_class=model[1], reward_funcs=reward
    ).train()
    assert seen
    assert all(one["answer"] == one["target"] and set(one["answer"]) <= set("ABCD") for one in seen)
