"""Peak memory and time of building the training data of 1 million interactions: stock RecBole, and `lazy_sequences`.

Each in a process of its own; what the process holds once the interactions are read is taken off. Target: at most a
tenth of stock RecBole's peak.

Usage: python tests/benchmarks/lazy_sequences.py [interactions]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from recbole_xlrec.data.atomic import write_atomic

LENGTH = 50


def main() -> None:
    """Prints both."""
    interactions = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        _generate(Path(folder), interactions)
        found = {}
        for lazy in (False, True):
            command = [sys.executable, "-W", "ignore", __file__, "child", folder, str(lazy)]
            found[lazy] = json.loads(
                subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
            )
    for lazy, values in found.items():
        name = "lazy_sequences" if lazy else "stock RecBole"
        print(f"{name:15} {values['seconds']:7.1f} s  +{values['peak_mb']:8,.0f} MB at its peak")
    for what, unit in (("memory", "peak_mb"), ("time", "seconds")):
        print(f"{what} {found[True][unit] / found[False][unit]:.3f} × that of stock RecBole")


def _generate(folder: Path, interactions: int) -> None:
    rng = np.random.default_rng(0)
    users = rng.integers(0, interactions // 100, interactions)
    items = np.minimum(rng.pareto(1.0, interactions) * 300, 9_999).astype(int)
    frame = pd.DataFrame({"user_id": users.astype(str), "item_id": items.astype(str)})
    write_atomic(folder / "big" / "big.inter", frame.assign(timestamp=np.arange(interactions, dtype=float)))


def child(folder: str, lazy: bool) -> None:
    """Builds the data; prints seconds and MB."""
    from recbole.data.dataset import SequentialDataset

    from recbole_xlrec.bridge.config import XLConfig
    from recbole_xlrec.bridge.dataset import xl_dataset
    from recbole_xlrec.bridge.environment import PeakMemory

    settings = XLConfig(
        "SASRec",
        "big",
        None,
        {
            "data_path": folder,
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
            "MAX_ITEM_LIST_LENGTH": LENGTH,
            "train_neg_sample_args": None,
            "lazy_sequences": lazy,
        },
    )
    dataset = xl_dataset(SequentialDataset)(settings)
    held = psutil.Process().memory_info().rss / 2**20
    memory, start = PeakMemory(), time.perf_counter()
    dataset.build()
    print(json.dumps({"seconds": time.perf_counter() - start, "peak_mb": memory.megabytes() - held}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], sys.argv[3] == "True")
    else:
        main()
