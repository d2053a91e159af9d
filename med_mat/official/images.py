"""Images for the authors' entries, from a build or raw folders: files by source, records by row and path."""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from med_mat.catalog import Catalog, Row, load
from med_mat.errors import MedMATError
from med_mat.example import FRAME
from med_mat.nameless import FILE_NAMES, WITHOUT_NAMES
from med_mat.official.paths import Paths
from med_mat.storage.location import read_index

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from med_mat.dataset import MedMAT
    from med_mat.raw import RawFolder

log = logging.getLogger(__name__)

#: The part of a record's path after a file that holds several images.
_FRAME = re.compile(FRAME)
#: A file with several records of one row, which a path does not distinguish.
SEVERAL = -1


class Images(ABC):
    """Files and records, by row."""

    def __init__(self, catalog: Catalog | None = None) -> None:
        self.catalog = load() if catalog is None else catalog
        self.rows: Mapping[int, Row] = {row.number: row for row in self.catalog.rows}
        self._paths: dict[str, Paths | None] = {}
        self._records: dict[int, dict[str, int]] = {}

    def paths(self, row: int) -> Paths | None:
        """The image files of the row's source; None if the source is not here."""
        source = self.rows[row].source
        if source not in self._paths:
            roles = self._roles(source)
            self._paths[source] = Paths(roles) if roles else None
        return self._paths[source]

    def record(self, row: int, path: str) -> int | None:
        """The number of the record of a file in a row, :data:`SEVERAL`, or None if it has none."""
        if row not in self._records:
            self._records[row] = self._of_row(self.rows[row])
        return self._records[row].get(path)

    @abstractmethod
    def _roles(self, source: str) -> Mapping[str, str]:
        """The role of each file, by path inside the source; empty if the source is not here."""

    @abstractmethod
    def _of_row(self, row: Row) -> dict[str, int]:
        """The number of the record, by path inside the source."""


class BuiltImages(Images):
    """Images of a built Med-MAT. A record's number is its position in the index."""

    def __init__(self, mat: MedMAT) -> None:
        super().__init__()
        self.mat = mat
        self._column: pa.ChunkedArray | None = None

    def _roles(self, source: str) -> Mapping[str, str]:
        from med_mat.storage.raw_files import FOLDER, read_index

        if source not in self.mat.tags.sources:
            return {}
        if FILE_NAMES in self.mat.manifest.get(WITHOUT_NAMES, {}).get(source, ()):
            log.warning("%s holds %s without file names, by which images are found: attach its raw files first "
                        "(med-mat attach)", self.mat.location, source)  # fmt: skip
            return {}
        try:
            files = read_index(self.mat.location.local(f"{FOLDER}/{source}.parquet")).files
        except (OSError, MedMATError):  # not pushed to the Hub; files with records are known nevertheless
            rows = [row for row in self.rows.values() if row.source == source]
            return {path: "image" for row in rows for path in self._of_row(row)}
        return dict(zip(files["path"].to_pylist(), files["role"].to_pylist(), strict=True))

    def _of_row(self, row: Row) -> dict[str, int]:
        import numpy as np

        found: dict[str, int] = {}
        positions = np.flatnonzero(self.mat.tags.row == row.number)
        for position, reference in zip(positions.tolist(), self._references(positions), strict=True):
            _note(found, _FRAME.sub("", reference), position)
        return found

    def _references(self, positions: npt.NDArray[np.int64]) -> list[str]:
        if self._column is None:
            self._column = read_index(self.mat.location, ["path"])["path"]
        references: list[str] = self._column.take(positions).to_pylist()
        return references


class RawImages(Images):
    """Images of raw folders as found by :func:`med_mat.building.find`; record numbers have no meaning here."""

    def __init__(self, folders: Mapping[str, RawFolder]) -> None:
        super().__init__()
        self._folders = folders

    def _roles(self, source: str) -> Mapping[str, str]:
        from med_mat.building.loader import loader_of
        from med_mat.building.record import rows_served

        if source not in self._folders:
            return {}
        raw = self._folders[source]
        roles = dict.fromkeys(raw.files, "skipped")
        records: dict[int, dict[str, int]] = {}
        for number, example in enumerate(loader_of(self.catalog[source]).examples(raw)):
            roles |= {str(path): "mask" for path in example.files[1:] if roles.get(str(path)) != "image"}
            roles[str(example.path)] = "image"
            for row in rows_served(example, self.catalog[source].rows):
                _note(records.setdefault(row.number, {}), str(example.path), number)
        self._records |= records
        return roles

    def _of_row(self, row: Row) -> dict[str, int]:
        self.paths(row.number)  # fills the records of all rows of the source
        return self._records.get(row.number, {})


def _note(found: dict[str, int], path: str, number: int) -> None:
    found[path] = SEVERAL if path in found else number
