"""An export: the stored bytes under safe names, complete or continued, with its account and the terms."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import med_mat
from med_mat import export, files
from med_mat.errors import ExportError, WriteError
from med_mat.export import Job, export_format, names, registry
from med_mat.export.permit import licenses
from med_mat.export.turns import harmless
from med_mat.storage import windows

TARGET = "CT/Lung/Cancer"
Digests = Callable[[Path], dict[str, str]]


@pytest.fixture
def experiment(mat: med_mat.MedMAT) -> med_mat.Experiment:
    return mat.related(TARGET)


def account(out: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((out / "export.json").read_text("utf-8"))
    return read


def given_terms(mat: med_mat.MedMAT, **terms: bool | None) -> med_mat.MedMAT:
    """The same build, as if its images were not synthetic and its sources had these terms."""
    other = med_mat.open(mat.location.root)  # type: ignore[union-attr]
    for facts in other.manifest["sources"].values():
        facts["synthetic"] = False
    other.tags = replace(other.tags, facts={n: replace(one, **terms) for n, one in other.tags.facts.items()})
    return other


# ---------------------------------------- what is written


def test_images_are_the_stored_bytes_and_every_record_is_in_the_account(
    mat: med_mat.MedMAT, experiment: med_mat.Experiment, tmp_path: Path
) -> None:
    done = experiment.export(tmp_path / "out", format="llava", progress=False)
    said = account(tmp_path / "out")
    assert said["key"]["fingerprint"] == experiment.fingerprint
    assert said["definition"] == experiment.definition
    for part, positions in (("train", experiment.train_positions), ("test", experiment.test_positions)):
        stored = {one["id"]: one["image"]["bytes"] for one in mat.read(positions, ["id", "image"])}
        found = said["files"][part]
        assert found.keys() == stored.keys()
        assert all((tmp_path / "out" / path).read_bytes() == stored[id_] for id_, path in found.items())
        assert done.records[part] == said["records"][part] == len(stored)
    assert said["key"]["versions"]["med_mat"] == med_mat.__version__


def test_the_suffix_is_that_of_the_content(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    mat.export(None, tmp_path / "out", format="llava", progress=False)
    heads = {".jpg": b"\xff\xd8\xff", ".png": b"\x89PNG"}
    written = [path for path in (tmp_path / "out/images").rglob("*") if path.is_file()]
    assert {path.suffix for path in written} == heads.keys()
    assert all(path.read_bytes().startswith(heads[path.suffix]) for path in written)


def test_records_of_one_image_share_its_file(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    done = mat.export("*/*/*", tmp_path / "out", format="llava", progress=False)
    facts = mat.index.select(["id", "image_id"]).to_pylist()
    image_of = {one["id"]: one["image_id"] for one in facts}
    files_of: dict[str, set[str]] = {}
    for members in account(tmp_path / "out")["files"].values():
        for id_, path in members.items():
            files_of.setdefault(image_of[id_], set()).add(path)
    assert all(len(paths) == 1 for paths in files_of.values())
    assert done.images == len(files_of) < sum(done.records.values())


def test_train_is_shuffled_by_a_seed_and_the_other_parts_keep_their_order(
    experiment: med_mat.Experiment, tmp_path: Path
) -> None:
    orders = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        experiment.export(tmp_path / name, format="llava", seed=seed, progress=False)
        orders[name] = [[one["id"] for one in json.loads((tmp_path / name / f"{part}.json").read_text("utf-8"))]
                        for part in ("train", "test")]  # fmt: skip
    (train, test), (other, same) = orders["a"], orders["c"]
    assert orders["a"] == orders["b"]
    assert train != other
    assert sorted(train) == sorted(other)
    assert test == same == experiment.test["id"][:]
    changes = sum(a.split("/")[0] != b.split("/")[0] for a, b in itertools.pairwise(train))
    assert changes > 5, "sources are mixed"
    assert account(tmp_path / "c")["shuffled"] == {"parts": ["train"], "seed": 1}


@pytest.mark.parametrize("window", [1, 50_000, windows.WINDOW])
def test_a_window_of_any_size_has_every_record_once(
    mat: med_mat.MedMAT, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr(windows.records, "__defaults__", (window,))
    positions = mat.where("CT")
    plain = {one["id"]: one for one in mat.records(positions)}
    mixed = {one["id"]: one for one in mat.records(positions, shuffle=3)}
    assert plain.keys() == mixed.keys()
    assert plain == mixed
    columns = list(mat.index.column_names)
    assert [{name: one[name] for name in columns} for one in plain.values()] == mat.index.take(positions).to_pylist()


def test_the_form_of_the_questions_is_that_of_the_experiment(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    paper = mat.related(TARGET, questions="paper")
    paper.export(tmp_path / "out", format="llava", progress=False)
    asked = {
        one["id"]: one["conversations"][0]["value"] for one in json.loads((tmp_path / "out/test.json").read_text())
    }
    wanted = mat.questions(paper.test_positions, "paper")["question"].to_pylist()
    ids = mat.facts(paper.test_positions, ["id"])["id"].to_pylist()
    assert asked == {id_: f"<image>\n{question}" for id_, question in zip(ids, wanted, strict=True)}


def test_what_a_style_does_not_have_is_left_out_and_counted(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    selected = export.Selected(mat, mat.where("*/*/*"))
    for style in ("auto", "choice", "open"):
        plan = export.plan(selected, format="llava", style=style)
        done = mat.export("*/*/*", tmp_path / style, format="llava", style=style, progress=False)
        assert {part: one.records for part, one in plan.parts.items()} == done.records
        assert {part: dict(one.left_out) for part, one in plan.parts.items() if one.left_out} == done.left_out
        assert sum(one.images for one in plan.parts.values()) == done.images
        entries = [one for part in done.records for one in json.loads((tmp_path / style / f"{part}.json").read_text())]
        assert all(said["value"] for one in entries for said in one["conversations"])


def test_a_plan_knows_about_how_many_bytes_it_will_be(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    plan = export.plan(export.Selected(mat, mat.where("*/*/*")), format="llava")
    mat.export("*/*/*", tmp_path / "out", format="llava", progress=False)
    size = sum(path.stat().st_size for path in (tmp_path / "out/images").rglob("*") if path.is_file())
    assert size / 2 < sum(one.size for one in plan.parts.values()) < size * 2


# ---------------------------------------- names


@given(name=st.text(min_size=1, max_size=400), other=st.text(min_size=1, max_size=400))
def test_names_are_portable_and_differ_by_more_than_case(name: str, other: str) -> None:
    stem = names.stem(name)
    assert stem.isascii()
    assert len(stem) <= 80
    assert stem[0].isalnum()
    assert set(stem) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert (stem.casefold() == names.stem(other).casefold()) == (name == other)


@pytest.mark.parametrize(
    "name", ["con", "NUL", "com1", "..", "/", "a/../b", "é" * 300, " ", "A" * 300, "-x", ".hidden"]
)
def test_no_name_is_a_device_or_leads_elsewhere(name: str) -> None:
    path = names.image_path("images", f"{name}/{name}.jpg", b"", ".png")
    parts = path.split("/")
    assert len(parts) == 3
    assert all(part.partition(".")[0].upper() not in ("CON", "NUL", "COM1", "") for part in parts)
    assert all(len(part) < 90 and part[0].isalnum() for part in parts)


def test_the_same_name_with_another_content_is_another_file() -> None:
    one, other = (names.image_path("images", "busi/a.png", content, ".png") for content in (b"1", b"2"))
    assert one != other


# ---------------------------------------- the folder


def test_the_same_export_again_writes_nothing(
    experiment: med_mat.Experiment, tmp_path: Path, tree_digests: Digests
) -> None:
    experiment.export(tmp_path / "out", format="llava", progress=False)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert not experiment.export(tmp_path / "out", format="llava", progress=False).anew
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}


def test_a_file_that_is_gone_or_broken_is_written_again(
    experiment: med_mat.Experiment, tmp_path: Path, tree_digests: Digests
) -> None:
    out = tmp_path / "out"
    experiment.export(out, format="llava", progress=False)
    before = tree_digests(out)
    gone, *_, broken = sorted((out / "images").rglob("*.*"))
    gone.unlink()
    broken.write_bytes(broken.read_bytes()[:-1])
    assert experiment.export(out, format="llava", progress=False).anew
    assert tree_digests(out) == before


@pytest.mark.parametrize("name", ["train.json", "LICENSES.md"])
def test_a_file_of_the_format_that_was_cut_is_written_again(
    experiment: med_mat.Experiment, tmp_path: Path, tree_digests: Digests, name: str
) -> None:
    out = tmp_path / "out"
    experiment.export(out, format="llava", progress=False)
    before = tree_digests(out)
    (out / name).write_bytes((out / name).read_bytes()[:-1])
    assert experiment.export(out, format="llava", progress=False).anew
    assert tree_digests(out) == before


def test_the_account_has_the_size_of_every_other_file(experiment: med_mat.Experiment, tmp_path: Path) -> None:
    experiment.export(tmp_path, format="llava", progress=False)
    sizes = {path.relative_to(tmp_path).as_posix(): path.stat().st_size for path in tmp_path.rglob("*.*")}
    del sizes["export.json"]
    assert account(tmp_path)["sizes"] == sizes


def test_a_link_in_the_folder_does_not_lead_a_file_elsewhere(experiment: med_mat.Experiment, tmp_path: Path) -> None:
    out, mine = tmp_path / "out", tmp_path / "thesis.tex"
    mine.write_text("my thesis")
    experiment.export(out, format="llava", progress=False)
    image = next(iter(account(out)["files"]["test"].values()))
    for name in ("train.json", image):
        (out / name).unlink()
        (out / name).symlink_to(mine)
    assert experiment.export(out, format="llava", progress=False).anew
    assert mine.read_text() == "my thesis"
    assert not (out / "train.json").is_symlink()
    assert not (out / image).is_symlink()


def test_a_folder_that_leads_out_of_the_export_is_refused(experiment: med_mat.Experiment, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    experiment.export(out, format="llava", progress=False)
    (out / "images").rename(tmp_path / "moved")
    (out / "images").symlink_to(elsewhere)
    with pytest.raises(ExportError, match=r"a link that leads out of .*: remove the link"):
        experiment.export(out, format="llava", progress=False)
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    "change", [{"format": "trl"}, {"format": "llava", "style": "open"}, {"format": "llava", "seed": 1}]
)
def test_another_export_is_not_written_over(
    experiment: med_mat.Experiment, tmp_path: Path, change: dict[str, Any], tree_digests: Digests
) -> None:
    experiment.export(tmp_path / "out", format="llava", progress=False)
    before = tree_digests(tmp_path / "out")
    with pytest.raises(ExportError, match=r"contains the export of something else \((format|style|seed)"):
        experiment.export(tmp_path / "out", progress=False, **change)
    assert tree_digests(tmp_path / "out") == before


def test_other_peoples_files_are_left_alone(experiment: med_mat.Experiment, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ExportError, match=r"files that no export wrote, such as thesis.tex"):
        experiment.export(tmp_path, format="llava", progress=False)
    with pytest.raises(ExportError, match="is a file"):
        experiment.export(tmp_path / "thesis.tex", format="llava", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"key": 1}', "[" * 100_000])
@pytest.mark.parametrize("name", ["export.json", ".med-mat-export.json"])
def test_a_damaged_account_is_not_taken_for_this_export(
    experiment: med_mat.Experiment, tmp_path: Path, text: str, name: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ExportError, match="of something else"):
        experiment.export(tmp_path, format="llava", progress=False)


def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(
    experiment: med_mat.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tree_digests: Digests
) -> None:
    experiment.export(tmp_path / "whole", format="llava", progress=False)
    real, left = Path.write_bytes, iter(range(20))

    def full(path: Path, content: bytes) -> int:
        if next(left, None) is None and files.is_temporary(path.name):
            time.sleep(0.2)  # the table that names the image could be complete by now
            raise OSError(28, "No space left on device", str(path))
        return real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(WriteError, match=r"Cannot write .*\.(png|jpg): No space left on device\.$"):
            experiment.export(tmp_path / "out", format="llava", progress=False)
    assert not (tmp_path / "out/train.json").exists()
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/images").rglob("*.*")}
    assert written
    experiment.export(tmp_path / "out", format="llava", progress=False)
    assert all(path.stat().st_mtime_ns == when for path, when in written.items())
    assert tree_digests(tmp_path / "out") == tree_digests(tmp_path / "whole")


_RUN = """
import sys
import med_mat, med_mat.export
mat = med_mat.open(sys.argv[1])
med_mat.export.export_formats()
print("ready", flush=True)
mat.export("*/*/*", sys.argv[2], format=sys.argv[3], progress=False)
"""


@pytest.mark.parametrize("form", ["llava", "trl"])
def test_a_killed_export_is_continued_to_the_same_bytes(
    built: Path, tmp_path: Path, form: str, tree_digests: Digests
) -> None:
    med_mat.open(built).export("*/*/*", tmp_path / "whole", format=form, progress=False)
    wanted = tree_digests(tmp_path / "whole")
    for wait in (0.01, 0.05, 0.1, 0.15):
        run = subprocess.Popen(
            [sys.executable, "-c", _RUN, str(built), str(tmp_path / "out"), form], stdout=subprocess.PIPE
        )
        assert run.stdout is not None
        run.stdout.readline()
        time.sleep(wait)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        run.stdout.close()
        found = tree_digests(tmp_path / "out") if (tmp_path / "out").exists() else {}
        final = {path: digest for path, digest in found.items() if not Path(path).name.startswith(".med-mat")}
        assert final.items() <= wanted.items(), "what has its final name is complete"
    med_mat.open(built).export("*/*/*", tmp_path / "out", format=form, progress=False)
    assert tree_digests(tmp_path / "out") == wanted


# ---------------------------------------- the terms


def test_what_terms_keep_back_is_refused_with_the_ways_out(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    closed = given_terms(mat, redistributable=False, labels_redistributable=None).related(TARGET)
    with pytest.raises(
        ExportError, match=r"chest_ct_scan: images \(no\) and labels \(unknown\).*own_use=True.*allowed"
    ):
        closed.export(tmp_path / "out", format="llava", progress=False)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ExportError, match=r"No record can be exported.*keep back"):
        closed.export(tmp_path / "out", format="llava", pixels="allowed", progress=False)
    done = closed.export(tmp_path / "own", format="llava", own_use=True, progress=False)
    assert sum(done.records.values()) == len(closed.train_positions) + len(closed.test_positions)
    head = (tmp_path / "own/LICENSES.md").read_text("utf-8").split("|")[0]
    assert "For the use of whoever made this copy" in head


def test_with_allowed_the_sources_that_are_kept_back_are_left_out_and_counted(
    mat: med_mat.MedMAT, tmp_path: Path
) -> None:
    mixed = given_terms(mat, redistributable=True, labels_redistributable=True)
    kept = {number: one for number, one in mixed.tags.facts.items() if one.source == "sars_cov_2_ct"}
    facts = {**mixed.tags.facts, **{n: replace(one, redistributable=None) for n, one in kept.items()}}
    mixed.tags = replace(mixed.tags, facts=facts)
    experiment = mixed.related(TARGET)
    of_it = int(sum(mixed.tags.counts(experiment.train_positions).get(number, 0) for number in kept))
    done = experiment.export(tmp_path / "out", format="llava", pixels="allowed", progress=False)
    assert of_it > 0
    assert done.records["train"] == len(experiment.train_positions) - of_it
    assert list(done.left_out["train"].values()) == [of_it]
    assert "sars_cov_2_ct" not in (tmp_path / "out/LICENSES.md").read_text("utf-8")
    plan = export.plan(experiment, format="llava", pixels="allowed")
    assert plan.parts["train"].records == done.records["train"]


def test_synthetic_images_may_always_be_exported(experiment: med_mat.Experiment, tmp_path: Path) -> None:
    experiment.export(tmp_path / "out", format="llava", progress=False)
    text = (tmp_path / "out/LICENSES.md").read_text("utf-8")
    assert "For the use of whoever made this copy" not in text
    assert all(f"`{source}`" in text for source in account(tmp_path / "out")["sources"])
    assert licenses((), {}).startswith("# Licenses")


# ---------------------------------------- the registry


@pytest.fixture
def own() -> Iterator[None]:
    """Formats that a test registers are forgotten afterwards."""
    before = dict(registry._FORMATS)
    yield
    registry._FORMATS.clear()
    registry._FORMATS.update(before)


@pytest.mark.usefixtures("own")
def test_a_format_is_one_function(experiment: med_mat.Experiment, tmp_path: Path) -> None:
    @export_format("labels", summary="a label per line", needs=("label",))
    def labels(job: Job, *, end: str = "\n") -> None:
        for part in job.parts:
            with job.out.lines(f"{part}.txt") as file:
                for row in job.rows(part):
                    if row.facts["label"] == "Normal":
                        job.skip(row, "it is normal")
                    else:
                        file.write(row.facts["label"] + end)
                        job.placed(row, f"{part}.txt")

    done = experiment.export(tmp_path / "out", format="labels", end=";\n", progress=False)
    counts = Counter((tmp_path / "out/train.txt").read_text("utf-8").split(";\n")[:-1])
    assert sum(counts.values()) == done.records["train"]
    assert "Normal" not in counts
    assert sum(done.records.values()) + sum(n for r in done.left_out.values() for n in r.values()) == len(
        experiment.train_positions
    ) + len(experiment.test_positions)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", ""])
def test_a_format_cannot_write_elsewhere(experiment: med_mat.Experiment, tmp_path: Path, name: str) -> None:
    @export_format("outside", summary="a file elsewhere")
    def outside(job: Job) -> None:
        job.out.write(name, b"")

    with pytest.raises(ExportError, match="names a file"):
        experiment.export(tmp_path / "out", format="outside", progress=False)
    assert not (tmp_path / "x").exists()


def test_mistakes_are_answered_with_what_there_is(experiment: med_mat.Experiment, tmp_path: Path) -> None:
    for wrong, said in (
        ({"format": "lava"}, "Did you mean 'llava'"),
        ({"format": "llava", "messages": True}, "unknown key 'messages'"),
        ({"format": "trl", "messages": "yes"}, "must be true or false"),
        ({"format": "llava", "style": "chat"}, "style"),
        ({"format": "llava", "boxes": "qwen3"}, "Did you mean 'qwen3-vl'"),
        ({"format": "llava", "own_use": "no"}, "own_use must be true or false"),
    ):
        with pytest.raises(ExportError, match=said):
            experiment.export(tmp_path / "out", progress=False, **wrong)
    assert not (tmp_path / "out").exists()


def test_an_export_of_nothing_says_why(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="there is none in any part"):
        mat.export("US/*/* & split=validation & label=COVID-19", tmp_path / "out", format="llava", progress=False)
    boxes = mat.where("*/*/* & source=isic_2016 & row=89")
    with pytest.raises(ExportError, match="it has no question with an answer"):
        mat.export(boxes, tmp_path / "out", format="llava", style="choice", progress=False)
    assert not (tmp_path / "out").exists()


@given(st.text(alphabet="<>|/ image_loc01", max_size=60))
def test_no_mark_of_a_trainer_is_left_in_a_text(text: str) -> None:
    plain = harmless(text)
    assert all(mark not in plain for mark in ("<image>", "<|image|>", "</image>", "<loc01>"))
    assert plain.replace("< ", "<") == text.replace("< ", "<")
    assert harmless(plain) == plain
