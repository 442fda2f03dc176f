"""Runs stock RecBole in a process of its own: `python stock.py '<json>'`, and prints what came of it as JSON.

The JSON has `model`, `dataset`, `config_files`, `config`, and `register`: whether our models are registered, or only
the compatibility shims applied.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main(job: dict[str, Any]) -> dict[str, Any]:
    """Runs the job with RecBole's own `run_recbole`."""
    if job["register"]:
        import recbole_xlrec

        recbole_xlrec.register()
    else:
        from recbole_xlrec.bridge import compat

        compat.apply()

    import torch
    from recbole.quick_start import quick_start
    from recbole.trainer import Trainer

    seen: dict[str, Any] = {"ray": getattr(sys.modules.get("ray"), "__version__", None), "reloaded": []}
    seen["tune_is_ray's"] = getattr(quick_start.tune, "__file__", None) is not None
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
    result = quick_start.run_recbole(job["model"], job["dataset"], job["config_files"], job["config"])
    seen["test"] = {name: float(value) for name, value in result["test_result"].items()}
    return seen


if __name__ == "__main__":
    (argument,) = sys.argv[1:]
    sys.argv = sys.argv[:1]  # RecBole's Config reads it
    print(json.dumps(main(json.loads(argument))))
