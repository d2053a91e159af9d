"""The configurations of a built Med-MAT, as listed in the Hub card for ``load_dataset(name, configuration)``."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from med_mat.catalog import Source
from med_mat.storage.location import INDEX
from med_mat.taxonomy import SPLITS, WITHHELD

#: The splits of data files, in the order in which ``load_dataset`` lists them.
PARTS = (*SPLITS, WITHHELD)


def configurations(sources: Sequence[Source], files: Sequence[str]) -> list[dict[str, Any]]:
    """The ``configs`` of the card: ``default``, one for each source and each subset, and ``index``.

    The version of each is derived from the names of its files, which contain a hash of their content. ``datasets``
    uses the configuration as its cache key: without a version, it would return stale records after a rebuild.

    Args:
        sources: the sources that have records.
        files: the Parquet files, such as ``data/busi/048/train-00000-1a2b3c4d.parquet``.
    """
    subset_of = {(row.source, row.number): row.subset for source in sources for row in source.rows}
    default: dict[str, list[str]] = {"data/*/*": list(files)}
    of_sources: defaultdict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    of_subsets: defaultdict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        folder = file.rpartition("/")[0]
        _, source, number = folder.split("/")
        of_sources[source][f"data/{source}/*"].append(file)
        subset = subset_of[source, int(number)]
        if subset is not None:
            of_subsets[subset][folder].append(file)
    return [
        _configuration("default", default) | {"default": True},
        *(_configuration(source, folders) for source, folders in of_sources.items()),
        *(_configuration(f"subset-{subset:02d}", of_subsets[subset]) for subset in sorted(of_subsets)),
        # not "all": datasets uses that name for the union of all splits
        {"config_name": "index", "version": _version(files), "data_files": [{"split": "records", "path": INDEX}]},
    ]


def front_matter(values: Mapping[str, Any]) -> str:
    """The YAML front matter of a card; a list of mappings is written with one mapping per line."""
    lines = []
    for key, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            lines += [f"{key}:", *(f"- {_flow(one)}" for one in value)]
        else:
            lines.append(yaml.safe_dump({key: value}, allow_unicode=True, width=120).rstrip())
    return "\n".join(["---", *lines, "---", "", ""])


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=True, width=1 << 20).rstrip()


def _configuration(name: str, folders: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A configuration of the given folders: pattern of a folder -> the files that it matches."""
    data_files: list[dict[str, Any]] = []
    for part in PARTS:
        paths = [
            f"{folder}/{part}-*"  # temporary files do not match this pattern
            for folder, files in folders.items()
            if any(file.rpartition("/")[2].startswith(f"{part}-") for file in files)
        ]
        if paths:
            data_files.append({"split": part, "path": paths[0] if len(paths) == 1 else paths})
    version = _version(file for files in folders.values() for file in files)
    return {"config_name": name, "version": version, "data_files": data_files}


def _version(files: Iterable[str]) -> str:
    """A version in the format of ``datasets`` that changes with the content of any of the files."""
    digest = hashlib.blake2b("\n".join(sorted(files)).encode(), digest_size=4).digest()
    return f"0.0.{int.from_bytes(digest, 'big')}"
