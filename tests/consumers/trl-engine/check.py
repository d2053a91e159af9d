"""The engine trl: a LLaVA and a Qwen2-VL of random weights are trained on an arm of the build, and answer its test."""

import dataclasses
import sys
import tempfile
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import tiny_models

import med_mat
from med_mat.experiment import engine
from med_mat.experiment.engine import Task

build = Path(sys.argv[2])
trl = engine.engine("trl")
experiment = med_mat.open(build).related("CT/Lung/Cancer", validation=0.2)
none = experiment.train_positions[:0]
untrained = dataclasses.replace(experiment, train_positions=none, validation_positions=none)
told = []
with tempfile.TemporaryDirectory() as scratch:
    for make in (tiny_models.llava, tiny_models.qwen2_vl):
        model = make(Path(scratch, make.__name__), experiment.train["question"])
        for lora, predict in ((0, "greedy"), (2, "likelihood")):
            given = {"model": str(model), "epochs": 2, "batch": 8, "learning_rate": 0.01}
            settings = engine.settings(trl, {**given, "lora": lora, "predict": predict})
            trl.check(settings)
            folder = Path(scratch, f"{make.__name__}-{predict}")
            for arm, one in (("related", experiment), ("untrained", untrained)):
                outcome = trl.run(Task(arm, arm, 0, one, settings, folder / arm, folder / "cache"))
                assert set(outcome.test) == set(experiment.test["id"])
                if arm == "related":
                    first, *_, last = outcome.facts["loss"]
                    assert last < first, outcome.facts
                    told.append(f"{make.__name__} lora={lora} loss {first:.2f} to {last:.2f}")
versions = " ".join(f"{name} {metadata.version(name)}" for name in ("torch", "transformers", "trl", "peft"))
print(f"{versions}: {len(experiment.test_positions)} answers of each model; {'; '.join(told)}")
