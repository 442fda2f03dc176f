"""Means of bootstrap samples and of random sign flips, for hundreds of thousands of values.

Both are the plain resampling methods, without approximation; only the work is arranged. The draws depend on the seed
and on the values' order, not on the number of threads, and turning all signs of the values turns those of the means.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError

Values = NDArray[np.float64]

_COMMON = 16  # To draw how often a value occurs in a sample takes about as long as 16 draws of a single one.
_BLOCK = 2**13  # Such a block and what is drawn from it stay in the cache; 16 random bits would do for 2**16.
_NUMBERS = 2**19  # Random numbers of a chunk of samples, drawn block by block.
_SIGNS = 8  # Signs drawn at once, as one random byte.


def bootstrap_means(values: Values, resamples: int, seed: int) -> Values:
    """The mean of each of many samples of the values, drawn with replacement and as long as they are.

    How often each value that occurs many times is drawn, and how often any of the rest, is multinomial; the rest is
    drawn one by one. Metrics such as NDCG take few values, so that nearly all the work is the former.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 6.

    Args:
        values: (queries,), at least one.
        resamples: How many samples.
        seed: Of the draws.

    Returns:
        (resamples,) means.

    Raises:
        ConfigError: If there is to be no sample.
    """
    _check_resamples(resamples)
    pool = _pool(values)
    size = max(1, _NUMBERS // (len(pool.common) + sum(map(len, pool.blocks)) + 1))
    sizes = [min(size, resamples - start) for start in range(0, resamples, size)]
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))
    with ThreadPoolExecutor(min(len(sizes), os.cpu_count() or 1)) as threads:
        sums = threads.map(lambda size, seed: _sums(pool, len(values), size, np.random.default_rng(seed)), sizes, seeds)
        return np.concatenate(list(sums)) / len(values)


def flipped_means(values: Values, resamples: int, seed: int) -> tuple[Values, bool]:
    """The mean under signs turned at random, each with probability 1/2; all combinations of signs where they are few.

    Args:
        values: (queries,), at least one.
        resamples: How many combinations of signs.
        seed: Of the draws.

    Returns:
        The means, (resamples,) or (combinations,); and whether they are all there are.

    Raises:
        ConfigError: If there is to be no combination.
    """
    _check_resamples(resamples)
    moving = values[values != 0]  # (moving,): the others have no sign to turn
    if 2 ** len(moving) <= resamples:
        return _combinations(moving) / len(values), True
    sums, generator = np.zeros(resamples), np.random.default_rng(seed)
    for start in range(0, len(moving), _SIGNS):
        signs = np.frombuffer(generator.bytes(resamples), np.uint8)
        table = _combinations(moving[start : start + _SIGNS])  # (256,), fewer for the last values
        sums += table.take(signs & (len(table) - 1))  # as many bits as there are signs
    return sums / len(values), False


def bca_interval(values: Values, means: Values, level: float) -> tuple[float, float]:
    """The bias-corrected and accelerated confidence interval of a mean, from the means of bootstrap samples.

    Source: Efron and Tibshirani (1993), section 14.3; the acceleration of a mean is a sixth of the values' skewness
    over the square root of their number.

    Args:
        values: (queries,) those that were sampled.
        means: (resamples,) of the samples.
        level: Between 0 and 1.

    Returns:
        Its lower and its upper end; both the mean where all values are alike.

    Raises:
        ConfigError: If `level` is out of range.
    """
    if not 0 < level < 1:
        raise ConfigError(f"level is {level}: a confidence level lies between 0 and 1, such as 0.95")
    mean, slack, normal = float(values.mean()), rounding(values), NormalDist()
    if np.ptp(values) <= slack:
        return mean, mean
    below = float(np.mean(means < mean - slack) + np.mean(means <= mean + slack)) / 2  # half of those that are equal
    bias = normal.inv_cdf(min(max(below, 0.5 / len(means)), 1 - 0.5 / len(means)))
    apart = values - mean
    acceleration = float((apart**3).sum() / (6 * (apart**2).sum() ** 1.5))
    ends = [bias + normal.inv_cdf(tail) for tail in ((1 - level) / 2, (1 + level) / 2)]
    low, high = np.quantile(means, [normal.cdf(bias + end / (1 - acceleration * end)) for end in ends])
    return float(low), float(high)


def rounding(values: Values) -> float:
    """Up to which difference two means of these values, or of these with other signs, are the same but for rounding."""
    return 1e-12 * float(np.abs(values).mean())


class _Pool(NamedTuple):
    """What is drawn from.

    Attributes:
        common: The values that occur often.
        blocks: The other ones, in blocks whose lengths are powers of 2, so that a place in one is a few random bits.
        shares: How likely a draw is each of the common values, then each of the blocks.
    """

    common: Values
    blocks: list[Values]
    shares: Values


def _pool(values: Values) -> _Pool:
    """Parts the values; in the order of their first occurrence, so that turned signs get the same draws."""
    _, first, codes, counts = np.unique(values, return_index=True, return_inverse=True, return_counts=True)
    often = np.sort(first[counts >= _COMMON])
    rest, blocks = values[counts[codes] < _COMMON], []
    while len(rest):
        length = min(2 ** (len(rest).bit_length() - 1), _BLOCK)
        blocks.append(rest[:length])
        rest = rest[length:]
    sizes = np.concatenate([counts[codes[often]], [len(block) for block in blocks]])
    return _Pool(values[often], blocks, sizes / len(values))


def _sums(pool: _Pool, draws: int, resamples: int, generator: np.random.Generator) -> Values:
    """The sums of some samples."""
    counts = generator.multinomial(draws, pool.shares, size=resamples)  # (resamples, common + blocks)
    sums = counts[:, : len(pool.common)] @ pool.common
    for block, drawn in zip(pool.blocks, counts[:, len(pool.common) :].T, strict=True):
        sums += _sums_of_draws(block, drawn, generator)
    return sums


def _sums_of_draws(block: Values, counts: NDArray[np.int64], generator: np.random.Generator) -> Values:
    """The sum of so many draws for each count."""
    total = int(counts.sum())
    bits = generator.bit_generator.random_raw(total // 4 + 1).view(np.uint16)[:total]  # 4 times 16 in each of 64
    drawn = np.zeros(total + 1)  # one more, where a count of 0 at the end may start
    block.take(bits & (len(block) - 1), out=drawn[:-1], mode="clip")  # clip: spares a copy; all places are within
    sums = np.add.reduceat(drawn, np.cumsum(counts) - counts)
    return np.where(counts > 0, sums, 0.0)  # reduceat gives an empty stretch its first value


def _combinations(values: Values) -> Values:
    """The sum under each combination of signs, (2 ** values,)."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _check_resamples(resamples: int) -> None:
    if resamples < 1:
        raise ConfigError(f"resamples is {resamples}: at least 1 is needed, and 10000 for a figure to be cited")
