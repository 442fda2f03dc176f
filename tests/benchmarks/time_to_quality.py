"""Training time to quality on ml-100k: RecBole's SASRec (its defaults, early stopping) against XLSASRec on ids alone.

Leave-one-out, histories of 50, width 64, one thread each, three seeds. Printed: the seconds of training until the
validation NDCG@10 reaches SASRec's best, and the test NDCG@10 of each at its own best epoch. Seconds are CPU seconds of
one thread, so that other work on the machine does not disturb them; evaluation is not counted for either. Target: at
most 1/20 of SASRec's time, at or above its test NDCG@10.

Usage: python tests/benchmarks/time_to_quality.py [folder of the runs, which is resumed] [seed ...]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import Any

SEEDS = (2020, 2021, 2022)
SETTINGS: dict[str, dict[str, Any]] = {
    "SASRec": {"loss_type": "CE", "train_neg_sample_args": None},
    "XLSASRec": {"adapter": "none"},
}
COMMON = {
    "MAX_ITEM_LIST_LENGTH": 50,
    "hidden_size": 64,
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": None, "mode": "full"},
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "metrics": ["NDCG", "Recall"],
    "topk": [10],
    "valid_metric": "NDCG@10",
    "show_progress": False,
}


def main() -> None:
    """Prints a line a seed and model."""
    folder = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()
    ratios = []
    for seed in [int(seed) for seed in sys.argv[2:]] or SEEDS:
        found = {model: _in_process(folder, model, seed) for model in SETTINGS}
        wanted = max(epoch["valid"]["ndcg@10"] for epoch in found["SASRec"]["history"])
        taken = {model: _until(values["history"], wanted) for model, values in found.items()}
        for model, values in found.items():
            best = max(epoch["valid"]["ndcg@10"] for epoch in values["history"])
            print(
                f"{seed} {model:9} reaches {wanted:.4f} after {taken[model] or float('nan'):7.1f} s; "
                f"best valid {best:.4f}, test {values['test']['ndcg@10']:.4f}, {len(values['history'])} epochs, "
                f"{sum(epoch['cpu_seconds'] for epoch in values['history']):.0f} s in all"
            )
        ratios.append((taken["SASRec"] or 0) / (taken["XLSASRec"] or float("inf")))
        print(f"{seed} {ratios[-1]:.1f} × as fast", flush=True)


def _until(history: list[dict[str, Any]], wanted: float) -> float | None:
    spent = 0.0
    for epoch in history:
        spent += epoch["cpu_seconds"]
        if epoch["valid"]["ndcg@10"] >= wanted:
            return spent
    return None


def _in_process(folder: str, model: str, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", __file__, "child", folder, model, str(seed)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def child(folder: str, model: str, seed: int) -> None:
    """One run; prints its history and test metrics."""
    import torch

    torch.set_num_threads(1)
    from recbole_xlrec import run

    done = run(model, "ml-100k", None, {**COMMON, **SETTINGS[model], "seed": seed, "run_path": folder})
    lines = (done.folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
    print(json.dumps({"test": done.metrics["test"], "history": [json.loads(line) for line in lines]}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
