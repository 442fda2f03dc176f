"""A training step of XLAlphaRec's loss: batches of shuffled interactions against batches of whole users.

Random users with as many interactions as those of `anime_multi` (5,000 users, 84 each, 7,390 items), width 64, one
thread. The first is as RecBole shuffles rows, each with its own scores; the second is `WholeUsersDataLoader`'s. Printed
are interactions per CPU second, forward and backward, and the peak memory, each measured in a process of its own.

Usage: python tests/benchmarks/whole_users.py
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import torch

USERS, EACH, ITEMS, WIDTH, STEPS = 5_000, 84, 7_390, 64, 6
BATCH = {"shuffled interactions": 8_192, "whole users": 256}


def main() -> None:
    """Prints a line a kind of batch, and the ratio."""
    rates = {}
    for kind in BATCH:
        done = subprocess.run([sys.executable, __file__, kind], capture_output=True, text=True, check=True)
        rates[kind], peak = json.loads(done.stdout)
        print(f"{kind:22} {rates[kind]:10,.0f} interactions/s, {peak:.2f} GB")
    print(f"{rates['whole users'] / rates['shuffled interactions']:.0f} × as fast")


def child(kind: str) -> None:
    """Prints the rate and the peak memory of one kind."""
    from recbole_xlrec.model.softmax import CatalogueSoftmax

    torch.set_num_threads(1)
    torch.manual_seed(0)
    items = torch.randint(1, ITEMS, (USERS, EACH))
    queries = torch.nn.Parameter(torch.randn(USERS, WIDTH))
    table = torch.nn.Parameter(torch.randn(ITEMS, WIDTH))
    softmax = CatalogueSoftmax("full", torch.bincount(items.flatten(), minlength=ITEMS), ITEMS, 1, 0.75)
    seen, started = 0, time.process_time()
    for step in range(STEPS + 1):
        if step == 1:  # the first is for warming up
            seen, started = 0, time.process_time()
        if kind == "whole users":
            users = torch.randperm(USERS)[: BATCH[kind]]
            wanted = items[users].flatten()  # (batch,)
            rows = torch.arange(len(users)).repeat_interleave(EACH)  # (batch,)
            batch = softmax.candidates(wanted)
            loss = softmax.shared(queries[users] @ table.T, rows, wanted, batch, len(wanted)).mean()
        else:
            users = torch.randint(USERS, (BATCH[kind],))
            wanted = items[users, torch.randint(EACH, users.shape)]  # (batch,)
            batch = softmax.candidates(wanted)
            loss = softmax(queries[users] @ table.T, wanted, batch, len(wanted)).mean()
        loss.backward()
        seen += len(wanted)
    rate = seen / (time.process_time() - started)
    print(json.dumps([rate, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6]))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1])
    else:
        main()
