"""The engine trl, on models of a hundred thousand random weights: trained, killed, resumed, and asked."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from workshop import Workshop

import med_mat
from med_mat.errors import EngineError, MissingExtraError
from med_mat.experiment import engine
from med_mat.experiment.engine import Outcome, Task
from med_mat.experiment.finetune import answering, models, training
from med_mat.experiment.finetune.conversations import Chat, Prepare, batches, safe_text, shown
from med_mat.experiment.finetune.settings import RECIPES, Settings
from med_mat.splits import Experiment

needs_trl = [pytest.importorskip(name) for name in ("torch", "transformers", "trl", "peft", "accelerate")]

import tiny_models  # noqa: E402 - only where its models can be made

TRL = engine.engine("trl")


@pytest.fixture(scope="module")
def built(workshop: Workshop) -> Path:
    return workshop.out


@pytest.fixture(scope="module")
def experiment(built: Path) -> Experiment:
    return med_mat.open(built).related("CT/Lung/Cancer", validation=0.2)


@pytest.fixture(scope="module")
def llava(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.llava(tmp_path_factory.mktemp("model") / "a tiny llava", experiment.train["question"])


def task(experiment: Experiment, folder: Path, model: Path, **given: Any) -> Task:
    small = {"model": str(model), "epochs": 2, "batch": 8, "learning_rate": 0.01, "predict_batch": 4}
    settings = engine.settings(TRL, {**small, **given})
    return Task("related-seed0", "related", 0, experiment, settings, folder / "related-seed0", folder / "cache")


def ids(experiment: Experiment, part: str) -> set[str]:
    return set(getattr(experiment, part)["id"])


def test_a_model_is_trained_and_answers_every_test_and_validation_record(
    experiment: Experiment, llava: Path, tmp_path: Path
) -> None:
    made = task(experiment, tmp_path, llava)
    TRL.check(made.settings)
    outcome = TRL.run(made)
    assert set(outcome.test) == ids(experiment, "test")
    assert set(outcome.validation) == ids(experiment, "validation")
    assert outcome.facts["loss"][1] < outcome.facts["loss"][0]
    steps = -(-len(experiment.train_positions) // 8)
    assert outcome.facts["steps"] == 2 * steps
    assert outcome.facts["selection"] == "last epoch"
    assert json.loads(json.dumps(outcome.facts)) == outcome.facts


def test_the_likelihood_of_each_option_is_an_answer(experiment: Experiment, llava: Path, tmp_path: Path) -> None:
    outcome = TRL.run(task(experiment, tmp_path, llava, predict="likelihood", lora=2))
    options = dict(zip(experiment.test["id"], experiment.test["options"], strict=True))
    for record, scores in outcome.test.items():
        assert isinstance(scores, Mapping)
        assert list(scores) == list("ABCD"[: len(options[record])])
        assert all(score < 0 for score in scores.values())
    assert outcome.facts["trained_parameters"] < outcome.facts["parameters"] / 5


def test_a_likelihood_is_that_of_the_letter_behind_the_prompt(
    experiment: Experiment, llava: Path, tmp_path: Path
) -> None:
    """Computed a second time by one forward pass per letter, without generation and without padding."""
    import torch

    untrained = dataclasses.replace(
        experiment, train_positions=experiment.train_positions[:0], validation_positions=experiment.train_positions[:0]
    )
    outcome = TRL.run(task(untrained, tmp_path, llava, predict="likelihood"))
    settings = Settings(model=str(llava))
    processor = models.load_processor(settings)
    model = models.load_model(settings, weights=None, dtype=torch.float32).eval()
    for record in [experiment.test[place] for place in range(3)]:
        text = Chat(processor).prompt(record["question"])
        inputs = processor(
            images=[[record["image"].convert("RGB")]], text=[text], add_special_tokens=False, return_tensors="pt"
        )
        with torch.inference_mode():
            scores = torch.log_softmax(model(**inputs).logits[0, -1].double(), -1)
        for letter, score in outcome.test[record["id"]].items():  # type: ignore[union-attr]
            assert score == pytest.approx(float(scores[processor.tokenizer.convert_tokens_to_ids(letter)]), abs=1e-4)


def test_the_untrained_model_answers_and_its_answers_are_shared(
    experiment: Experiment, llava: Path, tmp_path: Path
) -> None:
    none = experiment.train_positions[:0]
    untrained = dataclasses.replace(experiment, train_positions=none, validation_positions=none)
    first = TRL.run(task(untrained, tmp_path, llava))
    kept = [path.read_bytes() for path in sorted(tmp_path.rglob("*.jsonl"))]
    again = dataclasses.replace(task(untrained, tmp_path, llava), folder=tmp_path / "other", name="other")
    assert TRL.run(again).test == first.test
    assert [path.read_bytes() for path in sorted(tmp_path.rglob("*.jsonl"))] == kept
    assert not first.validation


def test_the_epoch_with_the_best_validation_accuracy_answers(
    experiment: Experiment, llava: Path, tmp_path: Path
) -> None:
    made = task(experiment, tmp_path, llava, selection="validation accuracy", epochs=3)
    facts = TRL.run(made).facts
    correct = facts["validation_correct"]
    assert len(correct) == 3
    assert facts["chosen_epoch"] == correct.index(max(correct)) + 1
    checkpoints = sorted((made.folder / training.CHECKPOINTS).glob("checkpoint-*"))
    assert len(checkpoints) == 3
    assert not list(made.folder.rglob("optimizer*"))


def test_an_epoch_cannot_be_chosen_without_a_validation_part(
    experiment: Experiment, llava: Path, tmp_path: Path
) -> None:
    without = dataclasses.replace(experiment, validation_positions=experiment.train_positions[:0])
    with pytest.raises(EngineError, match="needs a validation part"):
        TRL.run(task(without, tmp_path, llava, selection="validation accuracy"))


RUN = """
import sys
import med_mat
from pathlib import Path
from med_mat.experiment import engine
from med_mat.experiment.engine import Task
build, model, folder, lora = sys.argv[1:]
trl = engine.engine("trl")
experiment = med_mat.open(build).related("CT/Lung/Cancer", validation=0.2)
settings = engine.settings(trl, {
    "model": model, "epochs": 6, "batch": 8, "learning_rate": 0.01, "predict_batch": 4, "lora": int(lora)
})
trl.run(Task("related-seed0", "related", 0, experiment, settings, Path(folder, "related-seed0"), Path(folder, "cache")))
"""


@pytest.mark.parametrize("lora", [0, 2])
def test_killed_and_resumed_it_gives_the_same_answers(
    experiment: Experiment, built: Path, llava: Path, tmp_path: Path, lora: int
) -> None:
    settings = {"epochs": 6, "lora": lora}
    whole = TRL.run(task(experiment, tmp_path / "whole", llava, **settings))
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", RUN, str(built), str(llava), str(folder), str(lora)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 300
    checkpoints = folder / "related-seed0" / training.CHECKPOINTS
    while not list(checkpoints.glob("checkpoint-*/trainer_state.json")) and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "related-seed0" / training.TRAINED).exists(), "it was over before it was killed"
    resumed = TRL.run(task(experiment, folder, llava, **settings))
    assert resumed.test == whole.test
    assert resumed.validation == whole.validation
    assert resumed.facts == whole.facts


def test_a_killed_prediction_goes_on_with_the_next_batch(
    experiment: Experiment, llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = task(experiment, tmp_path, llava)
    ask, asked = answering._Predictor.__call__, []

    def broken(self: Any, questions: Any, images: Any) -> Any:
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append([one.id for one in questions])
        return ask(self, questions, images)

    monkeypatch.setattr(answering._Predictor, "__call__", broken)
    with pytest.raises(KeyboardInterrupt):
        TRL.run(made)
    [kept] = (tmp_path / "cache").rglob("*.jsonl")
    with kept.open("a") as file:
        file.write('["half a li')

    def whole(self: Any, questions: Any, images: Any) -> Any:
        asked.append([one.id for one in questions])
        return ask(self, questions, images)

    monkeypatch.setattr(answering._Predictor, "__call__", whole)
    outcome = TRL.run(made)
    flat = [one for batch in asked for one in batch]
    assert len(flat) == len(set(flat)), "no record is asked twice"
    assert set(outcome.test) == ids(experiment, "test")


def test_two_processes_train_with_the_same_batches_as_one(experiment: Experiment, llava: Path, tmp_path: Path) -> None:
    one = TRL.run(task(experiment, tmp_path / "one", llava))
    two = TRL.run(task(experiment, tmp_path / "two", llava, processes=2))
    assert two.facts["steps"] == one.facts["steps"]
    assert two.facts["loss"] == pytest.approx(one.facts["loss"], rel=1e-4)
    assert set(two.test) == set(one.test)
    kept = sorted((tmp_path / "two" / "cache").rglob("*.jsonl"))
    assert [path.stem for path in kept] == ["related-seed0-0", "related-seed0-1"], "each answers a part"


def test_the_control_shows_no_image(experiment: Experiment, llava: Path, tmp_path: Path) -> None:
    made = task(experiment, tmp_path, llava)
    [(name, replaced)] = TRL.controls(made.settings).items()
    assert name == "gray images"
    blind = task(experiment, tmp_path, llava, **replaced)
    seen = Prepare(Chat(None), {}, blind.settings["images"])
    for record in [experiment.train[place] for place in range(3)]:
        image = shown(record["image"], seen.images)
        assert (image.size, image.mode) == (record["image"].size, "RGB")
        assert len(image.getcolors()) == 1
    assert set(TRL.run(blind).test) == ids(experiment, "test")
    assert not TRL.controls({**made.settings, "control": False})


def test_another_seed_gives_another_order(experiment: Experiment, llava: Path, tmp_path: Path) -> None:
    made = task(experiment, tmp_path, llava, epochs=1)
    losses = [
        TRL.run(dataclasses.replace(made, order=order, folder=tmp_path / str(number))).facts["loss"]
        for number, order in enumerate((0, 0, 1))
    ]
    assert losses[0] == losses[1] != losses[2]


def test_weights_are_removed_on_request(experiment: Experiment, llava: Path, tmp_path: Path) -> None:
    made = task(experiment, tmp_path, llava, epochs=1, keep_weights=False)
    first = TRL.run(made)
    assert not list(made.folder.rglob("*.safetensors"))
    assert first.test


def test_a_training_that_diverges_is_an_error(experiment: Experiment, llava: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(llava, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    name = next(one for one in weights if "lm_head" in one)
    save_file(
        {**weights, name: torch.full_like(weights[name], torch.nan)}, broken / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(EngineError, match=r"diverged: its loss per epoch is nan.*learning rate below 0.01"):
        TRL.run(task(experiment, tmp_path / "run", broken))
    none = experiment.train_positions[:0]
    untrained = dataclasses.replace(experiment, train_positions=none, validation_positions=none)
    with pytest.raises(EngineError, match="likelihoods that are no numbers"):
        TRL.run(task(untrained, tmp_path / "untrained", broken, predict="likelihood"))


def test_records_without_a_question_in_the_style_are_told(built: Path, llava: Path, tmp_path: Path) -> None:
    boxes = med_mat.open(built).single_task("X-ray/*/* & annotation=boxes|masks", balanced_test=False)
    with pytest.raises(EngineError, match=r"None of the \d+ training records has a question in the style 'choice'"):
        TRL.run(task(boxes, tmp_path, llava))


def test_the_folder_of_another_run_is_refused(experiment: Experiment, llava: Path, tmp_path: Path) -> None:
    TRL.run(task(experiment, tmp_path, llava, epochs=1))
    with pytest.raises(EngineError, match="has the checkpoints of another run: its settings differ"):
        TRL.run(task(experiment, tmp_path, llava, epochs=2))


def test_a_template_that_teaches_more_than_the_answer_is_refused(experiment: Experiment, tmp_path: Path) -> None:
    chatty = tiny_models.TEMPLATE.replace("<|im_end|>\n{% endfor %}", " Thank you.<|im_end|>\n{% endfor %}")
    model = tiny_models.llava(tmp_path / "model", experiment.train["question"], template=chatty)
    with pytest.raises(EngineError, match=r"does not let the answer be learned alone: of the answer '[A-D]' the loss"):
        TRL.run(task(experiment, tmp_path, model))


def test_a_template_without_an_end_gets_one(experiment: Experiment, tmp_path: Path) -> None:
    endless = tiny_models.TEMPLATE.replace("<|im_end|>\n{% endfor %}", "\n{% endfor %}")
    model = tiny_models.llava(tmp_path / "model", experiment.train["question"], template=endless)
    assert TRL.run(task(experiment, tmp_path, model, epochs=1)).test


def test_a_model_without_a_chat_template_is_refused(experiment: Experiment, tmp_path: Path) -> None:
    model = tiny_models.llava(tmp_path / "model", ["a text"], template=None)
    with pytest.raises(EngineError, match="has no chat template"):
        TRL.check(engine.settings(TRL, {"model": str(model)}))


def test_a_model_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EngineError, match=r"model nobody/nothing cannot be loaded.*hf download nobody/nothing"):
        TRL.check(engine.settings(TRL, {"model": "nobody/nothing"}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(EngineError, match="it was looked for in this folder"):
        TRL.check(engine.settings(TRL, {"model": str(tmp_path / "empty")}))


def test_a_model_of_text_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(EngineError, match="is a 'bert', which does not answer questions about images"):
        TRL.check(engine.settings(TRL, {"model": str(tmp_path)}))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"needs peft .*pip install 'med-mat\[train\]'"):
        models.check_installed(Settings(model="any", lora=8))


@pytest.mark.parametrize(
    ("family", "rate"), [("llava", 5e-6), ("qwen2_vl", 2e-6), ("mllama", 2e-6), ("anything_else", 2e-6)]
)
def test_the_recipes_are_those_of_the_paper(family: str, rate: float) -> None:
    recipe = Settings(model="any").recipe(family)
    assert (recipe.learning_rate, recipe.epochs, recipe.batch) == (rate, 5, 32)
    assert Settings(model="any", epochs=1).recipe(family).epochs == 1
    assert set(RECIPES) == {"llava", "qwen2_vl", "mllama"}


@pytest.mark.parametrize("processes", [1, 2, 4, 8, 32])
@pytest.mark.parametrize("device_batch", [1, 2, 3, 8, 64])
def test_a_batch_is_the_same_on_any_number_of_devices(processes: int, device_batch: int) -> None:
    at_once, accumulated = Settings(model="any", processes=processes, device_batch=device_batch).divided(32)
    assert at_once * accumulated * processes == 32
    assert at_once <= device_batch


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(EngineError, match="32 records cannot be divided among 5 processes"):
        Settings(model="any", processes=5).divided(32)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch": 0}, {"learning_rate": 2.0}, {"warmup": 1.0}, {"model": ""}, {"lora": -1}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(EngineError):
        Settings(**{"model": "any", **wrong})


def test_no_special_token_of_a_question_counts() -> None:
    text = safe_text("Is <image> or <|im_end|> here?", ["<image>", "<|im_end|>", "<"])
    assert text == "Is < image> or < |im_end|> here?"


def test_batches_are_runs_that_cover_everything_once() -> None:
    assert [list(one) for one in batches(5, 2)] == [[0, 1], [2, 3], [4]]
    assert not list(batches(0, 2))


def test_qwen2_vl(experiment: Experiment, tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    model = tiny_models.qwen2_vl(tmp_path / "model", experiment.train["question"])
    for predict in ("greedy", "likelihood"):
        outcome: Outcome = TRL.run(task(experiment, tmp_path / predict, model, epochs=1, predict=predict))
        assert set(outcome.test) == ids(experiment, "test")
