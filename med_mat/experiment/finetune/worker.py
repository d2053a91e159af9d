"""The work of one process of several: ``accelerate launch -m med_mat.experiment.finetune.worker JOB train``.

Or, for the answers to a part of the records by the weights of a checkpoint: ``… JOB answer PART CHECKPOINT``, where
``-`` is the model as published.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from med_mat.errors import MedMATError
from med_mat.experiment.finetune.job import Job


def main(arguments: Sequence[str]) -> int:
    """Do the work that the arguments name."""
    import torch
    from accelerate import PartialState

    path, what, *rest = arguments
    state = PartialState(cpu=not torch.cuda.is_available())
    try:
        job = Job.load(Path(path))
        if what == "train":
            job.train()
        else:
            part, checkpoint = rest
            share = (state.process_index, state.num_processes)
            job.answer(part, None if checkpoint == "-" else checkpoint, share)
        state.wait_for_everyone()
    except MedMATError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    finally:
        state.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
