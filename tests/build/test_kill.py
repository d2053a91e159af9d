"""A build that is killed, at whatever point and however often, leaves nothing half-written and can be finished."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from building import content, make, touch

from med_mat.build import plan
from med_mat.demo import miniature

pytestmark = pytest.mark.slow

SOURCES = ("head_ct", "busi", "covid_ct", "ct_kidney", "aptos_2019")
SMALL_SHARDS = "from med_mat.build import plan; plan.SHARD_EXAMPLES = 5"  # so that a run has many steps
POINTS = {1: 14, 2: 8}  # jobs -> how many points of a run it is killed at


@dataclass(frozen=True)
class Clean:
    """Raw folders, and the build that was never disturbed."""

    raw: Path
    content: dict[str, bytes]
    seconds: dict[int, float]  # jobs -> how long a run takes

    def start(self, out: Path, jobs: int) -> "subprocess.Popen[str]":
        """A real ``med-mat build``, in a process group of its own."""
        program = f"{SMALL_SHARDS}; from med_mat.cli import main; main()"
        arguments = ["build", "--raw", str(self.raw), "--out", str(out), "--quiet", "--jobs", str(jobs)]
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments], stdout=subprocess.DEVNULL, start_new_session=True, text=True
        )

    def check_killed(self, out: Path) -> None:
        """What lies there under its final name is whole."""
        for name, data in content(out).items():
            if not name.endswith(".tmp"):
                assert data == self.content[name], name
                if name.endswith(".parquet"):
                    assert pq.ParquetFile(out / name).metadata.num_rows > 0

    def check_resumed(self, out: Path) -> None:
        """Finish the build; it is the one that was never disturbed."""
        make(self.raw, out, *SOURCES)
        deadline = time.monotonic() + 20
        while list(out.rglob("*.tmp")) and time.monotonic() < deadline:
            time.sleep(0.02)  # a worker that outlived the run may be at its last shard
        assert content(out) == self.content


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "SHARD_EXAMPLES", 5)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    folder = tmp_path_factory.mktemp("clean")
    miniature(folder / "raw", SOURCES)
    seconds: dict[int, float] = {}
    for jobs in POINTS:
        begun = time.monotonic()
        assert Clean(folder / "raw", {}, {}).start(folder / str(jobs), jobs).wait(60) == 0
        seconds[jobs] = time.monotonic() - begun
    assert content(folder / "1") == content(folder / "2")
    return Clean(folder / "raw", content(folder / "1"), seconds)


def kill_after(run: "subprocess.Popen[str]", seconds: float, *, workers: bool) -> bool:
    """Kill -9 a run, with or without its workers; whether it was still running."""
    with suppress(subprocess.TimeoutExpired):
        run.wait(seconds)
    if run.poll() is None:
        (os.killpg if workers else os.kill)(run.pid, signal.SIGKILL)
    return run.wait() == -signal.SIGKILL


@pytest.mark.parametrize(("jobs", "point"), [(jobs, point) for jobs, count in POINTS.items() for point in range(count)])
def test_a_killed_build_leaves_nothing_half_written_and_resumes_to_the_same_bytes(
    clean: Clean, tmp_path: Path, jobs: int, point: int
) -> None:
    at = (point + random.Random(f"{jobs} {point}").random()) / POINTS[jobs] * clean.seconds[jobs]
    workers_too = point % 2 == 0
    for attempt in range(10):  # a machine that is less busy than before may have finished by then
        out = tmp_path / str(attempt)
        run = clean.start(out, jobs)
        try:
            if not kill_after(run, at * 0.8**attempt, workers=workers_too):
                continue
            clean.check_killed(out)
            clean.check_resumed(out)
            return
        finally:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
    pytest.fail("the build always ended before it was killed")


def test_a_build_that_is_killed_again_and_again_ends_at_the_same_bytes(clean: Clean, tmp_path: Path) -> None:
    draw = random.Random("again")
    for _ in range(4):
        kill_after(clean.start(tmp_path, 1), clean.seconds[1] * draw.uniform(0.5, 0.95), workers=True)
        clean.check_killed(tmp_path)
    clean.check_resumed(tmp_path)


#: Runs a build in one child after another; the n-th child is killed at the n-th step that touches the disk.
EVERY_STEP = f"""
import os, shutil, signal, sys
from pathlib import Path
from med_mat.build import Options, build, find
{SMALL_SHARDS}
raw, start, top = map(Path, sys.argv[1:])
n = 0
while True:
    out = top / str(n)
    if start.exists():
        shutil.copytree(start, out)
    child = os.fork()
    if not child:
        steps = 0
        def counted(function):
            def step(*arguments, **options):
                global steps
                if steps == n:
                    os.kill(os.getpid(), signal.SIGKILL)
                steps += 1
                return function(*arguments, **options)
            return step
        Path.replace, Path.unlink, os.fsync = map(counted, (Path.replace, Path.unlink, os.fsync))
        build(find({{"head_ct": None}}, raw), out, Options(jobs=1))
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
    n += 1
"""


@pytest.mark.parametrize("again", [False, True], ids=["first build", "rebuild of changed files"])
def test_a_build_may_be_killed_at_every_single_step(tmp_path: Path, again: bool) -> None:
    raw, start = tmp_path / "raw", tmp_path / "start"
    miniature(raw, ["head_ct"])
    if again:
        make(raw, start, "head_ct")
        for image in (raw / "head_ct/head_ct/head_ct").iterdir():
            image.write_bytes((raw / "head_ct/head_ct/head_ct/000.png").read_bytes())
            touch(image)
    top = tmp_path / "killed"
    top.mkdir()
    subprocess.run([sys.executable, "-c", EVERY_STEP, raw, start, top], check=True, timeout=120)
    make(raw, tmp_path / "clean", "head_ct")
    expected = content(tmp_path / "clean")
    killed = sorted(top.iterdir(), key=lambda out: int(out.name))
    assert len(killed) > 30
    *killed, ended = killed
    assert content(ended) == expected
    for out in killed:
        if not again:
            assert all(name.endswith(".tmp") or data == expected[name] for name, data in content(out).items())
        make(raw, out, "head_ct")
        assert content(out) == expected, f"killed at step {out.name}"
