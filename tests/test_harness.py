import base64
import csv
import io
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image
from workshop import Workshop, digests

import med_mat
from med_mat.cli import cli
from med_mat.dataset import MedMAT
from med_mat.errors import ExportError
from med_mat.export import harness
from med_mat.export.formats.vlmevalkit import MISSING, changed
from med_mat.score import parsing

TARGET = "CT|MRI/Brain|Lung/*"


@pytest.fixture(scope="module")
def mat(workshop: Workshop) -> MedMAT:
    return med_mat.open(workshop.out)


@pytest.fixture(scope="module")
def asked(mat: MedMAT) -> dict[str, dict[str, Any]]:
    """The test records with options, by id."""
    positions = mat.where(TARGET, split="test")
    return {one["id"]: one for one in mat.index.take(positions).to_pylist() if one["options"]}


def exported(mat: MedMAT, out: Path, form: str, **options: Any) -> Path:
    mat.export(TARGET, out, format=form, progress=False, **options)
    return out


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def tasks(mat: MedMAT, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(mat, tmp_path_factory.mktemp("lmms") / "out", "lmms-eval", name="brain_and_lung")


def functions(folder: Path) -> ModuleType:
    """The functions of a task, executed as lmms-eval does: without an entry in sys.modules."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("utils", folder / "utils.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_constructor("!function", lambda loader, node: ("function", loader.construct_scalar(node)))


# --------------------------------------------------------------------------------------------------------- lmms-eval


def test_a_lmms_eval_task_has_exactly_the_test_records(tasks: Path, asked: dict[str, dict[str, Any]]) -> None:
    written = [one for path in tasks.glob("data/*/*.parquet") for one in pq.read_table(path).to_pylist()]
    assert sorted(one["id"] for one in written) == sorted(asked)
    for one in written:
        record = asked[one["id"]]
        assert one["triplet"] == "/".join(record[axis] for axis in ("modality", "area", "task"))
        assert (one["question"], one["options"], one["answer"]) == (
            record["question"], record["options"], record["answer"],
        )  # fmt: skip
        assert one["group"] == str(record["group"])
        Image.open(io.BytesIO(one["image"]["bytes"])).verify()


def test_every_name_in_a_task_is_a_function_of_its_utils(tasks: Path) -> None:
    module = functions(tasks)
    for path in tasks.glob("*.yaml"):
        task = yaml.load(path.read_text("utf-8"), _Loader)
        values = [*task.values(), *(one for metric in task.get("metric_list", ()) for one in metric.values())]
        for value in values:
            if isinstance(value, tuple):
                assert hasattr(module, value[1].removeprefix("utils."))


def test_the_group_names_a_task_for_each_triplet(tasks: Path) -> None:
    group = yaml.load((tasks / "brain_and_lung.yaml").read_text("utf-8"), _Loader)
    found = {one.stem for one in tasks.glob("brain_and_lung_*.yaml")}
    assert set(group["task"]) == found
    for name in found:
        task = yaml.load((tasks / f"{name}.yaml").read_text("utf-8"), _Loader)
        slug = task["dataset_kwargs"]["data_dir"]
        triplets = set(pq.read_table(tasks / "data" / slug)["triplet"].to_pylist())
        assert triplets == {task["metadata"]["triplet"]}


def test_answers_are_scored_in_per_cent_by_the_parser_of_the_export(tasks: Path) -> None:
    module = functions(tasks)
    path = next(iter(sorted(tasks.glob("data/*/*.parquet"))))
    for doc in pq.read_table(path).to_pylist():
        right = module.process_results(doc, [f"The correct answer is {doc['answer']}."])
        assert right["accuracy"]["score"] == 100
        assert right["paired_score"] == 1
        assert right["accuracy"]["id"] == doc["id"]
        wrong = module.process_results(doc, ["I cannot tell."])
        assert wrong["accuracy"]["score"] == wrong["paired_score"] == 0
        assert wrong["accuracy"]["letter"] is None
        assert module.mean_score([right["accuracy"], wrong["accuracy"]]) == 50
        assert module.count_unparsed([right["unparsed"], wrong["unparsed"]]) == "1 of 2"
    assert (tasks / "parsing.py").read_text("utf-8") == Path(parsing.__file__).read_text("utf-8")


def test_both_kinds_of_models_are_asked_the_same(tasks: Path) -> None:
    module = functions(tasks)
    doc = pq.read_table(next(iter(sorted(tasks.glob("data/*/*.parquet"))))).to_pylist()[0]
    doc["image"] = Image.open(io.BytesIO(doc["image"]["bytes"]))
    (message,) = module.doc_to_messages(doc)
    assert message["content"][1]["text"] == module.doc_to_text(doc) == doc["question"]
    assert message["content"][0]["url"].size == module.doc_to_visual(doc)[0].size == doc["image"].size


def test_one_triplet_is_one_task(mat: MedMAT, tmp_path: Path) -> None:
    mat.export("CT/Lung/COVID", tmp_path / "out", format="lmms-eval", progress=False)
    assert [one.name for one in (tmp_path / "out").glob("*.yaml")] == ["med_mat.yaml"]


# -------------------------------------------------------------------------------------------------------- VLMEvalKit


def test_a_tsv_has_the_open_question_and_the_options(
    mat: MedMAT, asked: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    folder = exported(mat, tmp_path / "out", "vlmevalkit")
    csv.field_size_limit(sys.maxsize)
    with (folder / "med_mat.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["index"] for row in rows] == [str(number) for number in range(len(rows))]
    assert {row["id"] for row in rows} == {
        name for name, one in asked.items() if one["open_question"] and not any(map(changed, one["options"]))
    }
    for row in rows:
        record = asked[row["id"]]
        assert row["question"] == record["open_question"]
        assert [row[letter] for letter in "ABCD" if row[letter]] == record["options"][:4]
        assert row["answer"] == record["answer"]
        assert len(row["image"]) > 64  # a shorter one would be read as the index of another row
        Image.open(io.BytesIO(base64.b64decode(row["image"]))).verify()


@pytest.mark.parametrize("name", ["MMBench_lung", "circular", "med_MMT", "mmsci-1"])
def test_a_name_that_changes_the_evaluation_is_refused(name: str, mat: MedMAT, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="evaluate it in another way"):
        exported(mat, tmp_path / "out", "vlmevalkit", name=name)


@pytest.mark.parametrize("text", [*sorted(MISSING), "1", "1.0", "007", "1e3", "1,000", "True", "inf", " Normal"])
def test_an_option_that_pandas_would_change_is_known(text: str) -> None:
    assert changed(text)


@pytest.mark.parametrize("text", ["Normal", "No DR", "Grade 1", "1 to 3", "N/A stage", "none of these", "nano"])
def test_other_options_survive(text: str) -> None:
    assert not changed(text)


# --------------------------------------------------------------------------------------------------------- EvalScope


def test_evalscope_gets_a_subset_per_triplet(mat: MedMAT, asked: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    folder = exported(mat, tmp_path / "out", "evalscope")
    written = [(path, one) for path in folder.glob("*_val.jsonl") for one in lines(path)]
    assert sorted(one["id"] for _, one in written) == sorted(asked)
    for path, one in written:
        record = asked[one["id"]]
        assert path.name == harness.Slugs().of(one["triplet"]) + "_val.jsonl"
        assert one["question"] == f"<image 1> {record['open_question']}"
        assert (one["options"], one["answer"]) == (record["options"], record["answer"])
        assert one["image_1"].startswith(("data:image/png;base64,", "data:image/jpeg;base64,"))


# ----------------------------------------------------------------------------------------------------------- common


@pytest.mark.parametrize("form", ["lmms-eval", "vlmevalkit", "evalscope"])
def test_the_same_records_give_the_same_bytes(form: str, mat: MedMAT, tmp_path: Path) -> None:
    first, second = (digests(exported(mat, tmp_path / name, form)) for name in ("first", "second"))
    assert first == second


@pytest.mark.parametrize("form", ["lmms-eval", "vlmevalkit"])
@pytest.mark.parametrize("name", ["../out", "a b", "", "-x", "a/b", "x" * 200])
def test_a_name_that_is_no_file_name_is_refused(name: str, form: str, mat: MedMAT, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot name a task"):
        exported(mat, tmp_path / "out", form, name=name)


def test_records_without_a_test_part_cannot_be_evaluated(mat: MedMAT, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no test records"):
        mat.export(f"{TARGET} & split=train", tmp_path / "out", format="lmms-eval", progress=False)


def test_triplets_with_similar_names_get_different_files() -> None:
    slugs = harness.Slugs()
    names = [slugs.of(one) for one in ("CT/Lung/Cancer", "CT/Lung Cancer/x", "ct/lung/cancer", "CT/Lung/Cancer")]
    assert names[0] == names[3]
    assert len(set(names)) == 3


# ---------------------------------------------------------------------------------------------------------- results


def test_the_samples_of_lmms_eval_become_answers(tasks: Path, tmp_path: Path) -> None:
    module = functions(tasks)
    docs = [one for path in sorted(tasks.glob("data/*/*.parquet")) for one in pq.read_table(path).to_pylist()]
    log = tmp_path / "samples.jsonl"
    with log.open("w", encoding="utf-8") as file:
        for number, doc in enumerate(docs):
            sample = {"doc_id": number, "filtered_resps": ["B"], **module.process_results(doc, ["B"])}
            print(json.dumps(sample), file=file)
    result = CliRunner().invoke(cli, ["answers", "lmms-eval", str(log), "-o", str(tmp_path / "answers.jsonl")])
    assert result.exit_code == 0, result.output
    found = lines(tmp_path / "answers.jsonl")
    assert [one["id"] for one in found] == [one["id"] for one in docs]
    assert {one["answer"] for one in found} == {"B"}
    assert {one["split"] for one in found} == {docs[0]["split"]}


@pytest.mark.parametrize("suffix", [".xlsx", ".tsv", ".json"])
def test_the_predictions_of_vlmevalkit_become_answers(suffix: str, tmp_path: Path) -> None:
    rows = [{"index": 0, "id": "a/1/x.png", "fingerprint": "f" * 16, "prediction": "(B)\nsince"},
            {"index": 1, "id": "a/1/y.png", "fingerprint": "f" * 16, "prediction": "A"}]  # fmt: skip
    path = tmp_path / f"model{suffix}"
    if suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in (list(rows[0]), *(list(one.values()) for one in rows)):
            book.active.append(row)
        book.save(path)
    elif suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
            writer.writeheader()
            writer.writerows(rows)
    assert list(harness.answers("vlmevalkit", path)) == [
        {"id": one["id"], "answer": one["prediction"], "split": "f" * 16} for one in rows
    ]


def test_the_reviews_of_evalscope_become_answers(tmp_path: Path) -> None:
    (tmp_path / "ct_val.jsonl").write_text('{"id": "a", "split": "f"}\n{"id": "b", "split": "f"}\n')
    review = {"index": 1, "sample_score": {"score": {"prediction": "ANSWER: A", "extracted_prediction": "A"}}}
    (tmp_path / "review.jsonl").write_text(json.dumps(review) + "\n")
    found = list(harness.answers("evalscope", tmp_path / "review.jsonl", tmp_path / "ct_val.jsonl"))
    assert found == [{"id": "b", "answer": "ANSWER: A", "split": "f"}]
    with pytest.raises(ExportError, match="--export"):
        list(harness.answers("evalscope", tmp_path / "review.jsonl"))


@pytest.mark.parametrize("name", list(harness.READERS))
@pytest.mark.parametrize("text", ["", "null\n", "[]\n", "{}\n", "{", '{"accuracy": 1}\n', '{"index": -1}\n', "\x00"])
def test_damaged_results_are_refused_or_empty(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    (tmp_path / "export.jsonl").write_text('{"id": "a", "split": "f"}\n')
    try:
        found = list(harness.answers(name, tmp_path / "results.json", tmp_path / "export.jsonl"))
    except ExportError as error:
        found = []
        said = str(error)
    else:
        said = str(tmp_path / "results.json")
    assert found == []
    assert str(tmp_path / "results.json") in said


def test_an_answer_given_twice_is_refused(tmp_path: Path) -> None:
    line = json.dumps({"accuracy": {"id": "a"}, "filtered_resps": "A"}) + "\n"
    (tmp_path / "samples.jsonl").write_text(line * 2)
    out = tmp_path / "answers.jsonl"
    result = CliRunner().invoke(cli, ["answers", "lmms-eval", str(tmp_path / "samples.jsonl"), "-o", str(out)])
    assert isinstance(result.exception, ExportError)
    assert not out.exists()
