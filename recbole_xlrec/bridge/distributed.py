"""Several processes, on GPUs by RecBole's own flags or on processors: each knows our models and gets its share.

RecBole starts NCCL only, gives the queries that fill up the last batch twice, and averages the metrics of the processes
by batches. Here processors work too (gloo), and every process evaluates its own queries and then all of them together,
so that metrics and ranking are those of one process.
"""

from __future__ import annotations

import argparse
import inspect
import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import torch
from recbole.trainer import trainer as recbole_trainer
from torch.multiprocessing import ProcessRaisedException
from torch.nn.parallel import DistributedDataParallel

from recbole_xlrec.bridge.hidden_targets import query_rows
from recbole_xlrec.bridge.language_metrics import LANGUAGE
from recbole_xlrec.bridge.retrieval import RetrievalCollector
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.errors import ConfigError, XLRecError
from recbole_xlrec.ranking.ranking import Ranking, merge_rankings

#: What RecBole's collector keeps of each query or row, and not of the training data.
_BY_QUERY = ("rec.items", "rec.topk", "rec.meanrank", "rec.score", "data.label", LANGUAGE)


def global_rank(settings: Any) -> int:
    """The number of this process among all, 0 where it is alone."""
    return int(settings["local_rank"] + (settings["offset"] or 0))


def is_main(settings: Any) -> bool:
    """Says whether this is the process that writes the run folder; it is where there is only one."""
    return bool(settings["single_spec"]) or global_rank(settings) == 0


def barrier(settings: Any) -> None:
    """Waits for the other processes, if there are any."""
    if not settings["single_spec"]:
        torch.distributed.barrier()


# --- starting ------------------------------------------------------------------------------------------------------


def spawn(flags: argparse.Namespace, overrides: dict[str, Any]) -> None:
    """Starts ``nproc`` processes on this machine, of ``world_size`` in all: one a GPU, or with gloo on processors.

    Raises:
        ConfigError: If there are not as many GPUs and ``use_gpu`` is not False.
        XLRecError: What a process raises.
    """
    use_gpu = _last([*map(read_yaml, flags.config_files), overrides], "use_gpu", True)
    found = torch.cuda.device_count()
    if use_gpu and found < flags.nproc:
        raise ConfigError(
            f"--nproc={flags.nproc} needs as many CUDA devices on this machine, and there are {found}; "
            "--use_gpu=False takes processors"
        )
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
    threads = None if use_gpu else max(1, torch.get_num_threads() // flags.nproc)
    errors = torch.multiprocessing.get_context("spawn").SimpleQueue()
    try:
        torch.multiprocessing.spawn(_work, args=(flags, shared, threads, errors), nprocs=flags.nproc, join=True)
    except ProcessRaisedException:
        if errors.empty():
            raise
        raise errors.get() from None


def _last(layers: list[dict[str, Any]], key: str, default: Any) -> Any:
    return next((layer[key] for layer in reversed(layers) if key in layer), default)


def _work(rank: int, flags: argparse.Namespace, shared: dict[str, Any], threads: int | None, errors: Any) -> None:
    from recbole_xlrec.bridge.experiment import run
    from recbole_xlrec.launcher import print_run, show_log

    if threads is not None:
        torch.set_num_threads(threads)  # or each would take every processor
    main = rank + flags.group_offset == 0
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.ERROR)
    if main:
        show_log()
    try:
        finished = run(flags.model, flags.dataset, flags.config_files, {**shared, "local_rank": rank})
    except XLRecError as error:
        errors.put(error)  # as it is: torch would hand over the text of a traceback
        raise
    if main:
        print_run(finished)
    torch.distributed.destroy_process_group()


def use_processors(values: MutableMapping[str, Any]) -> None:
    """Does what RecBole's ``Config`` does about devices, without a GPU.

    Raises:
        ConfigError: If the other processes cannot be reached.
    """
    values["device"] = torch.device("cpu")
    values["single_spec"] = "local_rank" not in values
    if values["single_spec"]:
        values["local_rank"] = 0
        return
    place, rank = f"tcp://{values['ip']}:{values['port']}", global_rank(values)
    try:
        torch.distributed.init_process_group("gloo", init_method=place, rank=rank, world_size=values["world_size"])
    except RuntimeError as error:
        raise ConfigError(f"no process group at {place}: {error}. Another --port may be free") from error
    if values["local_rank"] != 0:  # as RecBole does
        values.update(state="error", show_progress=False, verbose=False)


# --- training ------------------------------------------------------------------------------------------------------


@contextmanager
def wrapping(config: Any) -> Iterator[None]:
    """Lets RecBole's trainer, which gives each model to a GPU, share one among processors too.

    Buffers are not sent around before each batch: every process has the same, and the texts' vectors may be among them.
    """
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # before PyTorch 2.13
    options: dict[str, Any] = {name: False}

    def wrap(model: torch.nn.Module, device_ids: list[int]) -> DistributedDataParallel:
        on_gpu = config["device"].type == "cuda"
        if not on_gpu and any(isinstance(module, torch.nn.SyncBatchNorm) for module in model.modules()):
            raise ConfigError(
                f"{config['model']} normalises over batches, which PyTorch does over several processes on GPUs only; "
                "take one process"
            )
        return DistributedDataParallel(model, device_ids=device_ids if on_gpu else None, **options)

    recbole_trainer.DistributedDataParallel = wrap
    try:
        yield
    finally:
        recbole_trainer.DistributedDataParallel = DistributedDataParallel


# --- evaluation ----------------------------------------------------------------------------------------------------


def share_queries(loader: Any, settings: Any) -> None:
    """Gives this process its part of the queries of an evaluation, in their order, each to one process.

    Raises:
        ConfigError: If there are fewer queries than processes.
    """
    world, rank, queries = settings["world_size"], global_rank(settings), query_rows(loader)
    if len(queries) < world:
        raise ConfigError(f"{len(queries)} queries cannot be shared by {world} processes; take a lower --nproc")
    loader.batch_sampler.sampler = queries[rank * len(queries) // world : (rank + 1) * len(queries) // world]


class GatheringCollector(RetrievalCollector):
    """RecBole's collector; before metrics are computed, it has the queries of all processes."""

    def get_data_struct(self) -> Any:
        """What was collected by all processes, in the order of the queries."""
        struct = super().get_data_struct()
        parts: list[Any] = [None] * self.config["world_size"]
        torch.distributed.all_gather_object(parts, {name: struct[name] for name in _BY_QUERY if name in struct})
        for name in parts[0]:
            struct.set(name, torch.cat([part[name] for part in parts]))
        return struct


def gather_ranking(ranking: Ranking | None, settings: Any) -> Ranking | None:
    """The ranking of all processes, each of which evaluates a part of the queries."""
    if settings["single_spec"] or ranking is None:
        return ranking
    parts: list[Any] = [None] * settings["world_size"]
    torch.distributed.all_gather_object(parts, ranking)
    return merge_rankings(parts)
