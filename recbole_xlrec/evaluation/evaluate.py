"""``recbole-xlrec evaluate``: saved runs judged, on the terminal and in a JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from recbole_xlrec.bridge.run_folder import write_json
from recbole_xlrec.evaluation.console import print_judged
from recbole_xlrec.evaluation.judge import judge
from recbole_xlrec.evaluation.saved_run import SavedRun, item_vectors, read_run


def evaluate_runs(
    folders: Sequence[Path],
    metrics: Sequence[str] | None,
    topk: Sequence[int] | None,
    encoder: str | None,
    data_path: Path | None,
    json: Path | None,
    console: Console,
) -> dict[str, dict[str, Any]]:
    """Judges runs one after the other.

    Args:
        folders: Run folders.
        metrics: Names in `METRICS`; None for each run's own.
        topk: Cut-offs; None for each run's own.
        encoder: Of the items' vectors; None leaves out what needs them.
        data_path: Folder of the datasets, for the vectors; None for each run's own.
        json: A file for all figures; None for none.
        console: Where the tables go.

    Returns:
        Run folder -> what `judge` gives.

    Raises:
        DataError: If a folder holds no finished run with a ranking and its context.
        ConfigError: For an unknown metric, or a cut-off longer than the saved lists.
    """
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        run = read_run(folder)
        judged = _judged(run, metrics, topk, encoder, data_path)
        found[str(folder)] = judged
        print_judged(_title(run), judged, console)
    if json is not None:
        write_json(json, found)
    return found


def _judged(
    run: SavedRun,
    metrics: Sequence[str] | None,
    topk: Sequence[int] | None,
    encoder: str | None,
    data_path: Path | None,
) -> dict[str, Any]:
    vectors = None if encoder is None else item_vectors(run, encoder, data_path)
    return judge(run.ranking, run.context, metrics or run.metrics(), topk or run.topk(), vectors)


def _title(run: SavedRun) -> str:
    config = run.config
    parts = (config.get("dataset"), config.get("model"), config.get("protocol"), f"seed {config.get('seed')}")
    return " · ".join(str(part) for part in parts)
