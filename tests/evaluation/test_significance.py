"""Bootstrap, permutation test, Holm's correction and effect size: known answers, SciPy's, properties, coverage."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.evaluation.resampling import bootstrap_means, flipped_means
from recbole_xlrec.evaluation.significance import (
    bootstrap_interval,
    effect_size,
    holm,
    paired_bootstrap,
    paired_permutation,
)

GAINS = np.append(0.0, 1 / np.log2(np.arange(2, 12)))  # NDCG@10 of one target: not listed, or at rank 1 to 10
RANKS = np.array([0.25, 0.15, 0.12, 0.1, 0.09, 0.08, 0.06, 0.05, 0.05, 0.05])
VALUE = st.floats(-1, 1, allow_nan=False).map(lambda value: round(value, 3))
PAIRS = st.lists(st.tuples(VALUE, VALUE), min_size=1, max_size=40).map(lambda pairs: np.array(pairs).T)
PROPERTY = settings(max_examples=40, deadline=None)


def ndcg(rate: float, shape: int | tuple[int, ...], seed: int) -> NDArray[np.float64]:
    """NDCG@10 of random queries: 0 for most, skewed among the others."""
    shares = np.append(1 - rate, rate * RANKS)
    return GAINS[np.random.default_rng(seed).choice(len(GAINS), shape, p=shares)]


def ndcg_mean(rate: float) -> float:
    return rate * float(RANKS @ GAINS[1:])


def coverage(queries: int, experiments: int, resamples: int, rate: float = 0.3) -> float:
    """How often the 95 % interval holds the true mean."""
    inside = 0
    for seed, values in enumerate(ndcg(rate, (experiments, queries), seed=1)):
        low, high = bootstrap_interval(values, resamples, seed=seed)
        inside += low <= ndcg_mean(rate) <= high
    return inside / experiments


# The bootstrap's samples


@pytest.mark.parametrize("repeats", [1, 5, 40])  # all drawn one by one, and all by their counts
def test_samples_have_the_distribution_that_all_samples_of_three_values_have(repeats: int) -> None:
    values = np.array([0.0, 1.0, 10.0])
    if repeats > 1:
        found = bootstrap_means(np.repeat(values, repeats), 20_000, seed=0)
        assert found.mean() == pytest.approx(values.mean(), abs=0.1 / math.sqrt(repeats))
        assert found.std() == pytest.approx(values.std() / math.sqrt(3 * repeats), rel=0.03)
        return
    exact = [np.mean(sample) for sample in itertools.product(values, repeat=3)]
    means, counts = np.unique(np.round(exact, 9), return_counts=True)
    found, found_counts = np.unique(np.round(bootstrap_means(values, 27_000, seed=0), 9), return_counts=True)
    assert found.tolist() == means.tolist()
    assert np.abs(found_counts / 1000 - counts).max() < 0.3


def test_common_and_rare_values_together_give_the_samples_of_plain_draws() -> None:
    generator = np.random.default_rng(3)
    values = np.concatenate([np.zeros(150), np.full(40, 0.5), generator.exponential(size=60)])
    plain = values[generator.integers(0, len(values), (5000, len(values)))].mean(axis=1)
    assert scipy.stats.ks_2samp(bootstrap_means(values, 5000, seed=0), plain).pvalue > 0.01


def test_a_rare_value_among_common_ones_is_in_none_of_some_samples() -> None:
    values = np.append(np.zeros(50), 1.0)
    found = np.bincount(np.rint(bootstrap_means(values, 20_000, seed=0) * 51).astype(np.int64)) / 20_000
    assert found[:4] == pytest.approx(scipy.stats.binom.pmf(range(4), 51, 1 / 51), abs=0.015)


@pytest.mark.parametrize("count", [13, 100_000])  # blocks of 8, 4 and 1; of 65,536, 32,768 and smaller
def test_each_of_many_distinct_values_is_drawn_as_often_as_the_others(count: int) -> None:
    values, resamples = np.zeros(count), 26_000 // count + 20
    for part in range(10):
        values[:] = np.arange(count) / 1e9  # distinct, and as good as 0
        chosen = slice(part * count // 10, (part + 1) * count // 10)
        values[chosen] += 1
        share = np.mean(values >= 1)
        spread = math.sqrt(share * (1 - share) / count / resamples)
        assert bootstrap_means(values, resamples, part).mean() == pytest.approx(share, abs=4 * spread + 2e-4)


@pytest.mark.parametrize("count", [1, 3, 300, 20_000])
def test_every_sample_is_as_long_as_the_values(count: int) -> None:
    means = bootstrap_means(1 + np.arange(count) / 1e9, 60, seed=0)  # all 1, yet distinct
    assert means == pytest.approx(np.ones(60), abs=2e-5)


def test_samples_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(20_000)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    alone = bootstrap_means(values, 100, seed=0)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert np.array_equal(alone, bootstrap_means(values, 100, seed=0))
    assert len(set(alone.tolist())) == 100  # no stretch of them is drawn twice


def test_interval_agrees_with_scipys_bca() -> None:
    values = ndcg(0.2, 80, seed=2)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=0).confidence_interval
    low, high = bootstrap_interval(values, 20_000)
    width = theirs.high - theirs.low
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.02 * width)
    percentiles = np.quantile(bootstrap_means(values, 20_000, seed=0), [0.025, 0.975])
    assert np.abs(percentiles - [theirs.low, theirs.high]).max() > 0.02 * width  # the tolerance tells them apart


def test_interval_of_level_90_lies_within_that_of_95() -> None:
    a, b = ndcg(0.3, 300, seed=1), ndcg(0.3, 300, seed=2)
    wide, narrow = paired_bootstrap(a, b), paired_bootstrap(a, b, level=0.9)
    assert wide.low < narrow.low < narrow.difference < narrow.high < wide.high


def test_a_95_percent_interval_covers_the_mean_of_skewed_values_in_a_quick_simulation() -> None:
    assert 0.91 <= coverage(200, experiments=400, resamples=500) <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize("queries", [200, 1000])
@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_a_95_percent_interval_covers_the_mean_of_skewed_values(queries: int, rate: float) -> None:
    assert 0.93 <= coverage(queries, experiments=2000, resamples=1000, rate=rate) <= 0.97


def test_both_tests_find_something_in_5_percent_of_experiments_without_a_difference() -> None:
    first, second = ndcg(0.3, (400, 100), seed=5), ndcg(0.3, (400, 100), seed=6)
    found = [(paired_permutation(a, b, 300), paired_bootstrap(a, b, 300).p) for a, b in zip(first, second, strict=True)]
    shares = (np.array(found) < 0.05).mean(axis=0)
    assert shares.min() > 0.02
    assert shares.max() < 0.085


# The permutation test


def test_permutation_test_counts_all_swaps_of_few_differences() -> None:
    # Differences 3, 1, 1 and 0. Sums of the swaps: ±5, ±3, ±3, ±1, of which ±5 are as far from 0 as 5.
    assert paired_permutation([4, 2, 1, 7], [1, 1, 0, 7]) == pytest.approx(2 / 8)
    # Differences 3, -1, 1: the sum is 3, as far as ±5 and ±3 twice.
    assert paired_permutation([4, 0, 1], [1, 1, 0]) == pytest.approx(6 / 8)


def test_equal_sums_are_equal_whatever_the_rounding() -> None:
    # 0.1 + 0.2 - 0.3 is not 0 in floating point: all 8 swaps must count, as in whole numbers.
    assert paired_permutation([0.1, 0.2, 0.0], [0.0, 0.0, 0.3]) == 1.0
    differences = np.array([0.1, 0.2, 0.3, 0.4, -0.7])
    zeros = np.zeros(5)
    assert paired_permutation(differences, zeros) == paired_permutation((differences * 10).round(), zeros)


@pytest.mark.parametrize("seed", range(5))
def test_exact_permutation_test_agrees_with_scipy(seed: int) -> None:
    a, b = np.random.default_rng(seed).random((2, 9))
    assert paired_permutation(a, b + 0.2) == pytest.approx(_scipy(a, b + 0.2, resamples=math.inf))


@pytest.mark.parametrize("seed", range(3))
def test_random_permutation_test_agrees_with_scipy(seed: int) -> None:
    a, b = ndcg(0.4, 60, seed), ndcg(0.25, 60, seed + 100)
    assert paired_permutation(a, b, 20_000) == pytest.approx(_scipy(a, b, resamples=20_000), abs=0.015)


def _scipy(a: NDArray[np.float64], b: NDArray[np.float64], resamples: float) -> float:
    found = scipy.stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        rng=0,
    )
    return float(found.pvalue)


def test_random_p_is_never_0() -> None:
    a, b = np.full(100, 0.9), np.zeros(100)
    assert paired_permutation(a, b, 999) == 1 / 1000
    assert paired_bootstrap(a + np.arange(100) / 1e4, b, 999).p == 1 / 1000


@pytest.mark.parametrize("count", [17, 20, 24])  # the last byte of signs has 1, 4 and 8 of them
def test_random_signs_turn_each_value_half_of_the_time(count: int) -> None:
    powers = 2.0 ** np.arange(count)  # the sum tells all the signs
    means, exact = flipped_means(powers, 4000, seed=0)
    assert not exact
    positive = np.rint((means * count + powers.sum()) / 2).astype(np.int64)[:, None] >> np.arange(count) & 1
    assert np.abs(positive.mean(axis=0) - 0.5).max() < 0.04
    assert np.abs(np.corrcoef(positive.T) - np.eye(count)).max() < 0.08


# Holm and effect size


def test_holm_gives_the_numbers_worked_out_by_hand() -> None:
    # In order: 0.005 * 4, 0.01 * 3, then 0.03 * 2 and 0.04 * 1, raised to 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]).tolist() == []


def test_holm_counts_the_tests_that_were_not_made() -> None:
    assert holm([0.01, 0.04], tests=6) == pytest.approx(holm([0.01, 0.04, 1, 1, 1, 1])[:2])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@PROPERTY
def test_holm_keeps_the_order_and_never_lowers_a_p(p_values: list[float]) -> None:
    raw, adjusted = np.array(p_values), holm(p_values)
    assert (adjusted >= raw).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(raw)]) >= 0).all()
    assert (holm(raw[::-1]) == adjusted[::-1]).all()


def test_effect_size_is_the_mean_over_the_standard_deviation_of_differences() -> None:
    assert effect_size([3, 5, 4], [2, 2, 2]) == pytest.approx(2.0)  # differences 1, 3, 2: mean 2, deviation 1


def test_effect_size_without_spread_is_0_or_infinite_and_of_one_query_not_a_number() -> None:
    assert effect_size([0.5, 0.2], [0.5, 0.2]) == 0.0
    assert effect_size([0.3, 0.6], [0.1, 0.4]) == math.inf  # differences alike but for rounding
    assert effect_size([0.1, 0.4], [0.3, 0.6]) == -math.inf
    assert math.isnan(effect_size([0.5], [0.1]))


# Properties of all


@given(PAIRS, st.integers(0, 5))
@PROPERTY
def test_swapping_the_systems_turns_the_signs_and_keeps_p(pair: NDArray[np.float64], seed: int) -> None:
    a, b = pair
    one, other = (paired_bootstrap(*systems, resamples=200, seed=seed) for systems in ((a, b), (b, a)))
    assert other == pytest.approx((-one.difference, -one.high, -one.low, one.p), abs=1e-9)
    assert paired_permutation(a, b, 200, seed) == paired_permutation(b, a, 200, seed)
    if len(a) > 1:
        assert effect_size(a, b) == -effect_size(b, a)


def test_swapping_systems_of_few_values_turns_the_signs_and_keeps_p() -> None:
    a, b = ndcg(0.4, 500, seed=1), ndcg(0.4, 500, seed=2)
    one, other = paired_bootstrap(a, b, 300), paired_bootstrap(b, a, 300)
    assert other == pytest.approx((-one.difference, -one.high, -one.low, one.p), abs=1e-12)


@given(PAIRS)
@PROPERTY
def test_a_system_does_not_differ_from_itself(pair: NDArray[np.float64]) -> None:
    assert paired_bootstrap(pair[0], pair[0], resamples=100) == (0.0, 0.0, 0.0, 1.0)
    assert paired_permutation(pair[0], pair[0], resamples=100) == 1.0


@given(PAIRS, st.integers(0, 5))
@PROPERTY
def test_a_seed_gives_the_same_again(pair: NDArray[np.float64], seed: int) -> None:
    a, b = pair
    assert paired_bootstrap(a, b, 100, seed=seed) == paired_bootstrap(a, b, 100, seed=seed)
    assert paired_permutation(a, b, 100, seed) == paired_permutation(a, b, 100, seed)


def test_another_seed_gives_other_samples() -> None:
    a, b = ndcg(0.3, 100, seed=1), ndcg(0.3, 100, seed=2)
    assert paired_bootstrap(a, b, seed=0) != paired_bootstrap(a, b, seed=1)
    assert paired_permutation(a, b, seed=0) != paired_permutation(a, b, seed=1)


@given(PAIRS)
@PROPERTY
def test_the_interval_lies_within_the_values(pair: NDArray[np.float64]) -> None:
    low, high = bootstrap_interval(pair[0], 100)
    assert pair[0].min() - 1e-9 <= low <= high <= pair[0].max() + 1e-9


# Bad input


def test_what_cannot_be_tested_is_refused() -> None:
    with pytest.raises(DataError, match=r"2 of 3 queries have no finite value: numbers 0, 2"):
        paired_permutation([math.nan, 1, math.inf], [0, 0, 0])
    with pytest.raises(DataError, match="there are 3 and 2 values"):
        paired_bootstrap([1, 2, 3], [1, 2])
    with pytest.raises(DataError, match="at least one long"):
        bootstrap_interval([])
    with pytest.raises(DataError, match=r"2 of 3 p-values are not between 0 and 1: 1.5, nan"):
        holm([0.1, 1.5, math.nan])
    with pytest.raises(DataError, match="3 p-values of 2 tests"):
        holm([0.1, 0.2, 0.3], tests=2)
    for level in (0, 1, 95):
        with pytest.raises(ConfigError, match=f"level is {level}"):
            bootstrap_interval([1, 2], level=level)
    for test in (paired_bootstrap, paired_permutation):
        with pytest.raises(ConfigError, match="resamples is 0"):
            test([1, 2], [1, 3], resamples=0)
