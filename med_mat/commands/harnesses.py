"""Commands that read the results of evaluation harnesses."""

from __future__ import annotations

import json
from pathlib import Path

import click

from med_mat.commands import FOLDER
from med_mat.export.harness import READERS
from med_mat.shell import counted, printable


@click.command()
@click.argument("harness", type=click.Choice(tuple(READERS)))
@click.argument("results", type=FOLDER, nargs=-1, required=True)
@click.option(
    "--export", type=FOLDER, help="Of EvalScope: the exported file of the subset, such as ct_lung_cancer_val.jsonl."
)
@click.option("-o", "--out", type=FOLDER, required=True, help="The file of answers to write, ending in .jsonl.")
@click.option("--dry-run", is_flag=True, help="Read the results, and write nothing.")
def answers(harness: str, results: tuple[Path, ...], export: Path | None, out: Path, dry_run: bool) -> None:
    """Turn the RESULTS of an evaluation HARNESS into a file of answers, which 'med-mat score' reads.

    RESULTS are the sample logs of lmms-eval (--log_samples), one for each task; the predictions of VLMEvalKit (.xlsx,
    .tsv, .csv, .json); or the reviews of EvalScope.

    \b
    Examples: med-mat answers lmms-eval out/*_samples_med_mat*.jsonl -o answers.jsonl
              med-mat answers vlmevalkit MODEL_med_mat.xlsx -o answers.jsonl
              med-mat answers evalscope reviews/MODEL/general_vmcq_ct_lung_cancer.jsonl \\
                  --export eval/ct_lung_cancer_val.jsonl -o answers.jsonl
    """
    from med_mat.errors import ExportError
    from med_mat.export import harness as module
    from med_mat.files import write_atomically

    found: dict[str, str] = {}
    for path in results:
        for one in module.answers(harness, path, export):
            if one["id"] in found:
                raise ExportError(f"{path}: answers {one['id']} a second time.")
            found[one["id"]] = json.dumps(one, ensure_ascii=False)
    if not dry_run:
        write_atomically(out, "".join(f"{line}\n" for line in found.values()).encode("utf-8", "backslashreplace"))
    click.echo(printable(f"{'Would write' if dry_run else 'Wrote'} {counted(len(found), 'answer')} to {out}."))
