"""A build is a function of the code: which modules a result depends on, and when their digests change."""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med_mat import formats
from med_mat.building import fingerprint
from med_mat.building.fingerprint import changed, combined, module_digests
from med_mat.catalog import load
from med_mat.errors import BuildError

Write = Callable[..., str]
_numbers = itertools.count()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a package of a name of its own; gives the name. Written again, it is read again."""
    name = f"toy_package_{next(_numbers)}"
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(**modules: str) -> str:
        for path, text in {"__init__": "", **modules}.items():
            file = tmp_path / name / f"{path.replace('__in__', '/')}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("PACKAGE", name), "utf-8")
        fingerprint._READ.clear()
        return name

    yield write
    fingerprint._READ.clear()


def short(digests: dict[str, str], name: str) -> set[str]:
    """The modules of a package, without its name."""
    return {module.removeprefix(f"{name}.") for module in digests}


def digest(write: Write, text: str) -> str:
    """Of a module with this text."""
    name = write(module=text)
    return module_digests([f"{name}.module"])[f"{name}.module"]


# ------------------------------------------------------------------------------------------------ what changes a digest


PLAIN = """import re

LIMIT = 5


class Box:
    side: int

    def area(self):
        return self.side ** 2
"""


@pytest.mark.parametrize(
    "text",
    [
        '"""A docstring."""\n' + PLAIN,
        "# a comment\n" + PLAIN,
        PLAIN.replace("LIMIT = 5", "LIMIT = (\n    5  # five\n)"),
        PLAIN.replace("LIMIT = 5", 'LIMIT = 5\n"""What LIMIT is."""'),
        PLAIN.replace("class Box:\n", 'class Box:\n    """A box."""\n\n'),
        PLAIN.replace("(self):\n", '(self):\n        """Of the box."""\n'),
        PLAIN.replace("    side: int\n", '    side: int\n    "in pixels"\n'),
        PLAIN.replace("\n", "\r\n"),
    ],
)
def test_comments_docstrings_and_layout_change_nothing(write: Write, text: str) -> None:
    assert digest(write, text) == digest(write, PLAIN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 5", "LIMIT = 6"),
        ("LIMIT = 5", "LIMIT = 5.0"),
        ("LIMIT = 5", "LIMIT = True"),
        ("LIMIT = 5", "LIMIT = '5'"),
        ("LIMIT = 5", "LIMIT = b'5'"),
        ("LIMIT = 5", "LIMIT = None"),
        ("LIMIT = 5", "LIMITS = 5"),
        ("** 2", "* 2"),
        ("side: int\n", "side: int = 0\n"),
        ("import re", "import os"),
        ("def area", "async def area"),
    ],
)
def test_whatever_runs_changes_the_digest(write: Write, old: str, new: str) -> None:
    assert old in PLAIN
    assert digest(write, PLAIN.replace(old, new)) != digest(write, PLAIN)


@given(st.text(max_size=8), st.text(max_size=8))
def test_two_texts_are_two_constants(one: str, other: str) -> None:
    pieces = [list(fingerprint._constant(text)) for text in (one, other)]
    assert (pieces[0] == pieces[1]) == (one == other)


SPELLINGS = '''
def every(a, /, b=1, *c, d=None, e: int = 2, **f) -> "text":
    """Left out."""
    with open(a) as x, open(b) as y:
        yield {**f, "k": [*c], 'q': {1, 2}}
    match a:
        case {"x": 1, **rest} | [1, *_]:
            return rest[1:2, ..., ::3]
    try:
        z = lambda *, w: (w := -1e300, 2j, 0xFFFFFFFFFFFFFFFFFFFFFFFF, b"\\xff", "\\ud800\\u20ac\\U0001f9ff")
    except (ValueError, OSError) as error:
        raise error from None
    return f"{a!r:>{b}} {{}} {b=} {'nested'}" "after" f"" f"{c:}"
'''


def test_the_digest_is_the_same_on_every_python(write: Write) -> None:
    """As written down on 3.11: other versions name further fields, and cut f-strings elsewhere."""
    assert digest(write, SPELLINGS) == "9ab5b845619d1d448bd38c282237042e"


def test_where_an_f_string_is_cut_says_nothing() -> None:
    """3.12 puts an empty text behind a nested format, other versions do not."""

    def pieces(*values: ast.expr) -> list[bytes]:
        return list(fingerprint._pieces(ast.JoinedStr(list(values))))

    x, text = ast.FormattedValue(ast.Name("x", ast.Load()), -1), ast.Constant
    assert pieces(x) == pieces(text(""), x, text(""))
    assert pieces(text("ab"), x) == pieces(text("a"), text("b"), x)
    assert pieces(text("a"), x, text("b")) != pieces(text("ab"), x)


# ---------------------------------------------------------------------------------------------------- what is reached


def test_a_change_names_the_module_that_it_is_in_and_no_other(write: Write) -> None:
    modules = {"loader": "from PACKAGE.tables import read", "tables": "from PACKAGE.text import clean\nread = clean",
               "text": "LIMIT = 1\ndef clean(): return LIMIT", "other": "LIMIT = 1"}  # fmt: skip
    name = write(**modules)
    before = module_digests([f"{name}.loader"])
    assert short(before, name) == {"loader", "tables", "text"}
    write(**{**modules, "other": "LIMIT = 2"})
    assert changed(before, module_digests([f"{name}.loader"])) == []
    write(**{**modules, "text": modules["text"].replace("LIMIT = 1", "LIMIT = 2")})
    now = module_digests([f"{name}.loader"])
    assert changed(before, now) == [f"{name}.text"]
    assert combined(before) != combined(now)
    write(**{**modules, "tables": "read = None"})
    assert changed(before, module_digests([f"{name}.loader"])) == [f"{name}.tables", f"{name}.text"]


def test_imports_inside_functions_count_and_those_for_types_do_not(write: Write) -> None:
    name = write(
        loader="from typing import TYPE_CHECKING\nimport typing\n"
        "if TYPE_CHECKING:\n    from PACKAGE import one\nelse:\n    from PACKAGE import two\n"
        "if typing.TYPE_CHECKING:\n    import PACKAGE.three\n"
        "def run():\n    try:\n        from PACKAGE.four import x\n"
        "    except ImportError:\n        import PACKAGE.absent\n",
        one="", two="", three="", four="x = 1",
    )  # fmt: skip
    assert short(module_digests([f"{name}.loader"]), name) == {"loader", "two", "four"}


def test_modules_that_import_each_other(write: Write) -> None:
    name = write(a="from PACKAGE import b", b="import PACKAGE.c", c="from . import a")
    assert short(module_digests([f"{name}.b"]), name) == {"a", "b", "c"}


def test_a_name_that_a_package_passes_on_leads_to_the_module_that_holds_it(write: Write) -> None:
    name = write(
        loader="from PACKAGE.shared import folders",
        shared__in____init__="from PACKAGE.shared.shapes import folders\nfrom .heavy import draw\nHERE = 1\n",
        shared__in__shapes="def folders(): ...",
        shared__in__heavy="def draw(): ...",
    )
    assert short(module_digests([f"{name}.loader"]), name) == {"loader", "shared.shapes"}
    for text, expected in {
        "from PACKAGE.shared import HERE": {"shared", "shared.shapes", "shared.heavy"},  # it is the package's own
        "from PACKAGE.shared import *": {"shared", "shared.shapes", "shared.heavy"},
        "from PACKAGE.shared import heavy": {"shared.heavy"},
        "from . import shared\nshared.heavy.draw()": {"shared", "shared.shapes", "shared.heavy"},
        "import PACKAGE.shared.shapes": {"shared.shapes"},
        "import PACKAGE.shared.shapes as s\ns.folders": {"shared.shapes"},
        "from .shared.shapes import folders as f": {"shared.shapes"},
    }.items():
        write(loader=text)
        assert short(module_digests([f"{name}.loader"]), name) == {"loader", *expected}, text


def test_a_package_that_imports_its_names_at_first_use_says_where_they_are_for_types(write: Write) -> None:
    lazy = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from PACKAGE.far import name\ndef __getattr__(_): ..."
    )
    name = write(__init__=lazy, loader="import PACKAGE\nPACKAGE.name", far="name = 1", other="")
    assert {f"{name}.loader", f"{name}.far", name} == set(module_digests([f"{name}.loader"]))
    assert "med_mat.taxonomy" in module_digests(["med_mat.plot.built"])


def test_what_is_left_out_is_not_entered(write: Write) -> None:
    name = write(loader="from PACKAGE import decoder, text", decoder="from PACKAGE import deep", deep="", text="")
    assert short(module_digests([f"{name}.loader"], without=[f"{name}.decoder"]), name) == {"loader", "text"}


def test_a_plug_in_is_followed_into_its_own_package_and_ours_alone(write: Write) -> None:
    name = write(
        loader="import json\nimport numpy\nfrom med_mat.raw import class_folders\nfrom PACKAGE.own import x",
        own="x = 1",
    )
    found = module_digests([f"{name}.loader"])
    assert {f"{name}.loader", f"{name}.own", "med_mat.raw.classes"} <= set(found)
    assert {module.partition(".")[0] for module in found} == {name, "med_mat"}
    assert name not in sys.modules, "nothing is imported to find out"


def test_a_module_that_is_not_there_or_no_python_is_named(write: Write) -> None:
    with pytest.raises(BuildError, match=r"code of the module 'med_mat\.nowhere' was not found"):
        module_digests(["med_mat.nowhere"])
    name = write(broken="def (")
    with pytest.raises(BuildError, match=rf"module '{name}\.broken' \(.*broken\.py\) is no Python 3: .*line 1"):
        module_digests([f"{name}.broken"])


@pytest.mark.parametrize("name", list(load()))
def test_a_loader_depends_on_what_reads_and_on_nothing_that_shows(name: str) -> None:
    found = set(module_digests([load()[name].loader]))
    assert {load()[name].loader, "med_mat.example", "med_mat.raw.folder"} <= found
    shown = ("med_mat.browse", "med_mat.hub", "med_mat.plot", "med_mat.doctor", "med_mat.building", "med_mat.splits")
    assert not [module for module in found if module.startswith(shown)]
    loaders = [module for module in found if module.startswith("med_mat.loaders.")]
    assert [module for module in loaders if "._" not in module] == [load()[name].loader], "no other source's"


def test_decoding_depends_on_no_table_and_on_no_decoder_that_was_not_needed() -> None:
    found = set(module_digests(["med_mat.imaging.decoding", formats.PICTURE.module], without=OPTIONAL))
    assert {"med_mat.formats", "med_mat.imaging.web", "med_mat.imaging.stored"} <= found
    assert not found & OPTIONAL
    assert "med_mat.raw.tables" not in found


#: What only some pixels depend on.
OPTIONAL = {module for one in formats.needs().values() for module in one.modules} - {formats.PICTURE.module}


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text("01", min_size=1, max_size=2)), st.randoms())
def test_one_digest_of_several_does_not_follow_their_order(digests: dict[str, str], random: object) -> None:
    names = list(digests)
    random.shuffle(names)  # type: ignore[attr-defined]
    assert combined({name: digests[name] for name in names}) == combined(digests)
    assert changed(digests, digests) == []
    assert changed({}, digests) == sorted(digests)


def test_compiled_modules_and_folders_without_a_file_count_too(write: Write, tmp_path: Path) -> None:
    name = write(loader="from PACKAGE.bare import text\nfrom PACKAGE import fast")
    (tmp_path / name / "bare").mkdir()
    (tmp_path / name / "bare" / "text.py").write_text("")
    compiled = tmp_path / name / f"fast{EXTENSION_SUFFIXES[0]}"
    compiled.write_bytes(b"\x7fELF")
    before = module_digests([f"{name}.loader"])
    assert short(before, name) == {"loader", "bare.text", "fast"}
    compiled.write_bytes(b"\x7fELF2")
    fingerprint._READ.clear()
    assert changed(before, module_digests([f"{name}.loader"])) == [f"{name}.fast"]
