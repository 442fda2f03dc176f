"""Speed and memory of the evaluation by language: `python tests/benchmarks/by_language_speed.py [queries] [k]`.

A ranking is made and saved by another process, as a run saves it; what is measured begins with its file.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from recbole_xlrec.evaluation.coded import encode
from recbole_xlrec.evaluation.context import Context, load_context, save_context
from recbole_xlrec.evaluation.judge import judge
from recbole_xlrec.ranking.ranking import Ranking, load_ranking, save_ranking

METRICS, TOPK = ["ndcg", "recall", "mrr", "hit", "map", "precision", "f1"], [10, 100]
LANGUAGES = ("", "de", "en", "es", "fr", "it", "ja", "ko", "pt", "ru", "zh")
ITEMS, HISTORY = 50_000, 10


def made(queries: int, k: int, seed: int = 0) -> tuple[dict[str, Any], Context]:
    """Lists of different items, popular ones more often, and a context."""
    random = np.random.default_rng(seed)
    first = np.minimum(random.zipf(1.2, size=queries), ITEMS).astype(np.int32)
    items = np.empty((queries, k), dtype=np.int32)
    for place in range(k):  # a step that no other place has: all different
        items[:, place] = (first + place * 487) % ITEMS
    targets = np.stack([first % ITEMS, random.integers(0, ITEMS, queries)], axis=1).astype(np.int32)
    hit = random.random(queries) < 0.4
    targets[hit, 0] = items[hit, random.integers(0, k, int(hit.sum()))]
    users = random.integers(1, len(LANGUAGES), queries).astype(np.int32)
    of_items = random.integers(1, len(LANGUAGES), ITEMS).astype(np.int32)
    counts = np.bincount(np.minimum(random.zipf(1.3, size=queries), ITEMS) - 1, minlength=ITEMS)
    context = Context(
        np.char.add("item-", np.arange(ITEMS).astype(str)),
        np.array(LANGUAGES)[of_items],
        counts,
        np.arange(queries + 1, dtype=np.int64) * HISTORY,
        random.integers(0, ITEMS, queries * HISTORY).astype(np.int32),
    )
    return {"items": items, "targets": targets, "users": users, "of_items": of_items}, context


def save(folder: Path, queries: int, k: int) -> None:
    """Writes what a run of these lists would have left."""
    parts, context = made(queries, k)
    scores = np.sort(np.random.default_rng(1).random((queries, k), dtype=np.float32))[:, ::-1]
    ids, users = context.item_ids, np.array(LANGUAGES)[parts["users"]]
    names = np.arange(queries).astype(str)
    save_ranking(Ranking(names, parts["items"], scores, parts["targets"], users, ids).compact(), folder / "ranking.npz")
    save_context(context, folder / "context.npz")


def timed(what: str, function: Callable[[], Any]) -> Any:
    """Runs it, and says what it took."""
    started, cpu = time.perf_counter(), time.process_time()
    found = function()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spent = time.process_time() - cpu, time.perf_counter() - started
    print(f"{what:40} {spent[0]:6.2f} CPU s  {spent[1]:6.2f} s  peak of the process {peak:6.0f} MB", flush=True)
    return found


def main(queries: int, k: int) -> None:
    """Measures."""
    topk = [min(cut, k) for cut in TOPK]
    print(
        f"{queries} queries, top {k}, {ITEMS} items, {len(LANGUAGES) - 1} languages, {len(METRICS)} metrics at {topk}"
    )
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "save", folder, str(queries), str(k)], check=True)
        context = timed("context read", lambda: load_context(Path(folder, "context.npz")))
        ranking = timed("ranking read", lambda: encode(load_ranking(Path(folder, "ranking.npz")), context))
        timed("judge: all measures without vectors", lambda: judge(ranking, context, METRICS, topk))


if __name__ == "__main__":
    if sys.argv[1:2] == ["save"]:
        save(Path(sys.argv[2]), *map(int, sys.argv[3:]))
    else:
        main(*(int(argument) for argument in (sys.argv[1:] + ["1000000", "100"][len(sys.argv) - 1 :])[:2]))
