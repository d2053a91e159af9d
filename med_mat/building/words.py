"""The report of a build on a source: one line with its totals, and one for each kind of skip or anomaly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from med_mat.building.ledger import Ledger
from med_mat.building.reasons import grouped
from med_mat.catalog import Source
from med_mat.errors import LayoutError, MedMATError, ReadError
from med_mat.raw.folder import RawFolder
from med_mat.shell import printable

if TYPE_CHECKING:
    from med_mat.building.needs import Forecast

_REASONS = 5  # maximum number of reasons shown of each kind; the ledger contains all
_FAR = 0.05  # relative difference from the card's count of images that is reported


def lines(source: Source, ledger: Ledger, where: str) -> list[str]:
    """The report on a source that was built: its totals, then skips, missing files and anomalies, indented.

    Args:
        source: the source; its card states the expected number of images.
        ledger: the ledger of the source.
        where: the file that contains the whole ledger.
    """
    files, details = ledger.images, list(_details(source, ledger))
    sums = f"{counted(files['found'], 'image file')} = {files['in_records']:,} in records"
    sums += f" + {files['annotations']:,} masks" if files["annotations"] else ""
    sums += f" + {files['unused']:,} not used; {counted(ledger.written, 'record')}, {len(ledger.skipped):,} skipped"
    see = f"; see {where}" if details else ""
    return [printable(line) for line in (f"{source.name}: {sums}{see}", *(f"  {one}" for one in details))]


def expected(told: Forecast) -> str:
    """What a build would do for a source, and the changed modules and libraries that cause it."""
    if told.fault:
        return f"nothing can be built. {printable(told.fault)}"
    parts = [
        f"{counted(number, 'image')} {what}"
        for number, what in (
            (told.decode, "to decode"),
            (told.copy, "kept as stored, with new records"),
            (told.keep, "kept with their records"),
        )
        if number
    ]
    why = f"; changed since: {', '.join(sorted(told.stale))}" if told.stale else ""
    return f"{', '.join(parts) or 'no image'}{why}"


def nothing(source: Source, raw: RawFolder, ledger: Ledger) -> MedMATError:
    """The error to raise for a source without any record."""
    told = "".join(f" {one[0].upper()}{one[1:]}{'' if one.endswith('?') else '.'}" for one in _details(source, ledger))
    if ledger.examples:
        return ReadError(
            f"None of the {ledger.examples:,} examples of {source.name!r} in {raw.root} gave a record.{told}"
        )
    return LayoutError(
        f"The loader of {source.name!r} found no example in {raw.root}. Expected one of: "
        + "; or ".join(layout.words for layout in source.layouts)
        + f".{told} 'med-mat show {source.name}' prints the whole layout."
    )


def _details(source: Source, ledger: Ledger) -> Iterator[str]:
    yield from _most(
        {
            f"{counted(one['files'], 'image file')} not used: {_bare(reason)} (first: {one['first']})": one["files"]
            for reason, one in ledger.images["unused_by_reason"].items()
        },
        "image file",
    )
    yield from _most(
        {
            f"{table} names {counted(one['images'], 'image')} not in the folder (first: {one['first']})": one["images"]
            for table, one in ledger.missing_by_table().items()
        },
        "missing image",
    )
    yield from _most(
        {
            f"{counted(one['rows'], 'row')} of a table left out: {_bare(reason)} (first: {one['first']})": one["rows"]
            for reason, one in ledger.rows_by_reason().items()
        },
        "row",
    )
    yield from _most(
        {
            f"{one['first']}{_others(one['places'])}: {_bare(kind)}": one["places"]
            for kind, one in ledger.oddities_by_kind().items()
        },
        "place",
    )
    if ledger.links:
        link, target = next(iter(ledger.links.items()))
        yield f"{counted(len(ledger.links), 'file')} read through links (first: {link} -> {target})"
    for reason, names in grouped(ledger.unseen.items()).items():
        yield f"{counted(len(names), 'entry', 'entries')} not looked into: {_bare(reason)} (first: {names[0]})"
    # records whose image is in no record at all were already reported with their file
    apart = ((skip.id, skip.reason) for skip in ledger.skipped if skip.path not in ledger.skipped_files)
    yield from _most(_of_records("skipped", grouped(apart)), "record")
    yield from _most(_of_records("noted", ledger.notes), "record")
    yield from removed(ledger.metadata_removed)
    whole = source.counts.get("images")
    expected = whole - source.counts.get("unread", 0) if isinstance(whole, int) else None
    if expected is not None and not ledger.synthetic and abs(ledger.read - expected) > _FAR * expected:
        sure = "" if source.counts.get("certainty") == "high" else ", which is not certain"
        why = "is the download complete" if ledger.read < expected else "another edition, or files of your own"
        yield f"its card counts {counted(expected, 'image')} to read{sure}; here {ledger.read:,} came in: {why}?"


def removed(metadata: Mapping[str, Any]) -> Iterator[str]:
    """A sentence on images stored without their metadata, with counts of each kind; nothing if there are none.

    Args:
        metadata: ``metadata_removed`` of a ledger.
    """
    if metadata["images"]:
        held = ", ".join(f"{kind} in {number:,}" for kind, number in metadata["by_kind"].items())
        yield f"metadata removed from {counted(metadata['images'], 'image')}: {held}"


def _of_records(what: str, found: Mapping[str, list[str]]) -> dict[str, int]:
    return {
        f"{counted(len(ids), 'record')} {what}: {_bare(reason)} (first: {ids[0]})": len(ids)
        for reason, ids in found.items()
    }


def _most(told: dict[str, int], of: str) -> Iterator[str]:
    """The first few sentences, then one with the total of all others."""
    yield from list(told)[:_REASONS]
    rest: Any = list(told.values())[_REASONS:]
    if rest:
        yield f"{counted(sum(rest), of)} more, for {counted(len(rest), 'other reason')}"


def _bare(reason: str) -> str:
    return reason.rstrip(".")


def _others(number: int) -> str:
    return f" and {counted(number - 1, 'other place')}" if number > 1 else ""


def counted(number: int, one: str, several: str = "") -> str:
    """A number of things, in words: ``1 image``, ``2,000 images``."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
