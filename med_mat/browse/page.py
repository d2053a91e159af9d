"""The page, in Gradio."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from med_mat.browse import views
from med_mat.dataset import MedMAT
from med_mat.errors import AuditError, MissingExtraError
from med_mat.leakage.groups import REASONS
from med_mat.splits import experiments
from med_mat.splits.kinds.limited import Base
from med_mat.taxonomy import MAT, SPLITS, TASKS, WITHHELD

if TYPE_CHECKING:
    import gradio

    from med_mat.splits import Experiment

#: Nothing is fetched from elsewhere: system fonts. A phone scrolls down, never sideways; focus can be seen.
CSS = """
.gradio-container {max-width: 1280px !important}
:focus-visible {outline: 3px solid #d55e00 !important; outline-offset: 2px}
.form > .block {min-width: min(160px, 100%) !important}
#gallery .grid-container {grid-template-columns: repeat(auto-fill, minmax(128px, 1fr)) !important}
#gallery .grid-wrap {height: auto !important; max-height: none !important; overflow: visible}
#pairs article {border: 1px solid #8884; border-radius: 8px; padding: 8px; margin: 8px 0}
#pairs article > div {display: flex; flex-wrap: wrap; gap: 12px}
#pairs figure {margin: 0; max-width: 46%; overflow-wrap: anywhere}
#pairs img {max-width: 100%; height: auto}
#picture [role=group] {overflow-x: auto; margin: 8px 0}
#picture img {max-width: max(100%, 900px); height: auto; border-radius: 8px}
#picture [data-theme=dark], .dark #picture [data-theme=light] {display: none}
.dark #picture [data-theme=dark] {display: inline}
#made[aria-busy=true]::before {content: "The form has changed: the split is being made anew …"; font-weight: bold}
#made[aria-busy=true] > * {opacity: .35; pointer-events: none}
#details textarea, #audit textarea {font-family: ui-monospace, monospace; font-size: 13px}
#audit textarea {white-space: pre; overflow-x: auto}
@media (max-width: 640px) {#pairs figure {max-width: 100%}}
"""
PARTS = ("all", *SPLITS, WITHHELD)
#: The split follows its form. What was made is marked until the form that was asked about is the form that is shown;
#: a pause in typing asks anew, one question at a time. All of it is kept on the element that shows what was made.
_FOLLOW = """(...form) => (function follow() {
  const [made, verdict, anew] = ['#made', '#verdict', '#anew'].map(one => document.querySelector(one))
  if (!made || !verdict || !anew) { requestAnimationFrame(follow); return }  // the tab is being drawn
  const old = made.dataset.answered !== JSON.stringify(form)
  made.ariaBusy = old
  verdict.ariaLive = 'polite'
  clearTimeout(made.pause)
  if (old) made.pause = setTimeout(() => anew.click(), 300)
})()"""
_ASKED = "(...form) => { document.querySelector('#made').dataset.asked = JSON.stringify(form); return form }"
_ANSWERED = "() => { const made = document.querySelector('#made'); made.dataset.answered = made.dataset.asked }"
_SHADES = ("#f7fbff", "#d6e6f4", "#abd0e6", "#6aaed6", "#3787c0", "#105ba4")  # the blues of the pictures


def page(mat: MedMAT, where: str, scratch: Path) -> gradio.Blocks:
    """The page on an opened Med-MAT.

    Args:
        mat: to look at.
        where: its folder or Hub id, for the Python and the command that the split builder gives.
        scratch: a folder for the files that the split builder writes.

    Raises:
        MissingExtraError: Gradio is not installed.
    """
    try:
        import gradio as gr
    except ImportError as error:
        raise MissingExtraError("The web page needs Gradio: pip install 'med-mat[browse]'.") from error

    made: gradio.Blocks
    with gr.Blocks(title="Med-MAT", analytics_enabled=False, delete_cache=(3600, 3600)) as made:
        gr.Markdown(f"# Med-MAT\n{len(mat):,} records of {len(mat.tags.sources)} sources, {len(mat.mats)} triplets.")
        with gr.Tab("Records"):
            _records(gr, mat)
        with gr.Tab("Split") as tab:
            _split(gr, mat, where, tab, scratch)
        with gr.Tab("Duplicates"):
            _duplicates(gr, mat)
    return made


def theme() -> Any:
    """System fonts, so that the page asks nobody else for anything."""
    import gradio as gr

    return gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def _records(gr: Any, mat: MedMAT) -> None:
    with gr.Row():
        selection = gr.Textbox("*", label="Selection", info="e.g. CT|MRI/Brain/* & label=Normal & width>=256", scale=3)
        task = gr.Dropdown(["any", *TASKS], value="any", label="Task")
        split = gr.Radio(PARTS, value="all", label="Split", scale=2)
    said = gr.Markdown(elem_id="said")
    table = gr.Dataframe(
        label="Records per area (lines) and modality (columns); choose a cell to see its records",
        interactive=False, elem_id="grid", max_height=700,
    )  # fmt: skip
    shown = gr.Gallery(label="Records", columns=6, object_fit="contain", height="auto", allow_preview=False,
                       buttons=[], elem_id="gallery")  # fmt: skip
    with gr.Row():
        back = gr.Button("Previous page")
        number = gr.Number(1, label="Page", precision=0, minimum=1)
        on = gr.Button("Next page")
    details = gr.Textbox(label="The chosen record", lines=12, max_lines=40, interactive=False, elem_id="details")

    def found(text: str, goal: str, part: str) -> Any:
        wanted = mat.selection(text or "*", split=None if part == "all" else part)
        return mat.where(wanted if goal == "any" else wanted & MAT(task=goal))

    def look(text: str, goal: str, part: str, page_number: float | None) -> tuple[Any, Any, Any, Any]:
        try:
            positions = found(text, goal, part)
            last = views.pages(len(positions))
            current = min(max(int(page_number or 1), 1), last)
            pictures = views.gallery(mat, positions, current - 1)
        except Exception as error:
            return gr.skip(), gr.skip(), f"**{_plain(views.sentence(error))}**", gr.skip()
        told = f"{len(positions):,} records, page {current:,} of {last:,}."
        return _shaded(mat, positions), pictures, told, current

    def choose(text: str, event: gr.SelectData) -> str:
        column = event.index[1]
        modality = views.grid(mat, mat.where()).modalities[column - 1] if column else "*"
        return views.narrowed(text, f"{modality}/{event.row_value[0]}/*")

    def tell(text: str, goal: str, part: str, page_number: float, event: gr.SelectData) -> str:
        place = (int(page_number) - 1) * views.PAGE + int(event.index)
        return views.as_json(views.details(mat, int(found(text, goal, part)[place])))

    # typed here, since the annotations of a function that Gradio asks for are texts by now
    choose.__annotations__["event"] = tell.__annotations__["event"] = gr.SelectData
    outputs = [table, shown, said, number]
    first = gr.Number(1, visible=False)
    for change in (selection.submit, task.change, split.change):
        change(look, [selection, task, split, first], outputs)
    table.select(choose, [selection], [selection]).then(look, [selection, task, split, first], outputs)
    number.submit(look, [selection, task, split, number], outputs)
    back.click(lambda one: max(1, int(one or 1) - 1), [number], [number]).then(
        look, [selection, task, split, number], outputs
    )
    on.click(lambda one: int(one or 1) + 1, [number], [number]).then(look, [selection, task, split, number], outputs)
    shown.select(tell, [selection, task, split, number], [details])
    gr.context.Context.root_block.load(look, [selection, task, split, first], outputs)


def _split(gr: Any, mat: MedMAT, where: str, tab: Any, scratch: Path) -> None:
    with gr.Row():
        name = gr.Dropdown(list(experiments()), value="related", label="Experiment")
        target = gr.Textbox("CT/Lung/Cancer", label="Target", info="a triplet, a pattern, or rows")
        parts = gr.Textbox(label="Parts", info="of a combination: triplets, separated by commas")
        among = gr.Textbox(label="Among", info="what may be used at all, e.g. redistributable=yes")
    with gr.Row():
        size = gr.Number(label="Size", precision=0, minimum=0, info="training records; 0 for all")
        cap = gr.Number(label="Cap", precision=0, minimum=0, info="per subset; 0 for none")
        n = gr.Textbox(label="Target records", info="of limited, 0 or more")
        seed = gr.Number(0, label="Seed", precision=0)
        base = gr.Dropdown(["", *get_args(Base)], value="", label="Base", info="the arm that limited adds to")
        axis = gr.Dropdown(["", "modality", "area", "task"], value="", label="Without", info="the axis of without")
    with gr.Row():
        balanced = gr.Checkbox(label="Balanced test")
        whole = gr.Checkbox(label="Test on all of the target")
        pool = gr.Checkbox(label="COVID and Cancer count as State")
        cross = gr.Checkbox(label="Detection counts as classification")
        paper = gr.Checkbox(label="The paper's triplets")
        withheld = gr.Checkbox(label="Train on withheld records too")
        clean = gr.Checkbox(label="Leave out contradictory labels")
    anew = gr.Button(visible="hidden", elem_id="anew")
    with gr.Column(elem_id="made"):
        said = gr.Markdown(elem_id="verdict")
        picture = gr.HTML(elem_id="picture")
        audit = gr.Textbox(label="Audit", lines=12, max_lines=40, interactive=False, elem_id="audit")
        python = gr.Code(label="The same in Python", language="python", interactive=False)
        command = gr.Code(label="The same as a command", language="shell", interactive=False)
        keep = gr.Button("Write the split and its audit to files", interactive=False)
        files = gr.File(
            label="Split file and audit", file_count="multiple", interactive=False, visible=False, elem_id="files"
        )

    options = {
        "parts": parts, "among": among, "size": size, "max_per_subset": cap, "n": n, "seed": seed, "base": base,
        "axis": axis, "balanced_test": balanced, "test_on": whole, "pool_tasks": pool, "cross_tasks": cross,
        "triplet_source": paper, "withheld": withheld, "contradictory": clean,
    }  # fmt: skip
    form = [name, target, *options.values()]

    def experiment(kind: str, goal: str, *values: Any) -> Experiment:
        given = dict(zip(options, values, strict=True))
        given |= {"test_on": given["test_on"] and "all", "triplet_source": given["triplet_source"] and "paper"}
        given |= {"contradictory": given["contradictory"] and "drop"}
        return views.experiment(mat, kind, goal, given)

    def make(*values: Any) -> tuple[Any, ...]:
        locked, none = gr.Button(interactive=False), gr.File(None, visible=False)
        try:
            made = experiment(*values)
            proof = made.audit()
            pictures = views.pictures(proof)
        except AuditError as error:
            told = f"**The audit finds a violation: {_plain('; '.join(error.audit.violations))}.**"
            return told, views.pictures(error.audit), str(error), "", "", locked, none
        except Exception as error:
            return f"**{_plain(views.sentence(error))}**", "", "", "", "", locked, none
        sizes = f"{len(made.train_positions):,} records to train, {len(made.test_positions):,} to test"
        told = f"{_plain(f'{made.name} for {made.target}')}: {sizes}. **It holds.**"
        return told, pictures, str(proof), *views.code(where, made), gr.Button(interactive=True), none

    def write(*values: Any) -> Any:
        folder = Path(tempfile.mkdtemp(prefix="split-", dir=scratch))
        try:
            made = experiment(*values)
            made.save(folder / "split.parquet")
            made.audit().save(folder / "audit.json")
        except Exception as error:
            return f"**{_plain(views.sentence(error))}**", gr.skip()
        return gr.skip(), gr.File([str(folder / "split.parquet"), str(folder / "audit.json")], visible=True)

    gr.on([tab.select, *(one.change for one in form)], None, form, js=_FOLLOW)
    # one at a time, in order: files that come after a change are not those of what was before it
    anew.click(
        make, form, [said, picture, audit, python, command, keep, files],
        js=_ASKED, show_progress="hidden", trigger_mode="once", concurrency_id="split", concurrency_limit=1,
    ).success(None, js=_ANSWERED).success(None, form, js=_FOLLOW)  # fmt: skip
    keep.click(write, form, [said, files], concurrency_id="split", concurrency_limit=1)


def _duplicates(gr: Any, mat: MedMAT) -> None:
    with gr.Row():
        reason = gr.Radio(["any", *REASONS], value="any", label="Why they are linked")
        between = gr.Checkbox(label="Between two sources alone")
    with gr.Row():
        one = gr.Dropdown(["any"], value="any", label="Source", info="with its number of links")
        other = gr.Dropdown(["any"], value="any", label="Other source", info="that is linked with the first")
    with gr.Row():
        back = gr.Button("Previous page")
        number = gr.Number(1, label="Page", precision=0, minimum=1)
        on = gr.Button("Next page")
    said = gr.Markdown(elem_id="linked")
    shown = gr.HTML(elem_id="pairs")

    def choices(found: Mapping[str, int], chosen: str | None) -> Any:
        listed = [("any", "any"), *((f"{source} ({count:,})", source) for source, count in found.items())]
        return gr.Dropdown(listed, value=chosen or "any")

    def look(why: str, apart: bool, first: str, second: str, page_number: float | None) -> tuple[Any, ...]:
        try:
            links = views.linked(mat, why, apart)
            sources = views.partners(links)
            chosen = first if first in sources else None
            others = views.partners(links, chosen) if chosen else {}
            partner = second if second in others else None
            links = views.between_sources(links, chosen, partner)
            last = views.pages(links.num_rows, views.PAIRS)
            current = min(max(1, int(page_number or 1)), last)
            text = views.pairs(mat, links, current - 1)
        except Exception as error:
            return f"**{_plain(views.sentence(error))}**", "", gr.skip(), gr.skip(), gr.skip()
        told = f"{links.num_rows:,} pairs, page {current:,} of {last:,}."
        return told, text, current, choices(sources, chosen), choices(others, partner)

    form, outputs = [reason, between, one, other], [said, shown, number, one, other]
    first_page = gr.Number(1, visible=False)
    for field in form:
        field.input(look, [*form, first_page], outputs)
    number.submit(look, [*form, number], outputs)
    back.click(lambda page: max(1, int(page or 1) - 1), [number], [number]).then(look, [*form, number], outputs)
    on.click(lambda page: int(page or 1) + 1, [number], [number]).then(look, [*form, number], outputs)
    gr.context.Context.root_block.load(look, [*form, first_page], outputs)


def _shaded(mat: MedMAT, positions: Any) -> Any:
    """The grid as a heat map. All cells of the build stay, so that one can choose another."""
    import math

    import pandas as pd

    whole, part = views.grid(mat, mat.where()), views.grid(mat, positions)
    rows: list[list[Any]] = [
        [area, *(part.counts.get((area, one), 0) for one in whole.modalities)] for area in whole.areas
    ]
    most = max((count for row in rows for count in row[1:]), default=0)

    def style(value: Any) -> str:
        if not isinstance(value, int) or not value:
            return "color: #8888"
        shade = round(math.log1p(value) / math.log1p(most) * (len(_SHADES) - 1))
        return f"background-color: {_SHADES[shade]}; color: {'#ffffff' if shade > 3 else '#111111'}"

    frame = pd.DataFrame(rows, columns=["area", *whole.modalities])
    return frame.style.map(style, subset=list(whole.modalities))


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]<>()#+-.!|~&" else one for one in " ".join(text.split()))
