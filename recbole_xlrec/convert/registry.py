"""The table of sources."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from recbole_xlrec.convert.base import Source
from recbole_xlrec.convert.sources import (
    amazon_m2,
    amazon_reviews_2023,
    amazon_reviews_pds,
    book_crossing,
    eb_nerd,
    microlens,
    mind,
    movielens,
    recsys_2021,
    table,
    xmarket,
    xmarket_wsdm22,
    yelp,
)
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError

_MODULES = (
    amazon_m2,
    amazon_reviews_2023,
    amazon_reviews_pds,
    book_crossing,
    eb_nerd,
    microlens,
    mind,
    movielens,
    recsys_2021,
    table,
    xmarket,
    xmarket_wsdm22,
    yelp,
)
SOURCES: Mapping[str, Source] = MappingProxyType({module.SOURCE.name: module.SOURCE for module in _MODULES})


def default_name(source: str, settings: Mapping[str, str]) -> str:
    """The name of a dataset for which none is given: the source's, or that of the mapping of a table."""
    found = find_source(source)
    mapping = settings.get("mapping") if found is table.SOURCE else None
    return Path(mapping).stem if mapping else found.dataset or found.name


def find_source(name: str) -> Source:
    """Returns a source by its name.

    Raises:
        ConfigError: There is none; lists those that there are.
    """
    if name not in SOURCES:
        raise ConfigError(f"There is no source {name!r}.{did_you_mean(name, SOURCES)} There are: {', '.join(SOURCES)}.")
    return SOURCES[name]
