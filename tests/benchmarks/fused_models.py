"""XLFusion beside its members: does fusing help, and is it more than chance?

On ml-100k-xl the members are XLEASE, joint and one language at a time, EASE, ItemKNN and XLProfile, with the settings
of the quick start; on anime_multi, which needs XLREC_DATA, XLEASE, EASE, ItemKNN and XLProfile. Fusions have their
defaults, and learn from validation alone. Tests are paired over queries, each row against the best member, with Holm's
correction. On ml_tmdb, whose users watch films of several languages, fusions are calibrated to each user's mix; `gap`
is how far the languages of the first ten places are from those of the user's history, in the mean (KL divergence). What
has finished is not repeated.

Usage: python tests/benchmarks/fused_models.py FOLDER [ml-100k-xl|anime_multi|ml_tmdb ...] [--seeds 2020,2021]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec import run
from recbole_xlrec.convert import ml100k_xl
from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.pipeline import convert
from recbole_xlrec.convert.registry import find_source
from recbole_xlrec.evaluation.by_language import per_query
from recbole_xlrec.evaluation.context import load_context
from recbole_xlrec.evaluation.pairing import QueryValues, pair_rows, stack_seeds
from recbole_xlrec.evaluation.row_tests import compare_rows
from recbole_xlrec.ranking.align import align
from recbole_xlrec.ranking.calibrate import language_mix, miscalibration
from recbole_xlrec.ranking.ranking import load_ranking, merge_rankings

CONFIGS = Path(__file__).parents[2] / "dataset_configs"
METRIC = "ndcg@10"
STOREFRONTS = {"lexical_weight": 20.0, "feature_fields": ["release_year", "category"]}
MEMBERS: dict[str, list[dict[str, Any]]] = {
    "ml-100k-xl": [
        {"model": "XLEASE", **STOREFRONTS, "reg_weight": 150.0, "transfer_weight": 0.5},
        {"model": "XLEASE", **STOREFRONTS, "reg_weight": 300.0, "one_language_at_a_time": True, "name": "experts"},
        {"model": "EASE", "reg_weight": 200.0},
        {"model": "ItemKNN", "k": 200, "shrink": 10.0},
        {"model": "XLProfile", "whitening": "zca", "half_life": 0.0},
    ],
    "anime_multi": [
        {
            "model": "XLEASE",
            "text_languages": "all",
            "feature_fields": ["category", "type"],
            "feature_weight": 0.5,
            "lexical_weight": 150.0,
            "reg_weight": 100.0,
            "history_power": 0.5,
            "transfer_weight": 0.0,
        },
        {"model": "EASE", "reg_weight": 100.0},
        {"model": "ItemKNN", "k": 100},
        {"model": "XLProfile"},
    ],
    "ml_tmdb": [{"model": "XLEASE"}, {"model": "EASE", "reg_weight": 300.0}, {"model": "ItemKNN", "k": 100}],
}
FUSIONS: dict[str, dict[str, Any]] = {
    "RRF": {"fusion": "rrf"},
    "CombMNZ": {"fusion": "comb_mnz"},
    "weighted sum": {"fusion": "weighted_sum"},
    "stack": {"fusion": "stack"},
}
CALIBRATED: dict[str, dict[str, Any]] = {
    "RRF": {"fusion": "rrf"},
    **{f"RRF, calibrated {share}": {"fusion": "rrf", "fusion_calibration": share} for share in (0.1, 0.3, 0.5)},
}


def fused(folder: Path, dataset: str, seed: int, settings: Mapping[str, Any]) -> Any:
    """One fusion's run."""
    paths = {"data_path": str(folder / "data"), "run_path": str(folder / "runs"), "show_progress": False}
    config = {**paths, "members": MEMBERS[dataset], "seed": seed, **settings}
    return run("XLFusion", dataset, [CONFIGS / f"{dataset}.yaml"], config)


def rows_of(folder: Path, dataset: str, seeds: list[int]) -> tuple[dict[str, QueryValues], dict[str, float]]:
    """The values of each query, of every member and fusion, over the seeds; and each row's gap."""
    folders: dict[str, list[list[Path]]] = {}  # of each seed, the runs that together answer all queries
    for name, settings in _fusions(dataset).items():
        for seed in seeds:
            found = fused(folder, dataset, seed, settings)
            learned = {key: found.metrics["fusion"].get(key) for key in ("weights", "share_of_trees")}
            print(f"{dataset} {name} seed {seed}: {found.metrics['test'][METRIC]:.4f} {learned}", flush=True)
            if name == "RRF":
                for member in found.metrics["fusion"]["members"]:
                    folders.setdefault(member["name"], []).append([Path(path) for path in member["folders"]])
            folders.setdefault(name, []).append([found.folder])
    rows = {}
    for name, paths in folders.items():
        rankings = [merge_rankings([load_ranking(part / "ranking.npz") for part in parts]) for parts in paths]
        values = [per_query(ranking, ["ndcg"], [10])[METRIC] for ranking in rankings]
        rows[name] = stack_seeds(values, [ranking.query_ids for ranking in rankings])
    return rows, {name: float(np.mean([gap(parts) for parts in paths])) for name, paths in folders.items()}


def _fusions(dataset: str) -> dict[str, dict[str, Any]]:
    return CALIBRATED if dataset == "ml_tmdb" else FUSIONS


def gap(folders: list[Path]) -> float:
    """How far the languages of the first ten places are from each user's own mix, in the mean over all queries."""
    return float(np.concatenate([_gaps(folder) for folder in folders]).mean())


def _gaps(folder: Path) -> NDArray[np.float64]:
    ranking, context = load_ranking(folder / "ranking.npz"), load_context(folder / "context.npz")
    names, languages = np.unique(context.item_languages, return_inverse=True)
    languages = languages - (names[0] == "")  # -1 where an item has none
    mix = language_mix(context.history_starts, context.history_items, languages, int(languages.max()) + 1)
    lists = align([ranking], item_ids=context.item_ids).members[0].top(10)
    return miscalibration(lists, item_languages=languages, mix=mix)  # (queries,)


def table(folder: Path, dataset: str, seeds: list[int]) -> None:
    """Prints the table of a dataset."""
    rows, gaps = rows_of(folder, dataset, seeds)
    values = pair_rows(rows)
    names = [name for name in values if name not in _fusions(dataset)]
    best = max(names, key=lambda name: values[name].mean())
    tests = compare_rows(values, best)
    lines = {
        name: {METRIC: found.mean(), "gap": gaps[name], **({} if name == best else tests[name]._asdict())}
        for name, found in values.items()
    }
    columns = [METRIC, "gap", "difference", "low", "high", "p", "adjusted_p", "effect", "mark"]
    frame = pd.DataFrame(lines).T.reindex(columns=columns)
    print(f"\n{dataset}, seeds {seeds}, {len(values[best])} queries, against {best}\n{frame.to_string()}\n", flush=True)


def main() -> None:
    """Makes the tables of the datasets that are named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("datasets", nargs="*", choices=[*MEMBERS, []])
    parser.add_argument(
        "--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[2020, 2021, 2022]
    )
    flags = parser.parse_args()
    for dataset in flags.datasets or MEMBERS:
        if dataset == "ml-100k-xl":
            ml100k_xl.convert(flags.folder / "data")
        elif not (flags.folder / "data" / dataset).is_dir():
            options = Options(dataset, settings={"mapping": dataset})
            convert(find_source("table"), Path(os.environ["XLREC_DATA"]) / dataset, flags.folder / "data", options)
        table(flags.folder, dataset, flags.seeds)


if __name__ == "__main__":
    main()
