"""The files of a raw folder: scanned once, found by patterns; skipped and missing files are noted with a reason."""

from __future__ import annotations

import functools
import itertools
import posixpath
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path, PurePath, PurePosixPath
from types import MappingProxyType
from typing import TypeVar

from med_mat import formats
from med_mat.errors import LayoutError, ReadError
from med_mat.mounts.base import FileFacts, Mount, RawPath
from med_mat.mounts.folder import mounted
from med_mat.raw.names import composed, folded
from med_mat.raw.patterns import Patterns, as_tuple, is_hidden, is_like, matcher
from med_mat.raw.tables import Row
from med_mat.taxonomy import closest

HIDDEN = "hidden file"

_Key = Callable[[PurePosixPath], str]
_Self = TypeVar("_Self", bound="Files")


class Files:
    """A source's folder, scanned once, on first use.

    Paths are relative to ``root``, with ``/`` between parts, spelled as on disk. Patterns support ``*``, ``?``, ``**``
    (any number of folders) and braces (``{train,test}``), ignore case and Unicode normal form, and take every other
    character literally; ``\\`` escapes ``{`` and ``*``. Files are sorted by their case-folded NFC paths, so copies that
    differ only in case or normal form have the same order. Hidden files (any part begins with a dot, or ``__MACOSX``)
    match no pattern.

    Links to folders, links to system files, broken links and anything that is not a regular file are noted in
    ``skipped``.

    Args:
        root: The folder that the card's layouts are relative to, or another mount.
        variant: Name of the card's layout that matched; "" if no layout was checked.
        follow: Whether links may lead out of the folder.
    """

    def __init__(self, root: Path | str | Mount, variant: str = "", *, follow: bool = True) -> None:
        self.mount = mounted(root, follow=follow)
        self.variant = variant
        self.read: set[str] = set()
        self.latest = ""  # the most recently read annotation file
        self.missing: dict[str, str] = {}
        self.faults: dict[str, str] = {}  # file and line of an unreadable row -> reason
        self.notes: dict[str, str] = {}  # file, and line if known -> what is odd there although it was read
        self._skipped: dict[str, str] = {}
        self._links: dict[str, str] = {}  # followed link to a file -> its target, as written in the link

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r}, {self.variant!r})"

    @property
    def root(self) -> PurePath:
        """What messages call the folder; a path on disk unless it is another mount."""
        return self.mount.root

    def below(self: _Self, folder: str, variant: str = "") -> _Self:
        """A subfolder as a raw folder of its own, without another scan; "" is this folder."""
        inner = type(self)(self.mount.below(folder), variant)
        start = f"{folder}/" if folder else ""
        inside = [path for path in self._alike(start, chr(0x10FFFF)) if path.startswith(start)]
        links = {path: target for path in inside if (target := self._links.get(path)) is not None}
        out = {path: why for path in links if (why := inner.mount.refused(path[len(start) :]))}
        inner._files = {path[len(start) :]: self._files[path] for path in inside if path not in out}
        inner._links = {path[len(start) :]: target for path, target in links.items() if path not in out}
        noted = {
            path[len(start) :]: why for path, why in self._skipped.items() if path.startswith(start) and path != start
        }
        inner._skipped.update(noted | {path[len(start) :]: why for path, why in out.items()})
        return inner

    # ---- files

    @property
    def files(self) -> Mapping[str, FileFacts]:
        """Every regular file below the root, including hidden files, in order."""
        return MappingProxyType(self._files)

    @functools.cached_property
    def twins(self) -> frozenset[str]:
        """Files whose paths differ from another file's only in case or normal form; they are distinct files."""
        by_form = ((folded(path), path) for path in self._files)
        pairs = itertools.pairwise(by_form)  # they are sorted by that form
        return frozenset(path for one, other in pairs if one[0] == other[0] for path in (one[1], other[1]))

    @property
    def links(self) -> Mapping[str, str]:
        """Files that are read through a link: path -> the link's target, as written."""
        self._files  # noqa: B018  # the scan notes them
        return MappingProxyType(self._links)

    @property
    def skipped(self) -> dict[str, str]:
        """Path -> why it is not read, as noted by the scan or the loader."""
        self._files  # noqa: B018  # the scan notes what it rejects
        return self._skipped

    def skip(self, path: PurePosixPath | str, reason: str) -> None:
        """Notes why a file is not read. The first reason is kept."""
        self._skipped.setdefault(str(path), reason)

    def miss(self, name: str, where: str) -> None:
        """Notes an image that an annotation file (``where``) names and that is not in the folder."""
        self.missing[name] = where

    @contextmanager
    def reading(self, row: Row | str, image: PurePosixPath | None = None) -> Iterator[None]:
        """Context manager for reading one row of a table: an unreadable row is left out instead of failing the source.

        The row is noted in ``faults``, and its image, if given, is skipped with the same reason. For an image with
        several rows, call :meth:`is_skipped` before using the others.

        Args:
            row: A table row; or the location, in words, of an entry in another file.
            image: The row's image.
        """
        where = row if isinstance(row, str) else row.where
        try:
            yield
        except ReadError as error:
            self.faults.setdefault(where, str(error))
            if image is not None:
                self.skip(image, f"{where}: {error}")

    def is_skipped(self, path: PurePosixPath) -> bool:
        """Whether a file is noted as skipped."""
        return str(path) in self._skipped

    def file(self, path: PurePosixPath | str) -> RawPath:
        """A file in the folder, to be opened.

        Raises:
            ReadError: The path leads out of the folder.
        """
        relative = PurePosixPath(path)
        inside = not relative.is_absolute() and ".." not in relative.parts and "\0" not in str(relative)
        known = inside and str(relative) in self._files  # links included: the scan has checked their targets
        if not inside or not (known or self.mount.inside(relative)):
            raise ReadError(
                f"{str(path)!r} leads out of {self.root}. Paths must be relative and stay inside the folder."
            )
        return RawPath(self.mount, relative)

    def glob(self, pattern: Patterns, *, exclude: Patterns | None = None) -> list[PurePosixPath]:
        """The files that match any of the patterns and none of ``exclude``."""
        return [PurePosixPath(path) for path in self._matching(pattern, exclude)]

    def images(self, pattern: Patterns = "**", *, exclude: Patterns | None = None) -> list[PurePosixPath]:
        """The matching files with an image suffix (including DICOM), ignoring case."""
        suffixes = formats.picture_suffixes()
        return [PurePosixPath(path) for path in self._matching(pattern, exclude) if _suffix(path) in suffixes]

    def first(self, pattern: Patterns) -> PurePosixPath | None:
        """The first file that matches, or None."""
        return next((PurePosixPath(path) for path in self._matching(pattern, None)), None)

    def one(self, pattern: Patterns) -> PurePosixPath:
        """The only file that matches.

        Raises:
            LayoutError: No file matches, or several do.
        """
        found = self._matching(pattern, None)
        if len(found) == 1:
            return PurePosixPath(found[0])
        wanted = " or ".join(map(repr, as_tuple(pattern)))
        if found:
            raise LayoutError(
                f"{self.root} holds {len(found)} files {wanted}, where one is expected: {some(found)}. Keep the one "
                "that the publisher ships and move the others away."
            )
        raise LayoutError(f"{self.root} holds no file {wanted}. {self._near(as_tuple(pattern)[0])}")

    def siblings(self, path: PurePosixPath, pattern: str) -> list[PurePosixPath]:
        """The other files next to ``path`` whose name matches ``pattern``, ignoring case and normal form.

        If another file's name differs from that of ``path`` only in case, case counts: each has its own siblings.

        The pattern may begin with folders (``masks/…``, ``../masks/…``), relative to the folder of ``path``. Only ``*``
        and ``?`` are wildcards, and only in the file name, so names may contain brackets and braces.
        """
        folder, _, name = pattern.rpartition("/")
        place = posixpath.normpath(posixpath.join(str(path.parent), folder)).removeprefix(".")
        wanted = folded(name)
        found = [
            full
            for entry, full in self._entries(place, re.split(r"[*?]", wanted, maxsplit=1)[0])
            if full != str(path) and is_like(entry, wanted)
        ]
        if str(path) in self._stem_twins:
            exact = composed(posixpath.join(place, name))
            found = [full for full in found if is_like(composed(full), exact)]
        return list(map(PurePosixPath, found))

    def by_name(
        self, pattern: Patterns = "**", *, exclude: Patterns | None = None, key: _Key = attrgetter("name")
    ) -> dict[str, PurePosixPath]:
        """File name, in NFC -> path. If a name occurs more than once, the first path counts and the others are skipped.

        To join these names with those of tables or other folders, use functions that allow for copies that differ in
        case: :func:`listed`, :func:`matched`, :func:`paired`, :func:`aligned`.

        Args:
            pattern: Pattern of the files, as for :meth:`glob`.
            exclude: Pattern of files to leave out.
            key: Returns the key to use instead of the file name.
        """
        found: dict[str, PurePosixPath] = {}
        for path in self.glob(pattern, exclude=exclude):
            name = composed(key(path))
            kept = found.setdefault(name, path)
            if kept is not path:
                self.skip(path, f"its name {name!r} is already that of {kept}")
        return found

    def by_stem(self, pattern: Patterns = "**", *, exclude: Patterns | None = None) -> dict[str, PurePosixPath]:
        """File name without its last suffix, in NFC -> path; like :meth:`by_name`."""
        return self.by_name(pattern, exclude=exclude, key=attrgetter("stem"))

    # ---- inside

    @functools.cached_property
    def _files(self) -> dict[str, FileFacts]:
        found = self.mount.scan()
        files = dict(sorted(found.files.items(), key=lambda entry: (folded(entry[0]), entry[0])))
        self._links.update(found.links)
        self._skipped.update(found.skipped)
        self._skipped.update({path: HIDDEN for path in files if is_hidden(path)})
        return files

    @functools.cached_property
    def _paths(self) -> list[str]:
        return list(self._files)

    @functools.cached_property
    def _visible(self) -> list[str]:
        return [path for path in self._files if not is_hidden(path)]

    @functools.cached_property
    def _by_folder(self) -> dict[str, list[tuple[str, str]]]:
        """Case-folded folder -> sorted (case-folded name, path): siblings are looked up image by image."""
        index: dict[str, list[tuple[str, str]]] = {}
        for path in self._visible:
            folder, _, name = path.rpartition("/")
            index.setdefault(folded(folder), []).append((folded(name), path))
        for entries in index.values():
            entries.sort()
        return index

    def _entries(self, folder: str, start: str) -> Iterator[tuple[str, str]]:
        """The files of a folder whose case-folded name begins with ``start``: that name, and the path."""
        entries = self._by_folder.get(folded(folder), [])
        for name, path in entries[bisect_left(entries, (start,)) :]:
            if not name.startswith(start):
                break
            yield name, path

    @functools.cached_property
    def _stem_twins(self) -> frozenset[str]:
        """Files whose paths without suffix differ from another file's only in case."""
        found: set[str] = set()
        for entries in self._by_folder.values():
            bare = [(posixpath.splitext(name)[0], composed(posixpath.splitext(path)[0])) for name, path in entries]
            first = dict(reversed(bare))  # case-folded stem -> its first spelling
            twice = {stem for stem, spelled in bare if first[stem] != spelled}
            found.update(path for (stem, _), (_, path) in zip(bare, entries, strict=True) if stem in twice)
        return frozenset(found)

    def _alike(self, path: str, end: str = "\0") -> list[str]:
        """The files whose case-folded path is this one, or sorts between it and itself followed by ``end``."""
        start, paths = folded(path), self._paths
        return paths[bisect_left(paths, start, key=folded) : bisect_left(paths, start + end, key=folded)]

    def _matching(self, pattern: Patterns, exclude: Patterns | None) -> list[str]:
        wanted, unwanted = as_tuple(pattern), as_tuple(exclude or ())
        found = self._visible if "**" in wanted else list(filter(matcher(wanted), self._visible))
        if not unwanted:
            return found
        refused = matcher(tuple(one for one in unwanted if "/" in one))
        named = matcher(tuple(one for one in unwanted if "/" not in one))
        return [path for path in found if not refused(path) and not named(path.rpartition("/")[2])]

    def _near(self, pattern: str) -> str:
        """The entries of the folder that resemble a name that was not found."""
        names: dict[str, str] = {}
        for path in self._visible[:20_000]:
            names.setdefault(folded(posixpath.basename(path)), path)
        near = closest(folded(posixpath.basename(pattern)), names, 3, cutoff=0.6)
        if near:
            return f"Near it lies {some([names[name] for name in near])}: was it renamed or moved?"
        if not self._visible:
            return "The folder holds no file at all."
        return f"It begins with {some(self._visible)}. Is the download complete, and unpacked?"

    def _at(self, path: PurePosixPath | str) -> str:
        return str(self.root / path)


def _suffix(path: str) -> str:
    return posixpath.splitext(path)[1].lower()


def some(paths: Sequence[str], count: int = 4) -> str:
    """The first paths and the number of the remaining ones, as text."""
    more = f" and {len(paths) - count} more" if len(paths) > count else ""
    return ", ".join(map(repr, paths[:count])) + more
