"""The command line, ``med-mat``. Every command has ``--help`` with an example; a user's mistake gets no traceback."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

import click

from med_mat import __version__
from med_mat.commands import (
    authoring,
    caching,
    catalog,
    experiments,
    exporting,
    harnesses,
    hub,
    looking,
    measuring,
    raw,
    scoring,
    training,
    upstream,
)
from med_mat.errors import MedMATError


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM: what docker, systemd and SLURM send before they kill. It is handled like Ctrl-C."""


def _terminate(number: int, _: Any) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # a second signal must not interrupt the cleanup
    raise _TerminatedError


def main() -> NoReturn:
    """Run the command line; errors become one sentence on standard error and exit status 1.

    Interrupted by Ctrl-C the exit status is 130, by SIGTERM 143.
    """
    signal.signal(signal.SIGTERM, _terminate)
    status: object = 0
    try:
        status = cli.main(standalone_mode=False)
    except click.Abort as error:
        click.echo("\nInterrupted. Run the same command to resume: finished work is kept.", err=True)
        sys.exit(128 + (signal.SIGTERM if isinstance(error.__cause__, _TerminatedError) else signal.SIGINT))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MedMATError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:  # the reader of the output has closed it, as in `med-mat sources | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a folder that cannot be created, a full disk
        click.echo(f"Error: {error.filename or 'the system'}: {error.strerror or error}.", err=True)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="med-mat")
def cli() -> None:
    """Compositional generalization experiments on medical images, from the publishers' own files.

    \b
    med-mat demo                                    a complete run on synthetic data, offline, in a minute
    med-mat sources 'CT|MRI/Brain/*'                the catalog of sources
    med-mat doctor /data/raw                        which sources a folder has, and what is missing
    med-mat build --raw /data/raw --out Med-MAT     raw folders -> a dataset that load_dataset opens
    med-mat split Med-MAT related CT/Lung/Cancer    a CG experiment, and its audit
    med-mat export Med-MAT related CT/Lung/Cancer --format trl --out related    the same as files for a trainer
    """


for command in (
    catalog.sources,
    catalog.show,
    catalog.paper,
    raw.download,
    raw.doctor,
    raw.validate,
    raw.build,
    raw.merge,
    raw.miniature,
    raw.demo,
    experiments.split,
    experiments.combinations,
    experiments.recommend,
    exporting.export,
    training.experiment,
    training.reproduce,
    training.collect,
    upstream.official,
    looking.plot,
    looking.cite,
    looking.duplicates,
    looking.browse,
    caching.cache,
    measuring.blind,
    scoring.score,
    measuring.contamination,
    measuring.shortcut,
    harnesses.answers,
    hub.push,
    hub.attach,
    authoring.new_source,
    authoring.check_source,
):
    cli.add_command(command)
