"""Stands in for the real worker in tests: the same protocol, in milliseconds. What it does, the key `epochs` says."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from pathlib import Path

RAISE, SLEEP, HOG, DIE = 901, 902, 903, 904


def main() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    spec = json.loads(sys.argv[1])
    config = spec["config"]
    _note(config, "start", spec)
    if config.get("epochs") == RAISE:
        raise ValueError("the loss is nan")
    if config.get("epochs") == SLEEP:
        time.sleep(60)
    if config.get("epochs") == HOG:
        held = bytearray(os.urandom(1) * 300_000_000)
        time.sleep(60 + len(held) * 0)
    if config.get("epochs") == DIE:
        os.kill(os.getpid(), 9)
    time.sleep(config.get("eval_step", 0) / 1000)
    identity = {key: value for key, value in config.items() if key not in ("data_path", "run_path")}
    name = hashlib.sha256(json.dumps([spec["model"], identity], sort_keys=True).encode()).hexdigest()[:8]
    folder = Path(config["run_path"], spec["dataset"], spec["model"], f"joint-{config['seed']}-{name}")
    if not (folder / "metrics.json").is_file():
        _note(config, "make", spec)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.json").write_text(json.dumps(_metrics(spec["model"], config)))
    _note(config, "end", spec)
    print(json.dumps({"folder": str(folder)}), flush=True)


def _metrics(model: str, config: dict) -> dict:  # type: ignore[type-arg]
    """Validation is best at a learning rate of .01; the test split, if anything looked there, at the largest."""
    rate = config.get("learning_rate", 0.0)
    test = {"ndcg@5": round(len(model) / 100 + config["seed"] / 1e6 + rate, 6)}
    languages = [config["protocol_language"]] if config.get("protocol") == "single" else ["de", "en"]
    seen = config.get("evaluate_test", True)
    return {
        "valid": {"ndcg@5": 1 - abs(rate - 0.01)},
        "test": test if seen else {},
        "test_by_language": {language: {**test, "queries": 10} for language in languages} if seen else {},
        "seconds": {"data": 0.0, "encode": 0.0, "fit": 1.5, "evaluate": 0.5},
        "peak_memory_mb": 100.0,
    }


def _note(config: dict, what: str, spec: dict) -> None:  # type: ignore[type-arg]
    with Path(config["run_path"], "calls.jsonl").open("a") as lines:
        threads = os.environ["OMP_NUM_THREADS"]
        lines.write(json.dumps({"what": what, "at": time.time(), "threads": threads, **spec}) + "\n")


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
