import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import CLASS_FOLDERS, Toy
from PIL import Image

from med_mat import schema

MakeToy = Callable[..., Toy]


@pytest.fixture(scope="module")
def files(built: Path) -> list[pq.ParquetFile]:
    return [pq.ParquetFile(path) for path in sorted((built / "data").rglob("*.parquet"))]


@pytest.fixture
def large(toy: MakeToy) -> pq.ParquetFile:
    """A data file of 301 records."""
    source = toy("""
    for image in raw.images("a/*"):
        yield Example(image, label="a", split="test")
""")
    source.draw(*(f"a/{number}.png" for number in range(301)))
    source.build()
    return pq.ParquetFile(next((source.out / "data/toy/048").glob("test-00000-*.parquet")))


def test_row_groups_are_small_enough_for_random_reads(large: pq.ParquetFile) -> None:
    sizes = [large.metadata.row_group(group).num_rows for group in range(large.num_row_groups)]
    assert sum(sizes) == 301
    assert all(32 <= size <= 128 for size in sizes[:-1])
    assert sizes[-1] <= 128


def test_a_row_group_of_large_images_is_closed_by_their_size(toy: MakeToy, monkeypatch: pytest.MonkeyPatch) -> None:
    from med_mat.building import writer

    source = toy(CLASS_FOLDERS)
    source.draw(*(f"a/{number}.png" for number in range(12)))
    each = (source.raw / "a" / "1.png").stat().st_size
    monkeypatch.setattr(writer, "ROW_GROUP_BYTES", 4 * each - 8)
    source.build()
    file = pq.ParquetFile(next((source.out / "data/toy/048").glob("train-00000-*.parquet")))
    assert {file.metadata.row_group(group).num_rows for group in range(file.num_row_groups - 1)} == {4}


def test_pixels_are_uncompressed_and_all_else_is_compressed(files: list[pq.ParquetFile]) -> None:
    for file in files:
        group = file.metadata.row_group(0)
        for column in map(group.column, range(group.num_columns)):
            pixels = column.path_in_schema.split(".")[0] in ("image", "mask")
            assert (column.compression == "UNCOMPRESSED") == pixels, column.path_in_schema


def test_pages_have_an_index_and_tags_have_statistics(large: pq.ParquetFile, files: list[pq.ParquetFile]) -> None:
    for file in [large, *files]:
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            for column in map(group.column, range(group.num_columns)):
                assert column.has_offset_index, column.path_in_schema
                name = column.path_in_schema
                if name in (*schema.TAG_COLUMNS, "id", "label"):
                    assert column.has_column_index, name
                    assert column.statistics.has_min_max or column.statistics.null_count == group.num_rows, name
                if name.split(".")[0] in schema.PIXEL_COLUMNS:
                    assert column.statistics is None or not column.statistics.has_min_max, name


def test_a_data_file_holds_one_value_of_every_tag(files: list[pq.ParquetFile]) -> None:
    assert len(files) == 6
    for file in files:
        table = file.read(list(schema.TAG_COLUMNS))
        assert all(len(column.unique()) == 1 for column in table.columns)


def test_tags_let_a_reader_skip_row_groups(files: list[pq.ParquetFile]) -> None:
    for file in files:
        statistics = [file.metadata.row_group(0).column(i) for i in range(file.metadata.num_columns)]
        row = next(column for column in statistics if column.path_in_schema == "row")
        assert row.statistics.min == row.statistics.max == file.read(["row"])["row"][0].as_py()


def test_the_schema_is_that_of_the_features_in_datasets(files: list[pq.ParquetFile], built: Path) -> None:
    from datasets import Features

    ours = {"file": [file.schema_arrow for file in files], "index": [pq.read_schema(built / "index.parquet")]}
    fields = {"file": schema.FIELDS, "index": schema.INDEX_FIELDS}
    for kind, found in ours.items():
        theirs = Features.from_dict(schema.features(fields[kind])).arrow_schema
        for one in found:
            assert one.remove_metadata() == theirs.remove_metadata()
            assert json.loads(one.metadata[b"huggingface"]) == json.loads(theirs.metadata[b"huggingface"])


def test_load_dataset_reads_what_the_files_hold(built: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    loaded = load_dataset(str(built), "busi", split="train", cache_dir=str(tmp_path))
    assert loaded[0]["image"].size == (loaded[0]["width"], loaded[0]["height"])
    assert loaded[-1]["mask"].size == loaded[-1]["image"].size


def test_the_publishers_bytes_are_stored_as_they_are(built: Path) -> None:
    raw = built.parent / "raw"
    table = pa.concat_tables([pq.read_table(path) for path in sorted((built / "data").rglob("*.parquet"))])
    assert table.num_rows == 55
    for one in table.to_pylist():
        name = one["id"].split("/", 2)[2]
        root = raw / ("busi/Dataset_BUSI_with_GT" if one["source"] == "busi" else "head_ct/head_ct/head_ct")
        data = (root / name).read_bytes()
        assert one["transform"] == "none"
        assert one["image"]["bytes"] == data
        assert one["sha256"] == hashlib.sha256(data).hexdigest()
        assert (one["width"], one["height"]) == Image.open(io.BytesIO(data)).size


def test_checking_by_decoding_gives_a_hash_of_the_pixels(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "a/2.png")
    with Image.open(source.raw / "a/1.png") as picture:
        picture.save(source.raw / "a/again.bmp")  # the same pixels in another file
    source.build(check="decode")
    table = pq.read_table(source.out / "index.parquet").to_pylist()
    hashes = {one["id"].rsplit("/", 1)[1]: one["pixel_hash"] for one in table}
    assert hashes["1.png"] == hashes["again.bmp"] != hashes["2.png"]
    assert len({one["sha256"] for one in table}) == 3
