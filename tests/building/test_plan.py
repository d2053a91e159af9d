import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest
from building import CLASS_FOLDERS, Toy, ledger, make, reasons, records
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from med_mat.building import plan
from med_mat.catalog import load
from med_mat.demo import miniature
from med_mat.errors import BuildError, LayoutError
from med_mat.example import Example, Split
from med_mat.raw import RawFolder

BUSI = load()["busi"]
MakeToy = Callable[..., Toy]


def placed(examples: list[Example], raw: RawFolder, seed: int = 0) -> dict[str, str]:
    """Name -> the split that the build gives it."""

    def loader(_: RawFolder) -> Iterator[Example]:
        yield from examples

    found = plan.survey(BUSI, raw, loader, seed)
    refused = plan.Refused()
    chunks = plan.chunks(BUSI, raw, loader, found, refused)
    return {one.name: where.split for chunk in chunks for one, where in chunk.examples}


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> RawFolder:
    """Files f0 to f999; every one has its own content but those of the same last digit from 900 on."""
    root = tmp_path_factory.mktemp("files")
    for number in range(1000):
        text = f"{number}" if number < 900 else f"same {number % 10}"
        (root / f"f{number}.png").write_text(text)
    return RawFolder(root)


def patients(count: int, images: int, labels: str = "ab") -> list[Example]:
    """Examples of patients with one label each."""
    return [
        Example(PurePosixPath(f"f{who * images + n}.png"), label=labels[who % len(labels)], patient=f"p{who}")
        for who in range(count)
        for n in range(images)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_a_tenth_of_the_patients_of_every_label_is_held_out(files: RawFolder, seed: int) -> None:
    examples = patients(100, 4)
    split = placed(examples, files, seed)
    counts = Counter((one.label, split[one.name]) for one in examples)
    assert counts == {("a", "train"): 180, ("a", "test"): 20, ("b", "train"): 180, ("b", "test"): 20}


def test_no_patient_is_on_both_sides(files: RawFolder) -> None:
    examples = patients(100, 4)
    split = placed(examples, files)
    sides = {(one.patient, split[one.name]) for one in examples}
    assert len(sides) == 100


def test_the_seed_makes_the_split(files: RawFolder) -> None:
    examples = patients(100, 1)
    assert placed(examples, files, 1) == placed(examples, files, 1)
    assert placed(examples, files, 1) != placed(examples, files, 2)


def test_the_order_of_the_examples_does_not_change_the_split(files: RawFolder) -> None:
    examples = patients(60, 2)
    shuffled = examples.copy()
    random.Random(7).shuffle(shuffled)
    assert placed(examples, files) == placed(shuffled, files)


def test_identical_files_are_on_one_side(files: RawFolder) -> None:
    examples = [Example(PurePosixPath(f"f{number}.png"), label="a") for number in range(800, 1000)]
    split = placed(examples, files)
    for digit in range(10):
        assert len({split[f"f{number}.png"] for number in range(900 + digit, 1000, 10)}) == 1
    assert set(split.values()) == {"train", "test"}


def test_identical_files_join_the_patients_who_have_them(files: RawFolder) -> None:
    examples = patients(450, 2)  # each patient has two files of his own…
    examples += [
        Example(PurePosixPath(f"f{900 + n}.png"), label="a", patient=f"p{n}") for n in range(100)
    ]  # …and the first hundred one that nine others have too
    split = placed(examples, files)
    sides: dict[int, set[str]] = {}
    for one in examples:
        who = int((one.patient or "")[1:])
        if who < 100:
            sides.setdefault(who % 10, set()).add(split[one.name])
    assert all(len(side) == 1 for side in sides.values())


def test_one_file_under_two_patients_joins_them(files: RawFolder) -> None:
    alone = [Example(PurePosixPath(f"f{n}.png"), label="a", patient=f"p{n}") for n in range(40)]
    shared = [Example(PurePosixPath("f50.png"), label="a", patient=f"p{n}", key=f"shared {n}") for n in range(40)]
    assert len({*placed([*alone, *shared], files).values()}) == 1


EXAMPLES = st.lists(
    st.builds(
        lambda file, label, patient: (file, label, patient),
        st.integers(880, 999),
        st.sampled_from(["a", "b", "c", None]),
        st.one_of(st.none(), st.integers(0, 12)),
    ),
    min_size=1,
    max_size=60,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(EXAMPLES, st.integers(0, 3))
@example([(880, "a", 1), (880, "a", 2), (881, "a", 1), (882, "a", 2), (883, "a", 3), (884, "a", 4)], 0)
def test_whatever_the_source_no_patient_and_no_file_is_divided_and_train_is_never_empty(
    files: RawFolder, drawn: list[tuple[int, str | None, int | None]], seed: int
) -> None:
    examples = [
        Example(
            PurePosixPath(f"f{file}.png"), label=label, patient=None if patient is None else str(patient), key=str(n)
        )
        for n, (file, label, patient) in enumerate(drawn)
    ]
    split = placed(examples, files, seed)
    assert split.keys() == {one.name for one in examples}
    for key in ("patient", "content"):
        sides: dict[str, set[str]] = {}
        for one in examples:
            value = one.patient if key == "patient" else (files.root / one.path).read_text()
            if value is not None:
                sides.setdefault(value, set()).add(split[one.name])
        assert all(len(side) == 1 for side in sides.values()), key
    assert "train" in split.values()
    assert Counter(split.values())["test"] <= len(examples) / 2


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        (["train", "test"], ["train", "test"]),
        (["train", "validation", "test"], ["train", "validation", "test"]),
        (["train", "validation"], ["train", "test"]),  # the only part held out is the test part
        ([None, "test"], ["train", "test"]),
        (["test"], ["test"]),
    ],
)
def test_a_published_split_is_kept(files: RawFolder, published: list[Split | None], ours: list[Split]) -> None:
    examples = [Example(PurePosixPath(f"f{n}.png"), label="a", split=published[n % len(published)]) for n in range(30)]
    split = placed(examples, files)
    assert [split[f"f{n}.png"] for n in range(30)] == [ours[n % len(ours)] for n in range(30)]


def test_a_publisher_who_only_names_a_train_part_has_no_split(files: RawFolder) -> None:
    examples = [Example(PurePosixPath(f"f{n}.png"), label="a", split="train") for n in range(100)]
    assert Counter(placed(examples, files).values()) == {"train": 90, "test": 10}


def test_a_renamed_validation_part_keeps_its_published_name(toy: MakeToy) -> None:
    source = toy("""
    for image in raw.images("*/*"):
        yield Example(image, label="a", split=image.parent.name)
""")
    source.draw("train/1.png", "train/2.png", "validation/3.png")
    source.build()
    found = {(one["split"], one["published_split"]) for one in records(source.out)}
    assert found == {("train", "train"), ("test", "validation")}
    assert ledger(source.out)["split"] == "published"


def test_the_second_of_two_files_with_one_id_is_skipped_and_says_so(toy: MakeToy) -> None:
    source = toy("""
    for image in raw.images("*/*"):
        yield Example(image, label="a", key=image.name)
""")
    source.draw("x/1.png", "y/1.png", "x/2.png")
    source.build()
    assert [one["id"] for one in records(source.out)] == ["toy/48/1.png", "toy/48/2.png"]
    assert reasons(source.out) == {"y/1.png": "its id '1.png' is already that of x/1.png"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_loader_that_is_not_deterministic_is_found_out(
    toy: MakeToy, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "CHUNK_EXAMPLES", 2)
    monkeypatch.setattr(plan, "KEPT_EXAMPLES", 5)  # of more the loader is run twice
    source = toy("""
    global turn
    turn = not globals().get("turn", False)
    images = raw.images("*/*")
    for image in images if turn else reversed(images):
        yield Example(image, label="a")
""")
    source.draw(*(f"x/{n}.png" for n in range(12)))
    with pytest.raises(BuildError, match=r"Two runs of the loader of 'toy' .* differ"):
        source.build(jobs=jobs)
    assert not (source.out / "med_mat.json").exists()


def test_a_loader_that_finds_nothing_says_where_it_looked_and_what_for(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    with pytest.raises(LayoutError) as caught:
        source.build()
    assert str(source.raw) in str(caught.value)
    assert "Expected one of: **" in str(caught.value)


def test_chunks_are_closed_at_their_size(files: RawFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [Example(PurePosixPath(f"f{n}.png"), label="a", split="test") for n in range(100, 200)]
    found = plan.survey(BUSI, files, lambda _: iter(examples), 0)

    def lengths() -> list[int]:
        chunks = plan.chunks(BUSI, files, lambda _: iter(examples), found, plan.Refused())
        return [len(chunk.examples) for chunk in chunks]

    assert lengths() == [100]
    monkeypatch.setattr(plan, "CHUNK_EXAMPLES", 30)
    assert lengths() == [30, 30, 30, 10]
    monkeypatch.setattr(plan, "CHUNK_BYTES", 3 * 20)  # three bytes each
    assert lengths() == [20] * 5


def test_a_miniature_is_split_by_patient(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["isic_2019"])
    make(tmp_path / "raw", tmp_path / "out", "isic_2019")
    sides: dict[str, set[str]] = {}
    for one in records(tmp_path / "out"):
        if one["patient"]:
            sides.setdefault(one["patient"], set()).add(one["split"])
    assert any("test" in side for side in sides.values())
    assert all(len(side) == 1 for side in sides.values())
