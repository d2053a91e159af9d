"""Raw folders in a repository of the Hub are read at the commit that was the newest when they were listed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hub_client import Built, Client
from hub_server import File, Repository

BUILD = """
import sys
from pathlib import Path
from med_mat.building import Options, build, find
from med_mat.mounts.urls import url
report = build(find({}, url(sys.argv[1])), Path(sys.argv[2]), Options(jobs=1))
assert not report.failed, report.failed
"""


def test_a_build_from_the_hub_has_the_bytes_of_one_from_the_folder(
    client: Client, built: Built, tmp_path: Path
) -> None:
    files = {
        path.relative_to(built.raw).as_posix(): File(path.read_bytes(), path.stat().st_size > 2000)
        for path in sorted(built.raw.rglob("*"))
        if path.is_file()
    }
    repository = client.hub.repositories["org/raw"] = Repository(private=False)
    repository.commit("main", files)
    client.hub.objects.update({one.sha256: one.content for one in files.values() if one.lfs})
    ran = replace(client, settled=False).python(BUILD, "hf://datasets/org/raw", tmp_path / "out")
    assert not ran.returncode, ran.stderr

    def content(out: Path) -> dict[str, bytes]:
        found = (path for path in out.rglob("*") if path.is_file() and ".build" not in path.parts)
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in found if path.name != "SHA256SUMS"}

    assert content(tmp_path / "out") == content(built.out)
