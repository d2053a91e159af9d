"""The ledger: per source, found = written + skipped, for records, image files and files, each skip with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from med_mat import formats, schema
from med_mat.building.chunk import Result
from med_mat.building.outcomes import Notes, Skip
from med_mat.building.plan import Refused
from med_mat.building.reasons import brief, grouped
from med_mat.catalog import Source
from med_mat.errors import BuildError
from med_mat.imaging.containers import KINDS
from med_mat.raw.folder import RawFolder
from med_mat.raw.patterns import is_hidden

#: The file that marks a folder of synthetic images.
NOTICE = "SYNTHETIC.txt"
#: No miniature has so many bytes, and hardly any source so few.
MINIATURE_BYTES = 2_000_000
OUTSIDE = "outside the layout that the loader reads"
_NO_IMAGES = {"found": 0, "in_records": 0, "annotations": 0, "unused": 0, "unused_by_reason": {}}
_UNREAD = (".svs",)  # images, whether or not a decoder of a plug-in reads them


@dataclass(slots=True)
class Ledger:
    """The account of one source."""

    source: str
    variant: str  # the layout of the card that was met
    seed: int | None  # of our split; None: the publisher's
    checked: str  # how far each image was: "header" or "decode"
    largest: int  # bytes of the most that one of its files took: with this as max_file another build is the same
    synthetic: bool  # a miniature that Med-MAT drew itself
    examples: int = 0
    read: int = 0  # images as a card counts them: files, or slices and frames where a file gives several
    found: int = 0  # records: one per example and row that it serves
    written: int = 0
    skipped: list[Skip] = field(default_factory=list)
    notes: Notes = field(default_factory=dict)
    cleaned: int = 0  # images that are stored without what their files held beside the picture
    removed: Counter[str] = field(default_factory=Counter)  # what that was -> how many images held it
    files: dict[str, int] = field(default_factory=dict)  # found, images, annotations, skipped
    images: dict[str, Any] = field(default_factory=lambda: dict(_NO_IMAGES))  # images by their name, or in a record
    skipped_files: dict[str, str] = field(default_factory=dict)  # path -> reason
    unseen: dict[str, str] = field(default_factory=dict)  # a folder or link that was not followed -> why
    links: dict[str, str] = field(default_factory=dict)  # a file that was read through a link -> where it leads
    missing: dict[str, str] = field(default_factory=dict)  # image that is not in the folder -> file that names it
    faults: dict[str, str] = field(default_factory=dict)  # file and line of a row that could not be read -> why
    oddities: dict[str, str] = field(default_factory=dict)  # file, and line where there is one -> what is odd there

    def check(self) -> None:
        """Raise where the account does not balance; that would be a fault of Med-MAT, not of the data."""
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
        """The file that names images which are not in the folder -> how many ``images``, and the ``first`` of them."""
        counts = Counter(self.missing.values())
        first = {table: name for name, table in reversed(self.missing.items())}
        return {table: {"images": count, "first": first[table]} for table, count in counts.most_common()}

    def rows_by_reason(self) -> dict[str, dict[str, Any]]:
        """Why rows of tables could not be read -> how many ``rows``, and the ``first`` of them."""
        return _first("rows", self.faults)

    def oddities_by_kind(self) -> dict[str, dict[str, Any]]:
        """What is odd about annotation files that were read all the same -> how many ``places``, and the ``first``."""
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
        """From how many ``images``, and ``by_kind`` how many of them held what beside their picture."""
        return {"images": self.cleaned, "by_kind": {kind: self.removed[kind] for kind in KINDS if self.removed[kind]}}

    @property
    def split(self) -> str:
        """Where the split comes from, in words."""
        return "published" if self.seed is None else f"seeded 9:1 by group (seed {self.seed})"

    def to_data(self) -> dict[str, Any]:
        """Everything, as plain data."""
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
    """Draw up the account of a source from what its shards report.

    Args:
        seed: of our split; None where it is the publisher's.
        checked: how far images were checked.
        largest: bytes of the most that one of its files took.
        refused: examples that the plan turned down.
        images: the files that examples take their pixels from, with how many examples each gives.
        masks: the files that examples take their masks from.
    """
    # what is drawn may be published: real files that were put into the folder of a miniature must not pass for it
    drawn = is_miniature(raw.root) and sum(facts.size for facts in raw.files.values()) < MINIATURE_BYTES
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
    # what the scan turned down (links out of the tree, special files) is not among raw.files
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
    """Whether a file of a raw folder is an image by its name; hidden ones are not."""
    return path.lower().endswith((*formats.image_suffixes(), *_UNREAD)) and not is_hidden(path)


def _counted(found: dict[str, list[str]]) -> dict[str, int]:
    return {reason: len(names) for reason, names in found.items()}


def _first(what: str, found: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Reason -> how many there are, and the first of them."""
    return {reason: {what: len(places), "first": places[0]} for reason, places in grouped(found.items()).items()}


def is_miniature(root: Path) -> bool:
    """Whether a raw folder, or one of the four around it, says that its images are synthetic."""
    return any((folder / NOTICE).is_file() for folder in (root, *root.parents[:4]))
