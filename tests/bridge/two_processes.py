"""One of the processes of test_distributed: makes runs one after the other, and leaves what the tests look at.

Called with its rank, the number of processes, a file of jobs and a folder. A job's ``finetune_from`` may be the number
of an earlier job.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from recbole_xlrec.bridge import experiment


def main(rank: int, world: int, jobs: Path, out: Path) -> None:
    """Makes every run of the jobs."""
    torch.set_num_threads(1)
    stock, folders = experiment._evaluate, []
    for number, job in enumerate(json.loads(jobs.read_text())):
        target = out / f"{number}-{rank}"

        def spy(trainer: Any, *others: Any, target: Path = target) -> Any:
            torch.save(trainer.model.state_dict(), target.with_suffix(".pt"))  # before the best weights are loaded
            result = stock(trainer, *others)
            shares = sum(1 for _ in others[0].batch_sampler.sampler), others[0].sample_size
            target.with_suffix(".shares.json").write_text(json.dumps(shares))
            return result

        experiment._evaluate = spy  # type: ignore[assignment]
        place = {"local_rank": rank, "nproc": world, "world_size": world, "ip": "localhost", "offset": 0}
        if isinstance(job["config"].get("finetune_from"), int):
            job["config"]["finetune_from"] = folders[job["config"]["finetune_from"]]
        found = experiment.run(job["model"], job["dataset"], job["files"], {**job["config"], **place})
        folders.append(str(found.folder))
        kept = {"folder": str(found.folder), "metrics": found.metrics}
        target.with_suffix(".json").write_text(json.dumps(kept))
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
