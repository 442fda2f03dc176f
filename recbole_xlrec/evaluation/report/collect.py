"""Reads finished runs into a `Report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.evaluation import comparison
from recbole_xlrec.evaluation.comparison import OVERALL
from recbole_xlrec.evaluation.metrics import METRICS
from recbole_xlrec.evaluation.report import origins
from recbole_xlrec.evaluation.report.curves import curves
from recbole_xlrec.evaluation.report.examples import examples
from recbole_xlrec.evaluation.report.folders import find_runs
from recbole_xlrec.evaluation.report.judging import Judged, judge_row
from recbole_xlrec.evaluation.report.marking import run_tests
from recbole_xlrec.evaluation.report.rows import Group, group
from recbole_xlrec.evaluation.report.structure import LESS_IS_BETTER, Line, Report, Run, Table


def collect(
    paths: Sequence[Path],
    metrics: Sequence[str] = (),
    baseline: str | None = None,
    data_path: Path | None = None,
) -> Report:
    """Reads runs, judges their rankings, and tests their rows.

    Args:
        paths: Run folders, folders of run folders, benchmarks' folders.
        metrics: What is tested and judged, as ``ndcg@10``, the main one first; none for those of the benchmarks, or
            else what the runs stopped by.
        baseline: The row against which all are tested; None for the best of the others.
        data_path: Folder of the datasets, for titles and origins; None for that of the runs.

    Raises:
        DataError: If there is no finished run, runs cannot be compared, or a file of one is broken.
        ConfigError: If a metric or the baseline is in no run.
    """
    found = find_runs(paths)
    groups = group(found.runs)
    wanted = [name.lower() for name in metrics]
    _check_names(groups, wanted, baseline)
    tables = [
        _table(f"t{number}", one, wanted, found.metrics, baseline, data_path) for number, one in enumerate(groups)
    ]
    named = [run for one in groups for run in one.runs()]
    return Report(
        " and ".join(found.names) or "Report",
        " ".join(text for text in found.names.values() if text),
        tuple(tables),
        tuple(found.failures),
        tuple(found.notes),
        origins.environments(named),
        origins.commands(named),
        origins.datasets(named, data_path),
        origins.models(named),
    )


def _check_names(groups: Sequence[Group], wanted: Sequence[str], baseline: str | None) -> None:
    there = dict.fromkeys(name for one in groups for run in one.runs() for name in run.metrics["test"])
    if unknown := [name for name in wanted if name not in there]:
        raise ConfigError(f"no run has measured {', '.join(unknown)}; there are {', '.join(there)}")
    rows = dict.fromkeys(row for one in groups for row in one.rows)
    if baseline is not None and baseline not in rows:
        raise ConfigError(f"no row is named {baseline!r}, the baseline; there are {', '.join(map(repr, rows))}")


def _table(
    key: str,
    one: Group,
    wanted: Sequence[str],
    preferred: Sequence[str],
    baseline: str | None,
    data_path: Path | None,
) -> Table:
    metrics, tested, notes = choose_metrics(one, wanted, preferred)
    judged = {row: judge_row(seeds, tested) for row, seeds in one.rows.items()}
    lines = [_line(row, seeds, metrics, judged[row]) for row, seeds in one.rows.items()]
    marks = run_tests(judged, tested, baseline if baseline in one.rows else None)
    queries = _queries(one)
    best = [line.name for line in sorted(lines, key=lambda line: -_goodness(line, metrics[0]))]
    return Table(
        key,
        one.dataset,
        one.protocol,
        metrics,
        tested,
        tuple(sorted(queries, key=lambda name: (-queries[name], name))),
        queries,
        tuple(lines),
        marks.tests,
        baseline if baseline in one.rows else None,
        examples(one, best, data_path),
        (*notes, *_gaps(one, judged), *marks.notes),
    )


def choose_metrics(
    one: Group, wanted: Sequence[str], preferred: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """All metrics of a table, the main one first; those of them that are tested; and what is told of the others.

    Raises:
        ConfigError: If the rows have no metric in common.
    """
    measured = [list(run.metrics["test"]) for run in one.runs()]
    everywhere = [name for name in measured[0] if all(name in names for names in measured)]
    if not everywhere:
        first, other = one.runs()[0], next(run for run in one.runs() if not set(run.metrics["test"]) & set(measured[0]))
        raise ConfigError(
            f"{first.folder} and {other.folder} ({one.dataset}, {one.protocol}) have no metric in common: "
            f"{', '.join(measured[0])} and {', '.join(other.metrics['test'])}. Give their folders to two reports"
        )
    stopped = list(dict.fromkeys(str(run.config.get("valid_metric", "")).lower() for run in one.runs()))
    main = [name for names in (wanted, preferred, stopped, everywhere[:1]) for name in names if name in everywhere]
    chosen = [name for name in (wanted or preferred or main[:1]) if name in everywhere] or main[:1]
    tested = tuple(name for name in chosen if name.partition("@")[0] in METRICS and "@" in name)
    left = dict.fromkeys(name for names in measured for name in names if name not in everywhere)
    notes = [f"Not measured by all rows, hence left out: {', '.join(left)}."] if left else []
    return tuple(dict.fromkeys([*main, *everywhere])), tested, notes


def _line(row: str, seeds: Mapping[int, Sequence[Run]], metrics: Sequence[str], judged: Judged) -> Line:
    parts = [[run.metrics for run in seeds[seed]] for seed in sorted(seeds)]
    by_language = [
        name
        for name in metrics
        if all(name in values for runs in parts for run in runs for values in run["test_by_language"].values())
    ]
    result = comparison.collect(row, parts, by_language)
    for metric in metrics:  # what one run measured of all queries, those of users without a language too
        if all(len(runs) == 1 for runs in parts):
            result.values[metric, OVERALL] = [runs[0]["test"][metric] for runs in parts]
    first = seeds[min(seeds)]
    memory = float(np.mean([max(run["peak_memory_mb"] for run in runs) for runs in parts]))
    return Line(
        result, first[0].model, tuple(sorted(seeds)), result.seconds, memory, judged.measures, curves(row, first)
    )


def _goodness(line: Line, metric: str) -> float:
    value = float(np.nan_to_num(line.result.mean(metric, OVERALL), nan=-np.inf))
    return -value if metric.partition("@")[0] in LESS_IS_BETTER else value


def _queries(one: Group) -> dict[str, int]:
    found: dict[str, int] = {}
    for run in one.runs():
        for language, values in run.metrics["test_by_language"].items():
            found[language] = max(found.get(language, 0), int(values["queries"]))
    return found


def _gaps(one: Group, judged: Mapping[str, Judged]) -> list[str]:
    """What a reader does not find in a table, and why."""
    notes = []
    most = max(len(seeds) for seeds in one.rows.values())
    if few := [f"{row} ({len(seeds)} of {most})" for row, seeds in one.rows.items() if len(seeds) < most]:
        notes.append(f"Rows with fewer seeds: {', '.join(few)}.")
    if silent := [row for row, found in judged.items() if not found.seeds]:
        notes.append(f"No saved ranking, hence neither tests nor lists: {', '.join(silent)}.")
    if old := [row for row, found in judged.items() if found.seeds and found.measures is None]:
        notes.append(
            f"Without context.npz, which older versions did not write: {', '.join(old)}. Of them there is no transfer "
            "between languages, no cold, tail and head, no length of histories, nothing beyond accuracy. Make the runs "
            "again with rerun: True."
        )
    return notes
