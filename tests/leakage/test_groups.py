import hashlib
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med_mat.catalog import SharedId
from med_mat.errors import BuildError
from med_mat.imaging.hashing import orientations
from med_mat.leakage import groups as groups_module
from med_mat.leakage import near
from med_mat.leakage.groups import COLUMNS, COMMON_HASH, LINK_SCHEMA, check_links, find_groups
from med_mat.leakage.near import THRESHOLD

ISIC = {name: (SharedId("isic", r"(?P<id>ISIC_\d{7})"),) for name in ("a", "b")}
RANDOM = np.random.RandomState(0)
LOOKS = [RANDOM.bytes(32) for _ in range(4)]


def any_look(row: dict[str, Any]) -> str | None:
    """A hash for each content, far from all others."""
    pixels = row.get("pixel_hash")
    return None if pixels is None else hashlib.sha256(pixels.encode()).hexdigest()


def table(rows: list[dict[str, Any]], chunks: int = 1) -> pa.Table:
    """Records of which only some facts matter, in several chunks as they come from several shards."""
    full = [{"id": f"r{n:04}", "source": "a", "path": f"{n}.png"} | row for n, row in enumerate(rows)]
    full = [{"image_id": f"{row['source']}/{row['path']}", "perceptual_hash": any_look(row)} | row for row in full]
    made = pa.table({name: pa.array([row.get(name) for row in full], pa.string()) for name in COLUMNS})
    size = max(1, len(rows) // chunks)
    return pa.concat_tables([made.slice(at, size) for at in range(0, len(rows), size)] or [made])


def found(rows: list[dict[str, Any]], shared: Any = None) -> tuple[list[int], list[tuple[str, str, str, int | None]]]:
    """Group numbers, and links without their sources, but for those of what belongs together anyway."""
    groups = find_groups(table(rows), shared or {})
    links = [
        (one["first"], one["second"], one["reason"], one["distance"])
        for one in groups.links.to_pylist()
        if not one["known"]
    ]
    return groups.numbers.to_pylist(), links


def look(number: int, *bits: int, turn: int = 0) -> str:
    """One of four unlike hashes, with some bits changed, of a picture that may be flipped."""
    changed = np.unpackbits(np.frombuffer(LOOKS[number], np.uint8))
    changed[list(bits)] ^= 1
    return list(orientations(np.packbits(changed)[None]))[turn].tobytes().hex()


def sets(numbers: list[int]) -> set[frozenset[int]]:
    return {frozenset(n for n, number in enumerate(numbers) if number == one) for one in numbers}


def joined(rows: list[dict[str, Any]], keys: tuple[str, ...]) -> set[frozenset[int]]:
    """The groups, by plain union-find over all pairs."""
    parent = list(range(len(rows)))

    def root(one: int) -> int:
        while parent[one] != one:
            one = parent[one]
        return one

    for a, b in combinations(range(len(rows)), 2):
        if any(rows[a][key] is not None and rows[a][key] == rows[b][key] for key in keys):
            parent[root(a)] = root(b)
    return sets([root(one) for one in range(len(rows))])


def components(count: int, pairs: list[tuple[int, int]]) -> list[int]:
    label = list(range(count))
    for _ in range(count):
        for a, b in pairs:
            label[a] = label[b] = min(label[a], label[b])
    return label


KEYS = ("patient_key", "sha256", "pixel_hash")
VALUE = st.none() | st.integers(0, 12).map(str)
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys(KEYS, VALUE)), max_size=40)


@settings(max_examples=200)
@given(ROWS, st.integers(1, 4))
def test_groups_are_those_of_a_plain_union_find_and_bear_the_position_of_their_first_record(
    rows: list[dict[str, Any]], chunks: int
) -> None:
    numbers = find_groups(table(rows, chunks), {}).numbers
    assert numbers.type == pa.int32()
    assert sets(numbers.to_pylist()) == joined(rows, KEYS)
    assert all(numbers.to_pylist()[one.as_py()] == one.as_py() <= n for n, one in enumerate(numbers))


@settings(max_examples=100)
@given(ROWS)
def test_links_join_all_that_are_the_same_and_are_never_more_than_that_takes(rows: list[dict[str, Any]]) -> None:
    numbers, links = found(rows)
    position = {f"r{n:04}": n for n in range(len(rows))}
    linked = [(position[first], position[second]) for first, second, _, _ in links]
    assert linked == sorted(linked)
    assert len(linked) <= max(0, len(rows) - 1)
    known = [n for n, row in enumerate(rows) if row["patient_key"] is not None]
    patients = [(a, b) for a, b in combinations(known, 2) if rows[a]["patient_key"] == rows[b]["patient_key"]]
    assert not set(linked) & set(patients)
    assert sets(components(len(rows), [*linked, *patients])) == sets(numbers)


def test_null_joins_nothing_and_neither_does_equal_text_in_two_columns() -> None:
    numbers, links = found([{"patient_key": "x"}, {"sha256": "x"}, {"pixel_hash": "x"}, {}, {}])
    assert numbers == [0, 1, 2, 3, 4]
    assert not links


@pytest.mark.parametrize("reverse", [False, True])
def test_a_long_chain_is_one_group(reverse: bool) -> None:
    chain = [{"patient_key": f"p{n // 2}", "sha256": f"s{(n + 1) // 2}"} for n in range(2000)]
    assert set(found(chain[::-1] if reverse else chain)[0]) == {0}


def test_each_reason_is_told_and_the_surest_one_alone() -> None:
    rows = [
        {"sha256": "f", "pixel_hash": "p", "perceptual_hash": look(0), "path": "ISIC_0000001.jpg"},
        {"sha256": "f", "pixel_hash": "p", "perceptual_hash": look(0), "path": "copy.jpg"},
        {"sha256": "g", "pixel_hash": "p", "perceptual_hash": look(0)},
        {"source": "b", "path": "x/ISIC_0000001_downsampled.jpg"},
        {"pixel_hash": "q", "perceptual_hash": look(0, 1, 2, 3)},
        {"pixel_hash": "r", "perceptual_hash": look(0, 7, turn=1)},
        {"pixel_hash": "s", "perceptual_hash": look(1)},
        {"source": "c", "path": "ISIC_0000001.jpg"},
    ]
    numbers, links = found(rows, ISIC)
    assert numbers == [0, 0, 0, 0, 0, 0, 6, 7]
    assert links == [
        ("r0000", "r0001", "same file", None),
        ("r0000", "r0002", "same pixels", None),
        ("r0000", "r0003", "shared id", None),
        ("r0000", "r0004", "near", 3),
        ("r0000", "r0005", "near, turned", 1),
    ]


def test_links_have_one_schema_also_where_there_are_none() -> None:
    for rows in ([], [{}, {}], [{"sha256": "x"}, {"sha256": "x"}]):
        assert find_groups(table(rows), {}).links.schema == LINK_SCHEMA


def test_pictures_beyond_the_threshold_stay_apart() -> None:
    rows = [{"perceptual_hash": look(0)}, {"perceptual_hash": look(0, *range(THRESHOLD + 1))}]
    assert found(rows)[0] == [0, 1]
    rows[1] = {"perceptual_hash": look(0, *range(THRESHOLD))}
    assert found(rows) == ([0, 0], [("r0000", "r0001", "near", THRESHOLD)])


def test_what_belongs_together_anyway_is_one_group_without_links() -> None:
    same = {"sha256": "f", "perceptual_hash": look(0)}
    slices = [same | {"path": f"v.nii#slice={n},axis=1"} for n in range(3)]
    rows_of_one_image = [same | {"sha256": "g", "path": "1.png", "pixel_hash": "p"}] * 2
    patient = [{"patient_key": "p", "perceptual_hash": look(1, n)} for n in range(3)]
    numbers, links = found([*slices, *patient])
    assert numbers == [0, 0, 0, 3, 3, 3]
    assert not links
    numbers, links = found([*rows_of_one_image, {"sha256": "h", "pixel_hash": "p"}])
    assert numbers == [0, 0, 0]
    assert links == [("r0000", "r0002", "same pixels", None)]  # once, not for each row that the image serves


def test_every_image_of_a_copied_patient_is_linked_with_its_copy() -> None:
    rows = [{"source": s, "patient_key": f"{s}1", "pixel_hash": f"p{n}"} for s in "ab" for n in range(3)]
    numbers, links = found(rows)
    assert set(numbers) == {0}
    assert [link[:3] for link in links] == [(f"r{n:04}", f"r{n + 3:04}", "same pixels") for n in range(3)]


def test_a_patient_of_two_sources_is_one_group_and_copies_are_still_told() -> None:
    numbers_of = {"a": (0, 1, 2), "b": (0, 3, 6)}
    rows = [{"source": s, "patient_key": "p", "pixel_hash": f"{n}"} for s, of in numbers_of.items() for n in of]
    numbers, links = found(rows)
    assert set(numbers) == {0}
    assert [link[:3] for link in links] == [
        ("r0000", "r0003", "same pixels"),
        ("r0000", "r0003", "same patient"),  # so that an audit can see it
    ]


@pytest.mark.parametrize("patients", [COMMON_HASH, COMMON_HASH + 1])
def test_a_look_that_many_patients_share_joins_none_of_them(patients: int) -> None:
    rows = [{"patient_key": f"p{n}", "pixel_hash": f"{n}", "perceptual_hash": look(0, n)} for n in range(patients)]
    rows += [{"patient_key": "x", "perceptual_hash": look(1)}, {"patient_key": "y", "perceptual_hash": look(1, 5)}]
    groups = find_groups(table(rows), {})
    common = patients > COMMON_HASH
    assert groups.counts["records of a common look"] == (patients if common else 0)
    assert len(set(groups.numbers.to_pylist()[:patients])) == (patients if common else 1)
    assert groups.links.num_rows == (0 if common else patients - 1) + 1
    assert set(groups.links["kind"].to_pylist()) == {"same picture"}
    assert len(set(groups.numbers.to_pylist()[-2:])) == 1  # other looks are linked as ever


def test_the_same_is_found_with_any_number_of_threads() -> None:
    import faiss

    state = np.random.RandomState(1)
    hashes = state.bytes(32 * 3000)
    rows = []
    for n in range(6000):
        data = np.frombuffer(hashes[32 * (n % 3000) : 32 * (n % 3000) + 32], np.uint8)
        changed = data ^ np.packbits(state.rand(256) < 0.02)
        rows.append({"perceptual_hash": changed.tobytes().hex(), "source": "ab"[n % 2]})
    threads = faiss.omp_get_max_threads()
    results = []
    try:
        for number in (1, 2, 4):
            faiss.omp_set_num_threads(number)
            groups = find_groups(table(rows, number), {})
            results.append((groups.numbers.to_pylist(), groups.links.to_pylist()))
    finally:
        faiss.omp_set_num_threads(threads)
    assert results[0] == results[1] == results[2]
    assert len(results[0][1]) > 2900


def test_equal_pictures_of_one_patient_are_listed_as_known() -> None:
    rows = [{"patient_key": "p", "sha256": "f", "pixel_hash": "x"}, {"patient_key": "p", "sha256": "f"}]
    rows += [{"patient_key": "p", "sha256": "g", "pixel_hash": "x"}]
    rows += [{"patient_key": "p", "pixel_hash": "y", "perceptual_hash": look(0, n)} for n in range(2)]
    rows += [{"patient_key": "p", "pixel_hash": "z", "perceptual_hash": look(0, 3)}]
    links = [(one["first"], one["second"], one["reason"], one["known"]) for one in linked(rows)]
    assert links == [
        ("r0000", "r0001", "same file", True),
        ("r0000", "r0002", "same pixels", True),
        ("r0003", "r0004", "same pixels", True),  # near ones within a patient are not told
    ]


def linked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(find_groups(table(rows), {}).links.to_pylist())


BLANK = {"sha256": "black", "pixel_hash": "black", "perceptual_hash": None}


def test_a_picture_without_content_joins_nobody_however_many_patients_share_it() -> None:
    rows = [{"patient_key": f"p{n}"} | (BLANK if k else {"pixel_hash": f"{n}"}) for n in range(20) for k in range(2)]
    groups = find_groups(table(rows), {})
    assert len(set(groups.numbers.to_pylist())) == 20
    assert not groups.links.num_rows


def test_rows_of_one_image_without_content_are_one_group_and_equal_files_that_nobody_decoded_are_joined() -> None:
    rows = [BLANK | {"path": "1.png"}, BLANK | {"path": "1.png"}, {"sha256": "f"}, {"sha256": "f"}]
    assert found(rows) == ([0, 0, 2, 2], [("r0002", "r0003", "same file", None)])


def test_two_ids_that_fold_alike_stay_two_records_of_one_group() -> None:
    rows = [{"path": "caf\u00e9/A.png"}, {"path": "cafe\u0301/a.png"}, {"path": "cafe/a.png"}]
    assert find_groups(table(rows), {}).numbers.to_pylist() == [0, 0, 2]


ANY = st.fixed_dictionaries(
    {
        "source": st.sampled_from("ab"),
        "patient_key": st.none() | st.integers(0, 5).map(str),
        "sha256": st.none() | st.integers(0, 12).map(str),
        "seen": st.none() | st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(0, 7)),
    }
)


def seen(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records whose pictures are copies of four, with some bits of their hashes changed and perhaps turned."""
    rows = []
    for n, row in enumerate(drawn):
        one = {key: value for key, value in row.items() if key != "seen"} | {"id": f"r{n:04}", "path": f"{n}.png"}
        if row["seen"] is not None:
            number, changed, turn = row["seen"]
            bits = np.random.RandomState(changed).permutation(256)[: changed // 3]
            one |= {"perceptual_hash": look(number, *bits, turn=turn), "pixel_hash": f"{row['seen']}"}
        rows.append(one)
    return rows


def grouped(rows: list[dict[str, Any]], column: str = "numbers") -> set[frozenset[str]]:
    numbers = getattr(find_groups(table(rows), {}), column).to_pylist()
    return {frozenset(rows[n]["id"] for n, other in enumerate(numbers) if other == one) for one in numbers}


@settings(max_examples=60)
@given(st.lists(ANY, min_size=1, max_size=30), st.randoms(), st.sampled_from([2, 64]))
def test_links_and_groups_follow_from_the_set_of_records_not_from_their_order(
    drawn: list[dict[str, Any]], random: Any, crowd: int
) -> None:
    rows = seen(drawn)
    other = random.sample(rows, len(rows))
    with pytest.MonkeyPatch.context() as patch:  # a crowd of two: its rules decide nearly everything
        patch.setattr(near, "CROWD", crowd)
        patch.setattr(near, "_LEAF", 4)
        patch.setattr(near, "_BLOCK", 8)
        patch.setattr(groups_module, "COMMON_HASH", 2)
        assert linked(rows) == linked(other)
        assert grouped(rows) == grouped(other)
        assert grouped(rows, "within") == grouped(other, "within")


@settings(max_examples=60)
@given(st.lists(ANY, min_size=1, max_size=30), st.sampled_from([2, 64]))
def test_groups_within_a_source_do_not_depend_on_other_sources(drawn: list[dict[str, Any]], crowd: int) -> None:
    rows = seen(drawn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near, "CROWD", crowd)
        patch.setattr(near, "_LEAF", 4)
        patch.setattr(near, "_BLOCK", 8)
        patch.setattr(groups_module, "COMMON_HASH", 2)
        alone = [grouped([row for row in rows if row["source"] == one], "within") for one in "ab"]
        assert grouped(rows, "within") == alone[0] | alone[1]


def test_a_link_between_two_groups_is_refused() -> None:
    rows = [{"sha256": "f"}, {"sha256": "f"}, {}]
    groups = find_groups(table(rows), {})
    ids = table(rows)["id"]
    check_links(groups.links, ids, groups.numbers)
    with pytest.raises(BuildError, match="'r0000' - 'r0001' \\(same file\\), of groups 0 and 1"):
        check_links(groups.links, ids, pa.array([0, 1, 2]))
    with pytest.raises(BuildError, match="name the record 'r0001', which this build does not hold"):
        check_links(groups.links, ids.slice(0, 1), pa.array([0]))
