"""Row groups read by ranges: what pyarrow reads, in few reads, all of them in the thread that asks."""

from __future__ import annotations

import io
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from med_mat.errors import HubError
from med_mat.storage.ranges import read_row_group

NOISE = np.random.RandomState(0)
ROWS = [
    {
        "id": str(number),
        "label": None if number % 7 == 0 else "ab"[number % 2],
        "image": {"bytes": NOISE.bytes(50_000), "path": "1.png"},
        "boxes": [{"xmin": 1.5, "label": "x"}] * (number % 3),
        "labels": ["a", "b"][: number % 3],
        "width": number,
    }
    for number in range(10)
]


class Watched(io.BytesIO):
    """A file that notes each read, and refuses those of other threads."""

    path = "org/Med-MAT/data.parquet"

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.owner, self.sizes = threading.get_ident(), list[int]()

    def read(self, size: int | None = -1, /) -> bytes:
        assert threading.get_ident() == self.owner, "a thread that a script's end would not wait for"
        self.sizes.append(len(found := super().read(size)))
        return found


def written(**options: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), buffer, row_group_size=4, **options)
    return buffer.getvalue()


DATA = written(use_dictionary=["label"])


@given(
    columns=st.lists(st.sampled_from(list(ROWS[0])), unique=True),
    group=st.integers(0, 2),
    data=st.sampled_from([DATA, written(use_dictionary=False, compression="zstd")]),
)
def test_a_row_group_is_what_pyarrow_reads(columns: list[str], group: int, data: bytes) -> None:
    file = Watched(data)
    with pq.ParquetFile(file) as parquet, pq.ParquetFile(io.BytesIO(data)) as plain:
        assert read_row_group(file, parquet, group, columns).equals(
            plain.read_row_group(group, columns=columns or None)
        )


@pytest.mark.parametrize(("columns", "reads", "share"), [((), 1, 1.0), (("id", "label", "width"), 2, 0.01)])
def test_few_reads_and_only_of_what_is_asked_for(columns: tuple[str, ...], reads: int, share: float) -> None:
    file = Watched(DATA)
    with pq.ParquetFile(file) as parquet:
        file.sizes.clear()
        read_row_group(file, parquet, 0, columns)
    assert len(file.sizes) == reads
    assert sum(file.sizes) <= share * len(DATA)


def test_a_file_that_is_cut_after_its_footer_was_read_is_told() -> None:
    with pq.ParquetFile(Watched(DATA)) as parquet:
        with pytest.raises(HubError, match=r"org/Med-MAT/data.parquet is damaged"):
            read_row_group(Watched(DATA[:1000]), parquet, 0, ())
        cut = Watched(DATA)
        cut.read = lambda size=-1, /: b""  # type: ignore[method-assign]
        with pytest.raises(HubError, match=r"data.parquet arrived incomplete"):
            read_row_group(cut, parquet, 0, ())
