"""Speed and memory of the evaluation by language: `python tests/benchmarks/by_language_speed.py [queries] [k]`.

The first figures are of a ranking that is in whole numbers already (`Coded`), as `encode` makes it of a saved one. What
`encode` takes itself is measured on a tenth of the queries: the strings of a million lists of a hundred items alone
would fill gigabytes.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from recbole_xlrec.evaluation.coded import Coded, coded, encode
from recbole_xlrec.evaluation.context import Context
from recbole_xlrec.evaluation.grouped import grouped
from recbole_xlrec.evaluation.judge import judge
from recbole_xlrec.evaluation.transfer import by_target_language, by_user_language, transfer
from recbole_xlrec.ranking.ranking import Ranking

METRICS, TOPK = ["ndcg", "recall", "mrr", "hit", "map", "precision", "f1"], [10, 100]
LANGUAGES = ("", "de", "en", "es", "fr", "it", "ja", "ko", "pt", "ru", "zh")
ITEMS, HISTORY, TARGETS = 50_000, 10, 2


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


def as_strings(parts: dict[str, Any], context: Context) -> Ranking:
    """The same as it is saved."""
    return Ranking(
        np.arange(len(parts["items"])).astype(str),
        context.item_ids[parts["items"]],
        np.zeros(parts["items"].shape, dtype=np.float32),
        context.item_ids[parts["targets"]],
        np.array(LANGUAGES)[parts["users"]],
    )


def timed(what: str, function: Callable[[], Any]) -> Any:
    """Runs it, and says what it took."""
    started, cpu = time.perf_counter(), time.process_time()
    found = function()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spent = time.process_time() - cpu, time.perf_counter() - started
    print(f"{what:40} {spent[0]:6.2f} CPU s  {spent[1]:6.2f} s  peak of the process {peak:6.0f} MB", flush=True)
    return found


def languages(ranking: Coded, topk: list[int]) -> Any:
    """Overall, by user language, by target language, and every pair of both."""
    values = grouped(ranking, METRICS, topk).values
    groups = grouped(ranking, METRICS, topk, ranking.target_languages)
    return by_user_language(ranking, values), by_target_language(ranking, groups), transfer(ranking, groups)


def main(queries: int, k: int) -> None:
    """Measures, and checks that both ways agree."""
    parts, context = made(queries, k)
    pairs = np.repeat(np.arange(queries), TARGETS)
    topk = [min(cut, k) for cut in TOPK]
    print(
        f"{queries} queries, top {k}, {ITEMS} items, {len(LANGUAGES) - 1} languages, {len(METRICS)} metrics at {topk}"
    )
    ranking = timed(
        "places of the targets",
        lambda: coded(parts["items"], pairs, parts["targets"].ravel(), LANGUAGES, parts["users"], parts["of_items"]),
    )
    timed("metrics, user and target languages", lambda: languages(ranking, topk))
    timed("judge: all measures without vectors", lambda: judge(ranking, context, METRICS, topk))
    few = queries // 10
    some = {name: part[:few] if name != "of_items" else part for name, part in parts.items()}
    start = Context(*context[:3], context.history_starts[: few + 1], context.history_items[: few * HISTORY])
    strings = as_strings(some, start)
    again = timed(f"encode: strings of {few} queries", lambda: encode(strings, start))
    if not np.array_equal(again.pair_ranks, ranking.pair_ranks[: few * TARGETS]):
        raise SystemExit("the strings give other places than the codes")


if __name__ == "__main__":
    main(*(int(argument) for argument in (sys.argv[1:] + ["1000000", "100"][len(sys.argv) - 1 :])[:2]))
