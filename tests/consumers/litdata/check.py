"""LitData reads the shards of a build as they are, without an export: every record of a source."""

import io
import shutil
import sys
from importlib import metadata
from pathlib import Path

import litdata
import pyarrow.parquet as pq
from litdata.streaming.item_loader import ParquetLoader
from PIL import Image

if __name__ == "__main__":
    where, copy = Path(sys.argv[2]), Path("shards").absolute()
    copy.mkdir()
    for path in sorted((where / "data").rglob("*.parquet"))[:8]:  # it writes an index beside the files
        shutil.copy(path, copy / f"{path.parent.name}-{path.name}")
    expected = {one for path in copy.glob("*.parquet") for one in pq.read_table(path, columns=["id"])["id"].to_pylist()}
    litdata.index_parquet_dataset(str(copy))
    found = litdata.StreamingDataset(str(copy), item_loader=ParquetLoader())
    ids = set()
    for record in found:
        assert Image.open(io.BytesIO(record["image"]["bytes"])).size == (record["width"], record["height"])
        ids.add(record["id"])
    assert ids == expected
    print(f"litdata {metadata.version('litdata')}: {len(ids)} records of {len(list(copy.glob('*.parquet')))} shards")
