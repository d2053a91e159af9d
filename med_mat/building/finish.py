"""The last stage of a build: computes everything that spans chunks and sources, describes it, and puts it in place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

from med_mat import __version__, schema
from med_mat.building import sums
from med_mat.building.card import HEADS, write_cards
from med_mat.building.chunk import Result, committed, earlier, move_chunk
from med_mat.building.fewer import fewer, held, refusal
from med_mat.building.index import Written, write_index
from med_mat.building.options import Options
from med_mat.building.settle import Settled, settle, why
from med_mat.building.store import Store, switch
from med_mat.building.workers import parallel
from med_mat.catalog import Catalog, RowFacts, Source, declared_words
from med_mat.errors import BuildError
from med_mat.files import write_atomically
from med_mat.leakage.groups import DUPLICATES
from med_mat.storage.location import INDEX, MANIFEST, SUMS

#: The files at the top of a Med-MAT, beside their list.
_TOP = (INDEX, DUPLICATES, "ledger.json", *HEADS, MANIFEST)


def finish(
    store: Store,
    options: Options,
    catalog: Catalog,
    made: Mapping[str, Mapping[str, Any]],
    results: Mapping[str, list[Result]],
    *,
    progress: bool,
) -> tuple[Settled, Written, int]:
    """Compute groups and splits, write index, ledger, cards and manifest, and put everything in place.

    Args:
        store: the files of the build.
        options: the options of the build.
        catalog: the sources' cards.
        made: the ledgers of the sources of this run, as plain data.
        results: the chunks of these sources.
        progress: whether to show a progress bar.

    Returns:
        Groups and splits of all records, the index, and the number of chunks whose records changed splits.

    Raises:
        BuildError: sources of earlier runs are damaged or have another schema, or records would be lost.
    """
    ledgers = _ledgers(store, catalog, made)
    sources = [catalog[name] for name in ledgers]
    chunks_of = {source.name: results.get(source.name) or _results(store, source.name) for source in sources}
    seeds = {name: entry["seed"] for name, entry in ledgers.items()}
    settled = settle(store, sources, chunks_of, seeds, progress=progress)
    chunks = {(one.source, one.name): one for ordered in chunks_of.values() for one in ordered}
    moves = [(chunks[which], places, store) for which, places in settled.moves.items()]
    with closing(parallel(move_chunk, moves, options.jobs if len(moves) > 1 else 1)) as moved:
        for chunk in committed(moved, store):
            chunks[chunk.source, chunk.name] = chunk
    files = _in_order([name for chunk in chunks.values() for name in chunk.data], sources)
    written = write_index(store, files, settled, sources)
    for name, entry in ledgers.items():
        entry["contradictions"] = str(written.contested[name]) if name in written.contested else None
    _check_fewer(store, options, made)
    built_with = {source.name: _libraries(chunks.values(), source.name) for source in sources}
    _describe(store, sources, ledgers, written, files, settled, built_with)
    known = {name: file.sha256 for chunk in chunks.values() for name, file in chunk.files.items()}
    kept = {*known, *(chunk.marker for chunk in chunks.values()), *_TOP}
    for source in sources:
        kept.update(sums.beside(source.name), (f"cards/{source.name}.md",))
    places = {name: store.path(name) for name in kept - set(known)}
    known |= sums.of_files({name: path for name, path in places.items() if path.is_file()})
    write_atomically(store.next / SUMS, sums.to_bytes(known))
    switch(store, {*kept, SUMS})
    return settled, written, len(moves)


def _ledgers(store: Store, catalog: Catalog, made: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The ledgers of all sources of the build, from this run and earlier ones, in the order of the catalog."""
    ledgers: dict[str, dict[str, Any]] = {}
    old = []
    others = [name for name in catalog if name not in made and (store.out / "ledger" / f"{name}.json").exists()]
    if others:
        sums.check_others(store.out, others)
    for name in catalog:
        if name in made:
            ledgers[name] = dict(made[name])
        elif name in others:
            ledgers[name] = json.loads((store.out / "ledger" / f"{name}.json").read_text("utf-8"))
            if ledgers[name].get("schema") != schema.VERSION:
                old.append(name)
    if old:
        raise BuildError(
            f"{store.out.absolute()} contains sources with records of an earlier schema: {', '.join(old)}. Build these "
            "again."
        )
    return ledgers


def _results(store: Store, source: str) -> list[Result]:
    """The chunks of a source that an earlier run built."""
    names = sorted(path.stem for path in (store.out / ".build" / source).glob("*.json"))
    found = [earlier(store, source, name) for name in names]
    if not names or None in found:
        raise BuildError(
            f"{store.out.absolute()} lacks files of {source!r}, which an earlier run built, or they are damaged. Name "
            f"{source} in the same build: they are rebuilt."
        )
    return [one for one in found if one is not None]


def _in_order(files: Iterable[str], sources: Sequence[Source]) -> list[str]:
    """Data files in the order of the index: source, row, split, chunk."""
    place = {source.name: number for number, source in enumerate(sources)}

    def key(name: str) -> tuple[int, int, str]:
        _, source, row, file = name.split("/")
        return place[source], int(row), file

    return sorted(files, key=key)


def _describe(
    store: Store,
    sources: Sequence[Source],
    ledgers: Mapping[str, dict[str, Any]],
    written: Written,
    files: Sequence[str],
    settled: Settled,
    built_with: Mapping[str, Mapping[str, str]],
) -> None:
    """Write ledgers, cards and manifest."""
    for name, entry in ledgers.items():
        text = json.dumps(entry, indent=1, ensure_ascii=False) + "\n"
        # a lone surrogate in a name from an annotation file becomes the JSON escape that it came from
        write_atomically(store.next / "ledger" / f"{name}.json", text.encode("utf-8", "backslashreplace"))
    totals = {key: sum(entry[key] for entry in ledgers.values()) for key in ("found", "written", "skipped")}
    lists = ("source", "quarantine", "skipped_files", "links", "missing", "rows_unread", "tables_noted_at", "noted")
    brief = {name: {k: v for k, v in entry.items() if k not in lists} for name, entry in ledgers.items()}
    write_atomically(store.next / "ledger.json", (json.dumps({**totals, "sources": brief}, indent=1) + "\n").encode())
    write_cards(store.next, sources, written.records, files, brief)
    manifest = {
        "med_mat": __version__,
        "schema": schema.VERSION,
        "build": written.build,
        "sources": {
            source.name: {
                "records": ledgers[source.name]["written"],
                **{key: ledgers[source.name][key] for key in ("variant", "split", "seed", "checked", "largest")},
                "augmented": source.augmented,
                "synthetic": ledgers[source.name]["synthetic"],
                "libraries": built_with[source.name],
            }
            for source in sources
        },
        "rows": {row.number: RowFacts.of(row, source).to_data() for source in sources for row in source.rows},
        **({"vocabulary": words} if (words := declared_words(sources)) else {}),
        "records": totals["written"],
        "withheld": dict(sorted(why(settled.withheld).items())),
        "near_duplicates": written.facts,
    }
    write_atomically(store.next / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def _libraries(chunks: Iterable[Result], source: str) -> dict[str, str]:
    """The libraries that the records of a source depend on."""
    return dict(sorted({item for one in chunks if one.source == source for item in one.libraries.items()}))


def _check_fewer(store: Store, options: Options, made: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse to lose records of the existing build, unless the options allow it.

    Raises:
        BuildError: records would be lost.
    """
    before = held(store.out, list(made))
    gone = fewer(before, held(store.next, list(made)))
    if gone and not options.allow_fewer:
        reasons = {skip["id"]: skip["reason"] for ledger in made.values() for skip in ledger["quarantine"]}
        raise refusal(gone, store.out, len(before), reasons)
