"""The ledger: per source, found = written + skipped, for records and for files, each skip with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from med_mat import schema
from med_mat.building.chunk import Result, count_reasons
from med_mat.building.outcomes import Notes, Skip
from med_mat.building.plan import Refused
from med_mat.catalog import Source
from med_mat.errors import BuildError
from med_mat.raw.folder import RawFolder

#: The file that marks a folder of synthetic images.
NOTICE = "SYNTHETIC.txt"
OUTSIDE = "outside the layout that the loader reads"


@dataclass(slots=True)
class Ledger:
    """The account of one source."""

    source: str
    variant: str  # the layout of the card that was met
    seed: int | None  # of our split; None: the publisher's
    checked: str  # how far each image was: "header" or "decode"
    synthetic: bool  # a miniature that Med-MAT drew itself
    examples: int = 0
    found: int = 0  # records: one per example and row that it serves
    written: int = 0
    skipped: list[Skip] = field(default_factory=list)
    notes: Notes = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)  # found, images, annotations, skipped
    skipped_files: dict[str, str] = field(default_factory=dict)  # path -> reason
    missing: dict[str, str] = field(default_factory=dict)  # image that is not in the folder -> file that names it

    def check(self) -> None:
        """Raise where the account does not balance; that would be a fault of Med-MAT, not of the data."""
        records = self.written + len(self.skipped)
        files = self.files["images"] + self.files["annotations"] + self.files["skipped"]
        if self.found != records or self.files["found"] != files:
            raise BuildError(
                f"The ledger of {self.source!r} does not balance: {self.found} records found, {records} accounted for; "
                f"{self.files['found']} files found, {files} accounted for. Please report this."
            )

    def summary(self) -> dict[str, Any]:
        """The counts, without the lists."""
        return {
            "variant": self.variant,
            "split": self.split,
            "seed": self.seed,
            "checked": self.checked,
            "schema": schema.VERSION,
            "synthetic": self.synthetic,
            "examples": self.examples,
            "found": self.found,
            "written": self.written,
            "skipped": len(self.skipped),
            "skipped_by_reason": count_reasons(self.skipped),
            "missing_by_table": dict(Counter(self.missing.values()).most_common()),
            "notes": {note: len(self.notes[note]) for note in sorted(self.notes)},
            "files": {**self.files, "skipped_by_reason": dict(Counter(self.skipped_files.values()).most_common())},
        }

    @property
    def split(self) -> str:
        """Where the split comes from, in words."""
        return "published" if self.seed is None else f"seeded 9:1 by group (seed {self.seed})"

    def to_data(self) -> dict[str, Any]:
        """Everything, as plain data."""
        lists = {
            "quarantine": [{"id": s.id, "path": s.path, "reason": s.reason} for s in self.skipped],
            "skipped_files": self.skipped_files,
            "missing": dict(sorted(self.missing.items())),
            "noted": {note: self.notes[note] for note in sorted(self.notes)},
        }
        return {"source": self.source, **self.summary(), **lists}


def balance(
    source: Source,
    raw: RawFolder,
    seed: int | None,
    checked: str,
    results: Iterable[Result],
    refused: Refused,
    images: Counter[str],
    masks: set[str],
) -> Ledger:
    """Draw up the account of a source from what its shards report.

    Args:
        seed: of our split; None where it is the publisher's.
        checked: how far images were checked.
        refused: examples that the plan turned down.
        images: the files that examples take their pixels from, with how many examples each gives.
        masks: the files that examples take their masks from.
    """
    ledger = Ledger(source.name, raw.variant, seed, checked, is_miniature(raw.root))
    lost: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    for result in results:
        lost.update(result.lost)
        for note, ids in result.notes.items():
            ledger.notes.setdefault(note, []).extend(ids)
        ledger.examples += result.examples
        ledger.found += result.found
        ledger.written += result.written
        ledger.skipped += result.skipped
    for example, reason in refused.entries:
        ledger.examples += 1
        ledger.found += 1
        ledger.skipped.append(Skip(f"{source.name}/{source.rows[0].number}/{example.name}", str(example.path), reason))
        lost[str(example.path)] += 1
    for skip in ledger.skipped:
        reasons.setdefault(skip.path, skip.reason)
    fates: Counter[str] = Counter()
    for path in raw.files:
        if path in images:
            if lost[path] >= images[path]:
                ledger.skipped_files[path] = reasons[path]
            else:
                fates["images"] += 1
        elif path in masks or path in raw.read:
            fates["annotations"] += 1
        else:
            ledger.skipped_files[path] = raw.skipped.get(path, OUTSIDE)
    # what the scan turned down (links out of the tree, special files) is not among raw.files
    ledger.skipped_files |= {path: reason for path, reason in raw.skipped.items() if path not in raw.files}
    ledger.skipped_files = dict(sorted(ledger.skipped_files.items()))
    ledger.missing = raw.missing
    ledger.files = {
        "found": len(raw.files.keys() | raw.skipped.keys()),
        "images": fates["images"],
        "annotations": fates["annotations"],
        "skipped": len(ledger.skipped_files),
    }
    ledger.check()
    return ledger


def is_miniature(root: Path) -> bool:
    """Whether a raw folder, or one of the four around it, says that its images are synthetic."""
    return any((folder / NOTICE).is_file() for folder in (root, *root.parents[:4]))
