"""The catalog of an installation: its own cards, and those of plug-ins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from med_mat.catalog.model import UPSTREAM_ROWS, Row, Source, Subset
from med_mat.errors import CardError, UnknownSourceError, VocabularyError
from med_mat.taxonomy import did_you_mean
from med_mat.vocabulary import STANDARD, Vocabulary


class Catalog(Mapping[str, Source]):
    """All sources by name, sorted by their first row, with the subsets that they belong to."""

    def __init__(self, sources: Mapping[str, Source], subsets: Mapping[int, Subset]) -> None:
        self._sources = dict(sorted(sources.items(), key=lambda item: item[1].rows[0].number))
        owners: dict[int, str] = {}
        for row in (row for source in self._sources.values() for row in source.rows):
            if owners.setdefault(row.number, row.source) != row.source:
                raise CardError(
                    f"The cards of {owners[row.number]!r} and {row.source!r} both have a row {row.number}: give one of "
                    f"them another number (1 to {UPSTREAM_ROWS} are upstream's)."
                )
        self.subsets = MappingProxyType(dict(subsets))
        #: Our vocabulary, extended by the words that the cards declare.
        self.vocabulary = _joined(self._sources)

    def __getitem__(self, name: str) -> Source:
        try:
            return self._sources[name]
        except KeyError:
            hint = did_you_mean(name, self._sources)
            raise UnknownSourceError(
                f"There is no source named {name!r}.{hint} 'med-mat sources' lists all {len(self)}."
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, by number."""
        return tuple(sorted((row for s in self._sources.values() for row in s.rows), key=lambda row: row.number))


def _joined(sources: Mapping[str, Source]) -> Vocabulary:
    """Our vocabulary, extended by the words that the cards of these sources declare.

    Raises:
        CardError: Two cards declare a word differently.
    """
    found = STANDARD
    before: list[str] = []
    for name, source in sources.items():
        if source.vocabulary != Vocabulary():
            try:
                found = found.extended(source.vocabulary)
            except VocabularyError as error:
                others = f" Words are declared by {', '.join(before)}, too." if before else ""
                raise CardError(f"The card {name}.md: vocabulary: {error}{others}") from error
            before.append(f"{name}.md")
    return found
