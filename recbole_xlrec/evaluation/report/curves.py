"""Training curves from a run's ``history.jsonl``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole_xlrec.bridge.run_folder import HISTORY
from recbole_xlrec.errors import DataError
from recbole_xlrec.evaluation.report.structure import Curve, Run

_MOST_POINTS = 200


def curves(row: str, runs: Sequence[Run]) -> tuple[Curve, ...]:
    """The curves of a row's runs; one of a single epoch is none.

    Raises:
        DataError: If a history is broken.
    """
    found = []
    for run in runs:
        scope = f" · {run.config.get('protocol_language')}" if len(runs) > 1 else ""
        metric = str(run.config.get("valid_metric", "")).lower()
        epochs = _epochs(run.folder / HISTORY)
        if len(epochs) > 1:
            found.append(_curve(f"{row}{scope}", metric, epochs))
    return tuple(found)


def _epochs(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    try:
        return [dict(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (ValueError, TypeError) as error:
        raise DataError(f"{path} is broken: {error}. Make the run again with rerun: True") from error


def _curve(name: str, metric: str, epochs: Sequence[dict[str, Any]]) -> Curve:
    """Thinned, but with the last epoch, and with every epoch that was validated if these are few."""
    step = math.ceil(len(epochs) / _MOST_POINTS)
    valid = [place for place, epoch in enumerate(epochs) if epoch.get("valid")]
    kept = {*range(0, len(epochs), step), *valid[:: math.ceil(len(valid) / _MOST_POINTS) or 1], len(epochs) - 1}
    shown = [epochs[place] for place in sorted(kept)]
    return Curve(
        name,
        metric,
        [int(epoch["epoch"]) for epoch in shown],
        [_finite(epoch.get("loss")) for epoch in shown],
        [_finite((epoch.get("valid") or {}).get(metric)) for epoch in shown],
    )


def _finite(value: Any) -> float | None:
    return float(f"{value:.6g}") if isinstance(value, (int, float)) and math.isfinite(value) else None
