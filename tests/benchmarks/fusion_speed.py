"""Seconds and peak memory of fusing 5 members' top 100 for 1 million queries. Target, by RRF: 60 s and 4 GB on 2 cores.

The members' lists are files that are mapped into memory, as scores are not looked at by rank fusion; mapped pages that
were read count towards the peak. Each method runs in a process of its own.

Usage: python tests/benchmarks/fusion_speed.py [queries] [methods …]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from recbole_xlrec.bridge.environment import PeakMemory
from recbole_xlrec.ranking.lists import Lists
from recbole_xlrec.ranking.methods import FUSIONS

K, MEMBERS, POOL, ITEMS, THREADS = 100, 5, 200, 1_000_000, 2
TARGET_SECONDS, TARGET_MB = 60, 4096


def main() -> None:
    """Prints all."""
    queries = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    methods = sys.argv[2:] or ["rrf", "comb_mnz"]
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), queries)
        for method in methods:
            command = [sys.executable, __file__, "child", method, folder]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            missed = found["seconds"] > TARGET_SECONDS or found["peak_mb"] > TARGET_MB
            over = "  over the target" if missed and method == "rrf" else ""
            times = f"{found['seconds']:7.1f} s, {found['cpu_seconds']:7.1f} s of processors"
            print(f"{method:13} {queries:,} queries  {times}  {found['peak_mb']:8,.0f} MB at its peak{over}")


def child(method: str, folder: str) -> None:
    """Fuses once; prints seconds and MB."""
    parts = [
        [np.load(Path(folder) / f"{part}{i}.npy", mmap_mode="r") for part in Lists._fields] for i in range(MEMBERS)
    ]
    members = [Lists(np.asarray(items), np.asarray(scores)) for items, scores in parts]
    options = {"weights": [1.0] * MEMBERS} if method == "weighted_sum" else {}
    memory, start, cpu = PeakMemory(), time.perf_counter(), time.process_time()
    FUSIONS[method].function(members, K, workers=THREADS, **options)
    seconds = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({**seconds, "peak_mb": memory.megabytes()}))


def _write(folder: Path, queries: int, block: int = 10_000) -> None:
    """Each query has a pool of items, of which each member lists some: the same ones more often than by chance."""
    rng = np.random.default_rng(0)
    for member in range(MEMBERS):
        shape = (queries, K)
        items, scores = (
            np.lib.format.open_memmap(folder / f"{part}{member}.npy", mode="w+", dtype=dtype, shape=shape)
            for part, dtype in (("items", np.int32), ("scores", np.float32))
        )
        for low in range(0, queries, block):
            some = slice(low, min(low + block, queries))
            rows = np.arange(some.start, some.stop)[:, None]
            values = rng.random((len(rows), POOL), dtype=np.float32) + np.linspace(1, 0, POOL, dtype=np.float32)
            best = np.argpartition(-values, K, axis=1)[:, :K]
            best = np.take_along_axis(best, np.argsort(-np.take_along_axis(values, best, axis=1), axis=1), axis=1)
            items[some] = (rows * 7919 + best * 3331) % ITEMS  # 3331 shares no factor with ITEMS: no item twice
            scores[some] = np.take_along_axis(values, best, axis=1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        main()
