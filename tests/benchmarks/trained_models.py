"""XLSASRec and XLAlphaRec beside RecBole's models: overall, by language, on cold items, on languages never trained on.

Needs XLREC_DATA with `ml_tmdb` and `anime_multi`. Settings were chosen by NDCG@10 on the validation split of the first
seed; the test split is looked at once a run. What has finished is not repeated: give the same folder again.

Usage: python tests/benchmarks/trained_models.py FOLDER [sequential|general|cold|zero_shot|single|ablation ...]
           [--models A,B] [--seeds 2020,2021]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_xlrec import run
from recbole_xlrec.convert import ml100k_xl
from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.pipeline import convert
from recbole_xlrec.convert.registry import find_source

CONFIGS = Path(__file__).parents[2] / "dataset_configs"
METRICS = {"metrics": ["NDCG", "Recall"], "topk": [10], "valid_metric": "NDCG@10"}
LAST_TWO = {
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": None, "mode": "full"},
    "MAX_ITEM_LIST_LENGTH": 50,
}
#: What a general model needs of a dataset's sequential config, and a stock sequential one.
GENERAL, STOCK = {"eval_batch_size": 1_000_000}, {"eval_batch_size": 2048, "lazy_sequences": True}
SOFTMAX = {"loss_type": "CE", "train_neg_sample_args": None, "train_batch_size": 256, "stopping_step": 5}
TRAINED = {"eval_batch_size": 2048, "stopping_step": 5, "text_languages": "all"}
GRAPH = {"train_batch_size": 4096, "learning_rate": 0.005, "stopping_step": 5, **GENERAL}

SEQUENTIAL: dict[str, dict[str, Any]] = {
    "Pop": GENERAL,
    "ItemKNN": {"k": 100, **GENERAL},
    "BPR": {"learning_rate": 0.002, "stopping_step": 5, **GENERAL},
    "EASE": {"reg_weight": 300.0, **GENERAL},
    "LightGCN": GRAPH,
    "GRU4Rec": {**SOFTMAX, **STOCK},
    "SASRec": {**SOFTMAX, **STOCK},
    "FDSA": {**SOFTMAX, **STOCK, "selected_features": ["category"]},
    "XLProfile": {**GENERAL, "text_languages": "all", "whitening": "zca"},
    "XLEASE": GENERAL,
    "XLAlphaRec": {**GRAPH, "text_languages": "all", "id_embedding": True},
    "XLSASRec": {**TRAINED, "dropout": 0.4},
}
GENERAL_SET: dict[str, dict[str, Any]] = {
    "Pop": {},
    "EASE": {"reg_weight": 100.0},
    "BPR": {"learning_rate": 0.002, "train_batch_size": 8192, "stopping_step": 3, "eval_step": 2},
    "LightGCN": {"learning_rate": 0.005, "train_batch_size": 16384, "stopping_step": 2, "eval_step": 2},
    "XLProfile": {},
    "XLEASE": {},
    "XLAlphaRec": {"text_languages": "all", "id_embedding": True, "train_batch_size": 8192, "stopping_step": 3},
}
INDUCTIVE = {**TRAINED, "id_embedding": False, "whitening": "zca"}
COLD: dict[str, dict[str, Any]] = {
    "XLProfile": {**GENERAL, "text_languages": "all", "whitening": "zca"},
    "XLEASE": GENERAL,
    "XLAlphaRec": {**GRAPH, "text_languages": "all"},
    "XLSASRec": TRAINED,
    "XLSASRec, text alone": INDUCTIVE,
}
ABLATION: dict[str, dict[str, Any]] = {
    "default": {},
    "language_alpha 0.5": {"language_alpha": 0.5},
    "language_embedding": {"language_embedding": True},
    "align_works 0.1": {"align_works": 0.1},
    "align_works 0.5": {"align_works": 0.5},
    "adversarial_weight 0.1": {"adversarial_weight": 0.1},
    "fgm_epsilon 0.1": {"fgm_epsilon": 0.1},
    "adapter mlp": {"adapter": "mlp"},
    "adapter moe": {"adapter": "moe"},
    "whitening zca": {"whitening": "zca"},
    "id_norm 0.5": {"id_norm": 0.5},
    "text alone": {"id_embedding": False},
    "ids alone": {"adapter": "none"},
    "sampled softmax": {"loss": "sampled", "negatives": 512},
    "gBCE": {"loss": "gbce", "negatives": 512},
}


class Bench:
    """Runs of one call of this script.

    Args:
        folder: Where data and runs lie.
        models: Which rows; all where None.
        seeds: Of each.
    """

    def __init__(self, folder: Path, models: list[str] | None, seeds: list[int]) -> None:
        self.folder, self.models, self.seeds = folder, models, seeds
        for name in ("ml_tmdb", "anime_multi"):
            if not (folder / "data" / name).is_dir():
                options = Options(name, settings={"mapping": name})
                convert(find_source("table"), Path(os.environ["XLREC_DATA"]) / name, folder / "data", options)
        ml100k_xl.convert(folder / "data")

    def table(self, title: str, dataset: str, rows: Mapping[str, Mapping[str, Any]], **common: Any) -> None:
        """Prints a line a row as it is done, and the table: mean test NDCG@10 over the seeds, and by language."""
        found = {}
        for name, settings in self._chosen(rows):
            model = name.split(",")[0] if name.split(",")[0] in SEQUENTIAL else "XLSASRec"
            metrics = [self.run(dataset, model, {**common, **settings, "seed": seed}) for seed in self.seeds]
            found[name] = pd.DataFrame([_line(result) for result in metrics]).mean()
            found[name]["spread"] = np.std([result["test"]["ndcg@10"] for result in metrics])
            print(f"  {name:24} {found[name].round(4).to_dict()}", flush=True)
        print(f"\n{title}: NDCG@10, seeds {self.seeds}\n{pd.DataFrame(found).T.round(4).to_string()}\n", flush=True)

    def _chosen(self, rows: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        return ((name, row) for name, row in rows.items() if self.models is None or name in self.models)

    def run(self, dataset: str, model: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """One run's metrics."""
        own = CONFIGS / f"{dataset}.{model}.yaml"
        files = [CONFIGS / f"{dataset}.yaml", *([own] if own.is_file() else [])]
        paths = {"data_path": str(self.folder / "data"), "run_path": str(self.folder / "runs")}
        quiet = {"show_progress": False, "keep_model": False}
        return run(model, dataset, files, {**paths, **quiet, **METRICS, **settings}).metrics


def _line(metrics: Mapping[str, Any]) -> dict[str, float]:
    by_language = {name: values["ndcg@10"] for name, values in metrics["test_by_language"].items()}
    minutes = (metrics["seconds"]["fit"] + metrics["seconds"]["encode"]) / 60
    valid = metrics["valid"].get("ndcg@10", float("nan"))
    return {"valid": valid, "test": metrics["test"]["ndcg@10"], **by_language, "minutes": minutes}


def sequential(bench: Bench) -> None:
    """The last interaction of each user of ml_tmdb."""
    bench.table("ml_tmdb, leave-one-out", "ml_tmdb", SEQUENTIAL, **LAST_TWO)


def general(bench: Bench) -> None:
    """A tenth of each user's interactions with anime_multi."""
    bench.table("anime_multi", "anime_multi", GENERAL_SET)


def cold(bench: Bench) -> None:
    """A twentieth of the items kept out of training; the test asks about these, in the catalogue and alone."""
    kept_out = {"protocol": "cold_item"}
    bench.table("ml_tmdb, cold items", "ml_tmdb", COLD, **LAST_TWO, **kept_out)
    bench.table("the same among the kept out", "ml_tmdb", COLD, **LAST_TWO, **kept_out, candidates="cold")


def zero_shot(bench: Bench) -> None:
    """Films in French and Italian kept out of training; the test asks about these, among the whole catalogue."""
    kept_out = {"protocol": "zero_shot", "protocol_by": "items", "protocol_language": ["fr", "it"]}
    bench.table("ml_tmdb, zero-shot fr and it", "ml_tmdb", COLD, **LAST_TWO, **kept_out)
    bench.table("the same among the kept out", "ml_tmdb", COLD, **LAST_TWO, **kept_out, candidates="cold")


def single(bench: Bench) -> None:
    """Joint training and one language at a time, on ml-100k-xl."""
    bench.table("ml-100k-xl, joint", "ml-100k-xl", {"XLSASRec": TRAINED}, **LAST_TWO)
    for language in ml100k_xl.LANGUAGES:
        alone = {"protocol": "single", "protocol_language": language}
        bench.table(f"ml-100k-xl, {language} alone", "ml-100k-xl", {"XLSASRec": TRAINED}, **LAST_TWO, **alone)


def ablation(bench: Bench) -> None:
    """Every option of joint training, one at a time, on ml-100k-xl."""
    rows = {name: {**TRAINED, **changed} for name, changed in ABLATION.items()}
    bench.table("ml-100k-xl, XLSASRec", "ml-100k-xl", rows, **LAST_TWO)


PARTS = {part.__name__: part for part in (sequential, general, cold, zero_shot, single, ablation)}


def main() -> None:
    """Runs the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--models", type=lambda text: text.split(","))
    parser.add_argument(
        "--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[2020, 2021, 2022]
    )
    flags = parser.parse_args()
    bench = Bench(flags.folder, flags.models, flags.seeds)
    for part in flags.parts or PARTS:
        PARTS[part](bench)


if __name__ == "__main__":
    main()
