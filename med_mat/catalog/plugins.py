"""Sources of other packages, by entry points of the group ``med_mat.sources``; invalid ones are left out.

An entry point's name is the source's name, its value the loader module; the card is next to the loader.
"""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata as installed
from importlib import resources, util

from med_mat.catalog.known import Catalog
from med_mat.catalog.model import Source, Subset
from med_mat.catalog.read import check_named, check_words, read_card
from med_mat.errors import CardError
from med_mat.vocabulary import Vocabulary

_LOGGER = logging.getLogger(__name__)
_NAME = re.compile("[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TAKEN = "There is another source of that name."
#: Entry points by which other packages add sources.
PLUGINS = "med_mat.sources"


def with_plugins(ours: Mapping[str, Source], subsets: Mapping[int, Subset]) -> dict[str, Source]:
    """Our sources and the valid ones of other packages; invalid ones are left out with a warning.

    Of two sources that contradict each other, the alphabetically first is kept.
    """
    read: list[tuple[installed.EntryPoint, Source]] = []
    for point in sorted(installed.entry_points(group=PLUGINS), key=lambda point: (point.name, point.value)):
        try:
            if point.name in ours:
                raise CardError(_TAKEN)
            read.append((point, read_plugin(point)))
        except CardError as error:
            _leave_out(point, error)
    while True:
        found, contradicting = _compatible(ours, subsets, read)
        words = Catalog(found, subsets).vocabulary
        wrong = next(_naming_others(read, found, subsets, words), None)
        if wrong is None:
            break
        _leave_out(*wrong)  # its removal may make others invalid, or resolve a contradiction
        read = [one for one in read if one[0] != wrong[0]]
    for refused in contradicting:
        _leave_out(*refused)
    return {**found, **{name: _self_contained(found[name], words) for name in found if name not in ours}}


def _compatible(
    ours: Mapping[str, Source], subsets: Mapping[int, Subset], read: Sequence[tuple[installed.EntryPoint, Source]]
) -> tuple[dict[str, Source], list[tuple[installed.EntryPoint, CardError]]]:
    """The sources that are compatible with each other, and those that are not."""
    found, left = dict(ours), []
    for point, source in read:
        try:
            if point.name in found:
                raise CardError(_TAKEN)
            Catalog({**found, point.name: source}, subsets)  # row numbers are unique, and each word has one meaning
        except CardError as error:
            left.append((point, error))
        else:
            found[point.name] = source
    return found, left


def _naming_others(
    read: Sequence[tuple[installed.EntryPoint, Source]],
    found: Mapping[str, Source],
    subsets: Mapping[int, Subset],
    words: Vocabulary,
) -> Iterator[tuple[installed.EntryPoint, CardError]]:
    """The sources whose cards name a source, a subset or a word that does not exist."""
    for point, source in read:
        if found.get(point.name) is source:
            try:
                check_named(source, found, subsets)
                check_words(source, words)
            except CardError as error:
                yield point, error


def _self_contained(source: Source, words: Vocabulary) -> Source:
    """A source with all the words that its triplets need, including those declared by other cards."""
    used = {element for mat in source.mats for element in mat.elements}
    return replace(source, vocabulary=words.beyond({*used, *source.vocabulary.elements}))


def _leave_out(point: installed.EntryPoint, error: CardError) -> None:
    package = point.dist.name if point.dist else point.value
    _LOGGER.warning("The source %r of the package %r is left out. %s", point.name, package, error)


def read_plugin(point: installed.EntryPoint) -> Source:
    """Reads a source of another package. Its loader is parsed, not imported; the card is next to it.

    Raises:
        CardError: The entry point, the card or the loader is missing or invalid.
    """
    package = point.module.rpartition(".")[0]
    if not package or point.attr or not _NAME.fullmatch(point.name):
        raise CardError(
            f"Its entry point is '{point.name} = {point.value}', and must be of the form "
            "'toy_wrist = toy_sources.toy_wrist': a name in small letters, and the module of its loader."
        )
    try:
        spec = util.find_spec(point.module)  # imports the package that contains it
        card = (resources.files(package) / f"{point.name}.md").read_text("utf-8")
        read = getattr(spec and spec.loader, "get_source", None)
        code = read(point.module) if read else None
        names = {"examples"} if code is None else _names(ast.parse(code))
    except Exception as error:  # third-party code may raise any exception
        raise CardError(f"{point.value} cannot be read: {type(error).__name__}: {error}.") from error
    if spec is None:
        raise CardError(f"Its loader, the module {point.module}, is not there.")
    if not names & {"examples", "*"}:
        raise CardError(f"Its loader, {point.module}, lacks the function examples(raw).")
    return replace(read_card(point.name, card, None), loader=point.module)


def _names(tree: ast.Module) -> set[str]:
    """The names that a module defines or imports at its top."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return found
