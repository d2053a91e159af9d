"""The cards of all sources, beyond the contract (:mod:`med_mat.contract`): what only bundled cards promise."""

from __future__ import annotations

import datetime
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from workshop import Workshop

from med_mat.catalog import Source, load
from med_mat.layouts.locating import locate, recognize
from med_mat.strict import yaml_load

CARDS = Path(__file__).parents[1] / "dataset_cards"
CATALOG = load()
NAMES = list(CATALOG)

#: The Hub's identifiers of licences that data have (https://huggingface.co/docs/hub/repositories-licenses).
LICENCES = frozenset(
    [
        "unknown",
        "other",
        "mit",
        "apache-2.0",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "c-uda",
        "cc",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "cdla-sharing-1.0",
        "cdla-permissive-1.0",
        "cdla-permissive-2.0",
        "gpl-3.0",
        "etalab-2.0",
        "odc-by",
        "odbl",
        "pddl",
        "unlicense",
    ]
)
SIZES = {
    "n<1K": (0, 1_000),
    "1K<n<10K": (1_000, 10_000),
    "10K<n<100K": (10_000, 100_000),
    "100K<n<1M": (100_000, 1_000_000),
}
TASKS_OF_KIND = {
    "classes": "image-classification",
    "grades": "image-classification",
    "findings": "image-classification",
    "boxes": "object-detection",
    "masks": "image-segmentation",
}

each = pytest.mark.parametrize("name", NAMES)


def text_of(name: str) -> str:
    return (CARDS / f"{name}.md").read_text("utf-8")


def front_of(name: str) -> str:
    return text_of(name).split("---\n")[1]


def test_every_file_is_a_card_of_a_source() -> None:
    names = {path.stem for path in CARDS.glob("*.md")} - {"README"}
    assert names == set(NAMES)
    for name in names:
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name), name


# ------------------------------------------------------------------------------------------------------ the Hub's keys


@each
def test_the_hub_reads_the_front_matter(name: str) -> None:
    from huggingface_hub import DatasetCard

    data = DatasetCard(text_of(name)).data.to_dict()
    source = CATALOG[name]
    assert data["pretty_name"] == source.title
    assert source.title.strip()
    assert data["license"] in LICENCES
    assert set(data) == {"pretty_name", "license", "task_categories", "tags", "size_categories", "med_mat"}
    wanted = {TASKS_OF_KIND[row.kind] for row in source.rows} | {"visual-question-answering"}
    assert wanted <= set(data["task_categories"])
    assert set(data["task_categories"]) <= {*TASKS_OF_KIND.values(), "visual-question-answering"}
    assert "medical" in data["tags"]
    assert all(isinstance(tag, str) and tag == tag.strip() and "," not in tag for tag in data["tags"])
    ranges = [SIZES[size] for size in data["size_categories"]]  # several where editions differ
    images = source.counts.get("images")
    assert ranges
    assert not isinstance(images, int) or any(low <= images < high for low, high in ranges)


@each
def test_no_key_stands_twice(name: str) -> None:
    """YAML lets the last one win, in silence."""

    def walk(node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert not [key for key, count in Counter(keys).items() if count > 1]
            for _, value in node.value:
                walk(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                walk(value)

    walk(yaml.compose(front_of(name), Loader=yaml.CSafeLoader))


# ----------------------------------------------------------------------------------------------------------- the facts


@each
def test_facts_are_of_their_kind(name: str) -> None:
    source = CATALOG[name]
    assert source.redistributable in (True, False, None)
    for text in (source.summary, source.terms):
        assert text.strip() == text
        assert text.endswith(".")
        assert "\n" not in text
    assert re.fullmatch(r"https?://\S+", source.homepage)
    assert isinstance(source.patients, str)
    assert list(source.published_split) == [s for s in ("train", "validation", "test") if s in source.published_split]
    assert source.citation == source.citation.strip()  # "" where the publisher asks for none
    assert (
        {"images", "certainty"} <= set(source.counts) <= {"images", "unread", "labels", "splits", "certainty", "note"}
    )
    assert source.counts["certainty"] in ("high", "medium", "low")
    for count in (source.counts.get("labels") or {}).values():
        assert count is None or (isinstance(count, int) and count >= 0)


@each
def test_ways_to_get_it(name: str) -> None:
    source = CATALOG[name]
    assert source.downloads
    for way in source.downloads:
        assert way.at.strip() == way.at != ""
        if way.kind in ("https", "page"):
            assert way.at.startswith("http"), way
        if way.kind in ("kaggle", "github", "huggingface"):
            assert re.fullmatch(r"[\w.-]+/[\w.-]+", way.at), way
        if way.kind == "page":
            assert way.note, "a page needs a word on what to do there"
        assert all(isinstance(file, str) and file for file in way.files)
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in way.sha256.values())
        assert set(way.sha256) <= set(way.files)


@each
def test_what_cannot_be_had_freely_is_not_passed_on(name: str) -> None:
    source = CATALOG[name]
    if source.access == "credentialed":
        assert source.redistributable is False
    if source.redistributable:
        assert source.license != "unknown"


@each
def test_what_may_be_passed_on_is_said_of_images_and_of_labels(name: str) -> None:
    source = CATALOG[name]
    stated = yaml_load(front_of(name))["med_mat"]
    assert {"redistributable", "labels_redistributable", "commercial", "identifying", "labeled_by"} <= set(stated)
    if source.labels_redistributable:
        assert source.license != "unknown"
        assert source.access in ("open", "account"), "what one signs or enters a competition for binds labels too"
    if source.license.startswith("cc-by-nc"):
        assert source.commercial is False
    if "-nd-" in source.license:  # pictures are converted, labels are re-arranged
        assert (source.redistributable, source.labels_redistributable) == (False, False)
    if source.commercial:
        assert source.license not in ("unknown", "other") or source.license_certainty == "confirmed"


@each
def test_how_the_licence_is_known_and_when_it_was_read_is_said(name: str) -> None:
    source = CATALOG[name]
    stated = yaml_load(front_of(name))["med_mat"]
    assert stated["license_certainty"] == source.license_certainty
    known = source.license != "unknown"
    assert known == (source.license_certainty != "unknown") == (source.license_read is not None)
    if source.license_read is not None:
        assert re.fullmatch(r"https?://\S+", source.license_read.at)
        assert datetime.date(2025, 1, 1) <= source.license_read.when <= datetime.date.today()
    said = f"{source.terms} {source.prose}"
    assert not re.search(r"(?i)remembered|from memory|as is usual|usual (on|at) ", said), "what is not known is unknown"
    if source.redistributable:
        assert source.license_certainty != "unknown", "what may be passed on was read, or told by somebody"


@pytest.mark.parametrize(
    ("name", "license", "certainty", "redistributable"),
    [
        ("tn3k", "unknown", "unknown", None),  # MIT is that of the code
        ("adam", "other", "confirmed", False),
        ("palm", "other", "confirmed", False),
        ("cvc_clinicdb", "other", "confirmed", None),
        ("nih_chestxray14", "other", "confirmed", None),
        ("nih_chestxray_sample", "other", "confirmed", None),  # the same images
        ("knee_osteoarthritis", "other", "reported", None),
        ("oct_2017", "cc-by-4.0", "confirmed", True),
        ("pediatric_pneumonia", "cc-by-4.0", "confirmed", True),  # the same record
        ("hushem", "cc-by-4.0", "confirmed", True),
        ("multi_label_retinal_diseases", "cc-by-4.0", "confirmed", None),  # made of three others
        ("vindr_mammo", "other", "confirmed", False),
    ],
)
def test_settled_licences(name: str, license: str, certainty: str, redistributable: bool | None) -> None:  # noqa: A002
    source = CATALOG[name]
    assert (source.license, source.license_certainty, source.redistributable) == (license, certainty, redistributable)


def test_sources_that_ship_altered_copies_of_their_images_are_marked() -> None:
    marked = {source.name for source in CATALOG.values() if source.augmented}
    assert marked == {
        "augmented_ocular_diseases",
        "bone_fracture_multi_region",
        "brain_tumor_dataset",
        "brain_tumor_mri",
        "dental_condition",
        "fracture_detection",
        "lc25000",
        "retinal_oct_c8",
    }
    for name in marked:
        assert re.search(r"(?i)augment|altered|rotat|sharpen", CATALOG[name].prose), name
    assert not [source.name for source in CATALOG.values() if "rust the groups" in source.prose]


def test_a_split_that_a_third_party_made_is_not_the_publishers() -> None:
    assert CATALOG["hep2"].published_split == ()
    assert "third party" in CATALOG["hep2"].prose


@pytest.mark.parametrize(
    ("number", "raw", "human"),
    [
        (71, "AKIEC", "Actinic keratosis or Bowen's disease"),  # Bowen's disease is a carcinoma in situ
        (95, "BE", "Non-dysplastic Barrett's esophagus"),  # HGD is Barrett's with dysplasia
        (95, "suspicious", "Suspicious area or low-grade dysplasia"),
    ],
)
def test_a_label_says_all_that_its_class_holds(number: int, raw: str, human: str) -> None:
    (row,) = (row for row in CATALOG.rows if row.number == number)
    assert row.labels[raw] == human


@each
def test_labels_are_words(name: str) -> None:
    source = CATALOG[name]
    written = yaml.load(front_of(name), Loader=yaml.BaseLoader)["med_mat"]["labels"]  # every scalar as it stands
    read: dict[str, Any] = yaml_load(front_of(name))["med_mat"]["labels"]
    assert [str(raw) for raw in read] == list(written), "YAML reads a raw label as a number or a truth value: quote it"
    used: set[str] = set()
    for row in source.rows:
        assert row.labels
        used |= set(row.labels)
        for human in row.names:
            assert human.strip() == human != ""
            assert "  " not in human
            assert "_" not in human
            assert not human[0].islower(), human
            assert not re.fullmatch(r"\d+", human), f"{human!r} is no word"
    unused = set(written) - used
    assert not unused or name == "m2caiseg", "labels that no row uses"  # its colours of organs, beside the instruments


@each
def test_counts_are_of_labels_that_exist(name: str) -> None:
    source = CATALOG[name]
    known = {word for row in source.rows for pair in row.labels.items() for word in pair}
    for label in source.counts.get("labels") or {}:
        bare = re.sub(r" \(.*\)$", "", str(label))
        _, _, last = bare.rpartition("/")  # "train/benign"
        assert {bare, last} & known or bare.lower().startswith(("no ", "with ")), label


@each
def test_layouts_are_patterns_below_the_root(name: str) -> None:
    layouts = CATALOG[name].layouts
    assert layouts
    assert len({layout.variant for layout in layouts}) == len(layouts)
    for layout in layouts:
        assert layout.variant
        assert layout.files or layout.parts
        assert len(set(layout.patterns)) == len(layout.patterns)
        for pattern in (*layout.patterns, *layout.beside):
            assert not pattern.startswith(("/", "./", "~"))
            assert ".." not in pattern
            assert "\\" not in pattern
            assert pattern.count("{") == pattern.count("}")
            assert re.search(r"[A-Za-z]{2}", pattern), f"{pattern!r} says nothing"


@each
def test_a_part_alone_is_taken_for_no_other_source(name: str, workshop: Workshop, tmp_path: Path) -> None:
    place = locate(CATALOG[name], workshop.raw / name)
    (layout,) = (one for one in CATALOG[name].layouts if one.variant == place.variant)
    for number, part in enumerate(layout.parts):
        copy = tmp_path / str(number) / "of a disk"
        for path in [path for pattern in (part, *layout.files) for path in place.glob(pattern)]:
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            (copy / path).write_bytes(b"")
        found = recognize(copy.parent, CATALOG) if copy.exists() else {}
        assert found.keys() <= {name}, part  # several may share its names: then none is


# ------------------------------------------------------------------------------------------------------------ overlaps


@each
def test_overlaps_are_told_on_both_sides(name: str) -> None:
    source = CATALOG[name]
    assert name not in source.overlaps
    for other, what in source.overlaps.items():
        assert other in CATALOG, f"{name} overlaps with {other!r}, which is no source"
        assert name in CATALOG[other].overlaps, f"{other} does not say that it overlaps with {name}"
        assert what.strip() == what
        assert what.endswith(".")
        assert len(what) > 15


@pytest.mark.parametrize(
    "family",
    [
        ["nih_chestxray14", "nih_chestxray_sample", "rsna_pneumonia", "chestx_det", "siim_acr_pneumothorax"],
        ["isic_2016", "isic_2017", "isic_2018", "isic_2019", "skin_cancer_isic"],
        ["isic_2016", "isic_2017", "isic_2018", "isic_2019", "isic_2020"],
        ["covid19_chest_xray_database", "covidx_cxr4", "chest_xray_pd", "covid19_ct_scan_images"],
        ["kvasir", "kvasir_seg"],
        ["odir_5k", "augmented_ocular_diseases"],
        ["tuberculosis_cxr", "shenzhen_cxr"],
        ["tuberculosis_cxr", "montgomery_cxr"],
        ["pediatric_pneumonia", "coronahack"],
    ],
)
def test_known_families_overlap(family: list[str]) -> None:
    missing = [
        (one, other) for one in family for other in family if one != other and other not in CATALOG[one].overlaps
    ]
    if "isic_2017" in family:
        missing = [pair for pair in missing if set(pair) != {"isic_2018", "isic_2019"}]
    assert not missing


# -------------------------------------------------------------------------------------------------- labels of a subset


def plain(label: str) -> str:
    """A label without case, hyphens and plural: what two labels that differ only in these have in common."""
    words = []
    for word in re.sub(r"[-_]", " ", label.casefold()).split():
        if word.endswith("ies") and len(word) > 4:
            word = word[:-3] + "y"
        elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
        words.append(word)
    return " ".join(words)


def test_what_plain_makes_equal() -> None:
    assert plain("Lung Opacities") == plain("lung opacity")
    assert plain("Basophils") == plain("basophil")
    assert plain("Covid-19") == plain("COVID 19")
    assert plain("Fibrosis") != plain("Fibroma")


@pytest.mark.parametrize("number", CATALOG.subsets)
def test_labels_of_a_subset_differ_in_more_than_case_and_plural(number: int) -> None:
    alike = defaultdict(set)
    for row in CATALOG.rows:
        if row.subset == number:
            for label in row.names:
                alike[plain(label)].add(label)
    assert not [labels for labels in alike.values() if len(labels) > 1]


# ----------------------------------------------------------------------------------------------------------- the prose


def prose_lines(source: Source) -> list[str]:
    """The lines of the prose that are neither code nor table."""
    lines = re.sub(r"(?ms)^```.*?^```$", "", source.prose).split("\n")
    return [line for line in lines if not line.startswith("|")]


@each
def test_nothing_leads_to_a_place_that_a_reader_lacks(name: str) -> None:
    text = text_of(name)
    for pattern in (r"shared/", r"/work\b", r"/home/", r"/root\b", r"/tmp\b", r"(?<!\w)~/", r"\bC:\\", r"file://"):
        assert not re.search(pattern, text), pattern
    assert not re.search(r"\bTODO\b|\bFIXME\b|\bXXX\b|lorem ipsum|as an AI", text, re.IGNORECASE)


@each
def test_lines_are_sane(name: str) -> None:
    text = text_of(name)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search(r"[ \t]+$", text, re.MULTILINE)
    assert not re.search("[\t\r\u00a0\u200b\ufeff]", text)
    assert "\n\n\n" not in text
    for line in prose_lines(CATALOG[name]):
        assert len(line) <= 210 or "http" in line or line.startswith("#"), line


@each
def test_the_dump_of_a_card_is_no_surprise(name: str) -> None:
    source = CATALOG[name]
    assert len(repr(source)) < 60_000
    for row in source.rows:
        assert len(row.labels) < 200
