"""Notes of an audit: what a reader of an experiment's results should know, although it violates no rule."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from med_mat import catalog
from med_mat.blind.guessing import Blind
from med_mat.catalog import RowFacts
from med_mat.splits import sampling
from med_mat.splits.composition import TOLERANCE, Composition, compose, differences
from med_mat.splits.evidence import Evidence
from med_mat.splits.interpretation import elements_of
from med_mat.splits.looks import COMPARED
from med_mat.splits.split import TESTED, Split
from med_mat.taxonomy import DRAWN, SPLITS

#: With fewer test records, a percentage says little.
FEW = 30
_NAMED = 6


def notes(
    experiment: Split,
    evidence: Evidence,
    asks: Mapping[str, Composition],
    blind: Blind,
    train_rows: Mapping[int, int],
    of_target: Collection[int],
) -> list[str]:
    """The notes on an experiment, each a sentence without its period.

    Args:
        experiment: The split that is audited.
        evidence: What was read again of its records.
        asks: What the records of train and test ask.
        blind: How far the test questions can be answered without the image.
        train_rows: Training records per row.
        of_target: The rows that are the target's.
    """
    return [
        *_of_the_test(experiment, evidence),
        *_of_questions(experiment, asks),
        *(f"test questions give answers away without the image, by {way}" for way in blind.telling),
        *_of_sources(experiment),
        *_of_parts(experiment),
        *_of_labels(experiment),
        *_of_looks(experiment, evidence),
        *_of_the_reading(experiment, train_rows, of_target),
    ]


def _of_the_test(experiment: Split, evidence: Evidence) -> Iterator[str]:
    tags, test = experiment.mat.tags, experiment.test_positions
    if evidence.patients < len(test):
        yield f"patients known for {evidence.patients:,} of {len(test):,} test records"
    if 0 < len(test) < FEW:
        yield f"test has fewer than {FEW} records: each is worth {100 / len(test):.1f} points of an accuracy"
    kinds = {tags.facts[row].annotation for row in tags.counts(test)}
    labels = np.unique(tags.label[test])
    if len(labels) == 1 and not kinds & set(DRAWN):
        label = tags.label_sets[labels[0]] or "(none)"
        yield f"all test records have one label set, {label}: always giving that answer is always right"


def _of_questions(experiment: Split, asks: Mapping[str, Composition]) -> Iterator[str]:
    options, train = experiment.options, asks["train"]
    if experiment.like is not None:
        for text in differences(train, compose(experiment.like, "train")):
            yield f"this arm and the {experiment.like.name} arm that it is compared with differ: {text}"
    share = train.share(train.without_choice)
    if asks["test"].questions["single choice"] and share > TOLERANCE:
        yield f"{train.without_choice:,} training records ({share:.1%}) are without a choice question, which test has"
    if options.balanced_test:
        yield from _of_balance(experiment)
    tags = experiment.mat.tags
    if options.shots is not None:
        counts = np.bincount(sampling.strata(tags, experiment.train_positions))
        few = int(np.count_nonzero((counts > 0) & (counts < options.shots)))
        if few:
            every = np.count_nonzero(counts)
            yield f"{few:,} of {every:,} labels have fewer than the {options.shots:,} shots asked for"


def _of_balance(experiment: Split) -> Iterator[str]:
    """How a test of findings was balanced."""
    tags, test = experiment.mat.tags, experiment.test_positions
    findings = [row for row in tags.counts(test) if tags.facts[row].annotation == "findings"]
    for code in np.unique(sampling.units(tags, test[np.isin(tags.row[test], findings)])):
        mine = test[sampling.units(tags, test) == code]
        labels, counts = np.unique(tags.label[mine], return_counts=True)
        row = tags.facts[int(tags.row[mine[0]])]
        yield (
            f"balanced: {counts.max():,} records of each of {len(labels):,} label sets of {where(row)}, the commonest: "
            f"at least {sampling.FEWEST_LABEL_SETS} of them if there are that many, and beyond that as many as "
            "keep the most records"
        )


def _of_sources(experiment: Split) -> Iterator[str]:
    tags, facts = experiment.mat.tags, experiment.mat.manifest.get("sources", {})
    tested: dict[str, int] = {}
    for row, count in tags.counts(experiment.test_positions).items():
        source = tags.facts[row].source
        tested[source] = tested.get(source, 0) + count
    if experiment.leaked:
        yield (
            f"train is empty: all {experiment.dropped[TESTED]:,} training records of {experiment.target} share a group "
            "with what is tested; there is nothing to train on without a leak"
        )
    augmented = [source for source in tested if _augmented(source, facts)]
    if augmented:
        count = sum(tested[source] for source in augmented)
        yield f"{count:,} test records of sources with augmented copies that cannot all be joined: {listed(augmented)}"
    if experiment.options.test_on == "test":
        by_split: dict[str, list[str]] = {}
        for source in tested:
            by_split.setdefault(facts.get(source, {}).get("split", "published"), []).append(source)
        for split, sources in by_split.items():
            if split != "published":
                yield f"the test part is not the publisher's but {split}: {listed(sources)}"


def _of_parts(experiment: Split) -> Iterator[str]:
    tested = np.count_nonzero(experiment.mat.tags.split[experiment.train_positions] == SPLITS.index("test"))
    if tested:
        yield f"{tested:,} training records are of the test part of their source, by which others may be tested"
    if experiment.rule.target_records is None and len(experiment.train_positions):
        yield from _of_unseen_labels(experiment)


def _of_unseen_labels(experiment: Split) -> Iterator[str]:
    """If the target itself trains, such as other sources of it: labels that are tested and never seen in training."""
    tags = experiment.mat.tags
    sets = [np.unique(tags.label[side]) for side in (experiment.train_positions, experiment.test_positions)]
    trained, tested = (frozenset().union(*(tags.labels[code] for code in side)) for side in sets)
    unseen = tested - trained
    if unseen:
        has = np.array([not unseen.isdisjoint(labels) for labels in tags.labels])
        count = np.count_nonzero(has[tags.label[experiment.test_positions]])
        yield f"{count:,} test records have a label that no training record has: {listed(sorted(unseen))}"


def _augmented(source: str, facts: Mapping[str, Any]) -> bool:
    """Whether a source ships transformed copies of its own images, by the build, or else by its card."""
    known = catalog.load()
    given = facts.get(source, {}).get("augmented")
    return bool(given) if given is not None else source in known and known[source].augmented


def _of_labels(experiment: Split) -> Iterator[str]:
    contested = experiment.mat.linked.contested
    if len(contested):
        for side, positions in (("training", experiment.train_positions), ("test", experiment.test_positions)):
            count = int(np.isin(positions, contested).sum())
            if count:
                yield f"{count:,} {side} records show an image whose labels contradict each other in this Med-MAT"
    withheld = int(np.count_nonzero(experiment.mat.tags.withheld[experiment.train_positions]))
    if withheld:
        yield f"{withheld:,} training records share a group with records that are held out, though not tested here"


def _of_looks(experiment: Split, evidence: Evidence) -> Iterator[str]:
    unseen = experiment.mat.manifest["near_duplicates"].get("records without hash", 0)
    if unseen:
        yield f"near-duplicates were not looked for among {unseen:,} records of the build that were not decoded"
    if not evidence.apart:
        yield (
            f"more than {COMPARED:,} records: perceptual hashes were compared for equality; near-duplicates are known "
            "from the links of the build alone"
        )
    if evidence.common:
        yield (
            f"{evidence.common:,} perceptual hashes of test are in train too, and the build does not link by them: "
            "many patients share them, or they are in a crowd of similar images"
        )
    if evidence.blank:
        yield f"{evidence.blank:,} test records show a blank image: equal images are not counted as copies"


def _of_the_reading(experiment: Split, train_rows: Mapping[int, int], of_target: Collection[int]) -> Iterator[str]:
    facts, target, interpretation = experiment.mat.tags.facts, experiment.target, experiment.options.interpretation
    for row, count in train_rows.items():
        names = interpretation.expanded_triplets(facts[row])
        also = sorted(set(names) & set(target.mats)) if row not in of_target else []
        if also:
            yield f"{count:,} training records of {names[0]} also count as {listed(map(str, also))}"
    if experiment.rule.avoids and not experiment.rule.wide:
        overlapping: dict[str, int] = {}
        for row, count in train_rows.items():
            held = target.touched(interpretation.elements(facts[row])).intersection(experiment.rule.avoids)
            if row not in of_target and held:
                overlapping[str(facts[row].mat)] = overlapping.get(str(facts[row].mat), 0) + count
        if overlapping:
            count = sum(overlapping.values())
            share = count / max(sum(train_rows.values()), 1)
            yield (
                f"{count:,} training records ({share:.1%}) hold what is the target's under another name: "
                f"{listed(overlapping)}"
            )
    elements = elements_of(target.mats)
    for row in sorted(target.rows & set(facts)):
        if not elements >= elements_of([facts[row].mat]):
            yield f"row {row}, read as {', '.join(map(str, target.mats))}, is by our reading {facts[row].mat}"


def where(row: RowFacts) -> str:
    """The subset of a row, or the row if it is in none."""
    return f"row {row.number}" if row.subset is None else f"subset {row.subset:02d}"


def listed(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    every: Sequence[str] = list(names)
    more = f", and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more
