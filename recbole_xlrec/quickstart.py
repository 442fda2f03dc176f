"""``recbole-xlrec quickstart``: our models beside RecBole's classical ones, in five languages, in minutes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from recbole_xlrec.convert.ml100k_xl import LANGUAGES, convert
from recbole_xlrec.data.files import replacing
from recbole_xlrec.evaluation.benchmark.reading import read_suite
from recbole_xlrec.evaluation.benchmark.suite import Dataset
from recbole_xlrec.evaluation.benchmark.suite import Row as SuiteRow
from recbole_xlrec.evaluation.comparison import OVERALL, Row, cells, collect, comma_separated, markdown

FIRST_SEED = 2020
COLUMNS = (OVERALL, *LANGUAGES)


class Trial(NamedTuple):
    """One run of the comparison: its row, its seed and its settings."""

    row: str
    model: str
    seed: int
    settings: dict[str, Any]


def quickstart(data_path: Path, run_path: Path, seeds: int = 3, console: Console | None = None) -> list[Row]:
    """Writes the data, runs every model, prints the table and writes it as Markdown and CSV.

    Runs that have finished are not repeated, so that an interrupted quick start goes on where it was.

    Args:
        data_path: Folder of the datasets.
        run_path: Folder of the runs and of the table.
        seeds: How many seeds; each splits the data anew.
        console: Where to print.

    Returns:
        The table's rows.
    """
    console = console or Console()
    started = time.perf_counter()
    suite = read_suite("quick")
    dataset = suite.datasets[0]
    folder = convert(data_path)
    console.print(f"Five storefronts, one language each, no item in common. Data: {folder}")
    base = {"data_path": str(data_path), "run_path": str(run_path), "show_progress": False, "keep_model": False}
    trials = [trial for row in suite.rows for trial in plan(row, [FIRST_SEED + i for i in range(seeds)])]
    found = _run_all(trials, base, dataset, console)
    rows = [_row(row.name, trials, found, suite.metrics) for row in suite.rows]
    for metric in suite.metrics:
        console.print(_shown(rows, metric, seeds))
    written = _write(rows, suite.metrics, Path(run_path, dataset.name))
    minutes = (time.perf_counter() - started) / 60
    console.print(_verdict(rows, suite.metrics[0]))
    console.print(f"Runs: {Path(run_path, dataset.name)}. Table: {' and '.join(map(str, written))}.")
    peak = max(result["peak_memory_mb"] for result in found) / 1000
    console.print(f"{minutes:.1f} minutes, at most {peak:.1f} GB of memory.")
    return rows


def plan(row: SuiteRow, seeds: Sequence[int]) -> list[Trial]:
    """The runs of one row of the suite, in the order of the seeds."""
    scopes: list[dict[str, Any]] = [{}]
    if row.alone:
        scopes = [{"protocol": "single", "protocol_language": language} for language in LANGUAGES]
    return [
        Trial(row.name, row.model, seed, {**row.config, **scope, "seed": seed}) for seed in seeds for scope in scopes
    ]


def _run_all(
    trials: Sequence[Trial], base: Mapping[str, Any], dataset: Dataset, console: Console
) -> list[dict[str, Any]]:
    from recbole_xlrec.bridge.experiment import run

    columns = (TextColumn("{task.description:38}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(trials))
        for trial in trials:
            progress.update(task, description=f"{trial.row}, seed {trial.seed}")
            found.append(run(trial.model, dataset.name, dataset.config_files, {**base, **trial.settings}).metrics)
            progress.advance(task)
    return found


def _row(name: str, trials: Sequence[Trial], found: Sequence[dict[str, Any]], metrics: Sequence[str]) -> Row:
    by_seed: dict[int, list[dict[str, Any]]] = {}
    for trial, result in zip(trials, found, strict=True):
        if trial.row == name:
            by_seed.setdefault(trial.seed, []).append(result)
    return collect(name, list(by_seed.values()), metrics)


def _shown(rows: Sequence[Row], metric: str, seeds: int) -> Table:
    title = f"{metric.upper()} on the test split, mean of {seeds} seed{'s' if seeds > 1 else ''}; best in bold"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("model")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for row, line in zip(rows, cells(rows, metric, COLUMNS), strict=True):
        table.add_row(row.name, *(f"[bold]{text}[/]" if best else text for text, best in line))
    return table


def _verdict(rows: Sequence[Row], metric: str) -> str:
    ranked = sorted(rows, key=lambda row: row.mean(metric, OVERALL), reverse=True)
    best, second = ranked[0], ranked[1]
    gain = best.mean(metric, OVERALL) / second.mean(metric, OVERALL) - 1
    return f"Best by {metric} overall: {best.name}, {gain:+.1%} over the next, {second.name}."


def _write(rows: Sequence[Row], metrics: Sequence[str], folder: Path) -> list[Path]:
    written = []
    for name, text in (
        ("quickstart.md", markdown(rows, metrics, COLUMNS)),
        ("quickstart.csv", comma_separated(rows, metrics, COLUMNS)),
    ):
        with replacing(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")
        written.append(folder / name)
    return written
