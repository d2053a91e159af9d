"""Matches folders against card layouts and ranks matches by specificity."""

from __future__ import annotations

import functools
import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from med_mat.catalog import Layout, Source
from med_mat.layouts.listing import Parts, Tree
from med_mat.raw.patterns import matcher


@functools.lru_cache(maxsize=4096)
def branches(pattern: str) -> tuple[Parts, ...]:
    """A pattern as path parts, one tuple for each alternative in braces."""
    import bracex

    try:
        expanded = bracex.expand(pattern, limit=1000)
    except bracex.ExpansionLimitException:
        expanded = [pattern]
    return tuple(tuple(part for part in one.split("/") if part not in ("", ".")) for one in expanded)


def fits(tree: Tree, parts: Parts, layout: Layout) -> bool:
    """Whether a folder contains all required files of a layout, and at least one of its parts."""
    if not all(matches(tree, parts, pattern) for pattern in layout.files):
        return False
    return any(matches(tree, parts, pattern) for pattern in layout.parts) if layout.parts else bool(layout.files)


def fitting(tree: Tree, parts: Parts, layouts: Iterable[Layout]) -> Layout | None:
    """The first of a source's layouts that a folder fits, in the order of its card."""
    return next((layout for layout in layouts if fits(tree, parts, layout)), None)


def lacking(tree: Tree, parts: Parts, layout: Layout) -> list[str]:
    """The patterns of a layout that nothing in a folder matches."""
    return [pattern for pattern in layout.patterns if not matches(tree, parts, pattern)]


def matches(tree: Tree, parts: Parts, pattern: str) -> bool:
    """Whether a file in a folder matches a pattern."""
    return any(descends(tree, parts, branch) for branch in branches(pattern))


def descends(tree: Tree, parts: Parts, branch: Parts) -> bool:
    """Whether a file in a folder matches one alternative of a pattern."""
    if not branch:
        return False
    head, *rest = branch
    if head == "**":
        if not rest:
            return bool(tree[parts].files) or any(descends(tree, (*parts, one), branch) for one in tree[parts].folders)
        return descends(tree, parts, tuple(rest)) or any(
            descends(tree, (*parts, one), branch) for one in tree[parts].folders
        )
    names = tree[parts].folders if rest else tree[parts].files
    if tree.sample and not rest and literal(head) and tree.mount.is_file("/".join((*parts, head))):
        return True  # sampling may have dropped it
    fitting = matcher((head,))
    return any(fitting(name) and (not rest or descends(tree, (*parts, name), tuple(rest))) for name in names)


def weight(patterns: Iterable[str]) -> int:
    """The specificity of patterns: the number of literal characters, counting the longest alternative."""
    return sum(
        max((len(re.sub(r"[*?]", "", "/".join(branch))) for branch in branches(pattern)), default=0)
        for pattern in patterns
    )


def specificity(tree: Tree, parts: Parts, layout: Layout) -> int:
    """The specificity of a layout that fits a folder, counting the parts that are present."""
    return weight([*layout.files, *(pattern for pattern in layout.parts if matches(tree, parts, pattern))])


def literal(part: str) -> bool:
    """Whether a part of a pattern has no wildcard."""
    return not set(part) & set("*?\\")


@dataclass
class Candidates:
    """Layouts by their first literal name, so that a folder is matched against few of them."""

    sources: dict[str, Source]
    named: dict[str, list[tuple[Source, Layout]]]
    others: list[tuple[Source, Layout]]

    @classmethod
    def of(cls, sources: Iterable[Source]) -> Candidates:
        """The layouts of some sources."""
        named: dict[str, list[tuple[Source, Layout]]] = {}
        others = []
        known = {source.name: source for source in sources}
        for source in known.values():
            for layout in source.layouts:
                heads = [{branch[0].lower() for branch in branches(pattern) if branch} for pattern in layout.files]
                heads.append({branch[0].lower() for part in layout.parts for branch in branches(part) if branch})
                spelled = [one for one in heads if one and all(map(literal, one))]
                for name in min(spelled, key=len) if spelled else ():
                    named.setdefault(name, []).append((source, layout))
                if not spelled:
                    others.append((source, layout))
        return cls(known, named, others)

    def at(self, tree: Tree, parts: Parts) -> Iterator[tuple[Source, Layout]]:
        """The layouts that may fit a folder, judged by the names directly in it."""
        for name in sorted(tree[parts].lowered & self.named.keys()):
            yield from self.named[name]
        yield from self.others

    def best(self, tree: Tree, parts: Parts, without: Container[str] = ()) -> dict[str, Layout]:
        """The sources whose layout fits a folder most specifically; several where they tie.

        Args:
            tree: The tree that contains the folder.
            parts: The folder.
            without: Names of sources to leave out.
        """
        fitting = [
            (source, layout)
            for source, layout in self.at(tree, parts)
            if source.name not in without and fits(tree, parts, layout)
        ]
        ranked = [(specificity(tree, parts, layout), source, layout) for source, layout in fitting]
        most = max((said for said, _, _ in ranked), default=0)
        return {source.name: layout for said, source, layout in reversed(ranked) if said == most}
