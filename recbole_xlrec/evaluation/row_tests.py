"""Significance over the rows of a table: each row against one other, corrected for the number of tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.evaluation.pairing import Values, finite_values
from recbole_xlrec.evaluation.significance import effect_size, holm, paired_bootstrap, paired_permutation


class RowTest(NamedTuple):
    """A row against another one.

    Attributes:
        against: The other row's name.
        difference: This row's mean minus the other's.
        low: Lower end of the difference's confidence interval, for this difference alone.
        high: Its upper end.
        p: Of the paired permutation test, uncorrected.
        adjusted_p: The same after Holm's correction over the table.
        effect: Cohen's d_z.
        mark: ``+`` where this row is significantly better, ``-`` where it is worse, else empty: by `adjusted_p`.
    """

    against: str
    difference: float
    low: float
    high: float
    p: float
    adjusted_p: float
    effect: float
    mark: str


def compare_rows(
    rows: Mapping[str, ArrayLike],
    baseline: str | None = None,
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, RowTest]:
    """Tests each row of a table against the baseline.

    Without a baseline each row is tested against the best of the others: the best one against the second, all others
    against the best. As the data then choose which of all pairs of rows are tested, Holm's correction counts all
    pairs; with a named baseline it counts the other rows. Name the baseline where there is one: fewer tests find more.

    Args:
        rows: Name -> (queries,) values of one metric, higher is better, the same queries in the same order
            (`pairing.pair_rows`).
        baseline: A row's name.
        resamples: Of the bootstrap and of the permutation test.
        level: Of the intervals; marks are given below 1 − level.
        seed: Of the draws.

    Returns:
        By row, in their order; the baseline itself is left out, as is a row that has no other.

    Raises:
        ConfigError: If no row has the baseline's name, or `resamples` or `level` is out of range.
        DataError: If the rows differ in length or hold values that are not finite.
    """
    return _compare({"": _same_length(rows)}, baseline, resamples, level, seed)[""]


def compare_by_language(
    rows: Mapping[str, ArrayLike],
    languages: ArrayLike,
    baseline: str | None = None,
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, dict[str, RowTest]]:
    """`compare_rows` within the queries of each language; without a baseline the best row is each language's own.

    Holm's correction counts the tests of all languages together, since the table shows them together.

    Args:
        rows: Name -> (queries,) values, as in `compare_rows`.
        languages: (queries,), the user's language of each; queries without one are in no comparison.
        baseline: A row's name.
        resamples: Of the bootstrap and of the permutation test.
        level: Of the intervals; marks are given below 1 − level.
        seed: Of the draws.

    Returns:
        Language -> row -> test.

    Raises:
        ConfigError: As in `compare_rows`.
        DataError: As in `compare_rows`, or if there are not as many languages as values.
    """
    values, codes = _same_length(rows), np.asarray(languages, dtype=np.str_)
    for name, found in values.items():
        if len(found) != len(codes):
            raise DataError(
                f"row {name!r} has the values of {len(found)} queries, but there are {len(codes)} languages"
            )
    tables = {
        str(language): {name: found[codes == language] for name, found in values.items()}
        for language in np.unique(codes[codes != ""])
    }
    return _compare(tables, baseline, resamples, level, seed)


def _compare(
    tables: Mapping[str, Mapping[str, Values]], baseline: str | None, resamples: int, level: float, seed: int
) -> dict[str, dict[str, RowTest]]:
    """The tests of one family of tables."""
    tests = {key: _opponents(rows, baseline) for key, rows in tables.items()}
    p_values = {
        (key, *sorted((row, other))): paired_permutation(tables[key][row], tables[key][other], resamples, seed)
        for key, opponents in tests.items()
        for row, other in opponents.items()
    }  # the best row against the second and the second against the best are one test
    counts = (len(rows) * (len(rows) - 1) // 2 if baseline is None else len(rows) - 1 for rows in tables.values())
    adjusted = dict(zip(p_values, holm(list(p_values.values()), tests=sum(counts)).tolist(), strict=True))
    found: dict[str, dict[str, RowTest]] = {key: {} for key in tables}
    for key, opponents in tests.items():
        for row, other in opponents.items():
            a, b, pair = tables[key][row], tables[key][other], (key, *sorted((row, other)))
            difference, low, high, _ = paired_bootstrap(a, b, resamples, level, seed)
            mark = ("+" if difference > 0 else "-") if adjusted[pair] < 1 - level else ""
            effect = effect_size(a, b)
            found[key][row] = RowTest(other, difference, low, high, p_values[pair], adjusted[pair], effect, mark)
    return found


def _opponents(rows: Mapping[str, Values], baseline: str | None) -> dict[str, str]:
    """Row -> the row it is tested against."""
    if baseline is not None:
        if baseline not in rows:
            raise ConfigError(f"no row is named {baseline!r}, the baseline; there are {', '.join(map(repr, rows))}")
        return {name: baseline for name in rows if name != baseline}
    ranked = sorted(rows, key=lambda name: -rows[name].mean())
    return {name: ranked[1] if name == ranked[0] else ranked[0] for name in rows} if len(rows) > 1 else {}


def _same_length(rows: Mapping[str, ArrayLike]) -> dict[str, Values]:
    """The rows' values, checked."""
    values = {name: finite_values(found) for name, found in rows.items()}
    lengths = {name: len(found) for name, found in values.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"the rows have values of different numbers of queries: {lengths}; use pairing.pair_rows first")
    return values
