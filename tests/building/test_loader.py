"""A loader that stumbles is a sentence of its source: it names the line, and the other sources are built."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from building import CLASS_FOLDERS, Toy, row

from med_mat.building import Options, build, forecast, words
from med_mat.building.loader import examples_of, has_loader, loader_of
from med_mat.catalog import Catalog, Source, load
from med_mat.errors import LoaderError
from med_mat.raw import RawFolder

MakeToy = Callable[..., Toy]
HEAD = "from med_mat.example import Example\n\ndef examples(raw):\n"
#: What a loader does wrong -> its text, the line at which it shows, what is said of it.
FAULTS: Mapping[str, tuple[str, int, str]] = {
    "imports what is not there": ("import no_such_package\n", 1, "cannot be imported.*no_such_package"),
    "imports a name that is not there": ("from med_mat.raw import no_such\n", 1, "cannot be imported.*ImportError"),
    "is no Python": ("x = 1\ndef examples(raw:\n", 2, "cannot be imported.*SyntaxError"),
    "stumbles while imported": ("x = {}\nx['a']\n", 2, "cannot be imported.*KeyError: 'a'"),
    "has no examples": ("x = 1\n", 0, "fails.*AttributeError.*examples"),
    "asks for what None has not": (HEAD + "    None.images\n    yield\n", 4, "fails.*AttributeError"),
    "fails below": (HEAD + "    yield from sorted([1, 'a'])\n", 4, "fails.*TypeError"),
    "opens what is not there": (HEAD + "    open('/no/such')\n    yield\n", 4, "fails.*FileNotFoundError"),
    "divides": (HEAD + "    for _ in raw.files:\n        1 / 0\n    yield\n", 5, "fails.*ZeroDivisionError"),
    "gives nothing back": (HEAD + "    return None\n", 0, "fails.*TypeError"),
    "yields a path": (HEAD + "    yield from raw.images('*/*')\n", 0, "fails.*PurePosixPath.*no Example"),
    "yields a file that is not there": (
        HEAD + "    yield Example(raw.images('*/*')[0].with_name('no'), label='a')\n", 0, "fails.*'a/no'.*no file"
    ),
    "yields half": (HEAD + "    yield Example(raw.images('*/*')[0], labl='a')\n", 4, "fails.*TypeError.*labl"),
}  # fmt: skip


@pytest.fixture
def stumbling(
    toy: MakeToy, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], tuple[Catalog, dict[str, RawFolder], Toy]]:
    """Two sources: "toy", which is in order, and "stumbles", whose loader has the given text."""

    def made(text: str) -> tuple[Catalog, dict[str, RawFolder], Toy]:
        good = toy(CLASS_FOLDERS, row(48, "classes", {"a": "Normal", "b": "Benign"}))
        good.draw("a/0.png", "a/1.png", "b/0.png", "b/1.png")
        package = good.raw.parent / "stumbling"
        package.mkdir()
        (package / "stumbles.py").write_text(text, "utf-8")
        monkeypatch.syspath_prepend(package)
        monkeypatch.delitem(sys.modules, "stumbles", raising=False)
        rows = tuple(replace(one, number=97, source="stumbles") for one in good.source.rows)
        bad = replace(good.source, name="stumbles", loader="stumbles", rows=rows)
        catalog = Catalog({"stumbles": bad, "toy": good.source}, load().subsets)
        return catalog, {name: RawFolder(good.raw, "any") for name in catalog}, good

    return made


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_loader_stumbles_over_is_a_sentence_of_its_source_and_the_others_are_built(
    stumbling: Callable[[str], tuple[Catalog, dict[str, RawFolder], Toy]], fault: str
) -> None:
    text, line, said = FAULTS[fault]
    catalog, raw, toy = stumbling(text)
    file = toy.raw.parent / "stumbling" / "stumbles.py"
    where = f"{file}, line {line}: " if line else f"{file}"
    sentence = rf"^The loader of 'stumbles' {said}.*please report it\.$"

    report = build(raw, toy.out, Options(jobs=1), catalog=catalog)
    assert report.total == report.written == 4
    assert list(report.failed) == ["stumbles"]
    with pytest.raises(LoaderError, match=sentence) as raised:
        raise report.failed["stumbles"]
    assert where in str(raised.value)

    ahead = forecast(raw, toy.out, Options(jobs=1), catalog=catalog)
    assert ahead["toy"].keep == 4
    assert words.expected(ahead["stumbles"]) == f"nothing can be built. {raised.value}"

    with pytest.raises(LoaderError, match=sentence):
        build({"stumbles": raw["stumbles"]}, toy.out.with_name("alone"), Options(jobs=1), catalog=catalog)
    with pytest.raises(LoaderError, match=sentence):
        build(raw, toy.out.with_name("strict"), Options(jobs=1, on_error="raise"), catalog=catalog)


def test_a_source_without_a_loader_says_so_and_the_others_are_built(
    stumbling: Callable[[str], tuple[Catalog, dict[str, RawFolder], Toy]],
) -> None:
    catalog, raw, toy = stumbling("")
    (toy.raw.parent / "stumbling" / "stumbles.py").unlink()
    source: Source = catalog["stumbles"]
    assert not has_loader(source)
    with pytest.raises(LoaderError, match="has a card but no loader yet"):
        loader_of(source)
    assert build(raw, toy.out, Options(jobs=1), catalog=catalog).failed.keys() == {"stumbles"}


def test_what_a_loader_yields_is_passed_on_as_it_is(toy: MakeToy, tmp_path: Path) -> None:
    one = toy(CLASS_FOLDERS, row(48, "classes", {"a": "Normal"}))
    one.draw("a/0.png", "a/1.png")
    raw = RawFolder(one.raw, "any")
    assert list(examples_of(one.source)(raw)) == list(loader_of(one.source).examples(raw))
