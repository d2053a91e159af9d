"""The ledger of a source: found = written + skipped, for records, image files and files, each skip with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from med_mat import formats, schema
from med_mat.building.chunk import Result
from med_mat.building.outcomes import Notes, Skip
from med_mat.building.plan import Refused
from med_mat.building.reasons import brief, grouped
from med_mat.catalog import Source
from med_mat.errors import BuildError
from med_mat.imaging.containers import KINDS
from med_mat.mounts.base import Mount
from med_mat.raw.folder import RawFolder
from med_mat.raw.patterns import is_hidden

#: The file that marks a folder of synthetic images.
NOTICE = "SYNTHETIC.txt"
#: Every miniature is smaller than this, in bytes, and almost every real source is larger.
MINIATURE_BYTES = 2_000_000
OUTSIDE = "outside the layout that the loader reads"
_NO_IMAGES = {"found": 0, "in_records": 0, "annotations": 0, "unused": 0, "unused_by_reason": {}}
_UNREAD = (".svs",)  # counted as images, whether or not a plug-in decodes them


@dataclass(slots=True)
class Ledger:
    """The ledger of one source."""

    source: str
    variant: str  # the layout of the card that matched
    seed: int | None  # seed of a split by Med-MAT; None: published split
    checked: str  # how images were checked: "header" or "decode"
    largest: int  # largest size of a file, in bytes: with this as max_file, another build gives the same result
    synthetic: bool  # whether it is a miniature that Med-MAT generated
    examples: int = 0
    read: int = 0  # images as a card counts them: files, or slices and frames if a file contains several
    found: int = 0  # records: one per example and row that it serves
    written: int = 0
    skipped: list[Skip] = field(default_factory=list)
    notes: Notes = field(default_factory=dict)
    cleaned: int = 0  # images that are stored without the metadata of their files
    removed: Counter[str] = field(default_factory=Counter)  # kind of metadata -> number of images that contained it
    files: dict[str, int] = field(default_factory=dict)  # found, images, annotations, skipped
    images: dict[str, Any] = field(default_factory=lambda: dict(_NO_IMAGES))  # by name, or used by a record
    skipped_files: dict[str, str] = field(default_factory=dict)  # path -> reason
    unseen: dict[str, str] = field(default_factory=dict)  # folder or link that was not followed -> reason
    links: dict[str, str] = field(default_factory=dict)  # file that was read through a link -> target of the link
    missing: dict[str, str] = field(default_factory=dict)  # image that is not in the folder -> file that names it
    faults: dict[str, str] = field(default_factory=dict)  # file and line of an unreadable table row -> reason
    oddities: dict[str, str] = field(default_factory=dict)  # file, and line if known -> the anomaly there

    def check(self) -> None:
        """Check that the ledger balances.

        Raises:
            BuildError: it does not: a bug in Med-MAT, not a fault of the data.
        """
        records = self.written + len(self.skipped)
        files = self.files["images"] + self.files["annotations"] + self.files["skipped"]
        images = self.images["in_records"] + self.images["annotations"] + self.images["unused"]
        if self.found != records or self.files["found"] != files or self.images["found"] != images:
            raise BuildError(
                f"The ledger of {self.source!r} does not balance: {self.found} records found, {records} accounted for; "
                f"{self.files['found']} files found, {files} accounted for; {self.images['found']} image files found, "
                f"{images} accounted for. Please report this."
            )

    def missing_by_table(self) -> dict[str, dict[str, Any]]:
        """File that names images which are not in the folder -> the number of ``images``, and the ``first``."""
        counts = Counter(self.missing.values())
        first = {table: name for name, table in reversed(self.missing.items())}
        return {table: {"images": count, "first": first[table]} for table, count in counts.most_common()}

    def rows_by_reason(self) -> dict[str, dict[str, Any]]:
        """Reason why rows of tables could not be read -> the number of ``rows``, and the ``first``."""
        return _first("rows", self.faults)

    def oddities_by_kind(self) -> dict[str, dict[str, Any]]:
        """Anomaly in annotation files that were read nevertheless -> the number of ``places``, and the ``first``."""
        return _first("places", self.oddities)

    def summary(self) -> dict[str, Any]:
        """The counts, without the lists."""
        return {
            "variant": self.variant,
            "split": self.split,
            "seed": self.seed,
            "checked": self.checked,
            "largest": self.largest,
            "schema": schema.VERSION,
            "synthetic": self.synthetic,
            "examples": self.examples,
            "found": self.found,
            "written": self.written,
            "skipped": len(self.skipped),
            "skipped_by_reason": _counted(grouped((skip.path, skip.reason) for skip in self.skipped)),
            "images": self.images,
            "read_through_links": len(self.links),
            "missing_by_table": self.missing_by_table(),
            "rows_unread_by_reason": self.rows_by_reason(),
            "tables_noted": self.oddities_by_kind(),
            "notes": {note: len(self.notes[note]) for note in sorted(self.notes)},
            "metadata_removed": self.metadata_removed,
            "files": {**self.files, "skipped_by_reason": _counted(grouped(self.skipped_files.items()))},
        }

    @property
    def metadata_removed(self) -> dict[str, Any]:
        """The number of ``images`` with metadata that was removed, and ``by_kind`` how many contained each kind."""
        return {"images": self.cleaned, "by_kind": {kind: self.removed[kind] for kind in KINDS if self.removed[kind]}}

    @property
    def split(self) -> str:
        """A description of the origin of the split."""
        return "published" if self.seed is None else f"seeded 9:1 by group (seed {self.seed})"

    def to_data(self) -> dict[str, Any]:
        """The whole ledger, as plain data for JSON."""
        lists = {
            "quarantine": [{"id": s.id, "path": s.path, "reason": s.reason} for s in self.skipped],
            "skipped_files": self.skipped_files,
            "links": self.links,
            "missing": dict(sorted(self.missing.items())),
            "rows_unread": self.faults,
            "tables_noted_at": self.oddities,
            "noted": {note: self.notes[note] for note in sorted(self.notes)},
        }
        return {"source": self.source, **self.summary(), **lists}


def balance(
    source: Source,
    raw: RawFolder,
    seed: int | None,
    checked: str,
    largest: int,
    results: Iterable[Result],
    refused: Refused,
    images: Counter[str],
    masks: set[str],
) -> Ledger:
    """Compute the ledger of a source from the results of its chunks.

    Args:
        source: the source.
        raw: its raw folder.
        seed: the seed of a split by Med-MAT; None if the split is published.
        checked: how images were checked: "header" or "decode".
        largest: the largest size of a file, in bytes.
        results: its chunks.
        refused: examples that the plan refused.
        images: the files that contain pixels of examples, with the number of examples of each.
        masks: the files that contain masks of examples.

    Raises:
        BuildError: the ledger does not balance: a bug in Med-MAT.
    """
    # synthetic images may be published: real files in the folder of a miniature must not pass for synthetic ones
    drawn = is_miniature(raw.mount) and sum(facts.size for facts in raw.files.values()) < MINIATURE_BYTES
    ledger = Ledger(source.name, raw.variant, seed, checked, largest, drawn)
    lost: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    for result in results:
        lost.update(result.lost)
        for note, ids in result.notes.items():
            ledger.notes.setdefault(brief(note), []).extend(ids)
        ledger.cleaned += result.cleaned
        ledger.removed.update(result.removed)
        ledger.examples += result.examples
        ledger.found += result.found
        ledger.written += result.written
        ledger.skipped += result.skipped
    for example, reason in refused.entries:
        ledger.examples += 1
        ledger.found += 1
        ledger.skipped.append(Skip(f"{source.name}/{source.rows[0].number}/{example.name}", str(example.path), reason))
        lost[str(example.path)] += 1
    ledger.skipped = [replace(skip, reason=brief(skip.reason)) for skip in ledger.skipped]
    for skip in ledger.skipped:
        reasons.setdefault(skip.path, skip.reason)
    skipped, faults, oddities = (
        {place: brief(why) for place, why in told.items()} for told in (raw.skipped, raw.faults, raw.notes)
    )
    fates: Counter[str] = Counter()
    seen = Counter(in_records=0, annotations=0)
    for path in raw.files:
        if path in images:
            if lost[path] >= images[path]:
                ledger.skipped_files[path] = reasons[path]
            else:
                fates["images"] += 1
                seen["in_records"] += 1
        elif path in masks or (path in raw.read and path not in skipped):
            fates["annotations"] += 1
            seen["annotations"] += is_image(path)
        else:
            ledger.skipped_files[path] = skipped.get(path, OUTSIDE)
    # files that the scan refused (links out of the tree, special files) are not in raw.files
    ledger.skipped_files |= {path: reason for path, reason in skipped.items() if path not in raw.files}
    ledger.skipped_files = dict(sorted(ledger.skipped_files.items()))
    unused = {p: reason for p, reason in ledger.skipped_files.items() if p in images or is_image(p)}
    ledger.images = {
        "found": seen.total() + len(unused),
        **seen,
        "unused": len(unused),
        "unused_by_reason": {
            reason: {"files": len(paths), "first": paths[0]} for reason, paths in grouped(unused.items()).items()
        },
    }
    ledger.read = images.total() if any(number > 1 for number in images.values()) else len(images)
    ledger.unseen = {p: why for p, why in ledger.skipped_files.items() if p not in raw.files and p not in unused}
    ledger.missing, ledger.faults, ledger.oddities = raw.missing, faults, oddities
    ledger.links = {path: target for path, target in raw.links.items() if not is_hidden(path)}
    ledger.files = {
        "found": len(raw.files.keys() | skipped.keys()),
        "images": fates["images"],
        "annotations": fates["annotations"],
        "skipped": len(ledger.skipped_files),
    }
    ledger.check()
    return ledger


def is_image(path: str) -> bool:
    """Whether a file of a raw folder is an image, judged by its suffix; hidden files are not."""
    return path.lower().endswith((*formats.image_suffixes(), *_UNREAD)) and not is_hidden(path)


def _counted(found: dict[str, list[str]]) -> dict[str, int]:
    return {reason: len(names) for reason, names in found.items()}


def _first(what: str, found: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Reason -> the number of places, and the first of them."""
    return {reason: {what: len(places), "first": places[0]} for reason, places in grouped(found.items()).items()}


def is_miniature(mount: Mount) -> bool:
    """Whether a raw folder, or one of the four nearest folders above it, contains the notice of a miniature."""
    place: Mount | None = mount
    for _ in range(5):
        if place is not None and place.is_file(NOTICE):
            return True
        place = place and place.above()
    return False
