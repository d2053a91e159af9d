"""The Croissant metadata (mlcommons.org/croissant/1.0) of a built Med-MAT, readable by ``mlcroissant``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from med_mat import __version__
from med_mat.catalog import Source
from med_mat.schema import INDEX_COLUMNS, RECORD_COLUMNS, Column
from med_mat.storage.location import INDEX
from med_mat.summary import PAPER

_SPECIFICATION = "http://mlcommons.org/croissant/1.0"
_DEFINED_ELSEWHERE = "https://github.com/mlcommons/croissant/issues/80"  # placeholder for a repository's hash
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {"string": "sc:Text", "int16": "cr:Int16", "int32": "cr:Int32", "int64": "cr:Int64", "float": "cr:Float32"}


def croissant(sources: Sequence[Source], repo_id: str | None) -> dict[str, Any]:
    """The metadata as JSON data: record set "records" over all shards, and "index" with all columns except pixels.

    Args:
        sources: the sources that have records.
        repo_id: the dataset on the Hub; None describes the files in the folder of the metadata file.
    """
    repository = {
        "@type": "cr:FileObject",
        "@id": "repository",
        "name": "repository",
        "contentUrl": f"https://huggingface.co/datasets/{repo_id}",
        "encodingFormat": "git+https",
        "sha256": _DEFINED_ELSEWHERE,
    }
    contained = {} if repo_id is None else {"containedIn": {"@id": "repository"}}
    sets = {"records": ("data/*.parquet", RECORD_COLUMNS), "index": (INDEX, INDEX_COLUMNS)}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _SPECIFICATION,
        "name": "Med-MAT" if repo_id is None else repo_id.partition("/")[2],
        "description": "Public medical image datasets in one schema, each record tagged with modality, anatomical area "
        "and task, for compositional generalization experiments.",
        "url": "https://arxiv.org/abs/2412.20070" if repo_id is None else repository["contentUrl"],
        "version": __version__,
        "license": sorted({source.license for source in sources}),
        "citeAs": "\n\n".join([PAPER, *dict.fromkeys(source.citation for source in sources if source.citation)]),
        "distribution": [
            *([] if repo_id is None else [repository]),
            *(
                {
                    "@type": "cr:FileSet",
                    "@id": f"{name}-files",
                    "name": f"{name}-files",
                    **contained,
                    "encodingFormat": "application/x-parquet",
                    "includes": pattern,
                }
                for name, (pattern, _) in sets.items()
            ),
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": name,
                "name": name,
                "key": {"@id": f"{name}/id"},
                "field": [_field(name, column) for column in columns],
            }
            for name, (_, columns) in sets.items()
        ],
    }


def _field(record_set: str, column: Column) -> dict[str, Any]:
    name, kind = f"{record_set}/{column.name}", column.type
    source: dict[str, Any] = {"fileSet": {"@id": f"{record_set}-files"}, "extract": {"column": column.name}}
    meaning = column.meaning[:1].upper() + column.meaning[1:] + (f" ({column.unit})." if column.unit else ".")
    head = {"@type": "cr:Field", "@id": name, "name": name, "description": meaning}
    if column.role == "pixels":
        return {**head, "dataType": "sc:ImageObject", "source": {**source, "transform": {"jsonPath": "bytes"}}}
    repeated = {"repeated": True} if pa.types.is_list(kind) else {}
    inner = kind.value_type if repeated else kind
    if pa.types.is_struct(inner):
        parts = [inner.field(position) for position in range(inner.num_fields)]
        return {**head, **repeated, "subField": [_part(name, source, part) for part in parts]}
    return {**head, "dataType": _TYPES[str(inner)], **repeated, "source": source}


def _part(parent: str, source: dict[str, Any], part: pa.Field) -> dict[str, Any]:
    inner = part.type.value_type if pa.types.is_list(part.type) else part.type
    return {
        "@type": "cr:Field",
        "@id": f"{parent}/{part.name}",
        "name": f"{parent}/{part.name}",
        "dataType": _TYPES[str(inner)],
        **({"repeated": True} if pa.types.is_list(part.type) else {}),
        "source": {**source, "transform": {"jsonPath": part.name}},
    }
