"""The report as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator

import numpy as np

from recbole_xlrec.evaluation.report.layout import MEANING, Cell, cells, columns, is_marked, seeds_text
from recbole_xlrec.evaluation.report.marking import meaning
from recbole_xlrec.evaluation.report.structure import Line, Origin, Report, Table
from recbole_xlrec.evaluation.row_tests import RowTest

_TESTS = ("row", "against", "difference", "95 % interval", "p", "p, Holm", "d_z", "")
_CSV = (
    *("dataset", "protocol", "row", "model", "metric", "language", "mean", "std", "seeds", "by seed"),
    *("against", "difference", "low", "high", "p", "adjusted p", "effect"),
)

_LEGEND = f"Best in bold, second underlined. {MEANING} Other metrics are in report.csv."


def markdown(report: Report) -> str:
    """All tables with their tests, what failed, and whom to cite."""
    parts = [f"# {_plain(report.title)}", _plain(report.description), _LEGEND, *_bullets(report.notes)]
    for table in report.tables:
        parts += [f"## {_plain(table.title)}", *_bullets(table.notes)]
        parts += [_values(table, metric) for metric in table.tested or table.metrics[:1]]
        parts += [_significance(table, metric) for metric in table.tests]
    if report.failures:
        header = ("dataset", "protocol", "row", "seed", "status", "message", "log")
        parts += ["## Runs without a result", _grid(header, [list(failure[:7]) for failure in report.failures])]
    parts += [*_origins("Datasets", report.datasets), *_origins("Models and software", report.models)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _values(table: Table, metric: str) -> str:
    names = columns(table)
    found = cells(table, metric, names)
    rows = [
        [_plain(line.name), *map(_cell, row), f"{line.seconds:.1f}", f"{line.memory:.0f}"]
        for line, row in zip(table.lines, found, strict=True)
    ]
    shown = _grid([metric, *names, "fit, s", "memory, MB"], rows, escaped=True)
    marks = f" {meaning(table.baseline)}" if is_marked(found) else ""
    return f"{shown}\n\nTest split, {seeds_text(table)}.{marks}"


def _cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.best else f"<u>{cell.text}</u>" if cell.second else cell.text
    return text + cell.mark


def _significance(table: Table, metric: str) -> str:
    rows = [[row, test.against, *shown_test(test)] for row, test in table.tests[metric].get("overall", {}).items()]
    return f"Tests of {metric}, over all queries:\n\n{_grid(_TESTS, rows)}"


def shown_test(test: RowTest) -> list[str]:
    """A test as text: difference, interval, p, p after Holm's correction, effect size, and what it comes to."""
    verdict = {"+": "better", "-": "worse", "": "no difference shown"}[test.mark]
    difference, low, high = (_signed(value, 4) for value in (test.difference, test.low, test.high))
    p_values = (p_text(test.p), p_text(test.adjusted_p))
    return [difference, f"{low} to {high}", *p_values, _signed(test.effect, 2), verdict]


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def p_text(p: float) -> str:
    """A p-value, none so small that nobody could have measured it."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _origins(title: str, found: tuple[Origin, ...]) -> list[str]:
    lines = [
        "- {}: {}".format(_plain(one.name), "; ".join(f"{_plain(text)}" for _, text in one.lines)) for one in found
    ]
    return [f"## {title}", "\n".join(lines)]


def _grid(header: tuple[str, ...] | list[str], rows: list[list[str]], escaped: bool = False) -> str:
    body = [row if escaped else [_plain(text) for text in row] for row in rows]
    lines = [list(header), ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(notes: tuple[str, ...]) -> list[str]:
    return ["\n".join(f"- {_plain(note)}" for note in notes)] if notes else []


def _plain(text: str) -> str:
    """Text of the data, so that Markdown shows it as it is."""
    return "".join(f"\\{char}" if char in "\\`*_<[|" else char for char in " ".join(text.split()))


def comma_separated(report: Report) -> str:
    """One line a (dataset, protocol, row, metric, language), with the test of that row where there is one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV)
    for table in report.tables:
        for line in table.lines:
            writer.writerows(_long(table, line))
    return text.getvalue()


def _long(table: Table, line: Line) -> Iterator[list[object]]:
    for metric in table.metrics:
        for column in table.columns:
            found = line.result.values.get((metric, column), [])
            if not found:
                continue
            spread = f"{np.std(found, ddof=1):.6f}" if len(found) > 1 else ""
            each = " ".join(f"{value:.6f}" for value in found)
            test = table.tests.get(metric, {}).get(column, {}).get(line.name)
            tested = ["", *[""] * 6] if test is None else [test.against, *map(_number, test[1:7])]
            names = [table.dataset, table.protocol, line.name, line.model, metric, column]
            yield [*names, f"{np.mean(found):.6f}", spread, len(found), each, *tested]


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
