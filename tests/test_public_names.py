"""The names of the package: each is the same thing whenever it is asked for, and its errors are those of Python too."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import med_mat
from med_mat import errors


@pytest.mark.parametrize("name", med_mat.__all__)
def test_a_public_name_is_the_same_the_second_time(name: str) -> None:
    code = f"import med_mat; print(repr(med_mat.{name}) == repr(med_mat.{name}), type(med_mat.{name}).__name__)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.split()[:1] == ["True"], ran.stderr


def test_no_module_takes_the_place_of_a_function() -> None:
    modules = {one.name for one in pkgutil.iter_modules(med_mat.__path__)}
    for name in sorted(modules):
        if name not in ("cli", "browse"):
            importlib.import_module(f"med_mat.{name}")
    for name in med_mat.__all__:
        assert isinstance(getattr(med_mat, name), types.ModuleType) == (name in modules), name


def test_an_unknown_name_is_answered_with_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'opne'; it has .*, open, "):
        med_mat.opne  # type: ignore[attr-defined]  # noqa: B018
    assert {"paper", "open"} <= {*dir(med_mat)}


KINDS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.MedMATError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_stands_in_the_tree_with_its_builtin_base(kind: type[errors.MedMATError]) -> None:
    line = next(line for line in (errors.__doc__ or "").splitlines() if f" {kind.__name__} " in f"{line} ")
    builtin = [one.__name__ for one in kind.__bases__ if one.__module__ == "builtins" and one is not Exception]
    assert all(f"({name})" in line for name in builtin), line
    if kind not in (errors.AuditError, errors.WriteError):
        assert str(pickle.loads(pickle.dumps(kind("It says so.")))) == "It says so."


def test_what_is_missing_is_not_found_in_the_sense_of_python(tmp_path: Path) -> None:
    for place in (tmp_path / "nope", tmp_path):
        with pytest.raises(FileNotFoundError, match=r"There is no folder|contains no Med-MAT"):
            med_mat.open(place)
    with pytest.raises(LookupError, match="busii"):
        med_mat.catalog.load()["busii"]
    with pytest.raises(ValueError, match="Brian"):
        med_mat.sources("CT/Brian/*")
