"""Search spaces in the syntax of RecBole's ``hyper.test``: ``learning_rate loguniform -8,0``, a line a key."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.yaml_files import parse_value
from recbole_xlrec.errors import ConfigError


class Choice(NamedTuple):
    """One of a list of values."""

    values: tuple[Any, ...]


class Interval(NamedTuple):
    """A number between two, both included.

    Attributes:
        low: Least value.
        high: Largest value.
        step: Values are ``low``, ``low + step`` …; None for any number between.
        log: Whether the logarithm is drawn evenly.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False


Space = dict[str, Choice | Interval]


def parse_space(text: str, where: str) -> Space:
    r"""Reads the lines of a search space; empty lines and those that begin with ``#`` say nothing.

    ``choice [64,96]``; ``uniform low,high``; ``quniform low,high,step``; ``loguniform low,high`` with natural
    logarithms of the bounds, as in RecBole.

    Args:
        text: The lines.
        where: What an error calls them.

    Raises:
        ConfigError: For a line that is not understood, an unknown kind, or a key that is there twice.

    Example:
        >>> parse_space("embedding_size choice [64, 96]\nn_layers quniform 1,3,1", "example")
        {'embedding_size': Choice(values=(64, 96)), 'n_layers': Interval(low=1.0, high=3.0, step=1.0, log=False)}
    """
    space: Space = {}
    for line in (line.strip() for line in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        key, kind, values = _parts(line, where)
        if key in space:
            raise ConfigError(f"{where}: {key} is there twice")
        try:
            space[key] = _KINDS[kind](values)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{where}: {line!r} is not understood ({error}). Write it as `{_FORMS[kind]}`") from error
    if not space:
        raise ConfigError(f"{where} holds no line such as `learning_rate loguniform -8,0`")
    return space


def grid_size(space: Space) -> float:
    """The number of combinations, infinite where a key may be any number of an interval."""
    return math.prod(len(listed) if (listed := listing(part)) else math.inf for part in space.values())


def listing(part: Choice | Interval) -> tuple[Any, ...] | None:
    """All values, or None where they cannot be listed."""
    if isinstance(part, Choice):
        return part.values
    if part.step is None:
        return None
    count = math.floor((part.high - part.low) / part.step + 1e-9) + 1
    values = [part.low + index * part.step for index in range(count)]
    whole = part.low.is_integer() and part.step.is_integer()  # RecBole needs whole sizes
    return tuple(round(value) for value in values) if whole else tuple(values)


def _parts(line: str, where: str) -> tuple[str, str, Any]:
    words = line.split(maxsplit=2)
    if len(words) < 3:
        raise ConfigError(f"{where}: {line!r} has no three parts, as in `learning_rate loguniform -8,0`")
    key, kind, text = words
    if kind not in _KINDS:
        hint = did_you_mean(kind, _KINDS)
        raise ConfigError(f"{where}: unknown kind {kind!r} of {key}.{hint} There are {', '.join(_KINDS)}")
    return key, kind, parse_value(text if kind == "choice" else f"[{text}]")


def _choice(values: Any) -> Choice:
    if not isinstance(values, list) or not values:
        raise ValueError("a list of values is needed")
    return Choice(tuple(values))


def _uniform(values: list[Any]) -> Interval:
    low, high = (float(value) for value in values)
    return _checked(Interval(low, high))


def _quniform(values: list[Any]) -> Interval:
    low, high, step = (float(value) for value in values)
    return _checked(Interval(low, high, step))


def _loguniform(values: list[Any]) -> Interval:
    low, high = (math.exp(float(value)) for value in values)
    return _checked(Interval(low, high, log=True))


def _checked(part: Interval) -> Interval:
    if not part.low < part.high or (part.step is not None and part.step <= 0):
        raise ValueError("the first number must be below the second, and a step above 0")
    return part


_KINDS: dict[str, Callable[[Any], Choice | Interval]] = {
    "choice": _choice,
    "uniform": _uniform,
    "quniform": _quniform,
    "loguniform": _loguniform,
}
_FORMS = {
    "choice": "key choice [1, 2, 3]",
    "uniform": "key uniform 0.1,0.9",
    "quniform": "key quniform 10,100,10",
    "loguniform": "key loguniform -8,0",
}
