"""From a card to a folder that a loader reads, and what the command says on the way."""

import io
import os
import signal
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from serving import Server, zipped

from med_mat import catalog
from med_mat.catalog import Download, Layout, Source
from med_mat.cli import cli
from med_mat.download import download, plan
from med_mat.download.command import obtain
from med_mat.download.http import Settings
from med_mat.download.routes import verified
from med_mat.errors import DownloadError, LayoutError, MedMATError
from med_mat.hosts import Host, hosts
from med_mat.hosts.clients import Kaggle
from med_mat.hosts.listed import GitHub

QUICK = Settings(tries=3, pause=0.001, timeout=(5, 5))
IMAGES = {f"Data/images/{i}.png": bytes([i]) * 300 for i in range(6)}
TABLE = b"image,label\n"


def source(*downloads: Download, layout: tuple[str, ...] = ("images/*.png",), **facts: Any) -> Source:
    """A source whose only special thing is the way to it."""
    layouts = (Layout("published", layout),)
    return replace(catalog.load()["kvasir_seg"], name="toy", downloads=downloads, layouts=layouts, **facts)


def at(server: Server, path: str, body: bytes, *files: str, **how: Any) -> Download:
    return Download("https", server.file(path, body, **how), files)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def bring(one: Source, raw: Path, number: int | None = None, **how: Any) -> Path:
    ways = plan(one, raw)
    return download(ways, ways.choose(number), settings=QUICK, **how).folder.root


def test_one_archive(server: Server, tmp_path: Path) -> None:
    body = zipped({**IMAGES, "Data/table.csv": TABLE})
    root = bring(source(at(server, "/toy.zip", body)), tmp_path)
    assert root == tmp_path / "toy/Data"
    assert tree(tmp_path / "toy") == {**IMAGES, "Data/table.csv": TABLE}
    assert [path.name for path in (tmp_path / ".downloads/toy").iterdir()] == ["lock"]


def test_archives_are_kept_where_that_is_asked_for(server: Server, tmp_path: Path) -> None:
    body = zipped(IMAGES)
    bring(source(at(server, "/toy.zip", body)), tmp_path, keep_archives=True)
    assert (tmp_path / ".downloads/toy/route-1/files/toy.zip").read_bytes() == body


def test_several_files_of_one_server(server: Server, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        info = tarfile.TarInfo("1.png")
        info.size = 3
        file.addfile(info, io.BytesIO(b"png"))
        file.addfile(replace_name(info, "2.png"), io.BytesIO(b"png"))
    server.file("/set/train.tar.gz", buffer.getvalue())
    server.file("/set/test.zip", zipped({"test/3.png": b"x"}))
    server.file("/set/labels.csv", TABLE)
    ways = Download("https", f"{server.base}/set/", ("train.tar.gz", "test.zip", "labels.csv"))
    root = bring(source(ways, layout=("labels.csv", "{train,test}/*.png")), tmp_path)
    assert sorted(tree(root)) == ["labels.csv", "test/3.png", "train/1.png", "train/2.png"]


def replace_name(info: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    new = tarfile.TarInfo(name)
    new.size = info.size
    return new


def test_entries_of_one_folder_are_one_route(server: Server, tmp_path: Path) -> None:
    parts = [at(server, f"/set/{name}.zip", zipped({f"{name}/1.png": b"x"})) for name in ("train", "test")]
    ways = plan(source(*parts, at(server, "/other/x.zip", b"")), tmp_path)
    assert [len(route.downloads) for route in ways.routes] == [2, 1]
    root = bring(source(*parts, layout=("train/*.png", "test/*.png")), tmp_path)
    assert sorted(tree(root)) == ["test/1.png", "train/1.png"]


def test_routes_that_complete_each_other(server: Server, tmp_path: Path) -> None:
    images, labels = at(server, "/a/i.zip", zipped(IMAGES)), at(server, "/b/labels.csv", TABLE)
    one = source(images, labels, layout=("Data/images/*.png", "labels.csv"))
    with pytest.raises(LayoutError, match=r"by another route \(--route N\): route 2: https .*labels.csv"):
        bring(one, tmp_path)
    root = bring(one, tmp_path, 2)
    assert sorted(tree(root)) == [*sorted(IMAGES), "labels.csv"]


def test_archives_inside(server: Server, tmp_path: Path) -> None:
    inner = zipped({"1.png": b"x", "2.png": b"y"})
    middle = zipped({"images/part_1.zip": inner, "metadata.csv": TABLE})
    one = source(
        at(server, "/toy.zip", zipped({"toy-1/inner.zip": middle})), layout=("metadata.csv", "images/part_1/*.png")
    )
    root = bring(one, tmp_path)
    assert sorted(tree(root)) == ["images/part_1/1.png", "images/part_1/2.png", "metadata.csv"]


def with_host(monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
    """A host in the place of the one of its kind, or beside the others."""
    monkeypatch.setattr("med_mat.download.routes.hosts", lambda: {**hosts(), host.kind: host})


def test_an_archive_of_github_loses_its_wrapper(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_host(monkeypatch, GitHub(server.base))
    server.json("/repos/me/it/commits/HEAD", {"sha": "abc"})
    server.file("/repos/me/it/zipball/abc", zipped({"me-it-abc/images/1.png": b"x"}))
    bring(source(Download("github", "me/it")), tmp_path)
    assert tree(tmp_path / "toy") == {"images/1.png": b"x"}


def test_kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "kaggle.py"
    (tmp_path / "it.zip").write_bytes(zipped(IMAGES))
    script.write_text(f"import shutil, sys\nshutil.copy({str(tmp_path / 'it.zip')!r}, sys.argv[5] + '/archive.zip')")
    with_host(monkeypatch, Kaggle((sys.executable, str(script))))
    bring(source(Download("kaggle", "me/it")), tmp_path / "raw")
    assert tree(tmp_path / "raw/toy") == IMAGES


def test_rar(server: Server, tmp_path: Path) -> None:
    files = {"a/set.part1.rar": b"Rar!\x1a\x07", "a/set.part2.rar": b"Rar!\x1a\x07"}
    one = source(at(server, "/toy.zip", zipped(files)))
    with pytest.raises(DownloadError) as caught:
        bring(one, tmp_path)
    assert f"bsdtar -xf {tmp_path}/toy/a/set.part1.rar -C {tmp_path}/toy/a" in str(caught.value)
    assert "part2" not in str(caught.value)
    assert tree(tmp_path / "toy") == files


def test_a_hostile_archive_leaves_nothing(server: Server, tmp_path: Path) -> None:
    one = source(at(server, "/toy.zip", zipped({**IMAGES, "../../../evil": b"x"})))
    with pytest.raises(MedMATError, match="leads out"):
        bring(one, tmp_path / "raw")
    assert not (tmp_path / "raw/toy").exists()
    assert not list(tmp_path.rglob("evil"))


def test_what_is_there_is_not_overwritten(server: Server, tmp_path: Path) -> None:
    (tmp_path / "toy/Data/images").mkdir(parents=True)
    (tmp_path / "toy/Data/images/1.png").write_bytes(b"mine")
    one = source(at(server, "/toy.zip", zipped(IMAGES)))
    with pytest.raises(DownloadError, match=r"images/1.png is there already and differs"):
        bring(one, tmp_path)
    assert (tmp_path / "toy/Data/images/1.png").read_bytes() == b"mine"
    (tmp_path / "toy/Data/images/1.png").unlink()
    bring(one, tmp_path)
    assert tree(tmp_path / "toy") == IMAGES
    assert len(server.seen) == 1


def test_two_at_once(server: Server, tmp_path: Path) -> None:
    import filelock

    (tmp_path / ".downloads/toy").mkdir(parents=True)
    with filelock.FileLock(tmp_path / ".downloads/toy/lock"), pytest.raises(DownloadError, match="another process"):
        bring(source(at(server, "/toy.zip", zipped(IMAGES))), tmp_path)


SCRIPT = """
import sys, time, random
from pathlib import Path
import test_download, med_mat.download.unpack as packing, med_mat.download.run as run
from serving import Server

step, seen = int(sys.argv[3]), 0

def counted(function):
    def slow(*args, **how):
        global seen
        seen += 1
        if seen >= step:
            print("here", flush=True)
            time.sleep(60)
        return function(*args, **how)
    return slow

run._merge, run._put, run._place = counted(run._merge), counted(run._put), counted(run._place)
packing._Writer.write = counted(packing._Writer.write)
packing._Writer.link = counted(packing._Writer.link)
test_download.bring(test_download.both(sys.argv[1]), Path(sys.argv[2]))
"""


def both(base: str) -> Source:
    ways = Download("https", f"{base}/set/", ("a.zip", "b.zip", "labels.csv"))
    return source(ways, layout=("labels.csv", "a/*.png", "b/*.png"))


@pytest.mark.parametrize("step", [1, 3, 5, 6, 9, 12, 13, 14])
def test_killed_while_unpacking(server: Server, tmp_path: Path, step: int) -> None:
    expected = {f"{name}/{i}.png": bytes([i]) for name in "ab" for i in range(4)} | {"labels.csv": TABLE}
    for name in "ab":
        members = {path: data for path, data in expected.items() if path.startswith(f"{name}/")}
        server.file(f"/set/{name}.zip", zipped(members))
    server.file("/set/labels.csv", TABLE)
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, server.base, str(tmp_path), str(step)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"here\n"
        os.kill(child.pid, signal.SIGKILL)
    assert not (tmp_path / "toy").exists()
    fetched = len(server.seen)
    root = bring(both(server.base), tmp_path)
    assert tree(root) == expected
    assert len(server.seen) == fetched == 3


# ---- which way, and what is said


def test_the_way_that_asks_least(tmp_path: Path) -> None:
    page, kaggle = Download("page", "https://x.org"), Download("kaggle", "me/it")
    rules, code = Download("kaggle-competition", "it"), Download("github", "me/it")
    zenodo, physionet = Download("zenodo", "7"), Download("physionet", "it/1.0")
    for access, ways, expected in [
        ("account", (page, kaggle, zenodo), 3),
        ("account", (page, code, kaggle), 3),
        ("open", (page, code), 2),
        ("open", (page,), 1),
        ("competition", (kaggle, rules), 2),
        ("competition", (kaggle, page), 2),
        ("credentialed", (kaggle, physionet), 2),
        ("request", (kaggle, zenodo), 2),
    ]:
        assert plan(source(*ways, access=access), tmp_path).choose().number == expected, (access, ways)
    with pytest.raises(DownloadError, match="has no route 3; it has 1"):
        plan(source(page), tmp_path).choose(3)


@pytest.mark.parametrize("name", list(catalog.load()))
def test_every_card_gives_steps(name: str, tmp_path: Path, offline: None) -> None:
    lines: list[str] = []
    obtain(catalog.load()[name], tmp_path / "raw", say=lines.append, agree=None, dry_run=True)
    text = "\n".join(lines)
    assert catalog.load()[name].terms in text
    assert "->" in text
    assert str(tmp_path / "raw" / name) in text
    for route in plan(catalog.load()[name], tmp_path).routes:
        assert "https://" in route.steps[0] or "http://" in route.steps[0]
        assert "med-mat build" in route.steps[-1]
    assert list(tmp_path.iterdir()) == []


def run(*arguments: str, reply: str | None = None) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["download", *arguments], input=reply)
    assert done.exception is None or isinstance(done.exception, SystemExit | MedMATError), done.exception
    return done.exit_code, done.output


@pytest.fixture
def toy(server: Server, monkeypatch: pytest.MonkeyPatch) -> Source:
    one = source(at(server, "/toy.zip", zipped(IMAGES)), terms="Be kind.")
    by_hand = replace(source(Download("page", "https://x.org", ("toy.rar",))), name="by_hand")
    monkeypatch.setattr(catalog, "load", lambda: {"toy": one, "by_hand": by_hand})
    return one


def test_command(toy: Source, server: Server, tmp_path: Path) -> None:
    raw = str(tmp_path)
    code, text = run("toy", "--raw", raw, "--dry-run")
    assert code == 0
    assert "would be fetched" in text
    code, text = run("toy", "--raw", raw, reply="n\n")
    assert code == 1
    assert "not accepted" in text
    assert text.index("Be kind.") < text.index("Do you accept these terms?")
    code, text = run("toy", "--raw", raw, reply="")
    assert code == 1
    assert "Pass --accept-terms" in text
    assert not server.seen
    assert list(tmp_path.iterdir()) == []
    code, text = run("toy", "--raw", raw, reply="y\n")
    assert code == 0, text
    assert f"med-mat build toy --raw {raw} --out Med-MAT" in text
    assert tree(tmp_path / "toy") == IMAGES
    code, text = run("toy", "--raw", raw)
    assert code == 0
    assert "there already" in text
    assert len(server.seen) == 1


def test_command_by_hand(toy: Source, tmp_path: Path) -> None:
    code, text = run("by_hand", "toy", "--raw", str(tmp_path), "--accept-terms")
    assert code == 1, "one of the two could not be fetched"
    assert "1. Open https://x.org." in text
    assert f"Download toy.rar into {tmp_path}/by_hand" in text
    assert "Error: by_hand has to be downloaded by hand" in text
    assert tree(tmp_path / "toy") == IMAGES
    assert run("by_hand", "--raw", str(tmp_path), "--dry-run")[0] == 0
    assert run("by_hand", "--raw", str(tmp_path), "--route", "1")[0] == 1


def test_command_names_other_routes_where_one_fails(server: Server, tmp_path: Path) -> None:
    one = source(Download("https", f"{server.base}/gone.zip"), Download("kaggle", "me/it"))
    with pytest.raises(DownloadError, match=r"404.*Other routes \(--route N\): route 2: kaggle"):
        obtain(one, tmp_path, say=lambda _: None, agree=None, settings=QUICK)


def test_what_comes_in_the_open_is_told_and_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = source(Download("https", "http://192.0.2.1/toy.zip", ("toy.zip",)), Download("kaggle", "me/it"))
    monkeypatch.setattr(catalog, "load", lambda: {"toy": one})
    code, text = run("toy", "--raw", str(tmp_path), "--dry-run")
    assert code == 0
    assert "verified by nothing: it comes over plain http, and only with --allow-http" in text
    code, text = run("toy", "--raw", str(tmp_path), "--accept-terms")
    assert code == 1
    assert "Other routes (--route N): route 2: kaggle" in text
    assert not plan(one, tmp_path).unattended, "doctor does not advise it"


@pytest.mark.parametrize("name", sorted(catalog.load()))
def test_every_route_says_how_it_is_verified(name: str, tmp_path: Path) -> None:
    for route in plan(catalog.load()[name], tmp_path).routes:
        assert route.verified.startswith(("by ", f"{route.downloads[0].files[:1] and route.downloads[0].files[0]}"))


def test_a_digest_in_the_card_verifies_what_it_names(tmp_path: Path) -> None:
    half = Download("https", "https://x.org/", ("a", "b"), {"a": "0" * 64})
    assert verified(half) == "a by the sha256 in the card, the rest by nothing but https and the size"
    assert verified(replace(half, files=("a",))) == "by the sha256 in the card"


def test_command_mistakes(toy: Source, tmp_path: Path) -> None:
    assert run("toy", "by_hand", "--raw", str(tmp_path), "--route", "1")[0] == 2
    assert run("--raw", str(tmp_path))[0] == 2
    assert "has no route 9" in run("toy", "--raw", str(tmp_path), "--route", "9")[1]


def test_without_the_extra(tmp_path: Path, toy: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "requests", None)
    code, text = run("toy", "--raw", str(tmp_path), "--accept-terms")
    assert code == 1
    assert "pip install 'med-mat[download]'" in text


def test_nothing_heavy_is_imported_by_the_command_line() -> None:
    code = "import sys, med_mat.cli, med_mat.download; sys.exit(bool({'requests', 'tenacity'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
