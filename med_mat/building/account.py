"""The summary of a source's ledger, as lines for the page of that source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from med_mat.building.words import counted, removed
from med_mat.markdown import escape


def account(ledger: Mapping[str, Any]) -> Iterator[str]:
    """The totals of records and image files, then everything skipped, missing, noted or contradictory.

    Args:
        ledger: the brief ledger of a source, without its lists, as in ``ledger.json``.
    """
    files = ledger["images"]
    masks = f" + {files['annotations']:,} masks" if files["annotations"] else ""
    yield f"Split: {ledger['split']}. Images checked: {_CHECKED[ledger['checked']]}."
    yield f"Records: {ledger['found']:,} found = {ledger['written']:,} written + {ledger['skipped']:,} skipped."
    yield (
        f"Image files: {files['found']:,} found = {files['in_records']:,} in records{masks} + {files['unused']:,} not "
        "used."
    )
    for reason, one in files["unused_by_reason"].items():
        yield f"{counted(one['files'], 'image file')} not used: {_first(reason, one)}"
    for table, one in ledger["missing_by_table"].items():
        named = counted(one["images"], "image")
        yield _first(f"{table} names {named} not in the folder", one)
    for reason, one in ledger["rows_unread_by_reason"].items():
        yield f"{counted(one['rows'], 'row')} of a table left out: {_first(reason, one)}"
    for kind, one in ledger["tables_noted"].items():
        yield f"{counted(one['places'], 'place')} of a table noted: {_first(kind, one)}"
    for reason, count in ledger["skipped_by_reason"].items():
        yield f"{counted(count, 'record')} skipped: {escape(reason.rstrip('.'))}"
    for note, count in ledger["notes"].items():
        yield f"{counted(count, 'record')} noted: {escape(note)}"
    yield from removed(ledger["metadata_removed"])
    if ledger["contradictions"]:
        yield f"Contradictions: {escape(ledger['contradictions'])}"


_CHECKED = {
    "decode": "each was decoded whole",
    "header": "by their headers and ends alone, so that copies are not found",
}


def _first(reason: str, one: Mapping[str, Any]) -> str:
    first = "" if one["first"] is None else f" (first: {escape(one['first'])})"  # None if file names are not published
    return f"{escape(reason.rstrip('.'))}{first}"
