from __future__ import annotations

import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import med_mat
from med_mat.catalog import UPSTREAM_ROWS, Erratum, SharedId, load, read_card, sources
from med_mat.errors import CardError, MedMATError, UnknownSourceError, VocabularyError
from med_mat.selection import MAT, Pattern
from med_mat.strict import yaml_load
from med_mat.taxonomy import AREAS, MODALITIES, TASKS

CARDS = Path(__file__).parents[1] / "dataset_cards"
HEAVY = ("datasets", "pyarrow", "pydicom", "nibabel", "numpy", "PIL", "joblib", "huggingface_hub", "med_mat.loaders.")
CATALOG = load()
UPSTREAMS = [row for row in CATALOG.rows if row.number <= UPSTREAM_ROWS]


# ------------------------------------------------------------------------------------------------------- completeness


def test_all_rows_subsets_and_sources_are_there() -> None:
    assert {path.stem for path in CARDS.glob("*.md") if path.stem.islower()} <= set(CATALOG)
    assert [row.number for row in UPSTREAMS] == list(range(1, UPSTREAM_ROWS + 1))
    assert list(CATALOG.subsets) == list(range(1, 54))
    assert Counter(subset.role for subset in CATALOG.subsets.values())["detection"] == 16


def test_a_row_belongs_to_its_source_and_its_subset() -> None:
    for source in CATALOG.values():
        assert source.rows, source.name
        assert [row.number for row in source.rows] == sorted(row.number for row in source.rows)
        for row in source.rows:
            assert row.source == source.name
            assert source.row(row.number) is row
            assert row.subset in CATALOG.subsets or row.number > UPSTREAM_ROWS
            assert row.kind in ("classes", "grades", "findings", "boxes", "masks")
    assert {row.subset for row in UPSTREAMS} == set(CATALOG.subsets)


def test_sources_come_in_the_order_of_their_first_row() -> None:
    firsts = [source.rows[0].number for source in CATALOG.values()]
    assert firsts == sorted(firsts)
    assert list(CATALOG) == [source.name for source in sources()]


def test_a_row_has_the_triplet_of_its_subset_or_an_erratum() -> None:
    departing = {row.number for row in UPSTREAMS if row.mat != CATALOG.subsets[row.subset].mat}
    assert departing == {6, 54, 60}  # radiographs in a subset of CT; no COVID in a subset of COVID
    for number in (6, 54):
        assert any(error.row == number for error in errata())


def test_subsets_hold_the_rows_that_upstream_prints_but_for_its_slips() -> None:
    for number, subset in CATALOG.subsets.items():
        ours = {row.number for row in UPSTREAMS if row.subset == number}
        slips = {8: ({64}, set[int]()), 18: ({43, 83}, {44})}.get(number, (set(), set()))
        assert (ours - set(subset.rows), set(subset.rows) - ours) == slips, number
    for row in (43, 44, 64, 83):
        assert any(error.row == row and error.field == "subset" for error in errata())


def test_detection_rows_have_boxes_or_masks_and_no_other_has() -> None:
    for row in UPSTREAMS:
        assert (row.kind in ("boxes", "masks")) == row.mat.task.endswith("Detection"), row.number
        assert (CATALOG.subsets[row.subset].role == "detection") == row.mat.task.endswith("Detection"), row.number


def test_every_word_of_the_vocabularies_is_used() -> None:
    mats = {row.mat for row in CATALOG.rows} | {subset.mat for subset in CATALOG.subsets.values()}
    assert {mat.modality for mat in mats} == set(MODALITIES)
    assert {mat.area for mat in mats} == set(AREAS)
    assert {mat.task for mat in mats} == set(TASKS)
    also = {task for subset in CATALOG.subsets.values() for task in subset.also}
    assert also <= set(TASKS)
    for subset in CATALOG.subsets.values():
        assert subset.mat.task not in subset.also


def test_names_of_subsets() -> None:
    assert CATALOG.subsets[24].name == "subset-24"
    assert CATALOG.subsets[4].name == "subset-04"


# ------------------------------------------------------------------------------------------------------------- errata


def errata() -> list[Erratum]:
    return [error for source in CATALOG.values() for error in source.errata]


@pytest.mark.parametrize(
    ("row", "field", "upstream", "ours"),
    [
        (97, "modality", "Ultrasound", "US"),
        (98, "modality", "Ultrasound", "US"),
        (16, "area", "Teeth", "Mouth"),
        (17, "area", "Teeth", "Mouth"),
        (54, "task", "COVID", "tuberculosis"),
        (63, "modality", "X-Ray", "MRI"),
        (46, "link", "malignant-lymphoma", "kermany2018"),
        (103, "task", "Surgical Instrument", "Organ Detection"),
        (50, "link", "brian-tumor-dataset", "fracture"),
        (32, "link", "93241", "5793241"),
        (33, "link", "KaikaiZhao", "george-chou"),
        (70, "name", "HSA-NRL", "Chaoyang"),
        (48, "images", "PNG", "masks"),
    ],
)
def test_known_errata_are_data(row: int, field: str, upstream: str, ours: str) -> None:
    (found,) = (error for error in errata() if (error.row, error.field) == (row, field))
    assert upstream in found.upstream
    assert ours in found.ours
    assert found.why.endswith(".")


@pytest.mark.parametrize(
    ("row", "triplet"),
    [
        (16, "DP/Mouth/State"),
        (54, "X-ray/Lung/Diseases"),
        (63, "MRI/Brain/Cancer"),
        (97, "US/Breast/Cancer Detection"),
        (98, "US/Thyroid/Diseases Detection"),
        (103, "MRI/Intestine/Organ Detection"),
        (46, "OCT/Retina/Diseases"),
    ],
)
def test_the_triplet_is_the_corrected_one(row: int, triplet: str) -> None:
    (found,) = (one for one in CATALOG.rows if one.number == row)
    assert found.mat == MAT.parse(triplet)


def test_upstreams_words_are_kept_uncorrected() -> None:
    by_number = {row.number: row for row in CATALOG.rows}
    assert by_number[97].upstream.modality == "Ultrasound"
    assert by_number[16].upstream.area == "Teeth"
    assert by_number[63].upstream.modality == "X-Ray"
    assert "COVID" in by_number[54].upstream.task
    assert "Surgical Instrument" in by_number[103].upstream.task
    for row in UPSTREAMS:
        assert row.upstream.name
        assert row.upstream.link.startswith("http"), row.number
        assert row.upstream.task


def test_an_erratum_quotes_upstream_and_departs_from_it() -> None:
    for source in CATALOG.values():
        numbers = {row.number for row in source.rows}
        for error in source.errata:
            assert error.row in numbers, source.name
            assert error.ours != error.upstream, (source.name, error)
            if error.field in ("modality", "area", "name", "link", "task"):
                row, subset = source.row(error.row), CATALOG.subsets[source.row(error.row).subset]
                said = {getattr(row.upstream, error.field), getattr(subset.upstream, error.field)}
                assert error.upstream in said, (source.name, error.row, error.field)


# ------------------------------------------------------------------------------------------------------------- asking


@given(
    st.none() | st.sampled_from(["CT|MRI/Brain/*", "!X-ray/*/*", "*/*/Cancer", "US/*/*", "CT/!Lung/*", "Co/Skin/*"]),
    st.none()
    | st.lists(st.sampled_from(["open", "account", "competition", "request", "credentialed"]), min_size=1, max_size=3),
    st.sampled_from([None, True, False]),
)
def test_asking_is_filtering(pattern: str | None, access: list[str] | None, redistributable: bool | None) -> None:
    expected = []
    for source in CATALOG.values():
        fits = pattern is None or any(Pattern.parse(pattern).matches(row.mat) for row in source.rows)
        if access is not None and source.access not in access:
            fits = False
        if redistributable is not None and source.redistributable is not redistributable:
            fits = False
        if fits:
            expected.append(source)
    assert list(sources(pattern, access=access, redistributable=redistributable)) == expected


def test_asking_for_one_access() -> None:
    assert sources(access="open") == sources(access=["open"])
    assert {source.access for source in sources(access="open")} == {"open"}
    assert med_mat.sources("US/Breast/*")[0].name == "busi"
    assert sources(MAT.parse("US/Breast/Cancer")) == sources("US/Breast/Cancer")


@pytest.mark.parametrize("access", ["opne", ["open", "free"], ""])
def test_an_unknown_access(access: str) -> None:
    with pytest.raises(VocabularyError, match="is not one of open, account, competition, request, credentialed"):
        sources(access=access)


def test_an_unknown_source() -> None:
    with pytest.raises(UnknownSourceError, match="Did you mean 'busi'") as caught:
        CATALOG["bussi"]
    assert isinstance(caught.value, KeyError)
    assert not str(caught.value).startswith("'")
    assert CATALOG.get("bussi") is None
    assert "bussi" not in CATALOG


def test_an_unknown_row() -> None:
    with pytest.raises(MedMATError, match=r"'busi' has no row 49; it has \[48, 97\]"):
        CATALOG["busi"].row(49)


def test_a_source_can_be_sent_to_workers() -> None:
    busi = CATALOG["busi"]
    assert pickle.loads(pickle.dumps(busi)) == busi
    assert pickle.loads(pickle.dumps(busi.rows[0])) == busi.rows[0]


# ------------------------------------------------------------------------------------------------------------ lightness


def imported(code: str) -> set[str]:
    """The heavy modules that are loaded after some code ran in a Python of its own."""
    check = f"import sys\n{code}\nprint(*(n for n in sys.modules if n.startswith({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_library_imports_next_to_nothing() -> None:
    code = "before = set(sys.modules)\nimport med_mat\nassert not [n for n in sys.modules if n.startswith('med_mat.')]"
    assert not imported(code)


def test_the_catalog_needs_no_loader_and_no_heavy_library() -> None:
    code = (
        "import med_mat\nfrom med_mat.catalog import load\n"
        f"assert len(load()) == {len(CATALOG)}\nassert med_mat.sources('CT|MRI/Brain/*')\n"
        "med_mat.MAT.parse('CT/Lung/Cancer')"
    )
    assert not imported(code)


def test_the_commands_on_the_catalog_are_light_too() -> None:
    for arguments in (["sources", "CT/*/*"], ["show", "busi"], ["--help"]):
        found = imported(f"from med_mat.cli import cli\ncli.main({arguments!r}, standalone_mode=False)")
        assert not {name for name in found if name.startswith(("datasets", "pydicom", "med_mat.loaders."))}, arguments


def test_reading_all_cards_is_quick() -> None:
    texts = {path.stem: path.read_text("utf-8") for path in CARDS.glob("*.md") if path.stem.islower()}
    begun = time.perf_counter()
    for name, text in texts.items():
        read_card(name, text)
    assert time.perf_counter() - begun < 2  # about 0.1 s


def test_python_started_in_a_checkout_finds_its_loaders_and_cards(tmp_path: Path) -> None:
    """As after `pip install .`: nothing but the folder that Python was started in says where they are."""
    for folder in ("med_mat", "loaders", "dataset_cards"):
        shutil.copytree(CARDS.parent / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "dataset_cards/busi.md").unlink()  # tells this checkout from the one that is installed
    code = (
        "from med_mat.catalog import load\n"
        "from med_mat.building.loader import loader_of\n"
        "assert 'busi' not in load()\n"
        "import med_mat.loaders.hep2\n"
        "print(loader_of(load()['hep2']).__file__)\n"
    )
    libraries = os.pathsep.join(path for path in sys.path if "site-packages" in path)  # -S: no editable installation
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": libraries},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == tmp_path / "loaders/hep2.py"


def test_public_names() -> None:
    assert set(med_mat.__all__) <= set(dir(med_mat))
    for name in med_mat.__all__:
        assert getattr(med_mat, name) is not None
    with pytest.raises(AttributeError, match=r"has no attribute 'opne'; it has .*open"):
        med_mat.opne  # noqa: B018
    assert re.fullmatch(r"\d+\.\d+\.\d+", med_mat.__version__)


# ------------------------------------------------------------------------------------------------------ malformed cards

CARD = (CARDS / "busi.md").read_text("utf-8")
READ = CARD[CARD.index("  license_read:") :].partition("\n")[0]
TWICE = CARD[: CARD.index("benign: Benign")].count("\n") + 2  # the line after that of a label


def changed(old: str, new: str) -> str:
    assert old in CARD
    return CARD.replace(old, new, 1)


def without(key: str) -> str:
    """The card without a key of the block med_mat."""
    text = re.sub(rf"(?m)^  {key}:.*\n(?:   .*\n|    .*\n)*", "", CARD)
    assert text != CARD
    return text


@pytest.mark.parametrize(
    "key",
    [
        "summary",
        "terms",
        "access",
        "redistributable",
        "homepage",
        "download",
        "layout",
        "labels",
        "rows",
        "patients",
        "published_split",
        "counts",
        "verified",
        "certainty",
        "citation",
    ],
)
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(CardError, match=rf"^The card busi\.md: med_mat lacks the key '{key}'\.$"):
        read_card("busi", without(key))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"has no front matter"),
        ("# BUSI\n", r"has no front matter"),
        ("---\npretty_name: x\n", r"has no front matter"),
        ("---\npretty_name: x\n---\n", r"has no 'med_mat:' block"),
        ("---\nmed_mat: 5\n---\n", r"has no 'med_mat:' block"),
        ("---\n- a\n---\n", r"has no 'med_mat:' block"),
        ("---\na: [\n---\n", r"is not YAML: .*line \d"),
        ("---\na: !!python/object/apply:os.system [id]\n---\n", r"is not YAML: .*could not determine a constructor"),
        (changed('pretty_name: "BUSI', 'petty_name: "BUSI'), r"unknown key 'petty_name'\. Did you mean 'pretty_name'"),
        (changed("kind: classes", "kind: clases"), r"'clases' is not one of classes, grades"),
        (changed("kind: kaggle", "kind: keggle"), r"'keggle' is not one of kaggle"),
        (changed("certainty: high\n  citation", "certainty: sure\n  citation"), r"'sure' is not one of high"),
        (changed("verified: label tables", "verified: yes"), r"True is not one of real data"),
        (changed("access: account", "access: acount"), r"med_mat\.access: 'acount' .*Did you mean 'account'\?"),
        (changed("US/Breast/Cancer\n", "Ultrasound/Breast/Cancer\n"), r"rows\[0\]\.triplet: .* Did you mean 'US'"),
        (changed("US/Breast/Cancer\n", "US/Breast\n"), r"rows\[0\]\.triplet: 'US/Breast' is not a triplet"),
        (changed("US/Breast/Cancer\n", "US/*/Cancer\n"), r"row 48 leaves an element of its triplet open: US/\*/Cancer"),
        (
            changed("kind: classes", "kind: classes\n      scales: {Left: {part: the left breast, last: benign}}"),
            r"row 48, of classes, has under 'scales' that of 'Left', .*Scales are for rows of grades",
        ),
        (
            changed("kind: classes", "kind: grades\n      scales: {Left: {part: the left breast, last: grave}}"),
            r"'Left', which ends with 'grave'\. Scales are for rows of grades, and end with one of their raw labels",
        ),
        (changed("kind: classes", "kind: classes\n      traced: true"), r"row 48, of classes, is 'traced'"),
        (changed("labels: [benign, malignant]", "labels: [benin]"), r"row 97 .* 'benin', .* Did you mean 'benign'\?"),
        (changed("labels: [benign, malignant]", "labels: [benign, no]"), r"labels\[1\] must be a string, not False"),
        (changed("benign: Benign", "benign: ''"), r"labels\.benign is '', which is no label"),
        (changed("benign: Benign", "benign: [Benign]"), r"labels\.benign must be a string, not \['Benign'\]\.$"),
        (changed("benign: Benign", "benign: no"), r"labels\.benign .* not False\. Write it in quotes"),
        (changed("benign: Benign", "no: Benign"), r"labels has the key False, .*write it in quotes"),
        (
            changed("benign: Benign", "benign: Benign\n    benign: Malignant"),
            rf"has the key 'benign' twice in one mapping: see line {TWICE}",
        ),
        (changed("published_split: []", "published_split: null"), r"published_split must be a list, not None"),
        (changed("published_split: []", "published_split:"), r"published_split must be a list, not None"),
        (changed("published_split: []", "published_split: [trian]"), r"published_split\[0\]: .*Did you mean 'train'"),
        (changed('task: "Breast Cancer"', 'tsk: "Breast Cancer"'), r"upstream has an unknown key 'tsk'.*mean 'task'"),
        (changed("number: 48", "nmber: 48"), r"rows\[0\] has an unknown key 'nmber'\. Did you mean 'number'\?"),
        (
            changed("number: 48", 'number: "48"'),
            r"rows\[0\]\.number must be an integer, not '48'.*without quotes",
        ),
        (changed("number: 48", "number: true"), r"rows\[0\]\.number must be an integer, not True"),
        (changed("number: 48", "number: 4.8"), r"rows\[0\]\.number must be an integer, not 4\.8"),
        (changed("number: 48", "number: 97"), r"row 97 needs a number of its own"),
        (changed("number: 48", "number: 0"), r"row 0 needs a number of its own, from 1 to 32,767"),
        (changed("subset: 24", "subset: yes"), r"rows\[0\]\.subset must be an integer or null, not True"),
        (changed("redistributable: null", "redistributable: 0"), r"must be true, false or null, not 0\.$"),
        (
            changed("redistributable: null", 'redistributable: "no"'),
            r"true, false or null, not 'no'\.$",
        ),
        (changed("redistributable: null", 'redistributable: "true"'), r"not 'true'\. Write it without quotes"),
        (changed("redistributable: null", "redistributable: unknown"), r"true, false or null, not 'unknown'\.$"),
        (changed("labels_redistributable: null", "labels_redistributable: 1"), r"true, false or null, not 1\.$"),
        (changed("commercial: null", "commercial: maybe"), r"commercial must be true, false or null, not 'maybe'"),
        (changed(READ, "  license_read: yesterday"), r"license_read must be a mapping with the keys by, at"),
        (
            changed("when: 2026-11-30", "when: soon"),
            r"license_read\.when must be a date such as 2026-11-30, not 'soon'",
        ),
        (
            changed("by: catalogue", "by: publisher"),
            r"stated by 'publisher', and license_certainty is 'reported'\.",
        ),
        (
            changed("license_certainty: reported", "license_certainty: unknown"),
            r"stated by 'catalogue', and license_certainty is 'unknown'\.",
        ),
        (
            changed("where: pixels", "where: file name"),
            r"identifying\[0\]\.where: 'file name' is not one of file names, .* Did you mean 'file names'\?",
        ),
        (changed("  overlaps: {}", "  overlap: {kvasir: x}"), r"unknown key 'overlap'\. Did you mean 'overlaps'\?"),
        (
            changed("  overlaps: {}", "  overlaps: [kvasir]"),
            r"overlaps must be a mapping, not \['kvasir'\]",
        ),
        (changed("  overlaps: {}", "  shared_id: []"), r"unknown key 'shared_id'\. Did you mean 'shared_ids'\?"),
        (changed("  overlaps: {}", "  patient_of: kvasir"), r"unknown key 'patient_of'\. Did you mean 'patients_of'\?"),
        (changed("  overlaps: {}", "  licence_certainty: unknown"), r"Did you mean 'license_certainty'\?"),
        (changed("tags: [", "tag: ["), r"busi\.md has an unknown key 'tag'\. Did you mean 'tags'\?"),
        (changed("license: cc-by-4.0", "license: no"), r"license must be a string, not False\. Write it in quotes"),
        (changed("images: 780", 'images: "780"'), r"counts\.images must be an integer or null, not '780'"),
        (changed("benign: 437", "benign: many"), r"counts\.labels\.benign must be an integer or null"),
        (changed("variant: published", "varient: published"), r"layout\[0\] has an unknown key 'varient'.*'variant'"),
        (changed("at: sabahesaraki", "att: sabahesaraki"), r"download\[0\] has an unknown key 'att'"),
        (changed("files: [archive.zip]", "files: archive.zip"), r"download\[0\]\.files must be a list, not 'arch"),
        (
            re.sub(r"(?m)^      upstream:\n(        .*\n)+", "", CARD, count=1),
            r"row 48 lacks the key 'upstream'\. Rows 1 to 109 are upstream's; .* from 110 on",
        ),
        (changed("- row: 97", "- row: 96"), r"an erratum is on row 96, and the card's rows are \[48, 97\]"),
        (
            changed('upstream: "Ultrasound"', "upstream: 5"),
            r"errata\[0\]\.upstream must be a string, not 5\. Write it in q",
        ),
        (changed("      labels: [benign, malignant]\n", ""), r"row 97, of masks, does not say which labels it draws"),
    ],
)
def test_a_malformed_card_is_one_sentence_that_names_card_and_key(text: str, message: str) -> None:
    with pytest.raises(CardError, match=message) as caught:
        read_card("busi", text)
    assert str(caught.value).startswith("The card busi.md")
    assert "\n" not in str(caught.value)


def test_a_card_without_rows() -> None:
    text = re.sub(r"(?m)^  rows:\n(    .*\n)+", "  rows: []\n", CARD)
    with pytest.raises(CardError, match="has no row under the key 'rows'"):
        read_card("busi", text)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [BOMB, "a: &a [*a]\n", "a: &a {b: *a}\n", "a: &a {b: 1}\nc: {<<: *a, d: [*a]}\n"],
    ids=["bomb", "list in itself", "mapping in itself", "twice"],
)
def test_a_yaml_bomb_is_refused(text: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(CardError, match=r"^The card x\.md uses a YAML alias"):
        read_card("x", f"---\n{text}med_mat: {{}}\n---\n")
    assert time.perf_counter() - begun < 1


def test_a_bomb_in_the_labels_is_refused() -> None:
    text = CARD.replace("med_mat:\n", BOMB + "med_mat:\n", 1).replace("benign: Benign", "benign: *j", 1)
    with pytest.raises(CardError, match="YAML alias"):
        read_card("busi", text)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(CardError):
        yaml_load("[" * 2000 + "]" * 2000)


@given(st.text(max_size=200))
def test_any_text_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(CardError, match=r"^The card x\.md"):
        read_card("x", f"---\n{text}\n---\n")


# --------------------------------------------------------------------------------------------------------- shared ids


def with_shared_id(pattern: str) -> str:
    card = (CARDS / "busi.md").read_text("utf-8")
    return card.replace("\n  errata:", f"\n  shared_ids: [{{namespace: x, pattern: '{pattern}'}}]\n  errata:", 1)


def test_ids_that_sources_share_are_read_and_are_of_more_than_one_source() -> None:
    assert read_card("busi", with_shared_id(r"(?P<id>X\d+)")).shared_ids == (SharedId("x", r"(?P<id>X\d+)"),)
    assert load()["busi"].shared_ids == ()
    users = Counter(one.namespace for source in CATALOG.values() for one in source.shared_ids)
    assert users
    assert min(users.values()) > 1
    for source in CATALOG.values():
        for one in source.shared_ids:
            others = [other for other in CATALOG.values() if other != source and one.namespace in
                      {theirs.namespace for theirs in other.shared_ids}]  # fmt: skip
            assert all(other.name in source.overlaps for other in others)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?P<id>",
        r"ISIC_\d{7}",
        r"(?P<name>\d)",
        r"(?P<id>a)(b)",
        r"(?P<id>a)(?=b)",
        r"(?P<id>a)\1",
        r"(?P<id>a)(?P=id)",
        r"(?P<id>" + "a" * 200 + ")",
    ],
)
def test_a_pattern_that_is_wrong_slow_or_without_its_id_is_refused(pattern: str) -> None:
    with pytest.raises(CardError, match="under 'shared_ids'"):
        read_card("busi", with_shared_id(pattern))
