from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from workshop import Workshop

import med_mat
from med_mat import cli as module
from med_mat.catalog import load
from med_mat.cli import cli

COMMANDS = sorted(cli.commands)


def run(*arguments: str | Path, code: int = 0) -> Result:
    """A command that is expected to end with that exit status."""
    result = CliRunner().invoke(cli, [str(one) for one in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def shell(*arguments: str | Path, cwd: Path, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", "from med_mat.cli import main; main()", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(cwd / "huggingface")},
        check=False,
        timeout=600,
    )
    assert expect is None or done.returncode == expect, done.stderr
    return done


def fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str | Path
) -> tuple[int, str]:
    """The exit status of a user's mistake, and what it says, through the same door as the shell."""
    monkeypatch.setattr(sys, "argv", ["med-mat", *map(str, arguments)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        module.main()
    said = capsys.readouterr().err
    assert isinstance(caught.value.code, int)
    return caught.value.code, said


# ---------------------------------------------------------------------------------------------------------------- help


def test_the_commands_of_the_documentation_exist() -> None:
    assert {"sources", "show", "build", "miniature", "demo"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    for flag in ("--help", "-h"):
        text = run(name, flag).output
        assert "Example" in text
        assert f"med-mat {name}" in text.split("Example")[1]
        assert text.startswith("Usage: ")
    for parameter in cli.commands[name].params:
        assert parameter.param_type_name == "argument" or getattr(parameter, "help", None), parameter.name


def test_help_without_a_command() -> None:
    text = run("--help").output
    for name in COMMANDS:
        assert f"  {name} " in text
    assert "med-mat demo" in text
    assert run("--version").output == f"med-mat, version {med_mat.__version__}\n"


# ------------------------------------------------------------------------------------------------------------- catalog


def test_sources() -> None:
    lines = run("sources").output.splitlines()
    assert lines[0].split()[:3] == ["source", "rows", "subsets"]
    assert [line.split()[0] for line in lines[1:-1]] == list(load())
    assert lines[-1].startswith(f"{len(load())} sources.")
    assert max(map(len, lines)) < 250


def test_sources_of_a_pattern() -> None:
    for pattern in ("CT|MRI/Brain/*", "US/Breast/*", "*"):
        names = [line.split()[0] for line in run("sources", pattern).output.splitlines()[1:-1]]
        assert names == [source.name for source in med_mat.sources(pattern)]
    names = [line.split()[0] for line in run("sources", "Der/*/*", "--access", "open").output.splitlines()[1:-1]]
    assert names == [source.name for source in med_mat.sources("Der/*/*", access="open")]
    both = run("sources", "--access", "open", "--access", "account", "--redistributable").output.splitlines()
    expected = med_mat.sources(access=["open", "account"], redistributable=True)
    assert [line.split()[0] for line in both[1:-1]] == [source.name for source in expected]
    assert run("sources", "Co/Skin/*").output == "Nothing matches.\n"
    told = run("sources", "CT|MRI/Brain/* & annotation=classes", "--access", "open").output.splitlines()
    brain = [one.name for one in med_mat.sources("CT|MRI/Brain/* & annotation=classes")]
    assert told[0] == "Nothing matches."
    assert f"Without access=open: {', '.join(brain[:5])}" in told
    assert not any(line.startswith("Without annotation") for line in told), "and without that alone nothing would"


@pytest.mark.parametrize("name", list(load()))
def test_show(name: str) -> None:
    text = run("show", name).output
    source = load()[name]
    for words in (
        source.title,
        source.homepage,
        source.license,
        source.layouts[0].patterns[-1],
        source.downloads[0].at,
    ):
        assert words in text
    for row in source.rows:
        assert f"row {row.number}: {row.mat}" in text
    for error in source.errata:
        assert error.why in text
    assert "None" not in text.split("\n# ")[0].replace("None of", "")


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    code = "from med_mat.cli import main; main()"
    piped = f"{sys.executable} -c '{code}' sources | head -1"
    done = subprocess.run(piped, shell=True, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("source")
    assert done.stderr == ""


# --------------------------------------------------------------------------------------------------------------- build


def test_dry_run_writes_nothing(workshop: Workshop, tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = run("build", "--raw", workshop.raw, "--out", out, "--dry-run").output
    found = [p for p in load() if (workshop.raw / p).exists()]
    places, ahead = text.splitlines()[: len(found)], text.splitlines()[len(found) :]
    assert [line.partition(":")[0] for line in places] == [line.partition(":")[0] for line in ahead] == found
    assert all(re.fullmatch(r"\w+: \d+ images to decode", line) for line in ahead)
    assert f"busi: {workshop.raw / 'busi' / 'Dataset_BUSI_with_GT'} (layout: published)" in text
    assert not out.exists()


def test_build_of_named_sources(workshop: Workshop, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("build", "head_ct", f"busi={workshop.raw / 'busi'}", "--raw", workshop.raw, "--out", out)
    text = run(*arguments, "--jobs", "1", "--quiet").output
    said = json.loads((out / "ledger" / "busi.json").read_text("utf-8"))["images"]
    assert f"busi: {said['found']} image files = {said['in_records']} in records + {said['annotations']} masks" in text
    assert "35 records, 1 skipped; see" in text
    assert "head_ct: 21 image files = 20 in records + 1 not used; 20 records, 0 skipped; see" in text
    assert f'55 records in {out}. Next: load_dataset("{out}", split="train")' in text
    assert len(med_mat.open(out)) == 55
    again = run(*arguments, "--jobs", "1", "--quiet").output
    assert "chunks kept from an earlier run" in again
    assert len(json.loads((out / "ledger" / "busi.json").read_text("utf-8"))["quarantine"]) == 1


def test_the_last_line_has_the_total_of_the_build_and_what_failed(workshop: Workshop, tmp_path: Path) -> None:
    out, raw = tmp_path / "out", tmp_path / "raw"
    shutil.copytree(workshop.raw / "busi", raw / "busi")
    shutil.copytree(workshop.raw / "head_ct", raw / "head_ct")
    run("build", "busi", "--raw", raw, "--out", out, "--jobs", "1", "--quiet")
    last = run("build", "head_ct", "--raw", raw, "--out", out, "--jobs", "1", "--quiet").output.splitlines()[-1]
    assert last.startswith(f"55 records in {out}, 20 of them of the sources built now")
    for picture in raw.glob("busi/**/*.png"):
        picture.write_bytes(b"")
    last = run("build", "--raw", raw, "--out", out, "--jobs", "1", "--quiet", code=1).output.splitlines()[-1]
    assert last.startswith(f"55 records in {out}, 20 of them of the sources built now"), "what was there stays"
    assert last.endswith("; NOT BUILT, for the reason above: busi")


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_build_names_what_nobody_reads(workshop: Workshop, tmp_path: Path, more: tuple[str, ...]) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(workshop.raw / "head_ct", raw / "head_ct")
    shutil.copytree(workshop.raw / "head_ct" / "head_ct", raw / "HEp2 (1)" / "some" / "pictures")
    (raw / "busi.zip").write_bytes(b"")
    told = run("build", "--raw", raw, "--out", tmp_path / "out", "--jobs", "1", "--quiet", *more).output
    assert f"not recognized: HEp2 (1) (21 images); see med-mat doctor {raw}\n" in told
    assert "archives, not read: busi.zip; either" in told
    assert "not recognized" not in run("build", "head_ct", "--raw", raw, "--out", tmp_path / "o", "--dry-run").output


def test_where_nothing_is_recognized_what_lies_there_is_named(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(workshop.raw / "head_ct" / "head_ct", tmp_path / "raw" / "pictures")
    code, told = fails(capsys, monkeypatch, "build", "--raw", tmp_path / "raw", "--out", tmp_path / "out")
    assert code == 1
    assert told.startswith("not recognized: pictures (21 images); see med-mat doctor")
    assert "Error: No source of Med-MAT is recognized" in told


def test_a_build_that_would_lose_records_stops_and_leaves_the_old_one_whole(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, out = Path(shutil.copytree(workshop.raw / "head_ct", tmp_path / "raw" / "head_ct")), tmp_path / "out"
    arguments = ("build", "--raw", raw.parent, "--out", out, "--jobs", "1", "--quiet")
    run(*arguments)
    empty, gone, *_ = sorted(raw.rglob("*.png"))
    empty.write_bytes(b"")
    gone.unlink()
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and ".build" not in path.parts}
    code, said = fails(capsys, monkeypatch, *arguments)
    assert code == 1
    assert f"2 records of 20 that {out} had of these sources would no longer be there: " in said
    assert f"head_ct/7/{gone.stem}.png (no longer found)" in said
    assert f"head_ct/7/{empty.stem}.png ({empty.relative_to(raw).as_posix()}: the file is empty)" in said
    assert {path: path.read_bytes() for path in before} == before
    assert len(med_mat.open(out)) == 20
    assert run(*arguments, "--allow-fewer").output.splitlines()[-1].startswith("18 records in ")


def test_images_that_no_table_lists_are_told(workshop: Workshop, tmp_path: Path) -> None:
    raw = Path(shutil.copytree(workshop.raw / "aptos_2019", tmp_path / "aptos_2019"))
    (table,) = raw.rglob("train.csv")
    head, *rows = table.read_text().split()
    table.write_text("\n".join([head, *(f"x{row}" for row in rows[:14]), *rows[14:]]))
    text = run("build", f"aptos_2019={raw}", "--out", tmp_path / "out", "--jobs", "1", "--quiet").output
    images = json.loads((tmp_path / "out/ledger/aptos_2019.json").read_text("utf-8"))["images"]
    assert images["in_records"] == 6
    assert f"aptos_2019: {images['found']} image files = 6 in records + {images['unused']} not used; 6 records" in text
    assert "  14 image files not used: train.csv does not list it (first: " in text
    assert "  train.csv names 14 images not in the folder (first: " in text


def test_miniature(tmp_path: Path) -> None:
    text = run("miniature", tmp_path / "raw", "busi", "head_ct").output
    assert f"busi: {tmp_path / 'raw' / 'busi'}\n" in text
    assert text.endswith("The images are synthetic.\n")
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["busi", "head_ct"]


# ------------------------------------------------------------------------------------------------------------ mistakes

MISTAKES = [
    (["show", "bussi"], 1, "There is no source named 'bussi'. Did you mean 'busi'?"),
    (["show"], 2, "Missing argument 'SOURCE'"),
    (["sources", "CT/Lungs/*"], 1, "Did you mean 'Lung'?"),
    (["sources", "--access", "opne"], 1, "access='opne' is not one of open,"),
    (["sources", "CT/*/*", "MRI/*/*"], 2, "unexpected extra argument"),
    (["build"], 2, "Missing option '--out'"),
    (["build", "--out", "x"], 1, "Nothing to build: name a source"),
    (["build", "busi", "--out", "x"], 1, "No folder is given for 'busi': write busi=FOLDER"),
    (["build", "busi=nowhere", "--out", "x"], 1, "nowhere does not exist"),
    (["build", "--raw", "nowhere", "--out", "x"], 1, "nowhere is not a folder"),
    (["build", "--raw", "empty", "--out", "x"], 1, "No source of Med-MAT is recognized below"),
    (["build", "busi=empty", "--out", "x"], 1, "is not laid out as BUSI"),
    (["build", "bussi=empty", "--out", "x"], 1, "Did you mean 'busi'?"),
    (["build", "busi=raw", "--out", "file"], 1, "file is a file: choose a folder for the output"),
    (["build", "busi=raw", "--out", "file/x"], 1, "Cannot create the folder"),
    (["build", "busi=raw", "--out", "raw"], 1, "is inside the output"),
    (["build", "busi=", "--out", "x"], 2, "'busi=' names no folder: write busi=FOLDER"),
    (["build", "busi=raw", "busi=file", "--out", "x"], 2, "'busi' is named twice"),
    (["build", "busi=raw", "--out", ""], 2, "'.' is the current folder"),
    (["validate", "busi=", "--against", "x"], 2, "'busi=' names no folder"),
    (["attach", "org/x", "busi=", "--out", "x"], 2, "'busi=' names no folder"),
    (["validate", "--out", "x", "--raw", "raw"], 2, "--out checks a Med-MAT only"),
    (["validate", "--out", "empty"], 1, "empty has no SHA256SUMS"),
    (["build", "busi=raw", "--out", "raw/busi/Dataset_BUSI_with_GT/x"], 1, "is inside the raw folder"),
    (["build", "busi=file", "--out", "x"], 1, "is a file: name the folder or the archive that holds"),
    (["build", "busi=raw", "--out", "x", "--jobs", "0"], 2, "0 is not in the range"),
    (["build", "busi=raw", "--out", "x", "--on-error", "ignore"], 2, "'ignore' is not one of 'skip', 'raise'"),
    (["build", "busi=raw", "--out", "x", "--on-error", "raise", "--quiet", "--jobs", "1"], 1, "malignant (6)_mask.png"),
    (["miniature", "file"], 1, "file"),
    (["miniature", "file", "busi"], 1, "file"),
    (["miniature", "x", "bussi"], 1, "Did you mean 'busi'?"),
    (["demo", "--raw", "file"], 1, "file"),
    (["demo", "--out", "file", "--raw", "x", "--jobs", "1"], 1, "file is a file"),
    (["demo", "--jobs", "two"], 2, "'two' is not a valid integer"),
    (["biuld"], 2, "No such command 'biuld'"),
]


def places(command: click.Command, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command, click.Parameter]]:
    """Every option and argument of every command that names a folder or a file."""
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            yield from places(one, *names, name)
    for param in command.params:
        if isinstance(param.type, click.Path) or param.name in ("where", "dataset"):
            yield names, command, param


PLACES = list(places(cli))


@pytest.mark.parametrize(("names", "command", "param"), PLACES, ids=[f"{' '.join(n)} {p.name}" for n, _, p in PLACES])
def test_an_empty_name_is_never_the_current_folder(
    names: tuple[str, ...], command: click.Command, param: click.Parameter, tmp_path: Path
) -> None:
    assert len(PLACES) > 30
    with pytest.raises(click.BadParameter, match="The path is empty: name a folder or a file"):
        param.type.convert("", param, click.Context(command))
    assert param.type.convert(".", param, click.Context(command)) in (".", Path())


@pytest.mark.parametrize(("arguments", "code", "message"), MISTAKES, ids=[" ".join(one[0]) for one in MISTAKES])
def test_a_mistake_is_one_sentence(
    workshop: Workshop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    if "raw" in arguments or any("raw" in one for one in arguments):
        shutil.copytree(workshop.raw / "busi", tmp_path / "raw" / "busi")
    status, said = fails(capsys, monkeypatch, *arguments)
    assert status == code
    assert message in said
    assert "Traceback" not in said
    assert "Error: " in said
    assert said.split("Error: ", 1)[1].count("\n") == 1, "one line"
    assert not (tmp_path / "x" / "med_mat.json").exists()


def test_a_card_without_a_loader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(load()._sources, "acrima", replace(load()["acrima"], loader="med_mat.loaders.not_written_yet"))
    status, said = fails(capsys, monkeypatch, "miniature", tmp_path / "x", "acrima")
    assert status == 1
    assert said == "Error: Source 'acrima' has a card but no loader yet.\n"


def test_several_splits_are_proven_saved_and_compared(workshop: Workshop, tmp_path: Path) -> None:
    out = workshop.out
    covid = "X-ray/Lung/COVID"
    said = run("split", out, "fold", covid, "--k", "3", "--save", tmp_path / "f.parquet", "--audit", tmp_path / "f.txt")
    assert said.output.count("holds: yes") == 3
    assert "fold 0      fold 1      fold 2" in said.output
    mat = med_mat.open(out)
    tested = [mat.load_split(tmp_path / f"f-fold-{n}.parquet").test_positions for n in range(3)]
    assert sum(map(len, tested)) == len(mat.where(covid, withheld=True))
    assert all((tmp_path / f"f-fold-{n}.txt").is_file() for n in range(3))
    one = run("split", out, "fold", covid, "--k", "3", "--fold", "1", "--save", tmp_path / "one.csv")
    assert one.output.count("holds: yes") == 1
    listed = tmp_path / "one.csv"
    own = run("split", out, "split", "--train", listed, "--test", listed, "--save", tmp_path / "own.json")
    assert f"load_split('{tmp_path / 'own.json'}')" in own.output
    assert mat.load_split(tmp_path / "own.json").test_positions.tolist() == tested[1].tolist()
    said = run("split", out, "leave_source_out", "CT/Lung/COVID", "--validation", "0.2")
    assert said.output.count("  source: ") == said.output.count("  validation: 0.2") > 1
    seeds = run("split", out, "related", "CT/Lung/Cancer", "--size", "9", "--seeds", "0,1")
    assert "seed 0      seed 1" in seeds.output
    assert "such as 0,1,2" in run("split", out, "related", "CT/Lung/Cancer", "--seeds", "0,x", code=2).output


def test_a_mistake_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = shell("show", "bussi", cwd=tmp_path, expect=1)
    assert done.stdout == ""
    assert (
        done.stderr
        == f"Error: There is no source named 'bussi'. Did you mean 'busi'? 'med-mat sources' lists all {len(load())}.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("med_mat.catalog.sources", stop)
    status, said = fails(capsys, monkeypatch, "sources")
    assert status == 130
    assert "Run the same command to resume" in said


def test_a_source_that_gives_nothing_does_not_stop_the_others(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(workshop.raw / "head_ct", tmp_path / "raw" / "head_ct")
    shutil.copytree(workshop.raw / "busi", tmp_path / "raw" / "busi")
    for path in (tmp_path / "raw" / "head_ct").rglob("*.png"):
        path.write_bytes(b"no picture")
    out = tmp_path / "out"
    status, said = fails(
        capsys, monkeypatch, "build", "--raw", tmp_path / "raw", "--out", out, "--jobs", "1", "--quiet"
    )
    assert status == 1
    assert "head_ct: nothing could be built." in said
    assert set(med_mat.open(out).tags.sources) == {"busi"}


# ---------------------------------------------------------------------------------------------------------------- demo


@pytest.mark.slow
def test_the_demo_goes_all_the_way_offline(tmp_path: Path) -> None:
    done = shell("demo", "--jobs", "2", cwd=tmp_path)
    text = done.stdout
    for words in (
        "synthetic",
        "1. Miniature raw folders of",
        "2. Built Med-MAT:",
        "3. load_dataset('Med-MAT', split='train')",
        "4. Records per modality and area:",
        "5. mat.related('CT/Lung/Cancer')",
        "holds: yes",
        "on both sides: 0 groups, 0 patients, 0 files, 0 images",
        "Next:",
    ):
        assert words in text
    assert text.startswith("The images of this demonstration are synthetic")
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"raw", "Med-MAT", "huggingface"}
    mat = med_mat.open(tmp_path / "Med-MAT")
    assert f"{len(mat):,} records" in text
    total = text.split("area:\n")[1].split("5. mat")[0]
    cells = [int(cell) for line in total.splitlines()[1:] for cell in line.split()[1:] if cell.isdigit()]
    assert sum(cells) == len(mat)
    card = (tmp_path / "Med-MAT" / "README.md").read_text("utf-8")
    assert "Synthetic images" in card
    again = shell("demo", "--jobs", "1", cwd=tmp_path)  # a second run is no mistake
    assert again.stdout == text
