"""A report as one HTML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from recbole_xlrec.evaluation.report import figures as plots
from recbole_xlrec.evaluation.report.layout import MEANING, NOTHING, Cell, cells, columns, seeds_text
from recbole_xlrec.evaluation.report.marking import meaning
from recbole_xlrec.evaluation.report.structure import Line, Report, Table
from recbole_xlrec.evaluation.report.tables import shown_test
from recbole_xlrec.pages import render


class _Entry(NamedTuple):
    """One row of the leaderboard; `cells` by column."""

    table: Table
    line: Line
    metric: str
    cells: dict[str, Cell]


class _Menu(NamedTuple):
    """A plot with the choices that its figures' names are made of."""

    prefix: str
    title: str
    note: str
    choices: list[tuple[str, list[str]]]


def page(report: Report) -> str:
    """The page's HTML; texts of the data are escaped."""
    figures = {name: figure for table in report.tables for name, figure in plots.figures(table).items()}
    values = {
        "report": report,
        "entries": list(_entries(report)),
        "columns": _columns(report),
        "metrics": list(dict.fromkeys(metric for table in report.tables for metric in table.metrics)),
        "menus": {table.key: list(_menus(table, figures)) for table in report.tables},
        "beyond": {table.key: _beyond(table) for table in report.tables},
        "meaning": meaning,
        "columns_meaning": MEANING,
        "shown_test": shown_test,
        "seeds_text": seeds_text,
        "nothing": NOTHING,
    }
    return render("report.html.j2", figures, values)


def _entries(report: Report) -> Iterator[_Entry]:
    for table in report.tables:
        names = columns(table)
        for metric in table.metrics:
            for line, found in zip(table.lines, cells(table, metric, names), strict=True):
                yield _Entry(table, line, metric, dict(zip(names, found, strict=True)))


def _columns(report: Report) -> list[str]:
    """Those of all tables; those over languages before the languages."""
    return list(dict.fromkeys(name for table in sorted(report.tables, key=_width) for name in columns(table)))


def _width(table: Table) -> int:
    return -len(columns(table))


def _menus(table: Table, figures: Mapping[str, Any]) -> Iterator[_Menu]:
    """The plots that there are figures for; the choices are those of the figures' names."""
    titles = (
        ("languages", "By language", ""),
        ("transfer", "Transfer between languages", "users of one, items of another"),
        ("slices", "Cold, tail, head, and length of history", _SLICES),
        ("cost", "Quality against cost", ""),
        ("curves", "Training", "first seed"),
        ("tests", "Differences", "against the baseline" if table.baseline else "against the best of the others"),
    )
    labels = {"languages": ("by", "metric"), "transfer": ("row", "metric"), "slices": ("by", "metric")}
    for kind, title, note in titles:
        prefix = f"{table.key}|{kind}|"
        found = [name.removeprefix(prefix) for name in figures if name.startswith(prefix)]
        if not found:
            continue
        names = labels.get(kind) or {"cost": ("against", "metric"), "curves": ("show",), "tests": ("metric",)}[kind]
        parts = [name.rsplit("|", len(names) - 1) for name in found]
        choices = [(label, list(dict.fromkeys(part[place] for part in parts))) for place, label in enumerate(names)]
        yield _Menu(prefix, title, note, choices)


_SLICES = "cold: no training interaction; head: the most popular items, which hold 80 % of them; tail: the others"


def _beyond(table: Table) -> list[tuple[str, list[str]]]:
    """What is measured beyond accuracy: headers with a cell a row; empty where nothing is."""
    judged = {line.name: line.judged for line in table.lines if line.judged is not None}
    found: dict[str, dict[str, float | None]] = {}
    for row, measures in judged.items():
        values = {**measures["hits"], **measures["beyond"]}
        for metric, summary in measures["fairness"].items():
            values[f"gap between languages, {metric}"] = summary["gap"] if len(table.languages) > 1 else None
        for name, value in values.items():
            found.setdefault(name.replace("_", " "), {})[row] = value
    kept = {name: values for name, values in found.items() if any(value is not None for value in values.values())}
    header = ("", list(kept))
    rows = [(row, [_number(values.get(row)) for values in kept.values()]) for row in judged]
    return [header, *rows] if kept else []


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4f}"
