"""The errors a user can cause, each saying what was found, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable


class XLRecError(Exception):
    """Base of every error this package raises on purpose; the CLI prints its message without a traceback."""


class DataError(XLRecError, ValueError):
    """A file or table does not hold what it must: names the file, column or row, and how many are wrong."""


class ConfigError(XLRecError, ValueError):
    """A configuration key, value, model or protocol name is not known or does not fit the others."""


class EncoderError(XLRecError, RuntimeError):
    """A text encoder cannot be loaded or gave vectors that cannot be used."""


def sample(values: Iterable[object], limit: int = 5) -> str:
    """Lists the first few values for an error message.

    Example:
        >>> sample(["a", "b", "c"], limit=2)
        "'a', 'b', … (3 in all)"
    """
    found = list(values)
    listed = ", ".join(repr(value) for value in found[:limit])
    return listed if len(found) <= limit else f"{listed}, … ({len(found)} in all)"
