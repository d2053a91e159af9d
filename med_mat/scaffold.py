"""Writes the files of a new source: in a checkout, or as a package that ``pip install`` adds to any Med-MAT.

The templates in ``data/new_source/`` are themselves a source that keeps the contract; only names are replaced.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from med_mat.catalog import UPSTREAM_ROWS, Catalog, load
from med_mat.errors import CardError, WriteError
from med_mat.files import writing
from med_mat.selection import MAT

_NAME = re.compile("[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TRIPLET = "X-ray/Bones/State"


def write(name: str, folder: Path, *, package: bool, triplet: str = _TRIPLET) -> list[Path]:
    """Writes card and loader of a new source, and as a package also its project file and test.

    Args:
        name: of the source, in snake_case.
        folder: a checkout of Med-MAT, or with ``package`` the folder that holds the new package's folder.
        package: write a package of its own, ``folder/med-mat-NAME``, with an entry point.
        triplet: modality/area/task of its row.

    Returns:
        The files that were written.

    Raises:
        CardError: the name is taken or malformed, or the folder is no checkout.
        VocabularyError: the triplet has a word that the vocabularies lack.
        WriteError: a file of that name is there already, or cannot be written.
    """
    catalog = load()
    if not _NAME.fullmatch(name):
        raise CardError(f"{name!r} is not a name of a source: write small letters, digits and _, such as hand_xray.")
    if name in catalog:
        raise CardError(f"There is a source named {name!r} already ('med-mat show {name}'): choose another name.")
    mat = MAT.parse(triplet)
    mat.check(catalog.vocabulary)
    if package:
        top, module = folder / f"med-mat-{name.replace('_', '-')}", f"med_mat_{name}"
        files = {
            "pyproject.toml": top / "pyproject.toml",
            "card.md": top / module / f"{name}.md",
            "loader.py": top / module / f"{name}.py",
            "test.py": top / "tests" / f"test_{name}.py",
        }
    else:
        if not all((folder / name).is_dir() for name in ("med_mat", "loaders", "dataset_cards")):
            raise CardError(
                f"{folder.absolute()} is not a checkout of Med-MAT: it lacks loaders/ or dataset_cards/. Change "
                "to one, or write a package of its own with --package."
            )
        module = "med_mat.loaders"
        files = {"card.md": folder / "dataset_cards" / f"{name}.md", "loader.py": folder / "loaders" / f"{name}.py"}
    for file in files.values():
        if file.exists():
            raise WriteError(17, "it is there already: remove it, or choose another name", str(file))
    for template, file in files.items():
        text = (resources.files("med_mat") / "data" / "new_source" / template).read_text("utf-8")
        with writing(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_filled(text, name, module, str(mat), _next_row(catalog)), "utf-8")
    if package:
        (top / module / "__init__.py").write_text(f'"""A source for Med-MAT: {name}."""\n', "utf-8")
    return list(files.values())


def _next_row(catalog: Catalog) -> int:
    """The first number above all rows of the catalog, and above upstream's."""
    return max(UPSTREAM_ROWS, *(row.number for row in catalog.rows)) + 1


def _filled(text: str, name: str, module: str, mat: str, row: int) -> str:
    """A template, with the names of a source."""
    words = name.replace("_", " ").capitalize()
    for written, meant in (
        ("new_source_package", module),
        ("new-source-package", module.replace("_", "-")),
        ("new_source", name),
        ("new-source", name.replace("_", "-")),
        ("New source", words),
        (f"{UPSTREAM_ROWS + 1}  ", f"{row}  "),
        (_TRIPLET, mat),
    ):
        text = text.replace(written, meant)
    return text
