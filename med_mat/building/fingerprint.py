"""The code that a result depends on: a digest of every module that can be reached through static imports.

A digest covers a module's syntax tree without docstrings, so comments, docstrings and formatting do not affect it. It
is the same on every version of Python that Med-MAT supports. Nothing is imported: modules are located and parsed.
Imports under ``if TYPE_CHECKING`` do not count; imports inside functions do. A name that a package only re-exports
(``from med_mat.raw import class_folders``) leads to the module that defines it, not to everything that the package
re-exports. Modules named in strings (``importlib.import_module``) and data files are not found: the caller adds them.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

from med_mat.errors import BuildError

_OURS = "med_mat"

#: A module, and the name that is imported from it; None: the module itself; "*": all names.
Need = tuple[str, "str | None"]


@dataclass(frozen=True, slots=True)
class _Module:
    digest: str
    is_package: bool
    needs: tuple[Need, ...]  # what it imports when it runs
    homes: Mapping[str, tuple[Need, ...]]  # name -> where it is imported from, imports for types included


#: Cache: module -> its path, modification time and size, and the parsed module.
_READ: dict[str, tuple[tuple[str | None, int, int], _Module]] = {}


def module_digests(roots: Iterable[str], *, without: Collection[str] = ()) -> dict[str, str]:
    """The digest of each module that can be reached from the roots by static imports, sorted by name.

    Args:
        roots: dotted names of modules. Imports are followed within ``med_mat`` and within the roots' own top-level
            packages.
        without: modules to leave out, even if they are roots; their imports are not followed.

    Raises:
        BuildError: a root does not exist, or this version of Python cannot parse a module.
    """
    roots = tuple(roots)
    inside = {_OURS, *(root.partition(".")[0] for root in roots)}
    found: dict[str, str] = {}
    look = functools.cache(_module)  # most modules are needed many times
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in found or name in without:
            continue
        module = look(name)
        if module is None:
            raise BuildError(f"The code of the module {name!r} was not found on Python's path: is it installed?")
        found[name] = module.digest
        for need in module.needs:
            if need[0].partition(".")[0] in inside:
                waiting.extend(_holders(need, frozenset(), look))
    return dict(sorted(found.items()))


def combined(digests: Mapping[str, str]) -> str:
    """One digest of several, independent of their order: 32 hexadecimal digits."""
    whole = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The modules that were added, removed or changed, sorted by name."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def _holders(need: Need, seen: frozenset[Need], look: Callable[[str], _Module | None]) -> Iterator[str]:
    """The modules that define a name; packages that only re-export it are followed, not returned."""
    name, taken = need
    module = look(name)
    if module is None:  # a plug-in may try to import what is not installed
        return
    if taken not in (None, "*") and module.is_package:
        onward = [home for home in module.homes.get(taken, ()) if home != need and home not in seen]
        if onward:
            for home in onward:
                yield from _holders(home, seen | {need}, look)
            return
        if look(f"{name}.{taken}") is not None:
            yield f"{name}.{taken}"
            return
    yield name


def _module(name: str) -> _Module | None:
    """A module's digest and imports; None if there is no such module. Parsed again if its file has changed."""
    spec = _spec(name)
    if spec is None:
        return None
    try:
        facts = Path(spec.origin or "").stat()
        state = (spec.origin, facts.st_mtime_ns, facts.st_size)
    except OSError:  # inside an archive, or a folder
        state = (spec.origin, 0, 0)
    known = _READ.get(name)
    if known is None or known[0] != state:
        known = _READ[name] = (state, _read(name, spec))
    return known[1]


def _read(name: str, spec: ModuleSpec) -> _Module:
    is_package = spec.submodule_search_locations is not None
    loader = spec.loader
    source = loader.get_source(name) if loader is not None and hasattr(loader, "get_source") else None
    if source is None:  # compiled, or a folder without __init__.py
        read = getattr(loader, "get_data", None)
        content = read(spec.origin) if read and spec.origin else b""
        return _Module(hashlib.blake2b(content, digest_size=16).hexdigest(), is_package, (), {})
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise BuildError(f"The module {name!r} ({spec.origin}) is no Python {sys.version_info[0]}: {error}.") from error
    digest = hashlib.blake2b(digest_size=16)
    for piece in _pieces(tree):
        digest.update(b"%d:%b" % (len(piece), piece))
    package = name if is_package else name.rpartition(".")[0]
    return _Module(digest.hexdigest(), is_package, tuple(_needs(tree, package)), _homes(tree, package))


def _spec(name: str) -> ModuleSpec | None:
    """The spec of a module. ``importlib.util.find_spec`` would import its parent packages."""
    known: ModuleSpec | None = getattr(sys.modules.get(name), "__spec__", None)
    if known is not None:
        return known
    parent = name.rpartition(".")[0]
    path = None
    if parent:
        loaded = sys.modules.get(parent)
        path = getattr(loaded, "__path__", None)
        if path is None:
            around = _spec(parent)
            path = around and around.submodule_search_locations
        if path is None:
            return None
    try:
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path) if hasattr(finder, "find_spec") else None
            if spec is not None:
                return spec
    except KeyError:  # a namespace package, whose spec needs its parent package: not imported yet
        spec = ModuleSpec(name, None, is_package=True)
        places = [Path(place) / name.rpartition(".")[2] for place in path or ()]
        spec.submodule_search_locations = [str(place) for place in places if place.is_dir()]
        return spec
    return None


# ------------------------------------------------------------------------------------------------------------- imports


def _needs(tree: ast.Module, package: str) -> Iterator[Need]:
    """What a module uses when it runs, without repetition: import statements and attributes of imported modules."""
    ran = list(_running(tree))
    known: dict[str, str] = {}  # name here -> dotted path of what may be a module
    needs: dict[Need, None] = {}
    for node in ran:
        for bound, path, need in _imported(node, package):
            known[bound] = path
            needs[need] = None
    for node in ran:
        for need in _taken(node, known):
            needs[need] = None
    yield from needs


def _homes(tree: ast.Module, package: str) -> dict[str, tuple[Need, ...]]:
    """The names that a module imports outside its functions -> where from. Imports for types are included."""
    homes: defaultdict[str, list[Need]] = defaultdict(list)
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.ImportFrom):
            for bound, _, need in _imported(node, package):
                homes[bound].append(need)
        waiting.extend(ast.iter_child_nodes(node))
    return {name: tuple(needs) for name, needs in homes.items()}


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree, except those under ``if TYPE_CHECKING``."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and _for_types(node.test):
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def _for_types(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _imported(node: ast.AST, package: str) -> Iterator[tuple[str, str, Need]]:
    """The names that an import statement binds, the dotted path of each, and what it needs."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]  # import a.b binds a
            yield alias.asname or top, alias.name if alias.asname else top, (alias.name, None)
    elif isinstance(node, ast.ImportFrom):
        parts = package.split(".")
        around = parts[: len(parts) - node.level + 1] if node.level else []
        origin = ".".join([*around, *filter(None, [node.module])])
        for alias in node.names:
            yield alias.asname or alias.name, f"{origin}.{alias.name}", (origin, alias.name)


def _taken(node: ast.AST, known: Mapping[str, str]) -> Iterator[Need]:
    """What ``a.b.c`` uses, where ``a`` may be a module: ``b`` of ``a``, and ``c`` of ``a.b``."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if names and isinstance(node, ast.Name) and node.id in known:
        path = known[node.id]
        for name in reversed(names):
            yield path, name
            path = f"{path}.{name}"


# -------------------------------------------------------------------------------------------------------------- digest


def _pieces(node: ast.AST) -> Iterator[bytes]:
    """A syntax tree as bytes, without docstrings: the same on every version of Python."""
    if isinstance(node, ast.Constant):
        yield from _constant(node.value)
        return
    yield type(node).__name__.encode()
    for name, value in ast.iter_fields(node):
        if value is None or value == []:  # fields that only some versions have are empty in code for all versions
            continue
        yield f".{name}".encode()
        for one in _effective(node, name, value) if isinstance(value, list) else [value]:
            if isinstance(one, ast.AST):
                yield from _pieces(one)
            else:  # an identifier, the level of a relative import, the conversion of an f-string, or None in a list
                yield from _constant(one)
        yield b"."


def _effective(node: ast.AST, field: str, values: list[object]) -> list[object]:
    """The values without those that have no effect: string statements, and the boundaries inside an f-string."""
    if field == "values" and isinstance(node, ast.JoinedStr):
        return _joined(values)
    if field in ("body", "orelse", "finalbody"):
        return [value for value in values if not _is_text(value)]
    return values


def _is_text(value: object) -> bool:
    """Whether it is a string statement: a docstring, or a string that documents an attribute."""
    return isinstance(value, ast.Expr) and isinstance(value.value, ast.Constant) and isinstance(value.value.value, str)


def _joined(values: list[object]) -> list[object]:
    """The parts of an f-string, adjacent literals merged: versions of Python split them differently."""
    parts: list[object] = []
    text = ""
    for value in values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        parts += [ast.Constant(text), value] if text else [value]
        text = ""
    return [*parts, ast.Constant(text)] if text else parts


def _constant(value: object) -> Iterator[bytes]:
    """A literal as bytes; ``repr`` of strings depends on the version of Unicode, that of long integers on a limit."""
    yield type(value).__name__.encode()
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, int) and not isinstance(value, bool):
        yield hex(value).encode()
    else:
        yield repr(value).encode()
