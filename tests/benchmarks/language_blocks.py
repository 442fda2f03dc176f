"""A training step over five languages: users ranked among their own language's items, against all languages' items.

A generated catalogue of 20,000 items in five languages, whose users keep to their own, the models' defaults, ids alone,
one thread. CPU seconds of one thread, so that other work on the machine does not disturb them, and the peak memory.

Usage: python tests/benchmarks/language_blocks.py
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

LANGUAGES, ITEMS, USERS, EACH = ("de", "en", "es", "fr", "zh"), 20_000, 2_000, 60
MODELS: dict[str, dict[str, Any]] = {
    "XLSASRec": {"MAX_ITEM_LIST_LENGTH": 50, "exclude_met": True},
    "XLAlphaRec": {"id_embedding": True, "train_batch_size": 64},
}
STEPS = 10


def main() -> None:
    """Prints a line a model and kind, and what the one is of the other."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder, "generated"))
        for model in MODELS:
            found = {}
            for candidates in ("all", "language"):
                command = [sys.executable, "-W", "ignore", __file__, folder, model, candidates]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[candidates], peak = json.loads(done.stdout.splitlines()[-1])
                print(f"{model:10} candidates: {candidates:8} {1000 * found[candidates]:7.0f} ms a step, {peak:.2f} GB")
            print(f"{model:10} {found['all'] / found['language']:.1f} × as fast", flush=True)


def _write(folder: Path) -> None:
    """Each user meets items of their own language, popular ones more often."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    own = ITEMS // len(LANGUAGES)
    wishes = generator.gumbel(size=(USERS, own)) - 0.7 * np.log(np.arange(1, own + 1))  # (users, own)
    chosen = np.argpartition(-wishes, EACH, axis=1)[:, :EACH]  # (users, each)
    users = np.repeat(np.arange(USERS), EACH)
    items = generator.permuted(chosen, axis=1).flatten() + own * (users % len(LANGUAGES))
    times = np.tile(np.arange(EACH), USERS)
    _save(folder / "generated.inter", {"user_id:token": users, "item_id:token": items, "timestamp:float": times})
    everyone, everything = np.arange(USERS), np.arange(ITEMS)
    names = np.array(LANGUAGES)
    _save(folder / "generated.user", {"user_id:token": everyone, "language:token": names[everyone % len(LANGUAGES)]})
    _save(folder / "generated.item", {"item_id:token": everything, "language:token": names[everything // own]})


def _save(path: Path, columns: dict[str, Any]) -> None:
    pd.DataFrame(columns).to_csv(path, sep="\t", index=False)


def child(folder: str, model: str, candidates: str) -> None:
    """Prints the seconds of a step and the peak memory."""
    from recbole.data import data_preparation
    from recbole.utils import get_model, init_seed

    from recbole_xlrec.bridge.config import XLConfig
    from recbole_xlrec.bridge.experiment import build_dataset
    from recbole_xlrec.bridge.registry import register

    torch.set_num_threads(1)
    register()
    chosen = {
        "data_path": folder,
        "adapter": "none",
        "candidates": candidates,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "show_progress": False,
        "state": "ERROR",
    }
    settings = XLConfig(model, "generated", None, {**chosen, **MODELS[model]})
    init_seed(settings["seed"], settings["reproducibility"])
    train = data_preparation(settings, build_dataset(settings))[0]
    fitted = get_model(model)(settings, train._dataset).train()
    optimizer = torch.optim.Adam(fitted.parameters(), lr=settings["learning_rate"])
    for step, batch in enumerate(train):
        if step == 1:  # the first is for warming up
            started = time.process_time()
        if step > STEPS:
            break
        optimizer.zero_grad()
        fitted.calculate_loss(batch).backward()
        optimizer.step()
    seconds = (time.process_time() - started) / STEPS
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6]))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(*sys.argv[1:])
    else:
        main()
