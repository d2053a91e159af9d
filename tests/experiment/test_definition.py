"""Definitions of experiments: what may be written, and what is said of what may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from med_mat.errors import EngineError, MedMATError, SplitError
from med_mat.experiment import engine, read

GOOD: dict[str, Any] = {"engine": "toy", "target": "CT/Lung/Cancer"}


pytestmark = pytest.mark.usefixtures("toy")


def test_one_line_stands_for_the_comparison_of_the_paper() -> None:
    made = read(GOOD)
    (study,) = made.studies
    assert [arm.name for arm in study.arms] == ["untrained", "unrelated", "related"]
    assert study.reference("related") == "unrelated"
    assert next(arm for arm in study.arms if arm.name == "unrelated").like == "related"
    assert (made.seeds, made.order_seeds, made.split_seeds) == ((0, 1, 2), (0, 1, 2), (0, 0, 0))
    assert made.controls == ("guess",)
    assert made.settings["related"] == 0.9, "defaults are spelled out"


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        ({}, (0, 1, 2)),
        ({"seeds": [4, 5]}, (4, 5)),
        ({"split_seeds": [7]}, (7,)),
        ({"split_seeds": [7, 8]}, (7, 8)),
    ],
)
def test_where_nothing_is_random_repetitions_have_a_split_each(given: dict[str, Any], seeds: tuple[int, ...]) -> None:
    made = read({**GOOD, "engine": "probe", **given})
    assert made.seeds == made.split_seeds == seeds


@pytest.mark.parametrize("split_seeds", [[3], [3, 3]])
def test_where_nothing_is_random_no_split_is_run_twice(split_seeds: list[int]) -> None:
    with pytest.raises(
        SplitError, match=r"must be different and as many as seeds, 2, .* Leave out seeds or split_seeds"
    ):
        read({**GOOD, "engine": "probe", "seeds": [0, 1], "split_seeds": split_seeds})


def test_yaml_and_python_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(
        "engine: toy\nsettings: {others: 0.4}\ntargets:\n- CT/Lung/Cancer\n- target: MRI/Brain/Diseases\n"
        "  name: brain\n  arms: [unrelated, related, {arm: related-20, experiment: related, size: 20}]\n"
        "seeds: [5]\n"
    )
    arms = ["unrelated", "related", {"arm": "related-20", "experiment": "related", "size": 20}]
    targets = ["CT/Lung/Cancer", {"target": "MRI/Brain/Diseases", "name": "brain", "arms": arms}]
    data = {"engine": "toy", "settings": {"others": 0.4}, "targets": targets, "seeds": (5,)}
    assert read(path) == read(data)
    assert read(path).digest == read(data).digest != read(GOOD).digest


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"engine": "toi"}, r"no engine 'toi'. Did you mean 'toy'"),
        ({"engine": None}, "engine must be a string"),
        ({"target": None}, "has no target"),
        ({"targets": ["CT/Brain/State"]}, "both 'target' and 'targets'"),
        ({"settings": {"related": "much"}}, "engine toy: related must be a number"),
        ({"settings": {"relatd": 1.0}}, "unknown key 'relatd'. Did you mean 'related'"),
        ({"seeds": []}, "seeds must be whole numbers"),
        ({"seeds": [1, 1]}, "seeds must be different"),
        ({"seeds": [-1]}, "seeds must be whole numbers"),
        ({"order_seeds": [1]}, "order_seeds must be as many as seeds"),
        ({"split_seeds": [1, 2]}, "split_seeds must be one for all repetitions, or as many"),
        ({"validation": 0.7}, "validation must be from 0 to 0.5"),
        ({"max_records": 0}, "max_records must be at least 1"),
        ({"options": {"seed": 3}}, "give 'split_seeds'"),
        ({"options": {"size": 3}}, "give 'max_records'"),
        ({"options": {"amog": "x"}}, "no option 'amog'. Did you mean 'among'"),
        ({"arms": ["related"]}, "no arm 'unrelated' to compare"),
        ({"arms": ["unrelated"]}, "no trained arm beside"),
        ({"arms": ["unrelated", "untrained"]}, "no trained arm beside"),
        ({"arms": ["unrelated", "related", "related"]}, "two arms have one name"),
        ({"arms": ["unrelated", "relatd"]}, "no experiment 'relatd'. Did you mean 'related'"),
        ({"arms": ["unrelated", "combination"]}, "has no 'parts'"),
        ({"arms": ["unrelated", {"arm": "../x", "experiment": "related"}]}, "an arm needs a name"),
        ({"arms": ["unrelated", {"arm": "related", "seed": 3}]}, "may not have seed"),
        ({"arms": ["unrelated", {"arm": "related", "like": "nobody"}]}, "like 'nobody', which is not one of"),
        ({"arms": ["unrelated", "related", {"arm": "x", "experiment": "related", "like": "unrelated"}]}, "itself"),
        ({"target": {"target": "x"}}, "target must be a string"),
    ],
)
def test_a_mistake_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises((SplitError, EngineError), match=words) as caught:
        read({**GOOD, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "engine: [", "- a", "42", "", "engine: toy\nengine: toy\ntarget: a", "&a [*a]", "a: &x {b: 1}\nc: *x",
        "!!python/object/apply:os.system ['touch /tmp/x']", "[" * 5000, "engine: toy\ntarget: '\ud800'",
    ],
)  # fmt: skip
def test_a_hostile_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(MedMATError) as caught:
        read(path)
    assert "bad.yaml" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="it is a folder"):
        read(tmp_path)


@given(
    st.dictionaries(
        st.sampled_from(["engine", "target", "targets", "arms", "seeds", "options", "settings", "validation"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_data_is_a_definition_or_an_error_of_ours(data: dict[str, Any]) -> None:
    try:
        made = read({**GOOD, **data})
    except MedMATError:
        return
    assert made.digest == read({**GOOD, **data}).digest


def test_settings_on_a_command_line_are_read_as_their_types() -> None:
    toy = engine.engine("toy")
    found = engine.read_settings(toy, ["related=1", "stumble=3", "answer=scores", "log="])
    assert found == {"related": 1.0, "stumble": "3", "answer": "scores", "log": ""}
    for text, words in (("related", "NAME=VALUE"), ("relatd=1", "Did you mean"), ("answer=maybe", "not one of")):
        with pytest.raises(EngineError, match=words):
            engine.read_settings(toy, [text])


def test_an_engine_of_a_package_that_is_broken_is_left_out_with_a_warning(
    toy: engine.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine._loaded.cache_clear()
    assert "broken" not in engine.training_engines()
    assert "toy-engine" in caplog.text
    assert engine.training_engines()["toy"].summary == toy.summary
    assert [one.name for one in engine.parameters(toy)][:2] == ["related", "others"]
    assert engine.parameters(toy)[0].summary == 'Share of right answers of the arm "related".'
