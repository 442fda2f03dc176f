"""Chooses the hyper-parameters of `recbole_xlrec/resources/suites/quick.yaml`: the same number of trials for every row.

Reads validation results only. Left out of `make bench` (its name begins with `_`): it takes half an hour.

    .venv/bin/python tests/benchmarks/_tune_quickstart.py [row ...]
"""

from __future__ import annotations

import itertools
import random
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

import recbole_xlrec
from recbole_xlrec.convert.ml100k_xl import LANGUAGES, convert

TRIALS, SEEDS = 12, (2020,)
OUTPUT = Path("runs-tuning")
BASE: dict[str, Any] = {
    "data_path": "atomic_data",
    "run_path": str(OUTPUT),
    "show_progress": False,
    "keep_model": False,
}
XL: dict[str, list[Any]] = {
    "reg_weight": [75.0, 100.0, 150.0, 200.0, 300.0],
    "lexical_weight": [10.0, 20.0, 40.0],
    "feature_fields": [["release_year", "category"]],
}
#: row -> (model, grid, one language at a time)
ROWS: dict[str, tuple[str, dict[str, list[Any]], bool]] = {
    "ItemKNN": ("ItemKNN", {"k": [20, 50, 100, 200], "shrink": [0.0, 10.0, 50.0]}, False),
    "EASE": ("EASE", {"reg_weight": [20, 35, 50, 75, 100, 125, 150, 200, 250, 300, 400, 600]}, False),
    "XLProfile": ("XLProfile", {"whitening": ["none", "mean", "zca"], "half_life": [0.0, 10.0, 50.0, 200.0]}, False),
    "XLEASE joint": ("XLEASE", {**XL, "transfer_weight": [0.1, 0.2, 0.3, 0.5]}, False),
    "XLEASE single": ("XLEASE", XL, True),
    "BPR": (
        "BPR",
        {
            "embedding_size": [32, 64, 128],
            "learning_rate": [0.001, 0.002, 0.005, 0.01],
            "epochs": [40],
            "eval_step": [5],
            "stopping_step": [2],
        },
        False,
    ),
}


def trials(grid: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """All combinations where they are few, else a sample of them."""
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return random.Random(0).sample(combinations, min(TRIALS, len(combinations)))


def validate(model: str, settings: dict[str, Any], single: bool, config: Path) -> float:
    """NDCG@10 on the validation split, one language at a time: mean over languages."""
    scopes = [{"protocol": "single", "protocol_language": language} for language in LANGUAGES] if single else [{}]
    runs = [
        recbole_xlrec.run(model, "ml-100k-xl", [config], {**BASE, **settings, **scope, "seed": seed})
        for seed in SEEDS
        for scope in scopes
    ]
    return float(np.mean([run.metrics["valid"]["ndcg@10"] for run in runs]))


def main() -> None:
    """Tunes the rows named on the command line, or all."""
    convert("atomic_data")
    with resources.as_file(resources.files("recbole_xlrec.dataset_configs") / "ml-100k-xl.yaml") as config:
        for row in sys.argv[1:] or ROWS:
            model, grid, single = ROWS[row]
            found = [(validate(model, settings, single, config), settings) for settings in trials(grid)]
            for score, settings in sorted(found, key=lambda entry: -entry[0]):
                print(f"{row:14} {score:.4f} {settings}", flush=True)


if __name__ == "__main__":
    main()
