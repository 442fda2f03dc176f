"""The plots of a report as plain plotly figures, without colours: the page gives them those of its theme.

Each is named ``<table>|<kind>|<choice>|…``: the choices are what the page's menus for it offer.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recbole_xlrec.evaluation.comparison import OVERALL
from recbole_xlrec.evaluation.report.structure import Curve, Line, Table
from recbole_xlrec.evaluation.slices import HISTORY_SLICES, POPULARITY

Figure = dict[str, Any]
USERS, TARGETS = "language of the users", "language of the target items"
TIME, MEMORY = "time", "memory"
BY_POPULARITY, BY_HISTORY = "popularity of the target", "length of the history"
VALID, LOSS = "validation", "loss"

_MOST_LANGUAGES = 16
_DIGITS = 5
_NARROW = 18  # characters of a name beside a plot, so that a phone has room for the plot
_LEAST = 0.001  # of what stands on an axis of powers


def figures(table: Table) -> dict[str, Figure]:
    """All figures of a table; what its runs do not have is left out."""
    found: dict[str, Figure] = {}
    for metric in table.tested:
        for name, figure in _by_metric(table, metric).items():
            found[f"{table.key}|{name}"] = figure
    for kind in (VALID, LOSS):
        lines = [curve for line in table.lines for curve in line.curves]
        if drawn := _curves(lines, kind):
            found[f"{table.key}|curves|{kind}"] = drawn
    return found


def _by_metric(table: Table, metric: str) -> dict[str, Figure]:
    found: dict[str, Figure | None] = {
        f"languages|{USERS}|{metric}": _languages(table, metric),
        f"languages|{TARGETS}|{metric}": _sliced(table, "by_target_language", metric, None),
        f"slices|{BY_POPULARITY}|{metric}": _sliced(table, "by_popularity", metric, POPULARITY),
        f"slices|{BY_HISTORY}|{metric}": _sliced(table, "by_history_length", metric, HISTORY_SLICES),
        f"cost|{TIME}|{metric}": _cost(table, metric, "fit and encoding, seconds", lambda line: line.seconds),
        f"cost|{MEMORY}|{metric}": _cost(table, metric, "peak memory, MB", lambda line: line.memory),
        f"tests|{metric}": _tests(table, metric),
    }
    most = max((value for line in table.lines for _, value in _crossings(line, metric)), default=0.0)
    for line in sorted(table.lines, key=lambda line: -line.result.mean(metric, OVERALL)):
        found[f"transfer|{line.name}|{metric}"] = _transfer(line, metric, most)
    return {name: figure for name, figure in found.items() if figure is not None}


def _languages(table: Table, metric: str) -> Figure | None:
    names = table.languages[:_MOST_LANGUAGES]
    if not names:
        return None
    values = {line.name: [line.result.mean(metric, name) for name in names] for line in table.lines}
    return _bars(values, [f"{name}" for name in names], "language", metric)


def _sliced(table: Table, part: str, metric: str, names: Sequence[str] | None) -> Figure | None:
    """Bars of what `judge` measures by name."""
    measured = {line.name: line.judged[part] for line in table.lines if line.judged is not None}
    queries: dict[str, float] = {}
    for found in measured.values():
        for name, values in found.items():
            queries[name] = max(queries.get(name, 0.0), values["queries"])
    order = names or sorted(queries, key=lambda name: (-queries[name], name))[:_MOST_LANGUAGES]
    shown = [name for name in order if name in queries]
    if not shown:
        return None
    values = {
        row: [found[name][metric] if name in found else math.nan for name in shown] for row, found in measured.items()
    }
    labels = [f"{name}<br>{queries[name]:,.0f} queries" if names else name for name in shown]
    return _bars(values, labels, "", metric)


def _bars(values: Mapping[str, Sequence[float]], labels: Sequence[str], x: str, y: str) -> Figure:
    hover = "%{fullData.name}<br>%{x}: %{y:.4f}<extra></extra>"
    traces = [
        {"type": "bar", "name": _safe(row), "x": list(labels), "y": _numbers(found), "hovertemplate": hover}
        for row, found in values.items()
    ]
    return _figure(
        traces, {"title": x, "type": "category"}, {"title": y, "rangemode": "tozero"}, legend=len(traces) > 1
    )


def _crossings(line: Line, metric: str) -> list[tuple[tuple[str, str], float]]:
    """The cells of a row's transfer matrix that have a value: user language, target language → value."""
    rows = (line.judged or {}).get("transfer", {}).get(metric, {})
    cells = (((source, target), value) for source, values in rows.items() for target, value in values.items())
    return [(names, value) for names, value in cells if value is not None]


def _transfer(line: Line, metric: str, most: float) -> Figure | None:
    found = dict(_crossings(line, metric))
    if line.judged is None or not found:
        return None
    counts = line.judged["transfer"]["queries"]
    sources, targets = (sorted({names[side] for names in found}) for side in (0, 1))
    trace = {
        "type": "heatmap",
        "x": targets,
        "y": sources,
        "z": [_numbers([found.get((source, target), math.nan) for target in targets]) for source in sources],
        "customdata": [[counts[source].get(target) or 0 for target in targets] for source in sources],
        "zmin": 0,
        "zmax": most or 1,
        "xgap": 2,
        "ygap": 2,
        "hoverongaps": False,
        "texttemplate": "%{z:.3f}" if len(targets) <= 6 else "",
        "hovertemplate": "users %{y} → items %{x}: %{z:.4f}<br>%{customdata:,.0f} queries<extra></extra>",
        "colorbar": {"thickness": 10, "outlinewidth": 0},
    }
    x = {"title": "language of the target items", "type": "category"}
    y = {"title": "language of the users", "type": "category", "autorange": "reversed", "showgrid": False}
    return _figure([trace], x, y, height=140 + 34 * max(4, len(sources)))


def _curves(found: Sequence[Curve], kind: str) -> Figure | None:
    hover = "%{fullData.name}<br>epoch %{x}: %{y:.4g}<extra></extra>"
    traces = []
    for curve in found:
        values = curve.valid if kind == VALID else curve.loss
        points = [(epoch, value) for epoch, value in zip(curve.epochs, values, strict=True) if value is not None]
        if len(points) > 1:
            x, y = zip(*points, strict=True)
            name = _safe(curve.name)
            line = {"type": "scatter", "mode": "lines+markers" if len(points) < 40 else "lines", "name": name}
            traces.append({**line, "x": list(x), "y": list(y), "hovertemplate": hover})
    metrics = ", ".join(dict.fromkeys(curve.metric for curve in found))
    y_axis = {"title": f"{metrics}, validation" if kind == VALID else "training loss"}
    return _figure(traces, {"title": "epoch"}, y_axis, legend=True) if traces else None


def _cost(table: Table, metric: str, title: str, cost: Callable[[Line], float]) -> Figure:
    hover = "%{fullData.name}<br>%{x:,.4g}: %{y:.4f}<extra></extra>"
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": _safe(line.name),
            "x": _numbers([max(cost(line), _LEAST)]),
            "y": _numbers([line.result.mean(metric, OVERALL)]),
            "marker": {"size": 12, "symbol": place % 8},
            "hovertemplate": hover,
        }
        for place, line in enumerate(table.lines)
    ]
    ticks = _log_ticks([max(cost(line), _LEAST) for line in table.lines])
    x = {"title": title, "type": "log", "tickvals": ticks, "ticktext": [f"{tick:,g}" for tick in ticks]}
    return _figure(traces, x, {"title": metric, "rangemode": "tozero"}, legend=len(traces) > 1)


def _log_ticks(values: Sequence[float]) -> list[float]:
    """1, 2 and 5 of each power of ten around the values; of many powers, these alone."""
    low, high = (math.floor(math.log10(end)) for end in (min(values), max(values)))
    steps = (1, 2, 5) if high - low < 3 else (1,)
    return [step * 10.0**power for power in range(low, high + 2) for step in steps]


def _tests(table: Table, metric: str) -> Figure | None:
    tests = table.tests.get(metric, {}).get(OVERALL)
    if not tests:
        return None
    rows = ["<br>".join(map(_safe, textwrap.wrap(name, _NARROW))) + " " for name in tests]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": _numbers([test.difference for test in tests.values()]),
        "y": rows,
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": _numbers([test.high - test.difference for test in tests.values()]),
            "arrayminus": _numbers([test.difference - test.low for test in tests.values()]),
        },
        "customdata": [_safe(test.against) for test in tests.values()],
        "marker": {"size": 9},
        "hovertemplate": "%{y}− %{customdata}: %{x:+.4f}<extra></extra>",
    }
    x = {"title": "difference, 95 % interval", "zeroline": True, "nticks": 4}
    y = {"type": "category", "autorange": "reversed"}
    return _figure([trace], x, y, height=110 + 34 * len(rows))


def _figure(traces: Sequence[Figure], x: Figure, y: Figure, legend: bool = False, height: int = 320) -> Figure:
    return {
        "data": list(traces),
        "layout": {
            "xaxis": _axis(x),
            "yaxis": _axis(y),
            "showlegend": legend,
            "margin": {"l": 8, "r": 8, "t": 16, "b": 8},
            "height": height,
            "bargap": 0.2,
        },
    }


def _axis(values: Figure) -> Figure:
    kept = {name: value for name, value in values.items() if value is not None and name != "title"}
    title = {"text": values["title"]} if values.get("title") else {}
    return {"title": title, "automargin": True, "fixedrange": True, **kept}


def _numbers(values: Sequence[float]) -> list[float | None]:
    return [round(float(value), _DIGITS) if math.isfinite(value) else None for value in values]


def _safe(name: str) -> str:
    """Text of the data: plotly reads some HTML in it."""
    return html.escape(name, quote=False)
