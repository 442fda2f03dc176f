"""Time and memory of XLEASE's fit on ml-100k-xl, beside one SPD solve of the same size by `scipy.linalg`.

The solve is for all items at once, as the closed form needs: `scipy.linalg.solve(gram, identity, assume_a="pos")`.
Target: the fit, with n-grams, counterparts and Gram matrices, takes at most 1.5 times as long.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib import resources
from typing import Any

import numpy as np
import scipy.linalg

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.environment import PeakMemory
from recbole_xlrec.bridge.experiment import build_dataset
from recbole_xlrec.bridge.registry import register
from recbole_xlrec.convert.ml100k_xl import convert
from recbole_xlrec.model.regression import zero_diagonal_regression
from recbole_xlrec.model.xlease import XLEASE

REPEATS = 5


def main() -> None:
    """Prints the medians of alternating repeats."""
    register()
    settings, train = _training_data()
    size = len(train.visible_items)
    gram = _gram(size)
    watched = {
        "SPD solve, scipy.linalg": lambda: scipy.linalg.solve(gram, np.eye(size, dtype=np.float32), assume_a="pos"),
        "regression alone": lambda: zero_diagonal_regression(gram.copy(), 1.0),
        "whole fit": lambda: XLEASE(settings, train),
    }
    seconds: dict[str, list[float]] = {name: [] for name in watched}
    peaks: dict[str, float] = {}
    for _ in range(REPEATS):
        for name, work in watched.items():
            spent, peaks[name] = _measure(work)
            seconds[name].append(spent)
    reference = np.median(seconds["SPD solve, scipy.linalg"])
    print(f"{size} items, float32, median of {REPEATS}")
    for name, found in seconds.items():
        ratio = np.median(found) / reference
        print(f"{name:26} {np.median(found):6.2f} s  {ratio:5.2f} x the solve  +{peaks[name]:,.0f} MB at its peak")


def _training_data() -> tuple[Any, Any]:
    from recbole.data import data_preparation

    with tempfile.TemporaryDirectory() as folder:
        convert(folder)
        with resources.as_file(resources.files("recbole_xlrec.dataset_configs") / "ml-100k-xl.yaml") as config:
            changed = {"data_path": folder, "show_progress": False, "feature_fields": ["release_year", "category"]}
            settings = XLConfig("XLEASE", "ml-100k-xl", [config], changed)
        train = data_preparation(settings, build_dataset(settings))[0]._dataset
        XLEASE(settings, train)  # texts and features are read here, and languages
        _keep_in_memory(train)
    return settings, train


def _keep_in_memory(train: Any) -> None:
    """The fit is measured, not the reading of files."""
    texts, features = train.item_texts(), {}
    for field in ("release_year", "category"):
        features[field] = train.item_feature(field)
    train.item_texts = lambda: texts
    train.item_feature = features.__getitem__


def _gram(size: int) -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((2 * size, size), dtype=np.float32)
    return rows.T @ rows / size


def _measure(work: Callable[[], object]) -> tuple[float, float]:
    memory = PeakMemory()
    before = memory.megabytes()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started, memory.megabytes() - before


if __name__ == "__main__":
    main()
