"""The audit proves: where the index is damaged, the records themselves give it away. And what it notes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import LUNG, MADE, Record, World, made_rows, made_up, many, replace

from med_mat.dataset import MedMAT
from med_mat.errors import AuditError, BuildError, SplitError
from med_mat.imaging.hashing import orientations
from med_mat.selection import MAT
from med_mat.splits import Experiment, looks
from med_mat.storage.location import Folder

#: Of a test record (position 0) and one to train on (position 1) in the worlds below.
TESTED, TRAINED = 0, 1


def apart(number: int) -> str:
    """A hash far from all others."""
    return np.random.default_rng(number).bytes(32).hex()


def bent(look: str, bits: int, turn: int = 0) -> str:
    """The same look, but for some bits, perhaps flipped or turned."""
    as_bits = np.unpackbits(np.frombuffer(bytes.fromhex(look), np.uint8))
    as_bits[np.random.default_rng(bits).permutation(256)[:bits]] ^= 1
    return list(orientations(np.packbits(as_bits)[None]))[turn].tobytes().hex()


@pytest.fixture
def world() -> World:
    """Everybody is somebody else, and everything shows something else."""
    records = [Record(1, "test"), Record(2, label="b"), Record(2), Record(3), Record(3, label="b"), Record(4)]
    known = [
        replace(one, patient=f"p{n}", sha256=f"f{n}", pixel_hash=f"h{n}", look=apart(n), path=f"{n}.png")
        for n, one in enumerate(records)
    ]
    return made_up(known, made_rows())


def damaged(world: World, tmp_path: Path, **columns: Callable[[list[Any]], None]) -> MedMAT:
    """The same build, but some values of some columns of its index were changed."""
    root = Path(str(world.mat.location))
    shutil.copytree(root, tmp_path / "damaged", dirs_exist_ok=True)
    table = pq.read_table(root / "index.parquet")
    for name, change in columns.items():
        values = table[name].to_pylist()
        change(values)
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))
    pq.write_table(table, tmp_path / "damaged" / "index.parquet")
    return MedMAT(Folder(tmp_path / "damaged"), world.mat.manifest)


def put(place: int, value: Any) -> Callable[[list[Any]], None]:
    return lambda values: values.__setitem__(place, value)


def copied(change: Callable[[Any], Any] = lambda value: value) -> Callable[[list[Any]], None]:
    """The test record's value goes to the training record."""
    return lambda values: values.__setitem__(TRAINED, change(values[TESTED]))


def violated(experiment: Experiment, *messages: str) -> None:
    with pytest.raises(AuditError) as caught:
        experiment.audit()
    assert list(caught.value.audit.violations) == list(messages)


def test_the_world_as_it_is_holds(world: World) -> None:
    made = world.mat.related(LUNG)
    assert made.test_positions.tolist() == [TESTED]
    assert TRAINED in made.train_positions
    shared = made.audit().shared
    assert shared == dict.fromkeys(
        ("groups", "patients", "files", "images", "near-duplicates", "published ids", "links"), 0
    )  # fmt: skip


@pytest.mark.parametrize(
    ("column", "change", "what"),
    [
        ("sha256", copied(), "files"),
        ("pixel_hash", copied(), "images"),
        ("perceptual_hash", copied(), "near-duplicates"),
        ("perceptual_hash", copied(lambda look: bent(look, 21)), "near-duplicates"),
        ("perceptual_hash", copied(lambda look: bent(look, 9, turn=5)), "near-duplicates"),
    ],
)
def test_what_groups_do_not_say_is_found(
    world: World, tmp_path: Path, column: str, change: Callable[[list[Any]], None], what: str
) -> None:
    violated(damaged(world, tmp_path, **{column: change}).related(LUNG), f"1 {what} are in train and in test")


def test_looks_beyond_the_threshold_are_other_pictures(world: World, tmp_path: Path) -> None:
    damaged(world, tmp_path, perceptual_hash=copied(lambda look: bent(look, 22))).related(LUNG).audit()


def test_large_experiments_are_compared_for_equality_and_say_so(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("med_mat.splits.evidence.COMPARED", 3)
    proof = damaged(world, tmp_path, perceptual_hash=copied(lambda look: bent(look, 2))).related(LUNG).audit()
    assert any("compared for equality" in note for note in proof.notes)
    violated(
        damaged(world, tmp_path, perceptual_hash=copied()).related(LUNG), "1 near-duplicates are in train and in test"
    )


def test_a_patient_counts_within_a_source(world: World, tmp_path: Path) -> None:
    damaged(world, tmp_path, patient=copied()).related(LUNG).audit()
    same = damaged(world, tmp_path, patient=copied(), source=copied())
    violated(
        replace(world.mat.related(LUNG), mat=same),
        "1 patients are in train and in test",
        "1 records of train have columns that differ from their row, such as row 2 as CT/Brain/Cancer of source_1, "
        "subset None, where it is CT/Brain/Cancer of source_2, subset None",
    )


def test_published_ids_are_read_from_the_paths_again(tmp_path: Path) -> None:
    rows = [
        replace(one, source=name) for one, name in zip(made_rows(), ("isic_2016", "isic_2019", "", ""), strict=True)
    ]
    records = [Record(1, "test", path="a/ISIC_0000001.jpg"), Record(2, path="b/ISIC_0000002.jpg"), Record(3)]
    world = made_up(records, rows)
    world.mat.related(LUNG).audit()
    one = damaged(world, tmp_path, path=put(TRAINED, "b/ISIC_0000001_downsampled.jpg"))
    violated(one.related(LUNG), "1 published ids are in train and in test")


def test_links_tell_where_groups_are_erased(world: World) -> None:
    linked = made_up(world.records, list(world.rows.values()), links=[(TESTED, TRAINED, "transformed", False)])
    torn = "1 links join records of different groups: duplicates.parquet and index.parquet are not of one build"
    violated(linked.mat.related(LUNG), "1 links are in train and in test", torn)
    # and through a record that is on neither side
    linked = made_up(world.records, list(world.rows.values()), links=[(TRAINED, 5, "near", False)])
    violated(linked.mat.related(LUNG), torn)


def test_links_to_records_that_are_not_there_are_refused(world: World, tmp_path: Path) -> None:
    mat = damaged(world, tmp_path, id=put(TRAINED, "another"))
    links = pq.read_table(Path(str(mat.location)) / "duplicates.parquet")
    ids = world.mat.index["id"].to_pylist()
    given = pa.Table.from_pylist(
        [{"first": ids[TESTED], "second": ids[TRAINED], "reason": "near", "contradictory": False}], links.schema
    )
    pq.write_table(given, Path(str(mat.location)) / "duplicates.parquet")
    with pytest.raises(BuildError, match=r"names 1 records that index\.parquet lacks, such as source_2/2/1"):
        mat.related(LUNG).audit()


@pytest.mark.parametrize("column", ["modality", "area", "task", "source", "subset"])
def test_a_record_whose_own_columns_are_not_those_of_its_row_is_found(
    world: World, tmp_path: Path, column: str
) -> None:
    value = {"modality": "MRI", "area": "Skin", "task": "State", "source": "busi", "subset": 7}[column]
    for place, side in ((TRAINED, "train"), (TESTED, "test")):
        with pytest.raises(
            AuditError, match=f"1 records of {side} have columns that differ from their row, such as row"
        ):
            damaged(world, tmp_path, **{column: put(place, value)}).related(LUNG).audit()


def test_a_training_record_that_says_the_target_is_found(world: World, tmp_path: Path) -> None:
    columns = {axis: put(TRAINED, getattr(LUNG, axis)) for axis in ("modality", "area", "task")}
    with pytest.raises(AuditError, match="1 training records have the target's triplet in their own columns"):
        damaged(world, tmp_path, **columns).related(LUNG).audit()


def test_pictures_without_structure_are_nobodys_copy() -> None:
    black = {"sha256": "black", "pixel_hash": "black"}
    records = [Record(1, "test", **black), Record(2, **black), Record(3)]
    world = made_up(records, made_rows())
    root = Path(str(world.mat.location))
    table = pq.read_table(root / "index.parquet")
    for name, values in (("perceptual_hash", pa.nulls(3, pa.string())), ("group", pa.array(range(3), pa.int32()))):
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)
    pq.write_table(table, root / "index.parquet")
    proof = MedMAT(Folder(root), world.mat.manifest).related(LUNG).audit()
    assert "1 test records show a blank image: equal images are not counted as copies" in proof.notes


def leaky(crowd: Sequence[Record], **near_duplicates: int) -> Experiment:
    """Somebody tested whose look, turned, is that of a crowd to train on, which the groups do not say."""
    tested = Record(1, "test", sha256="f", pixel_hash="h", look=bent(apart(1), 3, turn=2))
    return made_up([tested, *crowd, Record(3)], made_rows(), near_duplicates=near_duplicates).mat.related(LUNG)


def test_a_look_that_many_patients_share_is_nobodys_copy() -> None:
    """The build says how many it set aside; those of known patients cannot be held against it."""
    named, nameless = (
        [Record(2, patient=who and f"{who}{n}", pixel_hash=f"h{n}", look=bent(apart(1), n)) for n in range(2)]
        for who in ("p", None)
    )
    proof = leaky(named, **{"records of a common look": 3}).audit()
    assert any(note.startswith("1 perceptual hashes of test are in train too") for note in proof.notes)
    violated(leaky(named, **{"records of a common look": 0}), "1 near-duplicates are in train and in test")
    violated(leaky(nameless, **{"records of a common look": 3}), "1 near-duplicates are in train and in test")


def test_a_look_in_a_crowd_is_nobodys_copy() -> None:
    crowd = [
        Record(2, pixel_hash=f"h{bits}{turn}", look=bent(apart(1), bits, turn))
        for bits in range(1, 9)
        for turn in range(8)
    ]
    assert leaky(crowd, **{"pictures in a crowd": 9}).audit().shared["near-duplicates"] == 0
    violated(leaky(crowd, **{"pictures in a crowd": 0}), "1 near-duplicates are in train and in test")
    violated(leaky(crowd[:60], **{"pictures in a crowd": 9}), "1 near-duplicates are in train and in test")


hashes = st.integers(0, 5).map(apart)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 7)), max_size=6), st.integers(1, 6))
def test_looks_are_found_by_table_and_by_comparing_all(made: Sequence[tuple[int, int, int]], many_test: int) -> None:
    train = pa.array(sorted({bent(apart(number), bits, turn) for number, bits, turn in made}), pa.string())
    test = pa.array([apart(number) for number in range(many_test)])
    expected = {
        (one, other)
        for one, look in enumerate(train.to_pylist())
        for other, base in enumerate(test.to_pylist())
        if any(
            np.unpackbits(turned[0] ^ np.frombuffer(bytes.fromhex(look), np.uint8)).sum() <= 21
            for turned in orientations(np.frombuffer(bytes.fromhex(base), np.uint8)[None])
        )
    }
    for plain in (0, 10**18):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(looks, "_PLAIN", plain)
            first, second = looks.shared_looks(train, test)
        assert set(zip(first.tolist(), second.tolist(), strict=True)) == expected


def noted(world: World, **options: Any) -> list[str]:
    return list(world.mat.related(LUNG, **options).audit().notes)


def test_what_a_reader_of_the_numbers_should_know() -> None:
    records = [*many({(2, "a"): 2, (3, "a"): 2}, 1), Record(1, "test", patient="p")]
    sources = {"source_1": {"split": "seeded 9:1 (seed 0)", "augmented": True}, "source_2": {"split": "published"}}
    assert noted(made_up(records, made_rows(), sources=sources)) == [
        "patients known for 1 of 2 test records",
        "test has fewer than 30 records: each is worth 50.0 points of an accuracy",
        "all test records have one label set, a: always giving that answer is always right",
        "2 test records of sources with augmented copies that cannot all be joined: source_1",
        "the test part is not the publisher's but seeded 9:1 (seed 0): source_1",
    ]


def test_nothing_is_noted_where_nothing_is_to_be_known() -> None:
    tested = [Record(1, "test", label, patient=f"{n}") for n in range(15) for label in "ab"]
    assert noted(made_up([*tested, *many({(2, "a"): 2, (3, "a"): 2})[1:]], made_rows())) == []


def contrary() -> World:
    """Two of four training pictures carry two labels, and so does one of two that are tested."""
    records = [
        Record(1, "test", "b"), Record(1, "test", "b"), Record(2, "train", "a"), Record(2, "train", "b"),
        Record(2, "train", "b"), Record(3, "train", "a"), Record(4, "validation"),
    ]  # fmt: skip
    links = [(2, 3, "same pixels", True), (0, 6, "near", True)]
    world = made_up(records, made_rows(), links=links)
    root = Path(str(world.mat.location))
    table = pq.read_table(root / "index.parquet")
    group = pa.array([0, 1, 2, 2, 4, 5, 0], pa.int32())
    table = table.set_column(table.schema.get_field_index("group"), table.schema.field("group"), group)
    pq.write_table(table, root / "index.parquet")
    return World(MedMAT(Folder(root), world.mat.manifest), world.records, world.rows)


def test_contradictory_labels_are_counted_or_left_out(tmp_path: Path) -> None:
    world = contrary()
    kept = world.mat.related(LUNG)
    assert [note for note in kept.audit().notes if "contradict" in note] == [
        "2 training records show an image whose labels contradict each other in this Med-MAT",
        "1 test records show an image whose labels contradict each other in this Med-MAT",
    ]
    made = world.mat.related(LUNG, contradictory="drop")
    assert (made.train_positions.tolist(), made.test_positions.tolist()) == ([4, 5], [1])
    proof = made.audit()
    assert proof.dropped == {
        "the labels of their image contradict each other": 2,
        "tested records: the labels of their image contradict each other": 1,
    }  # fmt: skip
    assert not any("contradict" in note for note in proof.notes)
    made.save(tmp_path / "split.parquet")
    back = world.mat.load_split(tmp_path / "split.parquet")
    assert (back.definition, back.options.contradictory) == (made.definition, "drop")
    assert world.mat.experiment(made.definition).train_positions.tolist() == [4, 5]


def test_a_copy_of_a_contested_picture_goes_with_it_whatever_its_own_label() -> None:
    records = [*many({(2, "a"): 3, (3, "a"): 1}), Record(2, "train", "b")]
    ordered = made_up(records, made_rows()).records
    copies = [place for place, one in enumerate(ordered) if one.row == 2]
    links = [(copies[0], copies[1], "same file", False), (copies[1], copies[-1], "same pixels", True)]
    world = made_up(records, made_rows(), links=links)
    assert world.mat.linked.contested.tolist() == [copies[0], copies[1], copies[-1]]


def test_a_target_of_contested_pictures_alone_is_refused() -> None:
    world = made_up([*many({(2, "a"): 1, (3, "a"): 1})], made_rows(), links=[(0, 1, "near", True)])
    with pytest.raises(SplitError, match=r"All 1 test records of CT/Lung/Cancer show images whose labels contradict"):
        world.mat.related(LUNG, contradictory="drop")
    with pytest.raises(SplitError, match=r"contradictory: 'hide' is not one of keep, drop"):
        world.mat.related(LUNG, contradictory="hide")


def test_withheld_records_train_where_that_is_asked_for() -> None:
    records = [*many({(2, "a"): 2, (3, "a"): 1}), Record(2, withheld="source_9: same file")]
    world = made_up(records, made_rows())
    made = world.mat.related(LUNG)
    assert len(made.train_positions) == 3
    assert made.dropped == {"withheld: their group is held out, though not tested here": 1}
    more = world.mat.related(LUNG, withheld=True)
    assert len(more.train_positions) == 4
    assert any(
        note.startswith("1 training records share a group with records that are held out")
        for note in more.audit().notes
    )


def test_an_arm_without_training_records_is_refused() -> None:
    world = made_up(many({(1, "a"): 3}), [*made_rows([LUNG]), *made_rows([MAT("US", "Skin", "State")])[:0]])
    with pytest.raises(SplitError, match=r"The all_data arm for CT/Lung/Cancer has no training record in this Med-MAT"):
        world.mat.all_data(LUNG)
    tested_groups = made_up([Record(1, "test", patient="p"), Record(2, patient="p")], made_rows(MADE[:2]))
    with pytest.raises(
        SplitError, match=r"no training record in this Med-MAT\. 1 are left out: their group is tested\."
    ):
        tested_groups.mat.all_data(LUNG)
