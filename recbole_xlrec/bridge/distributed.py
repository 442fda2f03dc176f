"""RecBole's several GPUs and machines: every process it spawns must know our models."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking.ranking import Ranking, merge_rankings


def is_main(settings: Any) -> bool:
    """Says whether this is the process that writes the run folder; it is where there is only one."""
    return bool(settings["single_spec"]) or settings["local_rank"] + (settings["offset"] or 0) == 0


def barrier(settings: Any) -> None:
    """Waits for the other processes, if there are any."""
    if not settings["single_spec"]:
        torch.distributed.barrier()


def gather_ranking(ranking: Ranking | None, settings: Any) -> Ranking | None:
    """The ranking of all processes, each of which evaluates a part of the queries."""
    if settings["single_spec"] or ranking is None:
        return ranking
    parts: list[Any] = [None] * settings["world_size"]
    torch.distributed.all_gather_object(parts, ranking)
    return merge_rankings(parts)


def spawn(flags: argparse.Namespace, overrides: dict[str, Any]) -> None:
    """Starts ``nproc`` processes on this machine, of ``world_size`` in all, one a GPU.

    Raises:
        ConfigError: If there are not as many GPUs: RecBole trains in parallel on CUDA devices only.
    """
    found = torch.cuda.device_count()
    if found < flags.nproc:
        raise ConfigError(f"--nproc={flags.nproc} needs as many CUDA devices on this machine, and there are {found}")
    world = flags.world_size if flags.world_size > 0 else flags.nproc
    shared = {
        **overrides,
        "world_size": world,
        "nproc": flags.nproc,
        "ip": flags.ip,
        "port": flags.port,
        "offset": flags.group_offset,
        "gpu_id": overrides.get("gpu_id", ",".join(map(str, range(flags.nproc)))),
    }
    torch.multiprocessing.spawn(_work, args=(flags, shared), nprocs=flags.nproc, join=True)


def _work(rank: int, flags: argparse.Namespace, shared: dict[str, Any]) -> None:
    from recbole_xlrec.bridge.experiment import run
    from recbole_xlrec.launcher import print_run

    finished = run(flags.model, flags.dataset, flags.config_files, {**shared, "local_rank": rank})
    if rank + flags.group_offset == 0:
        print_run(finished)
    torch.distributed.destroy_process_group()
