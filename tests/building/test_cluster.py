"""A build on a cluster of several processes has the bytes of a build here, or is refused before anything is built."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import joblib
import pytest
from building import content, make

from med_mat.building import Options, Report, build, find, plan, session
from med_mat.demo import miniature
from med_mat.errors import BuildError, FaultError, MissingExtraError, UsageError

#: They share images and patients, so that records change sides at the end.
SOURCES = ("busi", "isic_2016", "isic_2017", "nih_chestxray14", "head_ct")
# What a worker runs before it works; Dask runs it twice where there is a nanny.
SLOW_CHUNKS = """
import time
from med_mat.building import stream
from med_mat.building.chunk import write_chunk as right
def write_chunk(*arguments):
    time.sleep(0.3)
    return right(*arguments)
stream.write_chunk = write_chunk
"""
DEADLY = """
import os
from med_mat.building import stream
from med_mat.building.chunk import write_chunk as right
def write_chunk(chunk, *arguments):
    if chunk.source == "busi":
        os._exit(9)
    return right(chunk, *arguments)
stream.write_chunk = write_chunk
"""
OTHER_VERSION = """
import pydicom
from importlib import metadata
metadata.version = lambda name: "2.9.9" if name == "pydicom" else metadata.distribution(name).version
"""


@contextmanager
def small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "CHUNK_EXAMPLES", 4)
        yield


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``raw``, and ``out``: what a build without a cluster makes of it."""
    top = tmp_path_factory.mktemp("cluster")
    miniature(top / "raw", SOURCES)
    with small_chunks():
        make(top / "raw", top / "out", *SOURCES)
    return top


class DaskCluster:
    """A scheduler and workers, each a process with a folder and a home of its own."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("distributed", reason="Dask is not installed")
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.port = free_port()
        self.scheduler = self.start_scheduler()

    @property
    def address(self) -> str:
        return f"dask://127.0.0.1:{self.port}"

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"]
        process = self._start("scheduler", "distributed.cli.dask_scheduler", options)
        wait_for(lambda: listens(self.port))
        return process

    def work(self, name: str, preload: str = "", *before: str) -> subprocess.Popen[bytes]:
        """Start a worker, in which some code runs first, and wait until the scheduler knows it."""
        script, log = self.folder / f"{name}.py", self.folder / f"{name}.log"
        script.write_text(preload, "utf-8")
        options = [f"tcp://127.0.0.1:{self.port}", "--name", name, "--nthreads", "1", "--no-dashboard"]
        options += ["--local-directory", str(self.folder / f"{name} scratch"), "--preload", str(script)]
        process = self._start(name, "distributed.cli.dask_worker", options, *before)
        wait_for(lambda: "Registered to" in log.read_text("utf-8"))
        return process

    def _start(self, name: str, module: str, options: list[str], *before: str) -> subprocess.Popen[bytes]:
        home = str(self.folder / f"{name} home")
        environment = {**os.environ, "HOME": home, "HF_HOME": home, "XDG_CACHE_HOME": home}
        with (self.folder / f"{name}.log").open("wb") as log:
            command = [*before, sys.executable, "-m", module, *options]
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            kill(process)


class RayCluster:
    """A Ray cluster of one node with two workers, and a port for clients from outside."""

    def __init__(self) -> None:
        pytest.importorskip("ray", reason="Ray is not installed")
        self.ports = [free_port(), free_port()]
        # Ray's own processes listen on sockets whose paths must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="ray"))
        options = ["--head", "--num-cpus", "2", "--include-dashboard=false", "--disable-usage-stats"]
        options += ["--port", str(self.ports[0]), "--ray-client-server-port", str(self.ports[1])]
        self._ray("start", *options, "--temp-dir", str(self.folder))

    def close(self) -> None:
        self._ray("stop", "--force")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _ray(self, *arguments: str) -> None:
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        command = [sys.executable, "-m", "ray.scripts.scripts", *arguments]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for a process and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[DaskCluster]:
    cluster = DaskCluster(tmp_path)
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="module")
def ray() -> Iterator[RayCluster]:
    cluster = RayCluster()
    try:
        yield cluster
    finally:
        cluster.close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def wait_for(ready: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "what the test waits for does not happen"
        time.sleep(0.05)


def run(top: Path, out: Path, address: str, *names: str) -> Report:
    with small_chunks(), session(address):
        return build(find(dict.fromkeys(names or SOURCES), top / "raw"), out)


def markers(out: Path) -> int:
    return len(list((out / ".build" / "next" / ".build").glob("*/*.json")))


def meanwhile(out: Path, chunks: int, act: Callable[[], object]) -> threading.Thread:
    """Do something once a build has committed some chunks."""

    def wait() -> None:
        wait_for(lambda: markers(out) >= chunks)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.slow
def test_a_dask_cluster_gives_the_bytes_of_this_machine(here: Path, dask: DaskCluster, tmp_path: Path) -> None:
    for name in ("one", "two"):
        dask.work(name)
    run(here, tmp_path / "out", dask.address)
    assert content(tmp_path / "out") == content(here / "out")


@pytest.mark.slow
def test_a_session_of_ones_own_is_used_as_well(here: Path, dask: DaskCluster, tmp_path: Path) -> None:
    from distributed import Client

    dask.work("one")
    with small_chunks(), Client(f"tcp://127.0.0.1:{dask.port}"), joblib.parallel_config("dask"):
        build(find(dict.fromkeys(SOURCES), here / "raw"), tmp_path / "out", Options(jobs=None))
    assert content(tmp_path / "out") == content(here / "out")


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(here: Path, dask: DaskCluster, tmp_path: Path) -> None:
    one, _ = dask.work("one", SLOW_CHUNKS), dask.work("two", SLOW_CHUNKS)
    thread = meanwhile(tmp_path / "out", 3, lambda: kill(one))
    run(here, tmp_path / "out", dask.address)
    thread.join()
    assert one.returncode == -signal.SIGKILL
    assert content(tmp_path / "out") == content(here / "out")


@pytest.mark.slow
def test_a_source_that_kills_every_worker_costs_itself_alone(here: Path, dask: DaskCluster, tmp_path: Path) -> None:
    dask.work("one", DEADLY)
    report = run(here, tmp_path / "out", dask.address, "busi", "head_ct")
    assert list(report.ledgers) == ["head_ct"]
    assert isinstance(report.failed["busi"], FaultError)
    assert "'busi'" in str(report.failed["busi"])


@pytest.mark.slow
def test_a_scheduler_that_is_lost_stops_the_build_and_another_one_resumes_it(
    here: Path, dask: DaskCluster, tmp_path: Path
) -> None:
    dask.work("one", SLOW_CHUNKS)
    thread = meanwhile(tmp_path / "out", 4, lambda: kill(dask.scheduler))
    with pytest.raises(BuildError, match=r"connection to the cluster is lost.*finished chunks are kept"):
        run(here, tmp_path / "out", dask.address)
    thread.join()
    finished = markers(tmp_path / "out")
    assert finished >= 4
    dask.start_scheduler()
    dask.work("two")
    assert run(here, tmp_path / "out", dask.address).kept >= finished
    assert content(tmp_path / "out") == content(here / "out")


def refused(here: Path, out: Path, address: str, words: str) -> None:
    with pytest.raises(BuildError, match=words) as caught:
        run(here, out, address)
    assert "\n" not in str(caught.value)
    assert {path.name for path in out.rglob("*") if path.is_file()} <= {"lock"}


@pytest.mark.slow
def test_a_worker_with_another_library_is_refused_by_name(here: Path, dask: DaskCluster, tmp_path: Path) -> None:
    dask.work("one")
    dask.work("two", OTHER_VERSION)
    refused(here, tmp_path / "out", dask.address, r"Worker tcp://\S+ cannot help.*pydicom 2\.9\.9 \(here: 3\.")


@pytest.mark.slow
def test_a_worker_that_joins_later_with_another_library_stops_the_build(
    here: Path, dask: DaskCluster, tmp_path: Path
) -> None:
    dask.work("one", SLOW_CHUNKS.replace("0.3", "1"))
    thread = meanwhile(tmp_path / "out", 1, lambda: dask.work("two", OTHER_VERSION))
    with pytest.raises(BuildError, match=r"joined the cluster.*pydicom 2\.9\.9"):
        run(here, tmp_path / "out", dask.address)
    thread.join()


@pytest.mark.slow
def test_a_worker_without_the_library_is_refused_by_name(here: Path, dask: DaskCluster, tmp_path: Path) -> None:
    dask.work("one", "import sys\nsys.modules['med_mat'] = None\n")
    refused(here, tmp_path / "out", dask.address, r"Worker tcp://\S+ cannot run Med-MAT.*install the same version")


@pytest.mark.slow
@pytest.mark.parametrize("hidden", ["raw", "out"])
def test_a_worker_that_does_not_see_a_folder_is_refused_by_name(
    here: Path, dask: DaskCluster, tmp_path: Path, hidden: str
) -> None:
    folder = here / "raw" if hidden == "raw" else tmp_path / "out"
    folder.mkdir(exist_ok=True)
    alone = ("unshare", "--mount", "--map-root-user", "sh", "-c", f'mount -t tmpfs none {folder} && exec "$@"', "sh")
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a process have file systems of its own")
    dask.work("one", "", *alone)
    refused(here, tmp_path / "out", dask.address, rf"Worker tcp://\S+ does not see .*{folder}")


@pytest.mark.slow
def test_a_ray_cluster_gives_the_bytes_of_this_machine(
    here: Path, ray: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{ray.ports[0]}")
    run(here, tmp_path / "out", "ray://auto")
    assert content(tmp_path / "out") == content(here / "out")


@pytest.mark.slow
def test_a_ray_cluster_is_reached_from_outside_and_a_killed_worker_changes_nothing(
    here: Path, ray: RayCluster, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one() -> None:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (folder / "cmdline").read_bytes().startswith(b"ray::_call"):
                    os.kill(int(folder.name), signal.SIGKILL)
                    killed.append(int(folder.name))
                    return

    thread = meanwhile(tmp_path / "out", 2, kill_one)
    run(here, tmp_path / "out", f"ray://127.0.0.1:{ray.ports[1]}")
    thread.join()
    assert content(tmp_path / "out") == content(here / "out")
    assert killed


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused(here: Path, dask: DaskCluster, tmp_path: Path) -> None:
    refused(here, tmp_path / "out", dask.address, "has no worker")


@pytest.mark.parametrize("address", ["host:8786", "tcp://host:8786", "dask://", "ray:", ""])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="is no cluster: write dask://HOST"), session(address):
        pass


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed")
    monkeypatch.setattr("med_mat.building.cluster._CONNECT_SECONDS", 1)
    with pytest.raises(BuildError, match=r"dask://127\.0\.0\.1:9 does not answer"), session("dask://127.0.0.1:9"):
        pass


@pytest.mark.parametrize("address", ["ray://127.0.0.1:9", "ray://auto"])
def test_a_ray_cluster_that_does_not_answer_is_said(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(BuildError, match=rf"{address} does not answer \(ConnectionRefusedError"), session(address):
        pass


def test_an_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'med-mat\[dask\]'"), session("dask://host:8786"):
        pass


@pytest.mark.slow
def test_a_local_worker_that_is_killed_changes_nothing(here: Path, tmp_path: Path) -> None:
    tasks = Path(f"/proc/{os.getpid()}/task")
    if not tasks.exists():
        pytest.skip("the children of a process are found in /proc")
    killed = []

    def kill_one() -> None:
        for child in {one for task in tasks.iterdir() for one in (task / "children").read_text().split()}:
            if b"LokyProcess" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)
                killed.append(child)
                return

    thread = meanwhile(tmp_path / "out", 2, kill_one)
    with small_chunks():
        make(here / "raw", tmp_path / "out", *SOURCES, jobs=2)
    thread.join()
    assert killed
    assert content(tmp_path / "out") == content(here / "out")
