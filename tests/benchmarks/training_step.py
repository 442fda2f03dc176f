"""How much of the machine's matrix-product rate a training step of XLSASRec reaches.

Width 256, batches of 64 windows of 50, ml-100k, one thread. The rate of the machine is that of a product of two
1,024 × 1,024 matrices, taken in turns with the steps; the operations of a step, forward, backward and optimizer, are
those of its matrix products and attention, as PyTorch's counter has them. CPU seconds of one thread, the best of the
repeats, so that other work on the machine does not disturb them. Target: 40 %. With `profile` as argument, where the
time goes.

Usage: python tests/benchmarks/training_step.py [profile]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from recbole.data import data_preparation
from recbole.utils import get_model, init_seed
from torch.utils.flop_counter import FlopCounterMode

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset
from recbole_xlrec.bridge.registry import register

SETTINGS = {
    "MAX_ITEM_LIST_LENGTH": 50,
    "hidden_size": 256,
    "train_batch_size": 64,
    "adapter": "none",
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": None, "mode": "full"},
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "show_progress": False,
}
REPEATS = 15


def main() -> None:
    """Prints the rates."""
    torch.set_num_threads(1)
    register()
    settings = XLConfig("XLSASRec", "ml-100k", None, SETTINGS)
    init_seed(settings["seed"], settings["reproducibility"])
    train = data_preparation(settings, build_dataset(settings))[0]
    model = get_model("XLSASRec")(settings, train._dataset).train()
    batch = next(iter(train))
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])

    def step() -> None:
        optimizer.zero_grad()
        model.calculate_loss(batch).backward()
        optimizer.step()

    with FlopCounterMode(display=False) as counter:
        step()
    if sys.argv[1:] == ["profile"]:
        return _profile(step)
    left, right = torch.randn(2, 1024, 1024)
    machine, ours = [], []
    for _ in range(REPEATS):
        machine.append(_seconds(lambda: left @ right))
        ours.append(_seconds(step))
    peak, rate = 2 * 1024**3 / min(machine) / 1e9, counter.get_total_flops() / min(ours) / 1e9
    print(f"matrix product {peak:6.1f} GFLOP/s")
    print(f"training step  {rate:6.1f} GFLOP/s, {counter.get_total_flops() / 1e9:.1f} GFLOP in {min(ours):.3f} s")
    print(f"{rate / peak:.1%} of the machine's rate")


def _seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _profile(step: Callable[[], None]) -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        for _ in range(5):
            step()
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=45))


if __name__ == "__main__":
    main()
