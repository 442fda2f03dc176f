"""EASE, XLProfile and XLEASE on converted data: overall, by the items' language, and on items kept out of training.

Needs XLREC_DATA with `anime_multi` and `ml_tmdb`. Warm: the shipped configs; EASE's penalty and XLEASE's weights are
chosen by NDCG@10 on the validation split of the first seed, the test split is looked at once a seed. Cold: a twentieth
of the items with a text is kept out of training with all their interactions; each user who met some of them ranks these
items only. Text k-NN: the sum over the user's history of the cosines of the titles' n-grams (each title in the item's
own language), or of the rows that XLEASE uses, item features among them. `warm` or `cold` as argument runs one part.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import normalize

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset, run
from recbole_xlrec.bridge.registry import register
from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.pipeline import convert
from recbole_xlrec.convert.registry import find_source
from recbole_xlrec.data.atomic import read_atomic, write_atomic
from recbole_xlrec.evaluation.metrics import ndcg
from recbole_xlrec.model.weighted_rows import WeightedRows
from recbole_xlrec.ranking.ranking import Ranking, load_ranking

SEEDS = (2020, 2021, 2022)
CONFIGS = Path(__file__).parents[2] / "dataset_configs"
DATASETS = ("anime_multi", "ml_tmdb")
_TITLES = {"text_languages": "own", "text_template": "{title}", "feature_fields": []}
GRIDS: dict[str, list[dict[str, Any]]] = {
    "EASE": [{"reg_weight": weight} for weight in (50.0, 100.0, 250.0, 500.0, 1000.0)],
    "XLProfile": [{"half_life": value} for value in (10.0, 50.0, 0.0)],
    "XLEASE": [{}, *({"lexical_weight": weight} for weight in (30.0, 60.0, 150.0, 300.0))],
}


def main() -> None:
    """Prints the tables."""
    register()
    raw = Path(os.environ["XLREC_DATA"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for dataset in DATASETS:
            options = Options(dataset, settings={"mapping": dataset})
            convert(find_source("table"), raw / dataset, folder / "data", options)
            for part in sys.argv[1:] or ("warm", "cold"):
                {"warm": warm, "cold": cold}[part](folder, dataset)


def config_files(dataset: str, model: str) -> list[Path]:
    """The shipped configs."""
    own = CONFIGS / f"{dataset}.{model}.yaml"
    return [CONFIGS / f"{dataset}.yaml", *([own] if own.is_file() else [])]


def base(folder: Path) -> dict[str, Any]:
    """Settings of every run."""
    paths = {"data_path": str(folder / "data"), "run_path": str(folder / "runs")}
    return {**paths, "show_progress": False, "keep_model": False}


def warm(folder: Path, dataset: str) -> None:
    """Random split by user, items of training."""
    rows = {}
    for model, grid in GRIDS.items():
        files, usual = config_files(dataset, model), base(folder)
        trials = [(run(model, dataset, files, {**usual, **trial, "seed": SEEDS[0]}).metrics, trial) for trial in grid]
        for metrics, trial in trials:
            print(f"{dataset:12} {model:10} valid NDCG@10 {metrics['valid']['ndcg@10']:.4f} {trial}", flush=True)
        best = max(trials, key=lambda entry: entry[0]["valid"]["ndcg@10"])[1]
        found = [_by_item_language(folder, dataset, files, model, {**usual, **best, "seed": seed}) for seed in SEEDS]
        rows[f"{model} {best}"] = pd.DataFrame(found).mean()
    print(f"\n{dataset}: test NDCG@10, mean of {len(SEEDS)} seeds\n{pd.DataFrame(rows).T.round(4).to_string()}\n")


def _by_item_language(
    folder: Path, dataset: str, files: list[Path], model: str, settings: Mapping[str, Any]
) -> dict[str, float]:
    """NDCG@10 overall, and of the targets in each language alone."""
    done = run(model, dataset, files, dict(settings))
    ranking = load_ranking(done.folder / "ranking.npz")
    items = read_atomic(folder / "data" / dataset / f"{dataset}.item", ["item_id", "language"])
    common = items["language"].value_counts()
    result = {"all": done.metrics["test"]["ndcg@10"]}
    for tag in common.index[common >= 80]:
        ids = items.loc[items["language"] == tag, "item_id"].to_numpy(dtype=str)
        own = np.append(np.isin(ranking.ids, ids), False)  # the last one is where -1 points
        result[tag] = _ndcg(ranking._replace(targets=np.where(own[ranking.targets], ranking.targets, -1)))
    return result


def _ndcg(ranking: Ranking) -> float:
    """NDCG@10 of the queries that have a target."""
    counts = ranking.target_counts()
    return float(ndcg(ranking.hits()[:, :10][counts > 0], counts[counts > 0]).mean())


def cold(folder: Path, dataset: str) -> None:
    """Items that training never saw."""
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        name = _keep_out(folder, dataset, seed)
        files = config_files(dataset, "XLEASE")
        settings = XLConfig("XLEASE", name, files, _cold_settings(folder, seed))
        train = _train(settings)
        from recbole.utils import get_model

        model = get_model("XLEASE")(settings, train)
        scores = {"XLEASE": model.histories @ model.weights.numpy()}
        scores["XLProfile (text profile)"] = _profile_scores(folder, dataset, name, seed, train)
        for key, changed in (("text k-NN, titles", _TITLES), ("text k-NN, XLEASE's rows", {})):
            settings = XLConfig("XLEASE", name, files, {**_cold_settings(folder, seed), **changed})
            unit = normalize(WeightedRows(settings, _train(settings), train.visible_items).of_items())
            scores[key] = ((model.histories @ unit) @ unit.T).toarray()
        scores["random"] = np.random.default_rng(seed).random(scores["XLEASE"].shape)
        for key, values in scores.items():
            found.setdefault(key, []).append(_cold_ndcg(folder / "data" / name / f"{name}.test.inter", train, values))
    print(f"{dataset}: NDCG@10 among items kept out of training, mean of {len(SEEDS)} seeds")
    for key, values in found.items():
        print(f"  {key:25} {np.mean(values):.4f}  {np.round(values, 4).tolist()}")
    for key in [key for key in found if key != "XLEASE"]:
        print(f"  XLEASE / {key} = {np.mean(found['XLEASE']) / np.mean(found[key]):.2f}", flush=True)


def _profile_scores(folder: Path, dataset: str, name: str, seed: int, train: Any) -> np.ndarray:
    """(users, items that training may see), text alone: the cosine of an item and the mean of what a user consumed."""
    from recbole.utils import get_model

    settings = XLConfig("XLProfile", name, config_files(dataset, "XLProfile"), _cold_settings(folder, seed))
    data = _train(settings)
    model = get_model("XLProfile")(settings, data)
    users = torch.arange(train.user_num)
    scores = model.full_sort_predict({model.USER_ID: users}).reshape(len(users), -1)
    return scores[:, train.visible_items].numpy()


def _cold_settings(folder: Path, seed: int) -> dict[str, Any]:
    return {**base(folder), "seed": seed, "benchmark_filename": ["train", "valid", "test"]}


def _train(settings: Any) -> Any:
    from recbole.data import data_preparation

    return data_preparation(settings, build_dataset(settings))[0]._dataset


def _keep_out(folder: Path, dataset: str, seed: int) -> str:
    """Writes the dataset anew, as benchmark files whose test file has the items kept out."""
    name, source = f"{dataset}-cold-{seed}", folder / "data" / dataset
    inter = read_atomic(source / f"{dataset}.inter")
    if "rating" in inter:
        inter = inter[inter["rating"] >= 4]
    texts = np.sort(np.intersect1d(read_atomic(source / f"{dataset}.text", ["item_id"])["item_id"], inter["item_id"]))
    rng = np.random.default_rng(seed)
    out = inter["item_id"].isin(rng.choice(texts, len(texts) // 20, replace=False)).to_numpy()
    valid = ~out & (rng.random(len(inter)) < 0.1)
    for split, mask in (("train", ~out & ~valid), ("valid", valid), ("test", out)):
        write_atomic(folder / "data" / name / f"{name}.{split}.inter", inter[mask])
    for suffix in ("item", "user", "text"):
        os.link(source / f"{dataset}.{suffix}", folder / "data" / name / f"{name}.{suffix}")
    return name


def _cold_ndcg(path: Path, train: Any, scores: np.ndarray) -> float:
    test = read_atomic(path, ["user_id", "item_id"])
    users = train.token2id("user_id", test["user_id"].to_numpy())
    items = train.token2id("item_id", test["item_id"].to_numpy())
    columns, place = np.unique(items, return_inverse=True)  # the items kept out
    targets = np.zeros((train.user_num, len(columns)), dtype=bool)
    targets[users, place] = True
    rows = np.unique(users)
    found = scores[rows][:, np.searchsorted(train.visible_items, columns)]
    top = np.argsort(-found, axis=1, kind="stable")[:, :10]
    hits = np.take_along_axis(targets[rows], top, axis=1)
    return float(ndcg(hits, targets[rows].sum(axis=1)).mean())


if __name__ == "__main__":
    main()
