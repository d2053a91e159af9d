from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import matplotlib
import numpy as np
import pytest
from click.testing import CliRunner
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from workshop import Workshop

import med_mat
from med_mat import plot, schema
from med_mat.building import Options, build, find
from med_mat.cli import cli
from med_mat.errors import MissingExtraError, PlotError, VocabularyError
from med_mat.selection import MAT
from med_mat.taxonomy import AREAS, MODALITIES, TASKS

TARGET = MAT("CT", "Lung", "Cancer")
TRAIN = {MAT("CT", "Lung", "COVID"): 30, MAT("CT", "Brain", "Cancer"): 12_345, MAT("US", "Breast", "Cancer"): 7}
HOSTILE = [
    r"$\frac{1}{0}$ \badcommand",
    "<script>alert(1)</script> ]]> &amp;",
    "\x1b[31mred\x00\x07\u202e evil\ufffe\udc80",
    "many " * 50_000,
    "",
    "病変 é ∞",
]
mats = st.builds(MAT, st.sampled_from(list(MODALITIES)), st.sampled_from(AREAS), st.sampled_from(list(TASKS)))
counts = st.dictionaries(mats, st.integers(1, 3_000_000), min_size=1, max_size=12)


def cells(figure: Figure) -> dict[tuple[str, str, str], list[str]]:
    """What a reader finds in a grid: by the column and the line in which they lie, a task's mark and its numbers."""
    (axes,) = figure.axes
    spans = [(line.get_xdata(), line.get_ydata()) for line in axes.lines]
    ends_y = sorted({float(y[0]) for x, y in spans if y[0] == y[1]})
    ends_x = sorted({float(x[0]) for x, y in spans if x[0] == x[1]})
    columns: dict[int, str] = {}
    lines: dict[int, str] = {}
    inside: dict[tuple[int, int, float], list[tuple[float, str]]] = {}
    for text in axes.texts:
        x, y = text.get_position()
        column, line = int(np.searchsorted(ends_x, x)) - 1, int(np.searchsorted(ends_y, y)) - 1
        within = 0 <= line < len(ends_y) - 1
        if 0 <= column < len(ends_x) - 1 and within:
            inside.setdefault((column, line, y), []).append((x, text.get_text()))
        elif text.get_text() in MODALITIES:
            columns[column] = text.get_text()
        elif text.get_text() in AREAS and within:
            lines[line] = text.get_text()
    found = {}
    for (column, line, _), words in inside.items():
        mark, *numbers = [word for _, word in sorted(words)]
        found[columns[column], lines[line], mark] = numbers
    return found


def saved(drawn: Figure | Image.Image, path: Path) -> bytes:
    plot.save(drawn, path)
    return path.read_bytes()


def texts(svg: bytes) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


# ---------------------------------------------------------------------------------------------------------------- grid


@settings(max_examples=30)
@given(train=counts, test=st.none() | counts, target=st.none() | mats)
def test_each_number_stands_in_the_cell_of_its_triplet(
    train: dict[MAT, int], test: dict[MAT, int] | None, target: MAT | None
) -> None:
    found = cells(plot.mat_grid(train, against=test, target=target))
    sides = [train] if test is None else [train, test]
    drawn = {mat for side in sides for mat in side} | ({target} if target else set())
    assert set(found) == {(mat.modality, mat.area, plot.mark(mat.task)) for mat in drawn}
    for mat in drawn:
        numbers = found[mat.modality, mat.area, plot.mark(mat.task)]
        assert len(numbers) == len(sides)
        for number, side in zip(numbers, sides, strict=True):
            assert len(number) <= 5
            shown = float(number.replace(",", "").replace("k", "e3").replace("M", "e6"))
            assert shown == pytest.approx(side.get(mat, 0), rel=0.005)


def test_each_task_has_a_mark_of_its_own() -> None:
    assert len({plot.mark(task) for task in TASKS}) == len(TASKS)


def test_the_target_is_outlined_and_what_is_shared_with_it_is_marked() -> None:
    plain, marked = plot.mat_grid(TRAIN, against={TARGET: 5}), plot.mat_grid(TRAIN, against={TARGET: 5}, target=TARGET)
    accent = "#b54a00"

    def boxes(figure: Figure, **wanted: str) -> list[Any]:
        patches = [one for one in figure.axes[0].patches if isinstance(one, Rectangle)]
        return [one for one in patches if all(to_hex(getattr(one, f"get_{key}")()) == to for key, to in wanted.items())]

    assert not boxes(plain, facecolor=accent)
    assert not boxes(plain, edgecolor=accent)
    assert len(boxes(marked, facecolor=accent)) == 4, "three cells of Cancer, and the key"
    (outline,) = boxes(marked, edgecolor=accent)
    framed = [t.get_text() for t in marked.axes[0].texts if outline.get_bbox().contains(*t.get_position())]
    assert framed == ["Can", "0", "5"]
    named = [t.get_text() for t in marked.axes[0].texts if t.get_color().lower() == accent]
    assert {"CT", "Lung"} <= set(named)
    assert not {"US", "Breast", "Brain"} & set(named)


def test_more_records_are_more_unlike_the_paper() -> None:
    for theme, paper in (("light", 255), ("dark", 0)):
        figure = plot.mat_grid({mat: 10**n for n, mat in enumerate(TRAIN)}, theme=theme)
        fills = {t.get_text(): box for t in figure.axes[0].texts for box in figure.axes[0].patches
                 if box.get_bbox().contains(*t.get_position())}  # fmt: skip
        shades = [sum(fills[number].get_facecolor()[:3]) / 3 * 255 for number in ("1", "10", "100")]
        away = [abs(shade - paper) for shade in shades]
        assert away == sorted(away)


def test_an_open_target_marks_without_an_outline() -> None:
    found = cells(plot.mat_grid(TRAIN, target=MAT("CT")))
    assert len(found) == len(TRAIN)


@pytest.mark.parametrize("wrong", [{}, {TARGET: 0}, {MAT("CT"): 3}])
def test_a_grid_of_nothing_is_refused(wrong: dict[MAT, int]) -> None:
    with pytest.raises(PlotError):
        plot.mat_grid(wrong)


# -------------------------------------------------------------------------------------------------------------- labels


def test_bars_are_shares_of_their_side_and_the_numbers_are_written() -> None:
    figure = plot.label_balance({"Benign": 60, "Malignant": 20}, against={"Benign": 6, "Normal": 4})
    axes = figure.axes[0]
    start = float(np.asarray(axes.lines[0].get_xdata())[0])
    bars = [one.get_width() for one in axes.patches if isinstance(one, Rectangle) and one.get_x() == start]
    assert np.array(bars) / bars[0] == pytest.approx(np.array([0.75, 0.6, 0.25, 0.0, 0.0, 0.4]) / 0.75)
    words = [text.get_text() for text in axes.texts]
    assert [word for word in words if word in ("Benign", "Malignant", "Normal")] == ["Benign", "Malignant", "Normal"]
    assert [word for word in words if word.isdigit()] == ["60", "6", "20", "0", "0", "4"]


def test_what_is_left_out_is_counted() -> None:
    words = [t.get_text() for t in plot.label_balance({f"{n:02}": 100 - n for n in range(40)}, limit=10).axes[0].texts]
    assert "… and 30 more labels, given 2,265 times" in words
    assert [word for word in words if len(word) == 2 and word < "40"][:10] == [f"{n:02}" for n in range(10)]


def test_hostile_labels_are_drawn_as_they_are(tmp_path: Path) -> None:
    balance = plot.label_balance(dict.fromkeys(HOSTILE, 1), against={HOSTILE[0]: 2}, title=HOSTILE[0])
    drawn = texts(saved(balance, tmp_path / "a.svg"))
    assert HOSTILE[0] in drawn
    assert HOSTILE[1] in drawn
    assert HOSTILE[5] in drawn
    assert "[31mred evil" in drawn
    assert all(word.isprintable() for word in drawn)
    assert max(map(len, drawn)) < 100
    assert b"<script" not in (tmp_path / "a.svg").read_bytes()
    assert Image.open(io.BytesIO(saved(plot.label_balance({HOSTILE[0]: 1}), tmp_path / "a.png"))).width > 100


def test_balance_of_nothing_is_refused() -> None:
    with pytest.raises(PlotError, match="no label"):
        plot.label_balance({"Benign": 0})
    with pytest.raises(PlotError, match="limit"):
        plot.label_balance({"Benign": 1}, limit=0)


# ------------------------------------------------------------------------------------------------------- contact sheet


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> dict[str, Any]:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return {"bytes": buffer.getvalue(), "path": None}


def records(*rows: dict[str, Any]) -> datasets.Dataset:
    """A dataset of the schema's columns, with the values that are given."""
    features = datasets.Features.from_dict(schema.features())
    names = ("id", "label", "labels", "boxes", "image", "mask", "mask_legend")
    return datasets.Dataset.from_list(
        [{name: row.get(name) for name in names} for row in rows],
        features=datasets.Features({name: features[name] for name in names}),
    )


def box(*corners: float, label: str = "lesion") -> dict[str, Any]:
    return {**dict(zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)), "label": label}


def thumbnail(sheet: Image.Image, side: int) -> np.ndarray[Any, Any]:
    """The first square of a sheet."""
    return np.asarray(sheet)[10 : 10 + side, 10 : 10 + side].astype(int)


def rgb(color: str) -> tuple[int, ...]:
    return tuple(int(color[start : start + 2], 16) for start in (1, 3, 5))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_any_mode_is_shown(mode: str) -> None:
    ramp = Image.linear_gradient("L").resize((60, 40))
    if mode.startswith("I;16"):
        picture = Image.fromarray(np.asarray(ramp).astype(np.uint16) * 200)
    else:
        picture = ramp.convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr") else ramp.convert(mode)
    kind = "TIFF" if mode in ("CMYK", "YCbCr", "F", "I") else "PNG"
    shown = thumbnail(plot.contact_sheet(records({"image": encoded(picture, kind)}), side=60), 60)
    assert shown[14, 30].mean() < 60, "dark above"
    assert shown[46, 30].mean() > 180, "light below"


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000), (500, 20)])
def test_any_aspect_fits_its_square(size: tuple[int, int]) -> None:
    sheet = plot.contact_sheet(records({"image": encoded(Image.new("RGB", size, "#FF0000"))}), side=48)
    red = np.argwhere((thumbnail(sheet, 48) == (255, 0, 0)).all(axis=2))
    longest = np.ptp(red, axis=0).max() + 1
    assert longest == 48


def test_boxes_are_where_they_are_in_the_image_as_shown() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right: shown 20 wide and 40 high
    picture = encoded(Image.new("RGB", (40, 20), "#808080"), "JPEG", exif=exif)
    shown = thumbnail(plot.contact_sheet(records({"image": picture, "boxes": [box(2, 4, 12, 34)]}), side=200), 200)
    framed = np.argwhere((shown == rgb(plot.PALETTE[0])).all(axis=2))
    left = (200 - 100) // 2  # 20 x 40 becomes 100 x 200
    assert framed.min(axis=0).tolist() == [4 * 5, left + 2 * 5]
    assert framed.max(axis=0).tolist() == [34 * 5 - 1, left + 12 * 5 - 1]


@settings(max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4))
def test_a_box_beyond_its_image_is_cut(corners: list[float]) -> None:
    picture = encoded(Image.new("L", (30, 30), 128))
    sheets = [
        plot.contact_sheet(records({"image": picture, "boxes": found}), side=30) for found in ([box(*corners)], [])
    ]
    inside = thumbnail(sheets[0], 30)
    assert inside.shape == (30, 30, 3)
    assert np.array_equal(np.asarray(sheets[0])[:10], np.asarray(sheets[1])[:10]), "nothing is drawn outside"


def test_masks_color_their_regions_and_nothing_else() -> None:
    mask = np.zeros((50, 50), np.uint8)
    mask[10:20, 10:40] = 1
    mask[20:30, 10:40] = 2  # both labels
    mask[30:40, 10:40] = 3
    legend = [
        {"value": 1, "labels": ["cup"]},
        {"value": 2, "labels": ["cup", "disc"]},
        {"value": 3, "labels": ["disc"]},
    ]
    row = {"image": encoded(Image.new("RGB", (50, 50), "#404040")), "mask": encoded(Image.fromarray(mask)),
           "mask_legend": legend}  # fmt: skip
    with_masks = thumbnail(plot.contact_sheet(records(row), side=100), 100)
    without = thumbnail(plot.contact_sheet(records(row), side=100, masks=False), 100)
    assert (without == 0x40).all()
    changed = (with_masks != without).any(axis=2)
    assert np.array_equal(changed, np.kron(mask > 0, np.ones((2, 2), bool)))
    cup, disc = rgb(plot.PALETTE[0]), rgb(plot.PALETTE[1])
    assert tuple(with_masks[20, 40]) == cup, "outline"
    assert tuple(with_masks[79, 40]) == disc
    middle = [tuple(with_masks[y, 50]) for y in (30, 50, 70)]
    assert len(set(middle)) == 3
    assert all(color not in (cup, disc) for color in middle), "translucent"


def test_a_thin_vessel_survives_being_made_small() -> None:
    mask = np.zeros((400, 400), np.uint8)
    mask[:, 200:202] = 9
    row = {"image": encoded(Image.new("L", (400, 400))), "mask": encoded(Image.fromarray(mask)),
           "mask_legend": [{"value": 9, "labels": ["vessel"]}]}  # fmt: skip
    shown = thumbnail(plot.contact_sheet(records(row), side=100), 100)
    assert (shown[:, 50] == rgb(plot.PALETTE[0])).all()


def test_what_cannot_be_read_leaves_the_others() -> None:
    good = encoded(Image.new("RGB", (20, 20), "#FF0000"))
    rows = [{"image": {"bytes": good["bytes"][:40], "path": None}}, {"image": None}, {"image": good}]
    sheet = np.asarray(plot.contact_sheet(records(*rows), side=100)).astype(int)
    red = (sheet == (255, 0, 0)).all(axis=2)
    assert red.sum() == 100 * 100
    assert np.argwhere(red)[:, 1].min() == 10 + 2 * 110


def test_a_path_in_a_record_is_not_followed(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9), "#FF0000").save(tmp_path / "secret.png")
    sheet = plot.contact_sheet(records({"image": {"bytes": None, "path": str(tmp_path / "secret.png")}}))
    assert not (np.asarray(sheet) == (255, 0, 0)).all(axis=2).any()


def test_records_are_spread_over_the_dataset() -> None:
    shades = records(*({"image": encoded(Image.new("L", (8, 8), n))} for n in range(101)))
    sheet = plot.contact_sheet(shades, limit=5, columns=5, side=20)
    assert [sheet.getpixel((20 + 30 * n, 20)) for n in range(5)] == [(n, n, n) for n in (0, 25, 50, 75, 100)]
    assert plot.spread(np.arange(7), 7).tolist() == plot.spread(np.arange(7), 99).tolist() == list(range(7))


def test_captions_are_cut_to_their_thumbnail() -> None:
    for text in HOSTILE:
        rows = records({"image": encoded(Image.new("L", (8, 8))), "label": text.encode("utf-8", "replace").decode(),
                        "id": f"busi/97/{'x' * 500}.png"})  # fmt: skip
        pixels = np.asarray(plot.contact_sheet(rows, side=80)).astype(int)
        assert pixels.shape[1] == 100
        assert (pixels[92:, 91:] == 255).all(), "nothing is written beside the square"


@pytest.mark.parametrize("wrong", [{"columns": 0}, {"limit": 0}, {"side": 0}, {"theme": "blue"}])
def test_a_sheet_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PlotError):
        plot.contact_sheet(records({"image": encoded(Image.new("L", (8, 8)))}), **wrong)


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(PlotError, match="no record"):
        plot.contact_sheet(records({}).select([]))


# ---------------------------------------------------------------------------------------------------------------- save


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_picture_has_the_same_bytes_whatever_the_settings(tmp_path: Path, suffix: str) -> None:
    first = saved(plot.mat_grid(TRAIN, against={TARGET: 5}, target=TARGET), tmp_path / f"1{suffix}")
    mine = {"font.size": 30, "svg.fonttype": "path", "svg.hashsalt": None, "savefig.dpi": 20, "text.usetex": True,
            "lines.linestyle": ":", "savefig.bbox": "tight", "patch.linewidth": 9}  # fmt: skip
    with matplotlib.rc_context(mine):
        second = saved(plot.mat_grid(TRAIN, against={TARGET: 5}, target=TARGET), tmp_path / f"2{suffix}")
        assert {name: matplotlib.rcParams[name] for name in mine} == mine
    assert first == second
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"1{suffix}", f"2{suffix}"]


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from med_mat import plot
from med_mat.selection import MAT
triplets = [MAT.parse(text) for text in "CT/Lung/COVID CT/Brain/Cancer US/Breast/Cancer X-ray/Lung/Diseases".split()]
plot.save(plot.mat_grid(dict.fromkeys(triplets, 9), target=triplets[0]), Path("grid{seed}.svg"))
plot.save(plot.label_balance({{"Benign": 5, "Malignant": 5, "Normal": 5}}), Path("labels{seed}.svg"))
"""
    for seed in "12":  # the order of a set of texts changes with it
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code.format(seed=seed)], cwd=tmp_path, env=environment, check=True)
    for name in ("grid", "labels"):
        assert (tmp_path / f"{name}1.svg").read_bytes() == (tmp_path / f"{name}2.svg").read_bytes()


def test_svg_has_a_title_and_its_text_is_text(tmp_path: Path) -> None:
    svg = saved(plot.mat_grid(TRAIN, title="Wrists & <b>ankles</b>"), tmp_path / "grid.svg")
    title = ElementTree.fromstring(svg).find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == "Wrists & <b>ankles</b>: 3 triplets; 12,382 records"
    assert {"X-ray", "CT"} & set(texts(svg)) == {"CT"}
    assert "12.3k" in texts(svg)
    assert b"Arial', sans-serif" in svg, "a reader's own font where there is no better one"
    assert b"dc:date" not in svg
    assert matplotlib.__version__.encode() not in svg


def test_a_wrong_suffix_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PlotError, match=r"grid\.pdf: a figure is saved as \.svg or \.png"):
        plot.save(plot.mat_grid(TRAIN), tmp_path / "grid.pdf")
    with pytest.raises(PlotError, match=r"sheet\.svg: a contact sheet is saved as \.png"):
        plot.save(Image.new("RGB", (9, 9)), tmp_path / "sheet.svg")
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_a_figure_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'med-mat\[plot\]'"):
        plot.mat_grid(TRAIN)
    assert plot.contact_sheet(records({"image": encoded(Image.new("L", (8, 8)))})).width == 212


def test_importing_it_costs_neither_matplotlib_nor_datasets() -> None:
    code = "import sys, med_mat.plot; sys.exit(bool({'matplotlib', 'datasets', 'torch', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -------------------------------------------------------------------------------------------------------- a whole build


def test_the_grid_of_a_build_has_every_record(workshop: Workshop) -> None:
    figure = plot.picture(med_mat.open(workshop.out))
    assert isinstance(figure, Figure)
    numbers = {key: int(number.replace(",", "")) for key, (number,) in cells(figure).items()}
    expected: dict[tuple[str, str, str], int] = {}
    for one in workshop.records:
        key = one["modality"], one["area"], plot.mark(one["task"])
        expected[key] = expected.get(key, 0) + 1
    assert numbers == expected


def test_label_counts_are_those_of_the_index(workshop: Workshop) -> None:
    mat = med_mat.open(workshop.out)
    expected: dict[str, int] = {}
    for one in workshop.records:
        for label in {one["label"], *(one["labels"] or ())} - {None} if one["split"] == "test" else ():
            expected[label] = expected.get(label, 0) + 1
    assert plot.label_counts(mat, mat.where(split="test")) == expected


def test_a_sheet_reads_only_what_it_shows(workshop: Workshop, arrow_cache: Path) -> None:
    mat = med_mat.open(workshop.out)
    sheet = plot.picture(mat, "*/*/Cancer Detection", kind="sheet", limit=6)
    assert isinstance(sheet, Image.Image)
    assert not (arrow_cache / "med_mat").exists(), "no shard is copied for a few thumbnails"
    assert sheet.tobytes() == plot.contact_sheet(mat.select("*/*/Cancer Detection"), limit=6).tobytes()


def test_an_audit_is_drawn(workshop: Workshop, tmp_path: Path) -> None:
    audit = med_mat.open(workshop.out).related("CT/Lung/Cancer").audit()
    found = cells(plot.audit_grid(audit))
    assert found["CT", "Lung", "Can"] == ["0", str(sum(audit.test.values()))]
    assert len(texts(saved(plot.audit_grid(audit, theme="dark"), tmp_path / "audit.svg"))) > 10


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--split", "train", "--against", "test", "--theme", "dark"], "grid.svg"),
        (["US/*/*", "--kind", "labels", "--limit", "3"], "labels.png"),
        (["source=busi", "--kind", "sheet", "--limit", "2"], "sheet.png"),
    ],
)
def test_the_command_draws(workshop: Workshop, tmp_path: Path, options: list[str], name: str) -> None:
    done = CliRunner().invoke(cli, ["plot", str(workshop.out), *options, "--out", str(tmp_path / name)])
    assert done.exit_code == 0, done.output
    start = (tmp_path / name).read_bytes()[:5]
    assert start == (b"<?xml" if name.endswith(".svg") else b"\x89PNG\r")


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (["--kind", "sheet", "--out", "a.svg"], PlotError, "a.svg: a contact sheet"),
        (["--kind", "sheet", "--against", "test", "--out", "a.png"], PlotError, "does not compare splits"),
        (["US/Lung/*", "--out", "a.svg"], PlotError, "no record"),
        (["--split", "trian", "--out", "a.svg"], VocabularyError, "train"),
    ],
)
def test_the_command_refuses_with_a_sentence(
    workshop: Workshop, options: list[str], kind: type[Exception], message: str
) -> None:
    done = CliRunner().invoke(cli, ["plot", str(workshop.out), *options])
    assert isinstance(done.exception, kind)
    assert message in str(done.exception)


REAL = Path(os.environ.get("MED_MAT_REAL_DATA") or Path(__file__).parents[2] / "shared" / "real") / "093_kvasir_seg"


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not there")
def test_the_published_masks_of_polyps_are_what_is_colored(tmp_path: Path, arrow_cache: Path) -> None:
    build(find({"kvasir_seg": REAL}, None), tmp_path / "Med-MAT", Options(jobs=1))
    rows = med_mat.open(tmp_path / "Med-MAT").select()
    for position, record in enumerate(rows):
        one = rows.select([position])
        shown = [thumbnail(plot.contact_sheet(one, side=256, boxes=False, masks=on), 256) for on in (True, False)]
        changed = (shown[0] != shown[1]).any(axis=2)
        (published,) = REAL.rglob(f"masks/{Path(record['id']).stem}.jpg")
        mask = Image.open(published).convert("L")
        scale = 256 / max(mask.size)
        small = mask.resize((round(mask.width * scale), round(mask.height * scale)), Image.Resampling.BOX)
        expected = np.zeros((256, 256), bool)
        top, left = (256 - small.height) // 2, (256 - small.width) // 2
        expected[top : top + small.height, left : left + small.width] = np.asarray(small) > 20
        assert np.mean(changed != expected) < 0.01
