"""The tables of a benchmark: one a dataset and protocol, the mean test metric over seeds by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.markup import escape
from rich.table import Table

from recbole_xlrec.bridge.run_folder import read_metrics
from recbole_xlrec.evaluation.benchmark.cell import Cell
from recbole_xlrec.evaluation.benchmark.manifest import FINISHED, Entry
from recbole_xlrec.evaluation.comparison import OVERALL, Row, cells, collect, markdown

_WIDEST = 8  # languages that a terminal shows


class Results(NamedTuple):
    """One table.

    Attributes:
        title: Dataset and protocol.
        rows: The rows with a result.
        languages: Those of their queries, those with most queries first.
        missing: Rows without a result.
    """

    title: str
    rows: list[Row]
    languages: list[str]
    missing: list[str]


def tables(
    cells_: Sequence[Cell], entries: Sequence[Entry], seeds: Sequence[int], metrics: Sequence[str]
) -> list[Results]:
    """The tables of some cells, in their order.

    Args:
        cells_: What to show.
        entries: The runs of the manifest; trials are left out.
        seeds: A seed counts for a row when all its runs have finished.
        metrics: Names such as ``ndcg@10``.
    """
    grouped: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells_:
        grouped.setdefault((cell.dataset.name, cell.protocol.name), []).append(cell)
    return [_results(" · ".join(names), group, entries, seeds, metrics) for names, group in grouped.items()]


def _results(
    title: str, group: Sequence[Cell], entries: Sequence[Entry], seeds: Sequence[int], metrics: Sequence[str]
) -> Results:
    rows, missing, queries = [], [], dict[str, int]()
    for cell in group:
        found = [runs for seed in seeds if (runs := _finished(cell, entries, seed))]
        for language, values in ((name, values) for runs in found for run in runs for name, values in _said(run)):
            queries[language] = max(queries.get(language, 0), values["queries"])
        if found:
            part = "" if len(found) == len(seeds) else f" ({len(found)} of {len(seeds)} seeds)"
            rows.append(collect(f"{cell.row.name}{part}", found, metrics))
        else:
            missing.append(cell.row.name)
    return Results(title, rows, sorted(queries, key=lambda name: (-queries[name], name)), missing)


def _said(run: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return list(run["test_by_language"].items())


def _finished(cell: Cell, entries: Sequence[Entry], seed: int) -> list[dict[str, Any]]:
    """The metrics of the runs of one seed; none if one of them is missing."""
    mine = [
        entry
        for entry in entries
        if (entry.row, entry.dataset, entry.protocol) == cell.names
        and (entry.seed, entry.trial, entry.status) == (seed, None, FINISHED)
    ]
    return [read_metrics(Path(str(entry.folder))) for entry in mine] if len(mine) == len(cell.scopes) else []


def heading(results: Results, metric: str, seeds: int) -> str:
    """What stands over a table."""
    return f"{results.title}: {metric.upper()} on the test split, mean of {seeds} seed{'s' if seeds > 1 else ''}"


def shown(results: Results, metric: str) -> Table:
    """One table for a terminal, best in bold."""
    columns = [OVERALL, *results.languages[:_WIDEST]]
    table = Table("row")
    for column in columns:
        table.add_column(column, justify="right")
    for row, line in zip(results.rows, cells(results.rows, metric, columns), strict=True):
        table.add_row(escape(row.name), *(f"[bold]{text}[/]" if best else text for text, best in line))
    return table


def page(found: Sequence[Results], metrics: Sequence[str]) -> str:
    """All tables as Markdown, with every language."""
    parts = []
    for results in found:
        lines = markdown(results.rows, metrics, [OVERALL, *results.languages]) if results.rows else ""
        lost = f"\nNo result: {', '.join(results.missing)}\n" if results.missing else ""
        parts.append(f"## {results.title}\n\n{lines}{lost}")
    return "\n".join(parts)
