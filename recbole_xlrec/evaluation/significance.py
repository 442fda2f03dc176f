"""Whether two systems differ, from the values that both have on the same queries.

A query's difference is one observation; all functions take arrays (queries,) where the same place is the same query.
`recbole_xlrec.evaluation.pairing` brings them there, `row_tests` tests a whole table.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from recbole_xlrec.errors import DataError, sample
from recbole_xlrec.evaluation.pairing import Values, differences_of, finite_values
from recbole_xlrec.evaluation.resampling import bca_interval, bootstrap_means, flipped_means, rounding


class Comparison(NamedTuple):
    """How far the first of two systems is above the second.

    Attributes:
        difference: Of the means.
        low: Lower end of the difference's confidence interval.
        high: Its upper end.
        p: Two-sided, of the bootstrap.
    """

    difference: float
    low: float
    high: float
    p: float


def paired_bootstrap(
    a: ArrayLike, b: ArrayLike, resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> Comparison:
    """The paired bootstrap over queries, with `bootstrap_interval`'s interval of the mean difference.

    The p-value is the share of samples whose mean lies at least as far from the observed mean as that lies from 0: the
    null hypothesis is the observed distribution moved to mean 0. The observed one counts as a sample, so p is never 0.

    Sources: Efron and Tibshirani, An Introduction to the Bootstrap (1993), sections 14.3 and 16.4; Sakai, Evaluating
    evaluation metrics based on the bootstrap (SIGIR 2006), of which this is the unstudentised form, as in Smucker,
    Allan and Carterette, A comparison of statistical significance tests for information retrieval evaluation (CIKM
    2007), section 3.4.

    Args:
        a: (queries,) values of the first system.
        b: (queries,) values of the second one.
        resamples: How many samples.
        level: Of the interval, between 0 and 1.
        seed: Of the draws.

    Raises:
        DataError: If the values are none, not finite, or not as many in both.
        ConfigError: If `resamples` or `level` is out of range.
    """
    differences = differences_of(a, b)
    means = bootstrap_means(differences, resamples, seed)
    mean = float(differences.mean())
    extreme = np.abs(means - mean) >= abs(mean) - rounding(differences)
    low, high = bca_interval(differences, means, level)
    return Comparison(mean, low, high, float((1 + extreme.sum()) / (1 + resamples)))


def bootstrap_interval(
    values: ArrayLike, resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The bootstrap's confidence interval of a mean, bias-corrected and accelerated (BCa).

    BCa rather than the percentiles: values of ranking metrics are skewed, many of them 0, and for a mean the
    acceleration has a closed form, so it costs nothing. Where all values are alike, both ends are that value.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 14.3.

    Args:
        values: (queries,) values, or differences, one a query.
        resamples: How many samples.
        level: Of the interval, between 0 and 1.
        seed: Of the draws.

    Returns:
        Its lower and its upper end.

    Raises:
        DataError: If there are no values, or some are not finite.
        ConfigError: If `resamples` or `level` is out of range.
    """
    checked = finite_values(values)
    return bca_interval(checked, bootstrap_means(checked, resamples, seed), level)


def paired_permutation(a: ArrayLike, b: ArrayLike, resamples: int = 10_000, seed: int = 0) -> float:
    """The p-value of the paired permutation test (Fisher's randomisation test) of the mean difference, two-sided.

    Under the null hypothesis the two values of a query could as well be swapped. Exact, by all swaps, where no more
    than `resamples` of them differ (13 queries with a difference for 10,000); else random ones, among which the
    observed one is counted, so that p is never 0. Queries without a difference are kept and change nothing.

    Sources: Smucker, Allan and Carterette, A comparison of statistical significance tests for information retrieval
    evaluation (CIKM 2007), section 3.1; Phipson and Smyth, Permutation p-values should never be zero (2010), for the
    observed one's count.

    Args:
        a: (queries,) values of the first system.
        b: (queries,) values of the second one.
        resamples: How many random swaps.
        seed: Of the draws.

    Raises:
        DataError: If the values are none, not finite, or not as many in both.
        ConfigError: If `resamples` is below 1.

    Example:
        >>> paired_permutation([0.5, 0.4, 0.9], [0.1, 0.3, 0.6])  # 2 of the 8 swaps are as far from 0
        0.25
    """
    differences = differences_of(a, b)
    means, exact = flipped_means(differences, resamples, seed)
    extreme = (np.abs(means) >= abs(differences.mean()) - rounding(differences)).sum()
    return float(extreme / len(means) if exact else (1 + extreme) / (1 + resamples))


def holm(p_values: ArrayLike, tests: int | None = None) -> Values:
    """Adjusts p-values so that the chance of any false finding among them stays below the threshold.

    Source: Holm, A simple sequentially rejective multiple test procedure (1979).

    Args:
        p_values: (tests,), in any order.
        tests: How many hypotheses there are, where only some were tested, because the data chose them; the p-values
            of the others are taken as 1.

    Returns:
        (tests,) adjusted p-values in the same order, at most 1: reject where one is below the threshold.

    Raises:
        DataError: If a p-value is not between 0 and 1, or there are more than `tests`.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    found = np.asarray(p_values, dtype=np.float64)
    wrong = found[~((found >= 0) & (found <= 1))]  # NaN is neither
    if len(wrong):
        raise DataError(f"{len(wrong)} of {len(found)} p-values are not between 0 and 1: {sample(wrong.tolist())}")
    tests = len(found) if tests is None else tests
    if tests < len(found):
        raise DataError(f"{len(found)} p-values of {tests} tests: `tests` counts all, those given among them")
    order = np.argsort(found, kind="stable")
    adjusted = np.empty_like(found)
    adjusted[order] = np.maximum.accumulate((tests - np.arange(len(found))) * found[order])
    return np.minimum(adjusted, 1.0)


def effect_size(a: ArrayLike, b: ArrayLike) -> float:
    """Cohen's d_z: the mean of the differences over their standard deviation (with n − 1).

    0 where all differences are 0; infinite, with the sign of the difference, where all are the same but not 0; NaN for
    a single query, which says nothing about spread.

    Sources: Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), section 2.3.5; Sakai, Statistical
    reform in information retrieval? (SIGIR Forum 2014), on why to report it beside p.

    Args:
        a: (queries,) values of the first system.
        b: (queries,) values of the second one.

    Raises:
        DataError: If the values are none, not finite, or not as many in both.
    """
    differences = differences_of(a, b)
    if len(differences) < 2:
        return float("nan")
    mean = float(differences.mean())
    if np.ptp(differences) <= rounding(differences):
        return float(np.copysign(np.inf, mean)) if differences.any() else 0.0
    return mean / float(differences.std(ddof=1))
