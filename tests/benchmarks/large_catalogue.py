"""Memory and time of a large catalogue: 1 million items with 768-wide text vectors, XLSASRec on text alone.

One epoch over 100,000 windows, then the best 100 of all items for 10,000 queries, through RecBole's loader and trainer
as `bridge` builds them. Vectors are float16 in a folder, memory-mapped; what of them is in memory the system takes back
when it needs to, and is shown apart from what the process asked for itself. In a process of its own. Targets: at most
6,000 MB in all; ranking at most 2,048 MB beyond what was held before and the item vectors it makes.

Usage: python tests/benchmarks/large_catalogue.py [items] [windows] [queries]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_xlrec.bridge.environment import PeakMemory
from recbole_xlrec.data.atomic import write_atomic

SIZES = (1_000_000, 100_000, 10_000)
WIDTH, LENGTH, K = 768, 27, 100  # of a text vector, a user's interactions, and a list
TOTAL_MB, RANKING_MB = 6000, 2048
_BLOCK = 16384


def main() -> None:
    """Prints a line a step."""
    given = [int(size) for size in sys.argv[1:]]
    items, windows, queries = (*given, *SIZES[len(given) :])
    with tempfile.TemporaryDirectory() as folder:
        _write_vectors(Path(folder, "vectors"), items)
        _write_dataset(Path(folder, "large"), items, windows)
        command = [sys.executable, "-W", "ignore", __file__, "child", folder, str(queries)]
        found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])
    steps = found["steps"]
    print(f"{items:,} items, {windows:,} windows, {queries:,} queries; {found['batches']} batches")
    for name, step in steps.items():
        print(
            f"{name:8} {step['seconds']:8.1f} s ({step['cpu']:8.1f} s of processor)  peak {step['peak']:7,.0f} MB: "
            f"own {step['RssAnon']:7,.0f} MB, mapped files {step['RssFile']:7,.0f} MB"
        )
    _judge("whole run", max(step["peak"] for step in steps.values()), TOTAL_MB)
    held = {what: megabytes + found["vectors_mb"] for what, megabytes in found["before"].items()}
    beyond = {what: steps["ranking"][what] - held[what] for what in ("peak", "RssAnon")}
    _judge(f"ranking, beyond item vectors of {found['vectors_mb']:,.0f} MB", beyond["peak"], RANKING_MB)
    print(f"of which not mapped files: {beyond['RssAnon']:,.0f} MB")


def _judge(what: str, megabytes: float, target: int) -> None:
    print(f"{what}: {megabytes:,.0f} MB; target {target:,} MB {'met' if megabytes <= target else 'MISSED'}")


def _write_vectors(folder: Path, items: int) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir()
    matrix = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float16, (items, WIDTH))
    for start in range(0, items, _BLOCK):
        some = matrix[start : start + _BLOCK]
        some[:] = rng.standard_normal(some.shape, dtype=np.float32)
    matrix.flush()
    (folder / "ids.txt").write_text("".join(f"{item}\n" for item in _ids(np.arange(items))), encoding="utf-8")


def _write_dataset(folder: Path, items: int, users: int) -> None:
    """Of each user's interactions the last two are left out and the first is no target: one window a user."""
    rng = np.random.default_rng(1)
    chances = np.cumsum(1 / np.arange(1, items + 1))  # Zipf
    ranks = np.searchsorted(chances, rng.random(users * LENGTH) * chances[-1])  # (interactions,)
    frame = pd.DataFrame({"user_id": np.repeat(np.arange(users), LENGTH).astype(str)})
    frame = frame.assign(item_id=_ids(rng.permutation(items)[ranks]), timestamp=np.arange(len(ranks), dtype=float))
    write_atomic(folder / "large.inter", frame)
    write_atomic(folder / "large.item", pd.DataFrame({"item_id": _ids(np.arange(items)), "language": "en"}))


def _ids(items: np.ndarray) -> list[str]:
    return [f"B{item:09d}" for item in items.tolist()]


class _Watch:
    """Seconds and memory by step; what Linux says of mapped files is looked up twenty times a second."""

    def __init__(self) -> None:
        self.steps: dict[str, dict[str, float]] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        found, over = resident(), threading.Event()

        def look() -> None:
            while not over.wait(0.05):
                found.update({what: max(found[what], now) for what, now in resident().items()})

        thread = threading.Thread(target=look, daemon=True)
        memory, started, cpu = PeakMemory(), time.perf_counter(), time.process_time()
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        seconds = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}
        self.steps[step] = {**found, **seconds, "peak": memory.megabytes()}


def resident() -> dict[str, float]:
    """MB in memory now: `RssAnon`, what the process asked for, and `RssFile`, pages of mapped files."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    found = {what: int(lines[what].split()[0]) / 1024 for what in ("VmRSS", "RssAnon", "RssFile")}
    return {"peak": found.pop("VmRSS"), **found}


def child(folder: str, queries: int) -> None:
    """The steps; prints what they took."""
    watch = _Watch()
    with watch("imports"):
        from recbole.data import data_preparation
        from recbole.utils import get_model, get_trainer, init_seed

        from recbole_xlrec.bridge.config import XLConfig
        from recbole_xlrec.bridge.experiment import build_dataset
        from recbole_xlrec.bridge.trainer import xl_trainer

    settings = XLConfig("XLSASRec", "large", None, _settings(folder))
    settings["run_folder"] = settings["checkpoint_dir"] = folder
    init_seed(settings["seed"], settings["reproducibility"])
    with watch("data"):
        train, _, test = data_preparation(settings, build_dataset(settings))
    with watch("model"):
        model = get_model("XLSASRec")(settings, train._dataset)
        trainer = xl_trainer(get_trainer(settings["MODEL_TYPE"], "XLSASRec"))(settings, model)
    with watch("epoch"):
        trainer.fit(train, None, saved=False, show_progress=False)
    loader, before = _first(test, queries, settings), resident()
    with watch("ranking"):
        ranking = trainer.evaluate_with_ranking(loader, K, load_best_model=False)[1]
    meant = model.softmax.loss == "sampled" and model.items.text.vectors is None
    if not meant or ranking.item_ids.shape != (queries, K):
        raise RuntimeError("this is not what was to be measured")
    vectors = 4 * model.items_once().numel() / 2**20
    print(json.dumps({"steps": watch.steps, "before": before, "vectors_mb": vectors, "batches": len(train)}))


def _settings(folder: str) -> dict[str, Any]:
    return {
        "data_path": folder,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id"]},
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": None, "mode": "full"},
        "MAX_ITEM_LIST_LENGTH": 50,
        "train_batch_size": 256,
        "epochs": 1,
        "encoder": f"file:{Path(folder, 'vectors')}",
        "id_embedding": False,
        "text_memory_gb": 0.01,  # the default leaves those of 1 million items on disk, this those of a trial run too
        "metrics": ["NDCG"],
        "topk": [10],
        "valid_metric": "NDCG@10",
        "show_progress": False,
    }


def _first(loader: Any, queries: int, settings: Any) -> Any:
    """A loader of the first queries of another."""
    part = loader._dataset.copy(loader._dataset.inter_feat[:queries])
    return type(loader)(settings, part, loader._sampler)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], int(sys.argv[3]))
    else:
        main()
