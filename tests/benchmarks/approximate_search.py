"""Recall and speed of an export's index against exact search: 1 million vectors of width 256, lists of 100.

Target: 0.98 of the true lists at 10 times the speed of exact search. Exact search is the faster of FAISS' flat index
(all queries at once, which is its fastest) and our own blocks; all use as many threads. Items lie in areas, topics of
areas and about topics, with variances that fall as 1/i over the axes, as those of encoded texts do; queries are means
of a few items of a few topics of one area, as profiles of users are. For comparison, items and queries without any
structure (isotropic), which no cells or codes fit. Each kind of index runs in a process of its own; seconds are of the
processor, so that what else runs on the machine counts little. Half of the queries tune the index, half judge it.

Usage: python tests/benchmarks/approximate_search.py [items] [kinds and data …, as ivf pq hnsw isotropic-pq]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, QUERIES, K, RECALL, FASTER = 256, 2000, 100, 0.98, 10
AREAS, TOPICS = 60, 80  # of an area
THREADS = 1
_BLOCK = 65536


def main() -> None:
    """Prints a line an index."""
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    asked = sys.argv[2:] or ["ivf", "pq", "hnsw", "isotropic-ivf"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
    print(f"{items:,} items, {WIDTH} wide; {QUERIES // 2:,} queries for lists of {K}; {THREADS} thread(s)")
    with tempfile.TemporaryDirectory() as folder:
        for data in dict.fromkeys("isotropic" if "isotropic" in each else "clustered" for each in asked):
            command = [sys.executable, __file__, "exact", folder, data, str(items)]
            told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment).stdout)
            exact = min(told["flat"], told["ours"])
            print(f"{data}: exact search {told['flat']:.2f} ms a query by FAISS, {told['ours']:.2f} ms by our blocks")
            print(f"{data}: one query at a time {told['flat alone']:.1f} ms by FAISS", flush=True)
            for kind in (
                each.removeprefix("isotropic-") for each in asked if ("isotropic" in each) == (data != "clustered")
            ):
                command = [sys.executable, __file__, "child", folder, data, kind]
                found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment).stdout)
                _show(data, kind, found, exact)


def _show(data: str, kind: str, found: dict[str, Any], exact: float) -> None:
    faster = exact / found["ms"]
    met = found["recall"] >= RECALL and faster >= FASTER
    print(
        f"{data} {kind:4}  recall@{K} {found['recall']:.4f}  {found['ms']:.3f} ms a query, {faster:.1f} times exact "
        f"search ({found['alone']:.2f} ms one at a time); effort {found['effort']}; built in {found['build']:.0f} s, "
        f"tuned in {found['tune']:.0f} s; index {found['index_mb']:,.0f} MB, peak {found['peak']:,.0f} MB; "
        f"target {'met' if met else 'MISSED'}",
        flush=True,
    )


def make(data: str, items: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (items, width) and queries (queries, width), all of length 1."""
    rng = np.random.default_rng(0)
    if data == "isotropic":
        vectors, queries = (rng.standard_normal((rows, WIDTH), dtype=np.float32) for rows in (items, QUERIES))
        return _unit(vectors), _unit(queries)
    scale = np.arange(1, WIDTH + 1, dtype=np.float32) ** -0.5
    turn = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0].astype(np.float32)

    def some(rows: int) -> np.ndarray:
        return rng.standard_normal((rows, WIDTH), dtype=np.float32) * scale

    topics = AREAS * TOPICS
    centres = np.repeat(some(AREAS), TOPICS, axis=0) + 0.7 * some(topics)  # (topics, width)
    chances = rng.permutation(1 / np.arange(1, topics + 1) ** 0.8)  # few large topics, many small ones
    topic = np.sort(rng.choice(topics, items, p=chances / chances.sum()))  # (items,)
    vectors = np.empty((items, WIDTH), dtype=np.float32)
    for low in range(0, items, _BLOCK):
        mine = topic[low : low + _BLOCK]
        vectors[low : low + _BLOCK] = _unit((centres[mine] + 0.6 * some(len(mine))) @ turn)
    starts = np.searchsorted(topic, np.arange(topics + 1))
    queries = np.stack([_profile(vectors, starts, rng) for _ in range(QUERIES)])
    order = rng.permutation(items)  # as items come: not by topic
    return vectors[order], _unit(queries)


def _profile(vectors: np.ndarray, starts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mean of 1 to 7 items of each of 1 to 3 topics of the area of a random item, (width,)."""
    item = rng.integers(len(vectors))
    area = (np.searchsorted(starts, item, side="right") - 1) // TOPICS
    chosen = [item]
    for topic in rng.integers(area * TOPICS, (area + 1) * TOPICS, rng.integers(1, 4)):
        if starts[topic] < starts[topic + 1]:
            chosen += rng.integers(starts[topic], starts[topic + 1], rng.integers(1, 8)).tolist()
    return vectors[chosen].mean(axis=0)


def _unit(rows: np.ndarray) -> np.ndarray:
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def exact(folder: Path, data: str, items: int) -> None:
    """Writes vectors, queries and true lists; prints the milliseconds a query takes."""
    import faiss
    import torch

    from recbole_xlrec.ranking.topk import top_items

    faiss.omp_set_num_threads(THREADS)
    torch.set_num_threads(THREADS)
    vectors, queries = make(data, items)
    flat = faiss.IndexFlatIP(WIDTH)
    flat.add(vectors)
    start = time.process_time()
    rows = flat.search(queries, K)[1]
    middle = time.process_time()
    for query in queries[:20]:
        flat.search(query[None], K)
    alone = time.process_time() - middle
    del flat
    middle_of_ours = time.process_time()
    with torch.no_grad():
        top_items(torch.from_numpy(queries), torch.from_numpy(vectors), K, first=0)
    took = {"flat": middle - start, "ours": time.process_time() - middle_of_ours}
    for name, array in (("vectors", vectors), ("queries", queries), ("rows", rows)):
        np.save(folder / f"{data}-{name}.npy", array)
    print(json.dumps({**{name: 1000 * s / QUERIES for name, s in took.items()}, "flat alone": 1000 * alone / 20}))


def child(folder: Path, data: str, kind: str) -> None:
    """Builds, tunes and asks an index; prints what that took and gave."""
    import faiss

    from recbole_xlrec.bridge.environment import PeakMemory
    from recbole_xlrec.serving.nearest import build, recall_of, refined, tune

    faiss.omp_set_num_threads(THREADS)
    vectors, queries, rows = (np.load(folder / f"{data}-{name}.npy") for name in ("vectors", "queries", "rows"))
    memory, start = PeakMemory(), time.process_time()
    index = build(vectors, kind)
    built = time.process_time()
    tune(index, vectors, queries[::2], rows[::2], RECALL + 0.002)  # a little more, as other queries judge it
    tuned = time.process_time()
    lists = refined(index, vectors, queries[1::2], K)
    asked = time.process_time()
    for query in queries[1:200:2]:
        refined(index, vectors, query[None], K)
    alone = time.process_time() - asked
    index.write(folder / "index")
    found = {
        "recall": recall_of(lists, rows[1::2]),
        "ms": 1000 * (asked - tuned) / (QUERIES // 2),
        "alone": 1000 * alone / 100,
        "effort": index.effort,
        "build": built - start,
        "tune": tuned - built,
        "index_mb": (folder / "index").stat().st_size / 2**20,
        "peak": memory.megabytes(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["exact"]:
        exact(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    elif sys.argv[1:2] == ["child"]:
        child(Path(sys.argv[2]), *sys.argv[3:])
    else:
        main()
