"""The tables of fusion methods, which make one list of several, and of orders, which make a list of one.

s is an item's normalised score in a member's list, r its rank there from 1, and n how many members list it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking import fuse
from recbole_xlrec.ranking.calibrate import calibrated
from recbole_xlrec.ranking.diversify import mmr
from recbole_xlrec.ranking.interleave import language_round_robin, quota
from recbole_xlrec.ranking.lists import Lists


class Method(NamedTuple):
    """A row of a table.

    Attributes:
        name: What it is called in a configuration.
        function: (members, k, **options) of a fusion, (lists, k, **options) of an order; see its docstring.
        formula: Of an item's score, or what the next item is.
        source: Where it comes from.
    """

    name: str
    function: Callable[..., Lists]
    formula: str
    source: str


_FOX = "Fox and Shaw (1993), Combination of multiple searches, TREC-2"

FUSIONS: dict[str, Method] = {
    row.name: row
    for row in (
        Method("rrf", fuse.rrf, "sum of 1 / (60 + r)", "Cormack, Clarke and Büttcher (2009), SIGIR"),
        Method(
            "isr", fuse.isr, "n * sum of 1 / r²", "Mourão, Martins and Magalhães (2014), Comput. Med. Imaging Graph. 39"
        ),
        Method("comb_sum", fuse.comb_sum, "sum of s", _FOX),
        Method("comb_mnz", fuse.comb_mnz, "n * sum of s", _FOX),
        Method("comb_anz", fuse.comb_anz, "sum of s / n", _FOX),
        Method("comb_max", fuse.comb_max, "largest s", _FOX),
        Method("comb_min", fuse.comb_min, "least s", _FOX),
        Method("comb_med", fuse.comb_med, "median of s", _FOX),
        Method(
            "weighted_sum",
            fuse.weighted_sum,
            "sum of weight * s",
            "Vogt and Cottrell (1999), Fusion via a linear combination of scores, Inf. Retr. 1(3)",
        ),
        Method(
            "round_robin",
            fuse.round_robin,
            "1 / (1 + turns before it), members in turn",
            "Voorhees, Gupta and Johnson-Laird (1994), The collection fusion problem, TREC-3",
        ),
    )
}

ORDERS: dict[str, Method] = {
    row.name: row
    for row in (
        Method(
            "language_round_robin", language_round_robin, "the best left of each language in turn", "as round_robin"
        ),
        Method("quota", quota, "the best of each language up to share * k", "Hamilton's method of apportionment"),
        Method(
            "calibrated",
            calibrated,
            "largest (1 - tradeoff) * sum of s - tradeoff * KL(user's mix of languages || the list's)",
            "Steck (2018), Calibrated recommendations, RecSys",
        ),
        Method(
            "mmr",
            mmr,
            "largest relevance * s - (1 - relevance) * largest cosine to what is chosen",
            "Carbonell and Goldstein (1998), The use of MMR, SIGIR",
        ),
    )
}


def method(name: str) -> Method:
    """The row of a name in `FUSIONS` or `ORDERS`.

    Raises:
        ConfigError: There is none of that name.
    """
    known = {**FUSIONS, **ORDERS}
    if name not in known:
        raise ConfigError(f"no fusion is named {name!r}.{did_you_mean(name, known)} There are: {', '.join(known)}")
    return known[name]
