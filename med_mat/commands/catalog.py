"""Commands on the catalog and the paper, which need neither raw data nor a build."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command()
@click.argument("selection", required=False)
@click.option("--access", multiple=True, help="Keep open, account, competition, request or credentialed (repeatable).")
@click.option("--redistributable/--not-redistributable", default=None, help="Images may, or may not, be redistributed.")
@click.option("--commercial/--not-commercial", default=None, help="Commercial use is, or is not, allowed.")
@click.option("--markdown", is_flag=True, help="Print a table in Markdown.")
def sources(
    selection: str | None,
    access: tuple[str, ...],
    redistributable: bool | None,
    commercial: bool | None,
    markdown: bool,
) -> None:
    """List the sources that have rows which SELECTION keeps.

    SELECTION joins patterns MODALITY/AREA/TASK (with *, | and !) and conditions on source, row, subset, license,
    license_certainty, access, redistributable, labels_redistributable, commercial, augmented and annotation by ','
    (or), '&' (and), '!' (not) and parentheses.

    \b
    Examples: med-mat sources 'CT|MRI/Brain/*' --access account
              med-mat sources '*/Lung/* & annotation=boxes|masks & !license=unknown'
    """
    from med_mat import catalog
    from med_mat.building.loader import has_loader
    from med_mat.shell import counted
    from med_mat.summary import YES_NO, page

    terms: dict[str, Any] = {
        "access": access or None,
        "redistributable": redistributable,
        "commercial": commercial,
    }
    found = catalog.sources(selection, **terms)
    if not found:
        click.echo("Nothing matches.")
        for part, some in catalog.without_one(selection, **terms).items():
            click.echo(f"Without {part}: {', '.join(one.name for one in some[:5])}{' …' if len(some) > 5 else ''}")
        return
    if markdown:
        click.echo(page(found), nl=False)
        return
    width = max(len(source.name) for source in found)
    click.echo(
        f"{'source':<{width}}  {'rows':<10}  {'subsets':<9}  {'access':<12}  {'may pass on':<15}  loader  triplets"
    )
    for source in found:
        rows = ", ".join(str(row.number) for row in source.rows)
        subsets = ", ".join(dict.fromkeys(str(row.subset or "none") for row in source.rows))
        may = f"{YES_NO[source.redistributable]}/{YES_NO[source.labels_redistributable]}"
        click.echo(
            f"{source.name:<{width}}  {rows:<10}  {subsets:<9}  {source.access:<12}  {may:<15}  "
            f"{'yes' if has_loader(source) else 'no':<6}  {', '.join(map(str, source.mats))}"
        )
    click.echo(f"{counted(len(found), 'source')}. 'med-mat show SOURCE' prints everything about one.")


@click.command()
@click.argument("name", metavar="SOURCE")
def show(name: str) -> None:
    """Print everything about SOURCE: rows, labels, layout, downloads, terms, pitfalls, citation.

    \b
    Example: med-mat show busi
    """
    from med_mat import catalog
    from med_mat.download.routes import verified
    from med_mat.summary import words

    source = catalog.load()[name]
    lines = [f"{source.title} ({source.name})", f"  {source.summary}", ""]
    for row in source.rows:
        lines.append(f"  row {row.number}: {row.mat}, subset {row.subset or 'none'}, {row.kind}")
        lines += [f"    {raw!r} -> {human}" for raw, human in row.labels.items()]
    lines += [
        "",
        *(f"  {what}: {answer}" for what, answer in words(source).items()),
        f"  home: {source.homepage}",
    ]
    for way in source.downloads:
        lines.append(f"  get it: {way.kind} {way.at}" + (f" ({', '.join(way.files)})" if way.files else ""))
        lines += [f"    {way.note}"] if way.note else []
        lines.append(f"    verified {verified(way)}")
    lines += [f"  put it below: RAW/{source.name}/, so that below that folder, or one around it, lie"]
    for layout in source.layouts:
        lines.append(f"    {layout.variant}{f': {layout.edition}' if layout.edition else ''}")
        for word, patterns in (("all of", layout.files), ("any of", layout.parts), ("besides", layout.also)):
            lines += [f"      {word}  {pattern}" for pattern in patterns]
    whose = f" (those of {source.patients_of})" if source.patients_of != source.name else ""
    lines += [f"  patients{whose}: {source.patients or 'not published'}"]
    lines += [f"  published split: {', '.join(source.published_split) or 'none'}"]
    lines += ["  augmented: it ships transformed copies of its own images"] if source.augmented else []
    lines += [f"  overlaps with {other}: {what}" for other, what in source.overlaps.items()]
    lines += [f"  shares ids of {one.namespace}: {one.pattern}" for one in source.shared_ids]
    lines += [f"  erratum, row {e.row}, {e.field}: {e.upstream!r} is {e.ours!r}: {e.why}" for e in source.errata]
    lines += [f"  verified: {source.verified}, certainty {source.certainty}", "", source.prose]
    lines += ["", "Cite:", "", source.citation] if source.citation else []
    click.echo("\n".join(lines))


@click.command()
@click.argument("names", metavar="[TABLE]...", nargs=-1)
@click.option("--markdown", is_flag=True, help="Output Markdown.")
@click.option("--json", "as_json", is_flag=True, help="Output JSON, with every field.")
def paper(names: tuple[str, ...], markdown: bool, as_json: bool) -> None:
    """Print what arXiv 2412.20070 published, figures and contradictions: each TABLE, or all.

    TABLE is subsets, two, three, detection (combinations), detection_targets, disruption, backbones, few_shot,
    other_elements, training or crossmed.

    \b
    Examples: med-mat paper two three
              med-mat paper --markdown > paper.md
    """
    from med_mat import paper as module

    found = module.chosen(names)
    text = json.dumps(module.to_json(found), indent=1) if as_json else module.to_text(found, markdown=markdown)
    click.echo(text)
