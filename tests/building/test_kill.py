"""A build that is killed, at whatever point and however often, leaves nothing half-written and can be finished."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from building import content, make, touch
from workshop import heeding_interrupts

from med_mat.building import plan
from med_mat.demo import miniature
from med_mat.leakage.groups import DUPLICATES
from med_mat.storage.location import JOURNAL

pytestmark = pytest.mark.slow

SOURCES = ("head_ct", "busi")
CHUNK_EXAMPLES = 4  # so that a run has many steps
SMALL_CHUNKS = f"from med_mat.building import plan; plan.CHUNK_EXAMPLES = {CHUNK_EXAMPLES}"
WAITING = (".build/next/", ".build/.med-mat-")  # new files, and the journal half written
POINTS = {1: 14, 2: 8}  # jobs -> how many points of a run it is killed at


@dataclass(frozen=True)
class Clean:
    """Raw folders, and the build that was never disturbed."""

    raw: Path
    out: Path
    content: dict[str, bytes]
    measured: dict[int, float] = field(default_factory=dict)

    def seconds(self, jobs: int) -> float:
        """How long a run takes."""
        if jobs not in self.measured:
            begun = time.monotonic()
            out = self.out.with_name(f"jobs {jobs}")
            assert self.start(out, jobs).wait(60) == 0
            self.measured[jobs] = time.monotonic() - begun
            assert content(out) == self.content
        return self.measured[jobs]

    def start(self, out: Path, jobs: int, stderr: int | None = None) -> "subprocess.Popen[str]":
        """A real ``med-mat build``, in a process group of its own."""
        program = f"{SMALL_CHUNKS}; from med_mat.cli import main; main()"
        arguments = ["build", "--raw", str(self.raw), "--out", str(out), "--quiet", "--jobs", str(jobs)]
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=heeding_interrupts,
            text=True,
        )

    def check_killed(self, out: Path) -> None:
        """What lies there under its final name is whole."""
        for name, data in content(out).items():
            if name.endswith(".tmp"):
                continue
            if not name.startswith(WAITING):  # what waits may be of a chunk whose records have yet to change sides
                assert name == JOURNAL or data == self.content.get(name), name
            if name.endswith(".parquet"):
                empty = name.endswith(DUPLICATES)  # there are none here
                assert (pq.ParquetFile(out / name).metadata.num_rows == 0) == empty

    def check_resumed(self, out: Path) -> None:
        """Finish the build; it is the one that was never disturbed."""
        make(self.raw, out, *SOURCES)
        assert content(out) == self.content


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "CHUNK_EXAMPLES", CHUNK_EXAMPLES)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    folder = tmp_path_factory.mktemp("clean")
    miniature(folder / "raw", SOURCES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "CHUNK_EXAMPLES", CHUNK_EXAMPLES)
        make(folder / "raw", folder / "out", *SOURCES)
    return Clean(folder / "raw", folder / "out", content(folder / "out"))


def kill_after(run: "subprocess.Popen[str]", seconds: float, *, workers: bool = True) -> bool:
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
    at = (point + random.Random(f"{jobs} {point}").random()) / POINTS[jobs] * clean.seconds(jobs)
    for attempt in range(10):  # a machine that is less busy than before may have finished by then
        out = tmp_path / str(attempt)
        if kill_after(clean.start(out, jobs), at * 0.8**attempt):
            clean.check_killed(out)
            clean.check_resumed(out)
            return
    pytest.fail("the build always ended before it was killed")


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_workers_that_outlive_a_killed_run_do_no_harm(clean: Clean, tmp_path: Path, share: float) -> None:
    run = clean.start(tmp_path, 2)
    try:
        kill_after(run, clean.seconds(2) * share, workers=False)
        make(clean.raw, tmp_path, *SOURCES)  # beside them
        clean.check_killed(tmp_path)
        assert (tmp_path / "med_mat.json").exists()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    clean.check_resumed(tmp_path)


def processes(session: int) -> set[int]:
    """The living processes of a session."""
    found = set()
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = place.read_text().rsplit(")", 1)[1].split()  # state, parent, group, session
            if int(fields[3]) == session and fields[0] != "Z":
                found.add(int(place.parent.name))
    return found


def until(happens: Callable[[], object], seconds: float = 30) -> bool:
    """Whether it happens in time."""
    end = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(("signal_sent", "status"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGKILL", -9)])
def test_whatever_ends_a_build_ends_its_workers_and_what_it_can_tidy_up_it_does(
    clean: Clean, tmp_path: Path, signal_sent: str, status: int
) -> None:
    run = clean.start(tmp_path, 2, stderr=subprocess.PIPE)
    try:
        begun = until(lambda: run.poll() is not None or list(tmp_path.rglob(".build/next/data/**/.med-mat-*.tmp")), 60)
        assert begun
        assert run.poll() is None, "the build ended before the signal"
        run.send_signal(getattr(signal, signal_sent))
        said = run.communicate(timeout=60)[1]
        assert run.returncode == status
        assert until(lambda: not processes(run.pid)), [
            Path(f"/proc/{p}/cmdline").read_bytes()[-200:] for p in processes(run.pid)
        ]
        if signal_sent != "SIGKILL":
            assert "Interrupted. Run the same command to resume" in said
            assert not list(tmp_path.rglob("*.tmp"))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    clean.check_resumed(tmp_path)


def test_a_build_that_is_killed_again_and_again_ends_at_the_same_bytes(clean: Clean, tmp_path: Path) -> None:
    draw = random.Random("again")
    for _ in range(4):
        kill_after(clean.start(tmp_path, 1), clean.seconds(1) * draw.uniform(0.5, 0.95))
        clean.check_killed(tmp_path)
    clean.check_resumed(tmp_path)


#: Runs a build in one child after another; the n-th child is killed at the n-th step that touches the disk.
EVERY_STEP = """
import os, shutil, signal, sys
from pathlib import Path
import filelock, PIL.PngImagePlugin, pyarrow.compute, pyarrow.parquet
from med_mat.building import Options, build, find, plan
from med_mat.catalog import load
from med_mat.loaders import head_ct
import scipy.sparse.csgraph, scipy.fft, faiss
from med_mat.building import fingerprint
load(), pyarrow.array([1])  # once, for all children: the latter imports pandas
fingerprint.module_digests(["med_mat.loaders.head_ct", "med_mat.building.outcomes"])
plan.CHUNK_EXAMPLES = 12
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
        build(find({"head_ct": None}, raw), out, Options(jobs=1))
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
    n += 1
"""


@pytest.mark.parametrize("again", [False, True], ids=["first build", "rebuild of changed files"])
def test_a_build_may_be_killed_at_every_single_step(
    tmp_path: Path, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "CHUNK_EXAMPLES", 12)
    raw, start = tmp_path / "raw", tmp_path / "start"
    miniature(raw, ["head_ct"])
    if again:
        make(raw, start, "head_ct")
        for image in (raw / "head_ct/head_ct/head_ct").iterdir():
            image.write_bytes((raw / "head_ct/head_ct/head_ct/000.png").read_bytes())
            touch(image)
    top = tmp_path / "killed"
    top.mkdir()
    subprocess.run([sys.executable, "-c", EVERY_STEP, raw, start, top], check=True, timeout=600)
    make(raw, tmp_path / "clean", "head_ct")
    expected = content(tmp_path / "clean")
    killed = sorted(top.iterdir(), key=lambda out: int(out.name))
    assert len(killed) > 20
    *killed, ended = killed
    assert content(ended) == expected
    for out in killed:
        if not again:
            done = {name: data for name, data in content(out).items() if not name.startswith(WAITING)}
            assert all(name == JOURNAL or data == expected[name] for name, data in done.items())
        make(raw, out, "head_ct")
        assert content(out) == expected, f"killed at step {out.name}"
