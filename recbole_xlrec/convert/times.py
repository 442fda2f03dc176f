"""Times of any form become seconds since 1970 in UTC."""

from __future__ import annotations

from datetime import datetime, timezone

import polars as pl

AUTO = "auto"
_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y/%m/%d %H:%M:%S%.f")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
_SCALES = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_LATEST = datetime(2100, 1, 1, tzinfo=timezone.utc).timestamp()


def utc_seconds(values: pl.Series, form: str = AUTO) -> pl.Series:
    """Reads times; those without a zone are taken for UTC.

    Args:
        values: Numbers, dates, or text.
        form: `s`, `ms`, `us` or `ns` for numbers since 1970, a `strftime` pattern, or `auto`: the unit of a number is
            told by its size (from 1973 on), text is ISO 8601.

    Returns:
        Seconds, Float64; null where a value is missing, not understood, before 1970 or after 2099.

    Example:
        >>> utc_seconds(pl.Series(["2020-01-01", "1577836800", "1577836800000", "2020-01-01T01:00:00+01:00", "x"])
        ...     ).to_list()
        [1577836800.0, 1577836800.0, 1577836800.0, 1577836800.0, None]
    """
    if values.dtype.is_temporal():
        seconds = _epoch(values)
    elif form in _SCALES:
        seconds = values.cast(pl.Float64, strict=False) / _SCALES[form]
    elif form == AUTO:
        seconds = _guessed(values)
    else:
        seconds = _parsed(values, form)
    return seconds.set(~seconds.is_between(0, _LATEST, closed="left"), None)


def _guessed(values: pl.Series) -> pl.Series:
    numbers = values.cast(pl.Float64, strict=False)
    frame = pl.DataFrame({"n": numbers})
    scale = pl.when(pl.col("n") >= 1e17).then(1e9).when(pl.col("n") >= 1e14).then(1e6)
    seconds = frame.select(pl.col("n") / scale.when(pl.col("n") >= 1e11).then(1e3).otherwise(1.0)).to_series()
    if values.dtype != pl.String:
        return seconds
    for form in (*_FORMATS, *_ZONED):
        if seconds.null_count() <= values.null_count():
            break
        seconds = seconds.zip_with(seconds.is_not_null(), _parsed(values, form))
    return seconds


def _parsed(values: pl.Series, form: str) -> pl.Series:
    text = values.cast(pl.String)
    if "%H" not in form and "%I" not in form:
        return _epoch(text.str.to_date(form, strict=False))
    return _epoch(text.str.to_datetime(form, strict=False, time_unit="us"))


def _epoch(values: pl.Series) -> pl.Series:
    return values.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
