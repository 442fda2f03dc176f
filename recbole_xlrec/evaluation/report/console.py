"""The report's tables on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from recbole_xlrec.evaluation.report.layout import Cell, cells, columns, seeds_text
from recbole_xlrec.evaluation.report.marking import meaning
from recbole_xlrec.evaluation.report.structure import Report, Table

_NAME, _VALUE = 30, 9  # characters of the widest row's name, and of a value with its mark and the space between


def print_report(report: Report, console: Console) -> None:
    """Prints the main metric of each table, what a reader must know, and what failed."""
    for table in report.tables:
        metric = table.metrics[0]
        console.print()
        console.print(Text(f"{table.title}: {metric} on the test split, {seeds_text(table)}", style="bold"))
        console.print(_grid(table, metric, console.width))
        if table.tests:
            _say(console, meaning(table.baseline), "dim")
        for note in table.notes:
            _say(console, note, "dim")
    for note in report.notes:
        _say(console, note, "dim")
    for failure in report.failures:
        where = f"{failure.row}, {failure.dataset}, {failure.protocol}, seed {failure.seed}"
        _say(console, f"{failure.status}: {where}: {failure.message} ({failure.place})", "yellow")


def _grid(table: Table, metric: str, width: int) -> Grid:
    """The table with as many languages as there is room for."""
    left = width - min(_NAME, max(len(line.name) for line in table.lines)) - 2
    names = columns(table, max(0, left // _VALUE - 4))  # beside overall, two over languages, and the time
    found = cells(table, metric, names)
    grid = Grid(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    grid.add_column("row", max_width=_NAME)
    for name in names:
        grid.add_column(Text(name), justify="right", no_wrap=True)
    grid.add_column("fit, s", justify="right", no_wrap=True)
    for line, row in zip(table.lines, found, strict=True):
        grid.add_row(Text(line.name), *map(_cell, row), f"{line.seconds:.1f}")
    return grid


def _cell(cell: Cell) -> Text:
    return Text(cell.text, style="bold" if cell.best else "underline" if cell.second else "").append(cell.mark)


def _say(console: Console, text: str, style: str) -> None:
    console.print(Text(text, style=style), soft_wrap=True)
