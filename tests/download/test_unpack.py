"""Archives, honest and hostile."""

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from med_mat.download import unpack as packing
from med_mat.download.unpack import Limits, unpack
from med_mat.errors import ArchiveError, MedMATError

FILES = {"a/one.png": b"1" * 5000, "a/b/two.csv": b"x,y\n", "täst (1).jpg": b"", "read me.txt": b"hello"}


def make_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def make_tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
        for info, data in members:
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target.encode()


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(archive: Path, *, limits: Limits | None = None) -> str:
    """The sentence; nothing may be left, nor anything outside."""
    target = archive.parent / "inside" / "target"
    before = {path for path in archive.parent.iterdir() if path.name != "inside"}
    with pytest.raises(MedMATError) as caught:
        unpack(archive, target, limits)
    assert not target.exists()
    assert list((archive.parent / "inside").iterdir() if (archive.parent / "inside").exists() else []) == []
    assert {path for path in archive.parent.iterdir() if path.name != "inside"} == before
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip(tmp_path: Path, compression: int) -> None:
    unpack(make_zip(tmp_path / "a.zip", FILES, compression), tmp_path / "t")
    assert content(tmp_path / "t") == FILES


@pytest.mark.parametrize(("end", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("tar.bz2", "w:bz2"), ("tar.xz", "w:xz")])
def test_tar(tmp_path: Path, end: str, mode: str) -> None:
    members = [(member("./"), b""), (member("./a", tarfile.DIRTYPE), b"")]
    members[0][0].type = tarfile.DIRTYPE
    archive = make_tar(tmp_path / f"a.{end}", [*members, *((member(f"./{n}"), d) for n, d in FILES.items())], mode)
    unpack(archive, tmp_path / "t")
    assert content(tmp_path / "t") == FILES


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400), at=st.integers(0, 100_000), kind=st.sampled_from(["zip", "tar.gz", "tar"]))
def test_damage_is_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int, kind: str) -> None:
    folder = tmp_path_factory.mktemp("damage")
    archive = folder / f"a.{kind}"
    if kind == "zip":
        make_zip(archive, FILES)
    else:
        make_tar(archive, [(member(n), d) for n, d in FILES.items()], "w:gz" if kind == "tar.gz" else "w")
    whole = archive.read_bytes()
    at %= len(whole)
    archive.write_bytes(whole[:at] + data + whole[at + len(data) :] if data else whole[:at])
    with suppress(MedMATError):
        unpack(archive, folder / "t")
    assert {path.name for path in folder.iterdir()} <= {archive.name, "t"}


NAMES = ["/etc/evil", "../evil", "a/../../evil", "a/..", "C:/evil", "c:evil", "//host/evil"]


@pytest.mark.parametrize("name", [*NAMES, "..\\evil", "\\evil", "C:\\evil", "a\\..\\..\\evil"])
def test_zip_names_that_lead_out(tmp_path: Path, name: str) -> None:
    message = refused(make_zip(tmp_path / "a.zip", {"fine": b"x", name: b"evil"}))
    assert repr(name) in message


@pytest.mark.parametrize("name", NAMES)
def test_tar_names_that_lead_out(tmp_path: Path, name: str) -> None:
    assert repr(name) in refused(make_tar(tmp_path / "a.tar.gz", [(member("fine"), b"x"), (member(name), b"evil")]))


def test_nul_in_a_name(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"good.png#.exe": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"good.png#.exe", b"good.png\0.exe"))
    assert "NUL" in refused(archive)
    info = member("short")
    info.pax_headers = {"path": "good\0evil"}
    assert "NUL" in refused(make_tar(tmp_path / "a.tar", [(info, b"x")], "w"))


@pytest.mark.parametrize(
    "names", [("a/X.png", "a/x.png"), ("a", "a/b"), ("same", "same"), ("É", "é"), ("A/b", "a/B"), ("a/b", "A")]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_collide(tmp_path: Path, names: tuple[str, str]) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name in names:
            file.writestr(name, b"x")
    assert "another member" in (text := refused(tmp_path / "a.zip")) or "below a file" in text
    assert refused(make_tar(tmp_path / "a.tar.gz", [(member(name), b"x") for name in names]))


def test_folders_that_differ_in_case_alone(tmp_path: Path) -> None:
    unpack(make_zip(tmp_path / "a.zip", {"Train/1.png": b"1", "train/2.png": b"2"}), tmp_path / "t")
    assert set(content(tmp_path / "t").values()) == {b"1", b"2"}


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../outside", "missing", "..", "", "sub/../../..", "loop", "sub/../real", "other"]
)
def test_links_that_lead_out(tmp_path: Path, target: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("real", b"x")
        file.writestr("sub/", b"")
        file.writestr(*link("other", "real"))
        file.writestr(*link("loop", target))
    assert "is a link" in refused(tmp_path / "a.zip")
    symlink = (member("loop", tarfile.SYMTYPE, target), b"")
    other = (member("other", tarfile.SYMTYPE, "real"), b"")
    sub = (member("sub", tarfile.DIRTYPE), b"")
    assert "is a link" in refused(make_tar(tmp_path / "a.tar.gz", [(member("real"), b"x"), sub, other, symlink]))


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "missing", "later"])
def test_hard_links_that_lead_out(tmp_path: Path, target: str) -> None:
    members = [(member("real"), b"x"), (member("hard", tarfile.LNKTYPE, target), b""), (member("later"), b"y")]
    refused(make_tar(tmp_path / "a.tar.gz", members))


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    members = [(member("a", tarfile.SYMTYPE, str(tmp_path / "outside")), b""), (member("a/evil"), b"evil")]
    refused(make_tar(tmp_path / "a.tar.gz", members))
    members = [(member("a/fine"), b"x"), (member("a", tarfile.SYMTYPE, "../outside"), b"")]
    refused(make_tar(tmp_path / "b.tar.gz", members))
    assert list((tmp_path / "outside").iterdir()) == []


def test_links_that_stay_inside(tmp_path: Path) -> None:
    members = [
        (member("images/1.png"), b"one"),
        (member("train/1.png", tarfile.SYMTYPE, "../images/1.png"), b""),
        (member("all", tarfile.SYMTYPE, "images"), b""),
        (member("copy.png", tarfile.LNKTYPE, "images/1.png"), b""),
    ]
    unpack(make_tar(tmp_path / "a.tar.gz", members), tmp_path / "t")
    assert (tmp_path / "t/train/1.png").read_bytes() == b"one"
    assert (tmp_path / "t/all/1.png").read_bytes() == b"one"
    assert not (tmp_path / "t/copy.png").is_symlink()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("images/1.png", b"one")
        file.writestr(*link("train/1.png", "../images/1.png"))
    unpack(tmp_path / "a.zip", tmp_path / "z")
    assert (tmp_path / "z/train/1.png").read_bytes() == b"one"


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices(tmp_path: Path, kind: bytes) -> None:
    assert "device" in refused(make_tar(tmp_path / "a.tar", [(member("zero", kind), b"")], "w"))


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_in_a_zip(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("zero")
    info.create_system, info.external_attr = 3, (kind | 0o666) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(info, b"")
    assert "device" in refused(tmp_path / "a.zip")


def test_modes_are_not_taken_over(tmp_path: Path) -> None:
    info = member("tool")
    info.mode = 0o6777
    unpack(make_tar(tmp_path / "a.tar", [(info, b"x")], "w"), tmp_path / "t")
    assert (tmp_path / "t/tool").stat().st_mode & 0o7111 == 0


BOMB = Limits(size=1 << 30, ratio=250, floor=1 << 20)


def test_bombs(tmp_path: Path) -> None:
    zeros = b"\0" * (4 << 20)
    assert "bomb" in refused(make_zip(tmp_path / "a.zip", {"zeros": zeros}), limits=BOMB)
    assert "bomb" in refused(make_tar(tmp_path / "a.tar.gz", [(member("zeros"), zeros)]), limits=BOMB)
    many = {f"{i}": b"\0" * (1 << 19) for i in range(8)}
    assert "bomb" in refused(make_tar(tmp_path / "b.tar.gz", [(member(n), d) for n, d in many.items()]), limits=BOMB)
    assert "more than 100 bytes" in refused(make_zip(tmp_path / "c.zip", FILES), limits=Limits(size=100))
    assert "more than 2 members" in refused(make_zip(tmp_path / "d.zip", FILES), limits=Limits(members=2))
    unpack(make_zip(tmp_path / "e.zip", {"zeros": zeros}), tmp_path / "small enough")


def test_a_header_that_fills_the_memory(tmp_path: Path) -> None:
    header = member("long", tarfile.GNUTYPE_LONGNAME)
    assert "has a header of" in refused(make_tar(tmp_path / "a.tar.gz", [(header, b"\0" * (20 << 20))]))


def test_a_bomb_that_declares_little(tmp_path: Path) -> None:
    """The sizes of the directory are changed; the data are not."""
    data = b"\0" * 200_000
    archive = make_zip(tmp_path / "a.zip", {"zeros": data})
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(struct.pack("<L", len(data)), struct.pack("<L", 10)))
    assert refused(archive)
    assert zlib.crc32(data)


def test_overlapping_members(tmp_path: Path) -> None:
    """Two entries of the directory for the same bytes, as in the bomb of D. Fifield."""
    archive = make_zip(tmp_path / "a.zip", {"one": b"x" * 5000, "two": b"x" * 5000})
    raw = archive.read_bytes()
    directory = raw.index(b"PK\x01\x02")
    second = raw.index(b"PK\x01\x02", directory + 4)
    entry = bytearray(raw[second:])
    entry[42:46] = struct.pack("<L", 0)
    archive.write_bytes(raw[:second] + bytes(entry))
    assert "damaged" in refused(archive)


def test_it_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr(packing.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    assert "does not fit" in refused(make_zip(tmp_path / "a.zip", FILES))
    assert "does not fit" in refused(make_tar(tmp_path / "a.tar", [(member(n), d) for n, d in FILES.items()], "w"))


def test_encrypted(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", FILES)
    with zipfile.ZipFile(archive) as file:
        offset = file.infolist()[-1].header_offset
    raw = bytearray(archive.read_bytes())
    raw[offset + 6] |= 1
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(bytes(raw))
    message = refused(archive)
    assert "encrypted" in message
    assert "7z x" in message


def test_a_compression_that_python_cannot_read(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"one": b"x" * 500})
    raw = bytearray(archive.read_bytes())
    raw[8] = raw[raw.index(b"PK\x01\x02") + 10] = 9  # Deflate64
    archive.write_bytes(bytes(raw))
    assert "7z x" in refused(archive)


@pytest.mark.parametrize(("name", "command"), [("a.7z", "7z x"), ("a.rar", "bsdtar -xf"), ("b c.part1.rar", "unrar x")])
def test_archives_of_other_kinds(tmp_path: Path, name: str, command: str) -> None:
    (tmp_path / name).write_bytes(b"Rar!")
    message = refused(tmp_path / name)
    assert command in message
    assert name in message


@pytest.mark.parametrize("make", [lambda p: p.write_bytes(b""), lambda p: p.write_bytes(b"PK"), lambda p: None])
def test_no_archive(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "a.zip")
    refused(tmp_path / "a.zip")


def test_a_name_that_the_disk_does_not_take(tmp_path: Path) -> None:
    assert "cannot be unpacked" in refused(make_zip(tmp_path / "a.zip", {"x" * 300: b""}))


def test_what_an_earlier_run_left(tmp_path: Path) -> None:
    half = tmp_path / ".t.unpacking"
    half.mkdir()
    (half / "half").write_bytes(b"x")
    (tmp_path / "t").mkdir()
    unpack(make_zip(tmp_path / "a.zip", FILES), tmp_path / "t")
    assert content(tmp_path / "t") == FILES
    assert not half.exists()


def test_what_is_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t/mine").write_bytes(b"x")
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        unpack(make_zip(tmp_path / "a.zip", FILES), tmp_path / "t")
    assert content(tmp_path / "t") == {"mine": b"x"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "t"]
