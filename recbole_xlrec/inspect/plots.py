"""The plots of a profile as plain plotly figures, without colours: the page gives them those of its theme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recbole_xlrec.inspect.measures import Bars
from recbole_xlrec.inspect.profile import Profile

Figure = dict[str, Any]

_MOST_LANGUAGES = 20


def figures(profile: Profile) -> dict[str, Figure]:
    """The figures by the name that the page's template knows them by; what the data does not have is left out."""
    times = profile.times
    found = {
        "languages": _languages(profile) if profile.languages else None,
        "matrix": _matrix(profile),
        "lengths": _bars(profile.length_bars, "interactions of a user", "users"),
        "popularity": _popularity(profile.popularity.curve),
        "ratings": _bars(profile.ratings, "rating", "interactions") if profile.ratings else None,
        "times": _bars(times.bars, "", "interactions") if times is not None and times.bars else None,
    }
    return {name: figure for name, figure in found.items() if figure is not None}


def _languages(profile: Profile) -> Figure:
    rows = profile.languages[:_MOST_LANGUAGES]
    traces: list[Figure] = []
    for name in ("users", "items", "interactions", "texts"):
        total = sum(getattr(row, name) for row in profile.languages)
        counts = [getattr(row, name) for row in rows]
        if total:
            shares = [count / total for count in counts]
            traces.append({"type": "bar", "name": name, "y": shares, "customdata": counts})
    for trace in traces:
        trace["x"] = [row.name for row in rows]
        trace["hovertemplate"] = "%{x}: %{customdata:,} %{fullData.name} (%{y:.1%})<extra></extra>"
    return {"data": traces, "layout": _layout("", "share", y={"tickformat": ".0%"}, showlegend=True)}


def _matrix(profile: Profile) -> Figure | None:
    if profile.matrix is None:
        return None
    cells = np.asarray(profile.matrix)  # (home language, item language)
    homes, items = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    cells = cells[np.ix_(homes, items)]
    shares = cells / cells.sum(axis=1, keepdims=True)
    trace = {
        "type": "heatmap",
        "x": [profile.matrix_names[place] for place in items],
        "y": [profile.matrix_names[place] for place in homes],
        "z": shares.tolist(),
        "customdata": cells.tolist(),
        "zmin": 0,
        "zmax": 1,
        "xgap": 2,
        "ygap": 2,
        "texttemplate": "%{z:.0%}" if len(items) <= 8 else "",
        "hovertemplate": "users %{y}, items %{x}: %{customdata:,} interactions, %{z:.1%} of the users'<extra></extra>",
        "colorbar": {"tickformat": ".0%", "thickness": 10, "outlinewidth": 0},
    }
    y = {"autorange": "reversed", "type": "category"}
    return {"data": [trace], "layout": _layout("language of the item", "home of the user", y=y)}


def _popularity(curve: Sequence[float]) -> Figure:
    shares = [place / 100 for place in range(101)]
    lines: list[Figure] = [
        {"x": shares, "y": list(curve), "name": "here", "hovertemplate": "top %{x:.0%}: %{y:.1%}<extra></extra>"},
        {"x": [0, 1], "y": [0, 1], "name": "all equal", "line": {"dash": "dot", "width": 1}, "hoverinfo": "skip"},
    ]
    traces = [{"type": "scatter", "mode": "lines", **line} for line in lines]
    axis = {"tickformat": ".0%", "type": "linear"}
    layout = _layout("most popular items", "share of interactions", x=axis, y=axis, showlegend=True)
    return {"data": traces, "layout": layout}


def _bars(found: Bars, x: str, y: str) -> Figure:
    names, counts = [name for name, _ in found], [count for _, count in found]
    hover = "%{x}: %{y:,} " + y + "<extra></extra>"
    return {"data": [{"type": "bar", "x": names, "y": counts, "hovertemplate": hover}], "layout": _layout(x, y)}


def _layout(
    x_title: str, y_title: str, x: Figure | None = None, y: Figure | None = None, showlegend: bool = False
) -> Figure:
    return {
        "xaxis": {"title": {"text": x_title}, "type": "category", "automargin": True, "fixedrange": True, **(x or {})},
        "yaxis": {"title": {"text": y_title}, "automargin": True, "fixedrange": True, **(y or {})},
        "showlegend": showlegend,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "height": 300,
        "bargap": 0.15,
    }
