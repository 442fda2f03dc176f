"""Time and peak memory of 10,000 resamples over 100,000 queries, and how often intervals cover the true mean.

Speed: differences of NDCG@10 (few distinct values), of NDCG@10 averaged over three seeds, and all distinct; each in a
process of its own, what the process holds before taken off. Target: the bootstrap in under 10 s on two cores.

Coverage: of the 95 % interval over simulated experiments with skewed NDCG@10, most of it 0, beside the plain
percentiles of the same samples. Target: 93 to 97 %.

Usage: python tests/benchmarks/significance_speed.py [queries] [resamples] [experiments]
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import subprocess
import sys
import time

import numpy as np
import psutil
from numpy.typing import NDArray

from recbole_xlrec.bridge.environment import PeakMemory
from recbole_xlrec.evaluation.resampling import bca_interval, bootstrap_means
from recbole_xlrec.evaluation.significance import paired_bootstrap, paired_permutation

Values = NDArray[np.float64]

TARGET_SECONDS, TARGET_COVERAGE = 10, (0.93, 0.97)
CASES = ("few distinct", "mean of 3 seeds", "all distinct")
TESTS = {"bootstrap": paired_bootstrap, "permutation": paired_permutation}
GAINS = np.append(0.0, 1 / np.log2(np.arange(2, 12)))  # NDCG@10 of one target: not listed, or at rank 1 to 10
RANKS = np.array([0.25, 0.15, 0.12, 0.1, 0.09, 0.08, 0.06, 0.05, 0.05, 0.05])


def main(queries: int = 100_000, resamples: int = 10_000, experiments: int = 2_000) -> None:
    """Prints all."""
    for case in CASES:
        for test in TESTS:
            command = [sys.executable, __file__, "child", case, test, str(queries), str(resamples)]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            met = f"  over {TARGET_SECONDS} s" if found["seconds"] > TARGET_SECONDS else ""
            times = f"{found['seconds']:6.2f} s, {found['cpu_seconds']:6.2f} s of processors"
            values = f"{found['distinct']:7,} distinct differences"
            print(f"{test:11} {case:15} {values}  {times}  +{found['peak_mb']:6.1f} MB at its peak{met}", flush=True)
    for number in (200, 1000):
        for rate in (0.1, 0.3, 0.6):
            coverage(number, rate, experiments)


def child(case: str, test: str, queries: int, resamples: int) -> None:
    """Tests once; prints seconds and MB."""
    a, b = _pair(case, queries)
    distinct = len(np.unique(a - b))
    held, memory = psutil.Process().memory_info().rss / 2**20, PeakMemory()
    start, cpu = time.perf_counter(), time.process_time()
    TESTS[test](a, b, resamples=resamples)
    seconds = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({**seconds, "peak_mb": memory.megabytes() - held, "distinct": distinct}))


def coverage(queries: int, rate: float, experiments: int) -> None:
    """Prints how often either interval holds the true mean, lies above it, and lies below it."""
    mean, generator = rate * float(RANKS @ GAINS[1:]), np.random.default_rng(0)
    sides = np.zeros((2, 2))  # (method, above | below)
    for seed in range(experiments):
        values = _ndcg(rate, queries, generator)
        means = bootstrap_means(values, 2000, seed)
        ends = np.array([bca_interval(values, means, 0.95), np.quantile(means, [0.025, 0.975])])  # (method, 2)
        sides += np.stack([ends[:, 0] > mean, ends[:, 1] < mean], axis=1)
    for method, (above, below) in zip(("BCa", "percentiles"), sides / experiments, strict=True):
        inside = 1 - above - below
        met = "" if TARGET_COVERAGE[0] <= inside <= TARGET_COVERAGE[1] else "  outside 93 to 97 %"
        case = f"coverage {method:11} {queries:5} queries, {rate:.0%} of them hits"
        print(f"{case}  {inside:6.2%} (too high {above:.2%}, too low {below:.2%}){met}", flush=True)


def _pair(case: str, queries: int) -> tuple[Values, Values]:
    generator = np.random.default_rng(0)
    if case == "all distinct":
        return generator.random(queries), generator.random(queries)
    seeds = 3 if "seeds" in case else 1
    values = [np.mean([_ndcg(rate, queries, generator) for _ in range(seeds)], axis=0) for rate in (0.3, 0.29)]
    return values[0], values[1]


def _ndcg(rate: float, queries: int, generator: np.random.Generator) -> Values:
    """NDCG@10 of random queries: 0 for most, skewed among the others."""
    return GAINS[generator.choice(len(GAINS), queries, p=np.append(1 - rate, rate * RANKS))]


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
    else:
        main(*map(int, sys.argv[1:]))
