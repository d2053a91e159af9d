"""Hostile raw folders: a short run of what `python -m tests.fuzz --seed 1 --count 300` runs for longer."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from fuzz import case, chance, run, spoil

from med_mat.building import Options, build
from med_mat.demo import miniature
from med_mat.errors import LayoutError

SECONDS = 10  # of each part: what a slow machine does not reach, another does


@pytest.mark.parametrize("part", range(4))
def test_no_hostile_folder_stops_a_build_or_unbalances_its_ledger(part: int) -> None:
    done, broken = run(1, 25, start=25 * part, seconds=SECONDS)
    assert done
    assert not broken


def test_a_case_is_the_same_each_time(tmp_path: Path) -> None:
    made = []
    for name in "ab":
        source, change = chance(3, 7)
        miniature(tmp_path / name, [source])
        how = change(tmp_path / name / source)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        made.append((how, [(path.relative_to(tmp_path / name), path.read_bytes()) for path in files]))
    assert made[0] == made[1]


def test_the_driver_sees_what_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(top: Path) -> str:
        return "nothing"

    def forgetful(raw: object, out: Path, options: Options) -> object:
        (out.parent / "elsewhere").touch()
        report = build(raw, out, options)  # type: ignore[arg-type]
        report.failed["busi"] = LayoutError("two\nlines")  # type: ignore[index]
        return report

    assert case(tmp_path / "right", "busi", nothing) == []
    monkeypatch.setattr("fuzz.build", forgetful)
    (tmp_path / "wrong").mkdir()
    found = case(tmp_path / "wrong", "busi", nothing)
    assert [one.split(":")[1].strip() for one in found] == ["more than a line", "names nothing", "outside"]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_done_to_a_file_can_be_done(tmp_path: Path, seed: int) -> None:
    for name, data in {
        "a.json": json.dumps([{"a": [1]}]).encode(),
        "b.csv": b"x,y\n1,2\n",
        "c.png": b"",
        "d": b"12",
    }.items():
        (tmp_path / name).write_bytes(data)
        assert spoil(tmp_path / name, random.Random(seed))
