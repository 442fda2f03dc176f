"""What a benchmark would do: ``--dry-run``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from recbole_xlrec.evaluation.benchmark.cell import Cell
from recbole_xlrec.evaluation.benchmark.manifest import Manifest
from recbole_xlrec.evaluation.benchmark.runner import Runner


def forecast(runner: Runner, manifest: Manifest, chosen: Sequence[Cell], jobs: int) -> Table:
    """The cells with the number of their runs, what has been made of them, and how long the rest takes at most.

    Args:
        runner: Of the benchmark.
        manifest: The state that a real run would begin with.
        chosen: The cells to show.
        jobs: How many runs at a time.
    """
    table = Table("row", "dataset", "protocol", "model", title_justify="left", title_style="bold")
    for column in ("trials", "runs", "ended", "to do"):
        table.add_column(column, justify="right")
    total, minutes = Counter[str](), 0.0
    for cell in chosen:
        trials, every = runner.budget(cell) * len(cell.scopes), runner.count(cell)
        ended = sum(1 for run in runner.runs(cell) if (entry := manifest.of(run)) and entry.ended)
        counts = {"trials": trials, "runs": every - trials, "ended": ended, "to do": every - ended}
        table.add_row(*map(escape, (*cell.names, cell.row.model)), *map(str, counts.values()))
        total.update(counts)
        minutes += (every - ended) * (math.inf if cell.row.limits.minutes is None else cell.row.limits.minutes)
    table.add_row("all", "", "", "", *map(str, total.values()), style="bold")
    most = f"at most {minutes / jobs:.0f} minutes by their limits" if math.isfinite(minutes) else "no limit of time"
    table.title = f"{total['to do']} runs to do, {jobs} at a time: {most}"
    return table
