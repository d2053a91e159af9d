"""Whatever stumbles over one file or one source costs that file or that source alone, and is told in a sentence."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from building import CLASS_FOLDERS, Toy, content, make_miniature, reasons, records, row

import med_mat
from med_mat.building import Options, build, find, plan
from med_mat.building.writer import RecordFile
from med_mat.catalog import Catalog, load
from med_mat.demo import miniature
from med_mat.errors import FaultError, LoaderError, MedMATError
from med_mat.imaging import decoding
from med_mat.raw import RawFolder

MakeToy = Callable[..., Toy]
ERRORS = [RuntimeError, RecursionError, OverflowError, MemoryError, struct.error, ZeroDivisionError, KeyError]


@pytest.mark.parametrize("error", ERRORS, ids=lambda one: one.__name__)
def test_a_decoder_that_stumbles_over_a_file_skips_that_file(
    toy: MakeToy, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    one = toy(CLASS_FOLDERS)
    one.draw("a/0.png", "a/1.png", "b/0.png")
    right = decoding.read

    def read(root: Path, pixels: Any, **options: Any) -> Any:
        if str(pixels) == "a/1.png":
            raise error("the decoder\nstumbles")
        return right(root, pixels, **options)

    with monkeypatch.context() as patched:
        patched.setattr(decoding, "read", read)
        assert one.build().written == 2
    ((path, reason),) = reasons(one.out).items()
    assert path == "a/1.png"
    assert reason.startswith("a/1.png: ")
    assert "\n" not in reason
    if error is MemoryError:
        assert "more memory than there is" in reason
        assert one.build().written == 3, "a run with more memory tries again"
    else:
        assert f"{error.__name__}: " in reason
        assert "please report it" in reason
        assert one.build().kept == 1


def breaks(monkeypatch: pytest.MonkeyPatch, when: Callable[[dict[str, Any]], bool], error: Exception) -> None:
    """Have the writer stumble over some records."""
    right = RecordFile.add

    def add(self: RecordFile, values: dict[str, Any]) -> None:
        if when(values):
            raise error
        right(self, values)

    monkeypatch.setattr(RecordFile, "add", add)


@pytest.mark.parametrize("error", [*ERRORS, TypeError], ids=lambda one: one.__name__)
def test_a_writer_that_stumbles_fails_its_source_and_the_others_are_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    out = make_miniature(tmp_path, "busi", "head_ct")
    before = med_mat.open(out)
    (tmp_path / "raw" / "head_ct" / "head_ct" / "head_ct" / "000.png").unlink()
    miniature(tmp_path / "raw", ["kvasir_seg"])
    with monkeypatch.context() as patched:
        breaks(patched, lambda values: values["source"] == "head_ct", error("stumbles"))
        report = build(find({}, tmp_path / "raw"), out, Options(jobs=1))
    assert list(report.failed) == ["head_ct"]
    assert isinstance(report.failed["head_ct"], FaultError)
    assert "'head_ct'" in str(report.failed["head_ct"])
    after = med_mat.open(out)
    assert set(after.tags.sources) == {"busi", "head_ct", "kvasir_seg"}
    assert len(after) == len(before) + report.ledgers["kvasir_seg"].written
    assert len(after.select("*/*/*", columns=["image"])) == len(after) - report.withheld


def test_what_was_built_of_a_source_does_not_mix_with_half_of_a_new_build(
    toy: MakeToy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "CHUNK_EXAMPLES", 2)
    one = toy(CLASS_FOLDERS, row(48, "classes", {"a": "Normal", "b": "Benign"}))
    one.draw("a/0.png", "a/1.png", "b/0.png", "b/1.png")
    one.build()
    before = content(one.out)
    one.draw("a/0.png")  # in the first chunk, which is made anew before the second fails
    one.draw("b/1.png")
    with monkeypatch.context() as patched:
        breaks(patched, lambda values: values["id"].endswith("b/1.png"), RuntimeError("stumbles"))
        with pytest.raises(FaultError, match="RuntimeError: stumbles"):
            one.build()
        assert {name: data for name, data in content(one.out).items() if "/next/" not in name} == before
        (folder,) = miniature(tmp_path / "others", ["head_ct"]).values()
        catalog = Catalog({"head_ct": load()["head_ct"], "toy": one.source}, load().subsets)
        raw = find({"head_ct": folder}, None) | {"toy": RawFolder(one.raw, "any")}
        assert list(build(raw, one.out, Options(jobs=1), catalog=catalog).failed) == ["toy"]
    after = content(one.out)
    assert all(after[name] == data for name, data in before.items() if "/toy" in name and "cards" not in name)
    assert len(med_mat.open(one.out)) == len(records(one.out)) == 4 + 20


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("label=3", "label must be a text or None, not 3"),
        ("label='a', patient=7", "patient must be a text"),
        ("label='a', split='Train'", "split must be one of train, validation, test"),
        ("label='a', key=b'x'", "key must be a text"),
        ("label='a', key='\\ud800'", "key must be a text"),
        ("labels=['a']", "labels must be a mapping"),
        ("labels={'a': 1}", "each True, False or None"),
        ("label='a', boxes={Box(0, 0, 1, 1, 'a')}", "boxes must be a tuple, a list or None"),
        ("label='a', boxes=((0, 0, 1, 1),)", "boxes holds"),
        ("label='a', boxes=(Box(0, 0, '1', 1, 'a'),)", "a box must have four numbers and a text"),
        ("label='a', masks=('m.png',)", "masks holds 'm.png'"),
        ("label='a', attributes={'sex': 'F'}", "Attributes.of"),
    ],
)
def test_a_loader_that_yields_values_of_other_types_hears_which(toy: MakeToy, said: str, words: str) -> None:
    one = toy(f"\n    for image in raw.images('*/*'):\n        yield Example(image, {said})\n")
    one.draw("a/0.png")
    with pytest.raises(LoaderError, match=rf"^The loader of 'toy' fails, .*TypeError: .*{words}.*please report it\.$"):
        one.build()


def test_a_loader_that_stumbles_names_the_file_that_it_read_last(toy: MakeToy) -> None:
    one = toy("\n    yield from raw.json('list.json')['images']\n")
    one.draw("a/0.png")
    (one.raw / "list.json").write_text("[1]", "utf-8")
    with pytest.raises(LoaderError, match=r"It had read .*/list\.json last"):
        one.build()


def test_a_disk_that_is_full_is_no_fault_of_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = make_miniature(tmp_path, "busi")
    miniature(tmp_path / "raw", ["head_ct"])
    breaks(monkeypatch, lambda values: values["source"] == "head_ct", OSError(28, "No space left on device"))
    with pytest.raises(MedMATError, match="No space left on device"):
        build(find({}, tmp_path / "raw"), out, Options(jobs=1))
    assert len(med_mat.open(out))
