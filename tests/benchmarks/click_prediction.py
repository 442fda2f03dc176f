"""XLMLP beside RecBole's DeepFM, WideDeep, DCNV2 and AutoInt: who gives a film 4 stars or more, on the same fields.

The last tenth of each user's ratings is the test, the tenth before it the validation. Learning rate and dropout of each
model are chosen on the validation AUC of the first seed, from the same grid; the test is looked at once a seed. AUC and
LogLoss are RecBole's; GAUC is RecBole's formula on the labelled rows (its own needs rankings). Besides, the difference
of each model to XLMLP in AUC, with a bootstrap over users, whose test rows of all seeds are drawn together.

Needs XLREC_DATA with `ml_tmdb`, or its converted form in FOLDER/data. What has finished is not repeated: give the same
folder again.

Usage: python tests/benchmarks/click_prediction.py FOLDER [ml_tmdb ml-100k-xl] [--models A,B] [--seeds 2020,2021]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from recbole.data import data_preparation
from recbole.evaluator.metrics import GAUC
from recbole.utils import get_model, init_seed
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from recbole_xlrec import run
from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset
from recbole_xlrec.bridge.model_file import load_model
from recbole_xlrec.convert import ml100k_xl
from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.pipeline import convert
from recbole_xlrec.convert.registry import find_source
from recbole_xlrec.data.files import replacing
from recbole_xlrec.evaluation.significance import holm

DATASETS = ("ml_tmdb", "ml-100k-xl")
RESAMPLES = 1000
RATES, DROPOUTS = (0.001, 0.003), (0.2, 0.4)
SETTINGS: dict[str, Any] = {
    "load_col": {
        "inter": ["user_id", "item_id", "rating", "timestamp"],
        "item": ["item_id", "language", "release_year", "category"],
    },
    "threshold": {"rating": 4},
    "eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "TO", "group_by": "user", "mode": "labeled"},
    "metrics": ["AUC", "LogLoss"],
    "valid_metric": "AUC",
    "metric_decimal_place": 6,
    "train_batch_size": 512,
    "weight_average": 0.99,
    "eval_batch_size": 8192,
    "embedding_size": 16,
    "stopping_step": 3,
    "show_progress": False,
}
Dropout = Callable[[float], dict[str, Any]]
#: How a model calls its dropout.
MODELS: dict[str, Dropout] = {
    "DeepFM": lambda share: {"dropout_prob": share},
    "WideDeep": lambda share: {"dropout_prob": share},
    "DCNV2": lambda share: {"dropout_prob": share},
    "AutoInt": lambda share: {"dropout_probs": [share] * 3},
    "XLMLP": lambda share: {"dropout_prob": share},
}


class Rows(NamedTuple):
    """What a run says of the test rows.

    Attributes:
        users: (rows,) ids.
        labels: (rows,) 0 or 1.
        scores: (rows,) probabilities.
    """

    users: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


class Bench:
    """Runs of one call of this script.

    Args:
        folder: Where data and runs lie.
        seeds: Of each model; the first one's validation rows choose its settings.
    """

    def __init__(self, folder: Path, seeds: Sequence[int]) -> None:
        self.folder, self.seeds = folder, seeds
        if not (folder / "data" / "ml_tmdb").is_dir():
            options = Options("ml_tmdb", settings={"mapping": "ml_tmdb"})
            convert(find_source("table"), Path(os.environ["XLREC_DATA"]) / "ml_tmdb", folder / "data", options)
        if not (folder / "data" / "ml-100k-xl").is_dir():
            ml100k_xl.convert(folder / "data")

    def tuned(self, dataset: str, model: str) -> dict[str, Any]:
        """The settings of the grid with the best validation AUC."""
        trials = []
        for rate, dropout in product(RATES, DROPOUTS):
            chosen = {"learning_rate": rate, **MODELS[model](dropout)}
            trial = {"seed": self.seeds[0], "evaluate_test": False, "keep_model": False}
            metrics = run(model, dataset, None, self._settings({**chosen, **trial})).metrics
            trials.append((metrics["valid"]["auc"], chosen))
            print(f"  {model:9} {chosen} valid {metrics['valid']} {metrics['seconds']['fit']:.0f} s", flush=True)
        return max(trials, key=lambda trial: trial[0])[1]

    def test(self, dataset: str, model: str, chosen: Mapping[str, Any]) -> tuple[dict[str, float], list[Rows]]:
        """Mean metrics of the test over the seeds, and what each seed's model says of each row."""
        lines, rows = [], []
        for seed in self.seeds:
            settings = self._settings({**chosen, "seed": seed})
            done = run(model, dataset, None, settings)
            rows.append(self._rows(dataset, model, settings, done.folder))
            lines.append({**done.metrics["test"], "gauc": gauc(rows[-1]), "valid auc": done.metrics["valid"]["auc"]})
        means = pd.DataFrame(lines).mean().to_dict()
        return {**means, "auc spread": float(np.std([line["auc"] for line in lines]))}, rows

    def _settings(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        paths = {"data_path": str(self.folder / "data"), "run_path": str(self.folder / "runs")}
        return {**SETTINGS, **paths, **chosen}

    def _rows(self, dataset: str, model: str, settings: Mapping[str, Any], run_folder: Path) -> Rows:
        path = self.folder / "rows" / run_folder.relative_to(self.folder / "runs").with_suffix(".npz")
        if not path.is_file():
            with replacing(path) as partial, partial.open("wb") as handle:
                np.savez_compressed(handle, **_predicted(dataset, model, settings, run_folder)._asdict())
        with np.load(path) as stored:
            return Rows(**{name: stored[name] for name in Rows._fields})


@torch.no_grad()
def _predicted(dataset: str, model: str, settings: Mapping[str, Any], run_folder: Path) -> Rows:
    config = XLConfig(model, dataset, None, settings)
    init_seed(config["seed"], config["reproducibility"])
    train, _, test = data_preparation(config, build_dataset(config))
    net = get_model(model)(config, train._dataset).to(config["device"])
    load_model(net, run_folder / "model.safetensors")
    net.eval()
    batches = [batch[0].to(config["device"]) for batch in test]
    columns = [
        torch.cat([batch["user_id"] for batch in batches]),
        torch.cat([batch["label"] for batch in batches]),
        torch.cat([net.predict(batch) for batch in batches]),
    ]
    return Rows(*(column.cpu().numpy() for column in columns))


def gauc(rows: Rows) -> float:
    """RecBole's GAUC, of each user's labelled rows."""
    counts = []
    for user in np.unique(rows.users):
        own = rows.users == user
        labels, ranks = rows.labels[own], rankdata(-rows.scores[own])  # (rows of the user,)
        counts.append((ranks[labels > 0].sum(), own.sum(), labels.sum()))
    ranks, sizes, positives = np.array(counts, dtype=float).T  # (users,) each
    mixed = (positives > 0) & (positives < sizes)
    return float(GAUC.metric_info(None, ranks[mixed], sizes[mixed], positives[mixed]))


def against(ours: Sequence[Rows], theirs: Sequence[Rows]) -> dict[str, float]:
    """Difference in AUC, mean over the seeds; its interval and p-value by a bootstrap over users."""
    users = np.unique(np.concatenate([rows.users for rows in ours]))
    generator = np.random.default_rng(0)
    draws = generator.multinomial(len(users), np.full(len(users), 1 / len(users)), size=RESAMPLES)
    observed = _difference(ours, theirs, None)
    means = np.array([_difference(ours, theirs, dict(zip(users, draw, strict=True))) for draw in draws])
    p = (1 + (np.abs(means - observed) >= abs(observed)).sum()) / (1 + RESAMPLES)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"XLMLP's AUC above": observed, "low": low, "high": high, "p": p}


def _difference(ours: Sequence[Rows], theirs: Sequence[Rows], counts: Mapping[int, int] | None) -> float:
    differences = []
    for left, right in zip(ours, theirs, strict=True):
        weights = None if counts is None else np.array([counts[user] for user in left.users])
        aucs = [roc_auc_score(rows.labels, rows.scores, sample_weight=weights) for rows in (left, right)]
        differences.append(aucs[0] - aucs[1])
    return float(np.mean(differences))


def main() -> None:
    """Prints a table a dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("datasets", nargs="*", choices=[*DATASETS, []])
    parser.add_argument("--models", type=lambda text: text.split(","), default=list(MODELS))
    parser.add_argument(
        "--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[2020, 2021, 2022]
    )
    flags = parser.parse_args()
    bench = Bench(flags.folder, flags.seeds)
    for dataset in flags.datasets or DATASETS:
        chosen = {model: bench.tuned(dataset, model) for model in flags.models}
        found = {model: bench.test(dataset, model, settings) for model, settings in chosen.items()}
        table = pd.DataFrame({model: line for model, (line, _) in found.items()}).T
        others = [model for model in found if model != "XLMLP"] if "XLMLP" in found else []
        beside = pd.DataFrame({model: against(found["XLMLP"][1], found[model][1]) for model in others}).T
        if others:
            beside["p (Holm)"] = holm(beside["p"].to_numpy())
        print(f"\n{dataset}, seeds {flags.seeds}, {chosen}\n{table.round(4).to_string()}")
        print(f"{beside.round(4).to_string()}\n", flush=True)


if __name__ == "__main__":
    main()
