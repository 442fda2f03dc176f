"""Runs stock RecBole in a process of its own: `python stock.py register '<jobs>'`; the last line printed is JSON.

The first word is `register`, to make our models known, or `shims`, to apply the compatibility shims and nothing else.
Jobs are a JSON list of objects with the arguments of `run_recbole`; what came of each is printed as such a list.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main(start: str, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs the jobs with RecBole's own `run_recbole`."""
    if start == "register":
        import recbole_xlrec

        recbole_xlrec.register()
    else:
        from recbole_xlrec.bridge import compat

        compat.apply()
    return [run(job) for job in jobs]


def run(job: dict[str, Any]) -> dict[str, Any]:
    """One job: its test metrics, and what is worth knowing of the way there."""
    import torch
    from recbole.quick_start import quick_start
    from recbole.trainer import Trainer

    seen: dict[str, Any] = {"ray": getattr(sys.modules.get("ray"), "__version__", None), "reloaded": []}
    seen["real_tune"] = hasattr(quick_start.tune, "__file__")
    count_flops, evaluate = quick_start.get_flops, Trainer.evaluate

    def get_flops(*args: Any, **options: Any) -> Any:
        before = torch.get_rng_state()
        flops = count_flops(*args, **options)
        seen["flops_draw_random_numbers"] = not torch.equal(before, torch.get_rng_state())
        return flops

    def noted(self: Any, *args: Any, **options: Any) -> Any:
        if options.get("load_best_model"):
            seen["reloaded"].append(type(self).__name__)
        return evaluate(self, *args, **options)

    quick_start.get_flops, Trainer.evaluate = get_flops, noted
    try:
        result = quick_start.run_recbole(**job)
    finally:
        quick_start.get_flops, Trainer.evaluate = count_flops, evaluate
    return {**seen, "test": {name: float(value) for name, value in result["test_result"].items()}}


if __name__ == "__main__":
    start, jobs = sys.argv[1:]
    sys.argv = sys.argv[:1]  # RecBole's Config reads it
    print(json.dumps(main(start, json.loads(jobs))))
