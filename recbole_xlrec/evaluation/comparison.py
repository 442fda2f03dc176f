"""A table of models: one row a model, its metrics overall and by language, as the mean over seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

OVERALL = "overall"


class Row(NamedTuple):
    """One model's results.

    Attributes:
        name: What the table calls it.
        values: By (metric, ``overall`` or a language), one value a seed.
        seconds: Fit and encoding, mean over seeds.
    """

    name: str
    values: dict[tuple[str, str], list[float]]
    seconds: float

    def mean(self, metric: str, column: str) -> float:
        """The mean over seeds; NaN where no seed has queries."""
        return float(np.mean(self.values.get((metric, column), np.nan)))


def collect(name: str, seeds: Sequence[Sequence[Mapping[str, Any]]], metrics: Sequence[str]) -> Row:
    """Gathers the ``metrics.json`` of the runs of one row.

    Args:
        name: The row's name.
        seeds: For each seed the runs that together answer all queries: one run, or one a language.
        metrics: Names such as ``ndcg@10``.
    """
    values: dict[tuple[str, str], list[float]] = {}
    for runs in seeds:
        languages = {language: found for run in runs for language, found in run["test_by_language"].items()}
        queries = {language: found["queries"] for language, found in languages.items()}
        for metric in metrics:
            total = sum(found[metric] * queries[language] for language, found in languages.items())
            whole = total / sum(queries.values()) if queries else runs[0]["test"][metric]  # users without languages
            values.setdefault((metric, OVERALL), []).append(whole)
            for language, found in languages.items():
                values.setdefault((metric, language), []).append(found[metric])
    spent = [sum(run["seconds"]["fit"] + run["seconds"]["encode"] for run in runs) for runs in seeds]
    return Row(name, values, float(np.mean(spent)))


def cells(rows: Sequence[Row], metric: str, columns: Sequence[str]) -> list[list[tuple[str, bool]]]:
    """The table's cells, (rows, columns), each with whether it is the best of its column; a dash for no queries."""
    means = np.array([[row.mean(metric, column) for column in columns] for row in rows])  # (rows, columns)
    best = means == np.fmax.reduce(means, axis=0)
    return [
        [("–" if np.isnan(value) else f"{value:.4f}", bool(mark)) for value, mark in zip(line, marks, strict=True)]
        for line, marks in zip(means, best, strict=True)
    ]


def markdown(rows: Sequence[Row], metrics: Sequence[str], columns: Sequence[str]) -> str:
    """One Markdown table a metric, the best of each column in bold."""
    parts = []
    for metric in metrics:
        lines = [f"| {metric} | {' | '.join(columns)} | fit, s |", "|---" * (len(columns) + 2) + "|"]
        for row, line in zip(rows, cells(rows, metric, columns), strict=True):
            shown = " | ".join(f"**{text}**" if best else text for text, best in line)
            lines.append(f"| {row.name} | {shown} | {row.seconds:.1f} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def comma_separated(rows: Sequence[Row], metrics: Sequence[str], columns: Sequence[str]) -> str:
    """One line a (model, metric, column) with mean, standard deviation over seeds, and each seed's value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "metric", "users", "mean", "std", "seeds", "by seed"])
    for row in rows:
        for metric in metrics:
            for column in columns:
                found = row.values.get((metric, column), [])
                if not found:
                    continue
                spread = np.std(found, ddof=1) if len(found) > 1 else 0.0
                each = " ".join(f"{value:.6f}" for value in found)
                writer.writerow([row.name, metric, column, f"{np.mean(found):.6f}", f"{spread:.6f}", len(found), each])
    return text.getvalue()
