"""Pages that are generated: the record, all sources, the API reference and the command line.

They follow from ``med_mat.schema``, ``dataset_cards/``, the public names of the package and its commands, and are
written to ``docs/generated/`` whenever the site is built.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from types import ModuleType

import click

from med_mat import schema, summary
from med_mat.catalog import Source, load
from med_mat.cli import cli
from med_mat.taxonomy import MODALITIES

#: Modules of the API reference, in order, and what each is for. A module is documented by its ``__all__``, or else by
#: the public names that are defined in it.
MODULES: Mapping[str, str] = {
    "med_mat": "Open, select, build, publish",
    "med_mat.splits": "Experiments",
    "med_mat.selection": "Selections",
    "med_mat.taxonomy": "Modalities, areas, tasks",
    "med_mat.catalog": "The catalog of sources",
    "med_mat.paper": "The paper's tables",
    "med_mat.official": "The authors' JSON",
    "med_mat.questions": "Questions",
    "med_mat.export": "Exporting",
    "med_mat.conventions": "Boxes as text",
    "med_mat.torch": "Datasets for PyTorch",
    "med_mat.score": "Scoring",
    "med_mat.experiment": "Running experiments",
    "med_mat.contamination": "Contamination",
    "med_mat.shortcut": "Shortcuts",
    "med_mat.plot": "Figures",
    "med_mat.building": "Building",
    "med_mat.schema": "The record schema",
    "med_mat.example": "What a loader yields",
    "med_mat.raw": "The loader kit",
    "med_mat.formats": "File formats",
    "med_mat.imaging.open_file": "What a decoder implements",
    "med_mat.hosts.base": "Download hosts",
    "med_mat.errors": "Errors",
}


def write(folder: Path) -> None:
    """Write all generated pages below a folder; a page that did not change is left alone."""
    sources = tuple(load().values())
    pages = {
        "record.md": record(),
        "sources.md": table(sources),
        "sizes.md": sizes(sources),
        "labeled-by.md": summary.labelers(sources) + "\n",
        "cli.md": commands(cli),
        "api/index.md": api_index(),
        **{f"api/{name}.rst": api(name, title) for name, title in MODULES.items()},
        **{f"sources/{source.name}.md": card(source) for source in sources},
    }
    for stale in set(folder.rglob("*.*")) - {folder / name for name in pages}:
        stale.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


# ---------------------------------------------------------------------------------------------------------- the record


def record() -> str:
    """The page on the record: every column of the schema."""
    return (
        "# The record, column by column\n\n"
        f"Schema version {schema.VERSION}, generated from `med_mat.schema`. "
        "[](../record-notes.md) explains what is easy to misread.\n\n"
        f"{schema.markdown('record')}\n\n## In the index alone\n\n"
        "`index.parquet` contains every column but `image` and `mask`, and these:\n\n"
        f"{schema.markdown('index')}\n"
    )


def row(*cells: str) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


# ------------------------------------------------------------------------------------------------------------- sources


def table(sources: Sequence[Source]) -> str:
    """The page of all sources: one searchable table, a line per row of the catalog."""
    cells = (
        (
            str(one.number),
            f'<a href="sources/{source.name}.html">{escape(source.title)}</a><br><code>{source.name}</code>',
            *(escape(word) for word in (modality(one.mat.modality), one.mat.area, one.mat.task)),
            str(one.subset or ""),
            one.kind,
            count(source),
            source.access,
            escape(summary.license_of(source)),
            f"{summary.YES_NO[source.redistributable]} / {summary.YES_NO[source.labels_redistributable]}",
            source.verified,
        )
        for source in sources
        for one in source.rows
    )
    lines = [
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in sorted(cells, key=lambda c: int(c[0]))
    ]
    heads = ["row", "source", "modality", "area", "task", "subset", "labels", "images", "access", "license"]
    heads += ["images / labels redistributable", "layout verified by"]
    return (
        "---\nhide-toc: true\n---\n\n# All sources\n\n"
        f"{len(sources)} sources, {len(lines)} rows (a row is a source under one task). "
        "Type words to filter: `CT lung`, `open cc-by`, `real data`. The same on the command line, with conditions: "
        "`med-mat sources 'CT|MRI/Brain/* & access=open'`.\n\n"
        "**Layout verified by** says what the layout was checked against: *real data* (the loader ran over the "
        "publisher's files), *label tables* (the publisher's tables or some of its files were read), *public listings* "
        "(several public sources show it), *facts only* (known from descriptions: expect to adapt). A license is "
        "*confirmed* where the publisher states it, *reported* where somebody else does. **Redistributable** "
        "is *yes*, *no* or *unknown*; unknown is never taken for yes.\n\n"
        '```{raw} html\n<input type="search" class="filter" data-table="sources" placeholder="Filter sources" '
        'aria-label="Filter sources"> <output id="sources-count"></output>\n'
        '<div class="wide" tabindex="0" role="region" aria-label="Sources"><table id="sources"><thead><tr>'
        + "".join(f"<th>{head}</th>" for head in heads)
        + "</tr></thead><tbody>\n"
        + "\n".join(lines)
        + "\n</tbody></table></div>\n```\n\n"
        ":::{toctree}\n:hidden:\n:maxdepth: 1\n\n"
        + "\n".join(f"sources/{name}" for name in sorted(source.name for source in sources))
        + "\n:::\n"
    )


def modality(code: str | None) -> str:
    """A modality spelled out, with its code where that differs."""
    name = MODALITIES.get(code or "", code or "")
    return name if name == code else f"{name} ({code})"


_SIZE = re.compile(r"(\d+(?:\.\d+)?) (MB|GB)\b")


def sizes(sources: Sequence[Source]) -> str:
    """Totals for a planner: images as publishers count them, sizes as the notes on a card's routes state them."""
    images = {source.name: source.counts.get("images") for source in sources}
    stated: dict[str, float] = {}
    for source in sources:
        for amount, unit in (match.groups() for way in source.downloads for match in _SIZE.finditer(way.note)):
            stated.setdefault(source.name, float(amount) / (1000 if unit == "MB" else 1))
    largest = sorted(stated.items(), key=lambda pair: -pair[1])[:6]
    accesses = Counter(source.access for source in sources)
    rows = {
        "sources, rows": f"{len(sources)}, {sum(len(source.rows) for source in sources)}",
        "access": ", ".join(f"{access} {number}" for access, number in accesses.most_common()),
        "images": f"{sum(filter(None, images.values())):,}, as publishers count them; "
        f"not stated for {', '.join(name for name, number in images.items() if number is None) or 'none'}",
        "download": f"{sum(stated.values()):,.0f} GB, for the {len(stated)} sources whose card states a size",
        "largest of these": ", ".join(f"{name} {size:,.0f} GB" for name, size in largest),
    }
    return "| what | figure |\n|---|---|\n" + "\n".join(row(*pair) for pair in rows.items()) + "\n"


def count(source: Source) -> str:
    """How many images a source has, as its publisher counts them."""
    images = source.counts.get("images")
    return f"{images:,}" if isinstance(images, int) else "unknown"


def card(source: Source) -> str:
    """The page of one source: its terms, rows and ways to get it, then the prose of its card."""
    lines = [f"# {source.title}", "", source.summary, "", "| | |", "|---|---|"]
    lines += [
        row(f"**{what}**", str(said)) for what, said in {"name": f"`{source.name}`", **summary.words(source)}.items()
    ]
    lines += [row("**home page**", f"<{source.homepage}>"), row("**images**", count(source))]
    for one in source.rows:
        subset = "no subset" if one.subset is None else f"subset {one.subset}"
        lines.append(row(f"**row {one.number}**", f"`{one.mat}`, {subset}, {one.kind}: {', '.join(one.names)}"))
    for way in source.downloads:
        where = f"<{way.at}>" if way.at.startswith("http") else f"`{way.at}`"
        lines.append(row(f"**from {way.kind}**", f"{where} {' '.join(way.note.split())}"))
    prose = re.sub(r"\A# .*\n", "", source.prose.lstrip())
    prose = re.sub(r"\]\((\w+)\.md\)", r"](\1.md)", prose)
    return "\n".join(lines) + "\n\n" + prose.strip() + "\n"


# ----------------------------------------------------------------------------------------------------------- reference


def api_index() -> str:
    """The contents of the API reference."""
    listed = "\n".join(MODULES)
    return (
        "# Python API\n\nEvery public name, from its docstring. What is not listed here may change without notice.\n\n"
        f":::{{toctree}}\n:maxdepth: 1\n\n{listed}\n:::\n"
    )


def public(module: ModuleType) -> list[str]:
    """The names that a module makes public, other modules aside."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not inspect.ismodule(getattr(module, name))]
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def homes() -> dict[int, str]:
    """Each public object -> the module under which it is documented: the first that makes it public."""
    found: dict[int, str] = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for public_name in public(module):
            found.setdefault(id(getattr(module, public_name)), name)
    return found


def api(name: str, title: str) -> str:
    """The reference of one module, as reStructuredText."""
    module, home = importlib.import_module(name), homes()
    heading = f"{name}: {title[:1].lower() + title[1:]}"
    lines = [heading, "=" * len(heading), ""]
    if name == "med_mat.schema":  # its docstring ends in the table of the record page
        lines += [":doc:`../record` lists the columns.", ""]
    else:
        lines += [f".. automodule:: {name}", "   :no-members:", ""]
    for public_name in public(module):
        value = getattr(module, public_name)
        if home[id(value)] != name:
            lines += [f"``{public_name}`` is documented in :doc:`{home[id(value)]}`.", ""]
            continue
        if inspect.isclass(value):
            kind = "exception" if issubclass(value, BaseException) else "class"
            options = ["   :members:", "   :show-inheritance:"]
            if any(base.__module__.startswith("med_mat") for base in value.__bases__) and kind == "class":
                options.append("   :inherited-members: tuple, dict, str, int")
        elif inspect.isroutine(value):
            kind, options = "function", []
        else:
            lines += [f".. py:data:: {name}.{public_name}", f"   :type: {type(value).__name__}", ""]
            continue
        lines += [f".. auto{kind}:: {name}.{public_name}", *options, ""]
    return "\n".join(lines)


def commands(group: click.Group) -> str:
    """The reference of the command line: what ``--help`` prints, of every command."""
    lines = ["# Command line", "", "What `med-mat COMMAND --help` prints.", ""]

    def visit(command: click.Command, path: str, parent: click.Context | None) -> None:
        context = click.Context(command, info_name=path.rpartition(" ")[2], parent=parent, max_content_width=100)
        context.terminal_width = 100
        lines.extend([f"## {path}", "", "```text", command.get_help(context).rstrip(), "```", ""])
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                if (child := command.get_command(context, name)) is not None:
                    visit(child, f"{path} {name}", context)

    visit(group, "med-mat", None)
    return "\n".join(lines)
