"""Tests the rows of a table: over all queries, and within the users of each language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.evaluation.comparison import OVERALL
from recbole_xlrec.evaluation.pairing import QueryValues, pair_rows, stack_seeds
from recbole_xlrec.evaluation.report.judging import Asked, Judged
from recbole_xlrec.evaluation.row_tests import RowTest, compare_by_language, compare_rows

Tests = dict[str, dict[str, dict[str, RowTest]]]

#: What a row that is significantly better is marked with, and one that is worse.
BETTER, WORSE = "†", "‡"
#: Of the intervals; a mark is given below 1 − level.
LEVEL = 0.95


class Tested(NamedTuple):
    """Metric → ``overall`` or a language → row → its test; and why rows are not in it."""

    tests: Tests
    notes: list[str]


def run_tests(rows: Mapping[str, Judged], metrics: Sequence[str], baseline: str | None) -> Tested:
    """Tests all rows whose seeds and queries are those of the others.

    Args:
        rows: By name.
        metrics: To be tested.
        baseline: A row's name; None to test each against the best of the others.

    Raises:
        ConfigError: If no row has the baseline's name.
    """
    if baseline is not None and baseline not in rows:
        raise ConfigError(f"no row is named {baseline!r}, the baseline; there are {', '.join(map(repr, rows))}")
    ranked = {name: row.seeds for name, row in rows.items() if row.seeds}
    first = baseline if baseline in ranked else next(iter(ranked), None)
    if first is None or len(rows) < 2:
        return Tested({}, [])
    fitting, notes = _fitting(ranked, first)
    if len(fitting) < 2:
        return Tested({}, [*notes, "No two rows answer the same queries with the same seeds: none is tested."])
    return Tested({metric: _tests(fitting, metric, baseline) for metric in metrics}, notes)


def _fitting(rows: Mapping[str, Mapping[int, Asked]], first: str) -> tuple[dict[str, list[Asked]], list[str]]:
    """The rows that are asked the same, on the seeds that all have, and what is told of the others."""
    seeds = sorted(set.intersection(*(set(found) for found in rows.values())))
    notes = []
    if seeds and any(len(found) > len(seeds) for found in rows.values()):
        notes.append(f"Tests are on the seeds that all rows have: {', '.join(map(str, seeds))}.")
    asked = {name: [found[seed] for seed in seeds] for name, found in rows.items()} if seeds else {}
    wanted = [one.fingerprint for one in asked.get(first, [])]
    fitting = {name: found for name, found in asked.items() if [one.fingerprint for one in found] == wanted}
    if other := [name for name in asked if name not in fitting]:
        notes.append(
            f"Not tested, since not the same queries and targets as {first} are asked of them: {', '.join(other)}. "
            "Their values are not comparable with the others' to the last digit."
        )
    return fitting, notes


def _tests(rows: Mapping[str, Sequence[Asked]], metric: str, baseline: str | None) -> dict[str, dict[str, RowTest]]:
    stacked = {name: _stacked(found, metric) for name, found in rows.items()}
    values, languages = pair_rows(stacked), next(iter(stacked.values())).languages
    named = baseline if baseline in values else None
    tests = {OVERALL: compare_rows(values, named, level=LEVEL)}
    if (languages != "").any():
        tests |= compare_by_language(values, languages, named, level=LEVEL)
    return tests


def _stacked(found: Sequence[Asked], metric: str) -> QueryValues:
    parts = [(one.values[metric], one.ids, one.languages) for one in found]
    return stack_seeds(*zip(*parts, strict=True))


def meaning(baseline: str | None) -> str:
    """What the marks of a table say."""
    share = f"{1 - LEVEL:.2f}".rstrip("0")
    how = f"paired permutation test over queries, p < {share} after Holm's correction"
    if baseline is None:
        return (
            f"{BETTER}: the best row, significantly better than the second; {WORSE}: significantly worse than the best "
            f"({how})."
        )
    return f"{BETTER}: significantly better than {baseline}; {WORSE}: significantly worse than {baseline} ({how})."
