"""WebDataset: tar shards of images and JSON files, with a card from which ``datasets`` knows the columns."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

from med_mat import schema
from med_mat.errors import ExportError
from med_mat.export.job import Job, Row
from med_mat.export.names import stem
from med_mat.export.registry import export_format

#: Columns that say where a record is in the build, not what it is.
_LEFT = frozenset({"file", "position", "key", "withheld"})


@export_format("webdataset", summary="WebDataset: tar shards of images, masks and JSON files")
def webdataset(job: Job, *, shard_mb: int = 500) -> None:
    """Write ``train-000000.tar`` … (``validation``, ``test``) and ``README.md``.

    A record is ``KEY.jpg`` (or ``.png``, ``.gif``, ``.webp``: the stored bytes), ``KEY.json`` with all columns of the
    record, its question and answer as ``question`` and ``target`` in the style of the export, and ``KEY.mask.png``
    where it has a mask. Train is shuffled. The same export always gives the same bytes. ``load_dataset("FOLDER")``
    reads it as well.

    Args:
        shard_mb: Size of a shard in megabytes; one record may exceed it.
    """
    if shard_mb < 1:
        raise ExportError(f"shard_mb of a WebDataset must be at least 1, not {shard_mb}.")
    suffixes: set[str] = set()
    masks = False
    for part in job.parts:
        number, room = 0, 0
        with ExitStack() as stack:
            for row in job.rows(part):
                sample = _sample(row)
                if len(sample) > room:
                    stack.close()
                    path = f"{part}-{number:06d}.tar"
                    file, number, room = stack.enter_context(_shard(job, path)), number + 1, shard_mb * 1_000_000
                file.write(sample)
                room -= len(sample)
                suffixes.add(row.image.suffix)
                masks |= row.mask is not None
                job.placed(row, path)
    job.out.write("README.md", _card(job, sorted(suffixes), masks).encode())


def facts_of(row: Row) -> dict[str, Any]:
    """The JSON of a record: its columns, with the question and the target in the style of the export."""
    facts = {name: value for name, value in row.facts.items() if name not in _LEFT}
    if row.turn is not None:
        facts |= {"question": row.turn.question, "target": row.turn.target, "options": list(row.turn.options),
                  "answer": row.turn.answer}  # fmt: skip
    return facts


@contextmanager
def _shard(job: Job, path: str) -> Iterator[IO[bytes]]:
    with job.out.open(path) as file:
        yield file
        file.write(bytes(2 * tarfile.BLOCKSIZE))  # the end of an archive


def _sample(row: Row) -> bytes:
    """The members of a record, as they stand in an archive."""
    key = stem(row.id, row.image.bytes)
    text = json.dumps(facts_of(row), ensure_ascii=False, sort_keys=True)
    members = {row.image.suffix: row.image.bytes, ".json": text.encode("utf-8", "backslashreplace")}
    if row.mask is not None:
        members[".mask.png"] = row.mask.bytes
    return b"".join(_member(f"{key}{suffix}", content) for suffix, content in members.items())


def _member(name: str, content: bytes) -> bytes:
    """A file of an archive that says nothing of who wrote it, and when."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _card(job: Job, suffixes: list[str], masks: bool) -> str:
    """A dataset card from which ``datasets`` knows parts and columns: it would guess from the first five records."""
    import datasets
    import yaml

    columns = {name: kind for name, kind in schema.features(schema.INDEX_FIELDS).items() if name not in _LEFT}
    features = datasets.Features(
        {
            **{suffix.removeprefix("."): datasets.Image() for suffix in suffixes},
            **({"mask.png": datasets.Image()} if masks else {}),
            "json": dict(datasets.Features.from_dict(columns)),
            "__key__": datasets.Value("string"),
            "__url__": datasets.Value("string"),
        }
    )
    card = datasets.DatasetInfo(features=features)._to_yaml_dict()
    files = [{"split": part, "path": f"{part}-*.tar"} for part in job.parts if job.written[part]]
    data = {"configs": [{"config_name": "default", "data_files": files}], "dataset_info": card}
    head = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    return (
        f"---\n{head}---\n\n# Med-MAT as WebDataset\n\nSplit {job.info['fingerprint']} of build {job.info['build']}.\n"
        "`KEY.json` has the columns of the record, `export.json` says what was exported, `LICENSES.md` on what terms.\n"
    )
