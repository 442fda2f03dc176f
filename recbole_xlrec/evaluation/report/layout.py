"""A table's cells as every format shows them: rounded, the best and the second of each column known, and marked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recbole_xlrec.evaluation.comparison import OVERALL
from recbole_xlrec.evaluation.report.marking import BETTER, WORSE
from recbole_xlrec.evaluation.report.structure import LESS_IS_BETTER, Line, Table

MACRO, WORST = "macro", "worst"
_DIGITS = 4
NOTHING = "–"
_MARKS = {"+": BETTER, "-": WORSE, "": ""}
#: What columns beyond those of a language mean.
MEANING = (
    f"{OVERALL}: the mean over all queries; {MACRO}: over languages, each counted alike; {WORST}: of the language that "
    "is served worst; a language: that of the users."
)


class Cell(NamedTuple):
    """One value: as a number (NaN for none) and as it is shown, whether it is best or second, and its mark."""

    value: float
    text: str
    best: bool
    second: bool
    mark: str


def columns(table: Table, most: int | None = None) -> list[str]:
    """The columns: overall, over languages if there are several, and the languages, those with most queries first."""
    over = [MACRO, WORST] if len(table.languages) > 1 else []
    return [OVERALL, *over, *table.languages[:most]]


def cells(table: Table, metric: str, names: list[str]) -> list[list[Cell]]:
    """(rows, columns); what looks alike is equally good."""
    found = [[value(table, line, metric, name) for name in names] for line in table.lines]
    values = np.round(np.array(found, dtype=np.float64), _DIGITS)  # (rows, columns)
    ranked = values if is_less_better(metric) else -values
    best, second = _lowest(ranked), _lowest(np.where(ranked == _lowest(ranked), np.nan, ranked))
    tests = table.tests.get(metric, {})
    return [
        [
            Cell(
                float(values[row, place]),
                NOTHING if np.isnan(values[row, place]) else f"{values[row, place]:.{_DIGITS}f}",
                bool(ranked[row, place] == best[place]) and len(table.lines) > 1,
                bool(ranked[row, place] == second[place]),
                _MARKS[tests[name][line.name].mark] if line.name in tests.get(name, {}) else "",
            )
            for place, name in enumerate(names)
        ]
        for row, line in enumerate(table.lines)
    ]


def is_less_better(metric: str) -> bool:
    """Whether less of a metric, such as ``rmse`` or ``languagegap@10``, is better."""
    return metric.partition("@")[0] in LESS_IS_BETTER


def value(table: Table, line: Line, metric: str, column: str) -> float:
    """The mean over seeds; NaN where there is none."""
    if column not in (MACRO, WORST):
        return line.result.mean(metric, column)
    means = np.array([line.result.mean(metric, language) for language in table.languages])
    if not len(means) or np.isnan(means).any():
        return float("nan")
    if column == MACRO:
        return float(means.mean())
    return float(means.max() if is_less_better(metric) else means.min())


def _lowest(ranked: np.ndarray) -> np.ndarray:
    return np.asarray(np.fmin.reduce(ranked, axis=0))


def is_marked(found: list[list[Cell]]) -> bool:
    """Whether any cell has a mark, so that it must be explained."""
    return any(cell.mark for row in found for cell in row)


def seeds_text(table: Table) -> str:
    """Over how many seeds the means are."""
    counts = {len(line.seeds) for line in table.lines}
    most = max(counts)
    return f"mean of {most} seeds" if most > 1 else "one seed"
