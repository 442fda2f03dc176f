"""Time and peak memory of the top 100 of 1 million items for 10,000 queries: `top_items`, and a matrix product cut up.

Each in a process of its own; what the process holds once the vectors are there is taken off. Target: at most 2 GB
beyond the item vectors.

Usage: python tests/benchmarks/retrieval.py [queries] [items] [width]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import psutil
import torch

from recbole_xlrec.bridge.environment import PeakMemory
from recbole_xlrec.ranking.topk import TopItems, top_items

K, TARGET_MB = 100, 2048
METHODS = ("top_items", "top_items, histories", "matmul + topk")


def main() -> None:
    """Prints all."""
    sizes = [int(size) for size in sys.argv[1:]] or [10_000, 1_000_000, 64]
    for method in METHODS:
        command = [sys.executable, __file__, "child", method, *map(str, sizes)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = json.loads(output.splitlines()[-1])
        met = "" if found["peak_mb"] <= TARGET_MB else f"  over {TARGET_MB} MB"
        times = f"{found['seconds']:7.1f} s, {found['cpu_seconds']:7.1f} s of processors"
        print(f"{method:22} {times}  +{found['peak_mb']:8,.0f} MB at its peak{met}")


def child(method: str, queries: int, items: int, width: int) -> None:
    """Ranks once; prints seconds and MB."""
    generator = torch.Generator().manual_seed(0)
    query_vectors = torch.randn(queries, width, generator=generator)
    item_vectors = torch.randn(items, width, generator=generator)
    history = torch.arange(queries).repeat_interleave(50), torch.randint(1, items, (queries * 50,), generator=generator)
    query_vectors[:8] @ item_vectors[:64].T  # what the first product sets up
    held = psutil.Process().memory_info().rss / 2**20
    memory, start, cpu = PeakMemory(), time.perf_counter(), time.process_time()
    if method == "matmul + topk":
        _cut_up(query_vectors, item_vectors)
    else:
        top_items(query_vectors, item_vectors, K, exclude=history if "histories" in method else None)
    seconds = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({**seconds, "peak_mb": memory.megabytes() - held}))


def _cut_up(queries: torch.Tensor, items: torch.Tensor, rows: int = 64) -> TopItems:
    """All items for a few queries at a time."""
    parts = []
    for some in queries.split(rows):
        scores = some @ items.T  # (rows, items)
        scores[:, 0] = -torch.inf
        parts.append(scores.topk(K, dim=1))
    return TopItems(torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        main()
