"""Values of the same queries side by side: over the seeds of a row, and over the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recbole_xlrec.errors import DataError, sample

Values = NDArray[np.float64]
Ids = NDArray[np.str_]


class QueryValues(NamedTuple):
    """One row's value of each query.

    Attributes:
        ids: (queries,) query ids; those of several seeds one after the other are marked with their seed.
        values: (queries,) float64.
        languages: (queries,) the user's language of each; empty where not given.
    """

    ids: Ids
    values: Values
    languages: Ids


def stack_seeds(
    values_by_seed: Sequence[ArrayLike],
    query_ids_by_seed: Sequence[ArrayLike],
    languages_by_seed: Sequence[ArrayLike] | None = None,
) -> QueryValues:
    """Makes one row of several seeds.

    Where each seed answers the same queries, the values of a query are averaged, in the order of the first seed: the
    seeds of one query are no independent observations. Else, as where the seed also draws the split, the queries of
    all seeds stand one after the other, and a user that several seeds ask about counts as several.

    A user may have several queries; the first one of a seed belongs to the first one of another, and so on.

    Args:
        values_by_seed: For each seed, (queries,) values of one metric.
        query_ids_by_seed: For each seed, (queries,) ids.
        languages_by_seed: For each seed, (queries,) languages.

    Raises:
        DataError: If there is no seed, or a seed's arrays differ in length or hold what is not finite.
    """
    if not len(values_by_seed):
        raise DataError("a row needs the values of at least one seed; there are none")
    values = [finite_values(found) for found in values_by_seed]
    ids = [np.asarray(found, dtype=np.str_) for found in query_ids_by_seed]
    if languages_by_seed is None:
        languages = [np.full(len(found), "") for found in values]
    else:
        languages = [np.asarray(found, dtype=np.str_) for found in languages_by_seed]
    lengths = [[len(found) for found in part] for part in (values, ids, languages)]
    if lengths[0] != lengths[1] or lengths[0] != lengths[2]:
        raise DataError(f"the values, ids and languages of the seeds differ in length: {lengths}")
    places = [_places(found, ids[0]) for found in ids]
    aligned = [found[place] for found, place in zip(values, places, strict=True) if place is not None]
    if len(aligned) == len(values):
        return QueryValues(ids[0], np.mean(aligned, axis=0), languages[0])
    marked = [np.char.add(found, f"\tseed {number}") for number, found in enumerate(ids, 1)]
    return QueryValues(np.concatenate(marked), np.concatenate(values), np.concatenate(languages))


def pair_rows(rows: Mapping[str, QueryValues]) -> dict[str, Values]:
    """Brings the values of all rows into the order of the first row's queries.

    Args:
        rows: By name.

    Returns:
        Name -> (queries,) values; the first row's `languages` are those of all.

    Raises:
        DataError: If rows are of different queries, such as those of another split or of other seeds.
    """
    paired: dict[str, Values] = {}
    names = list(rows)
    for name, row in rows.items():
        ids = rows[names[0]].ids
        places = _places(row.ids, ids)
        if places is None:
            raise DataError(_mismatch(names[0], ids, name, row.ids))
        paired[name] = row.values[places]
    return paired


def differences_of(a: ArrayLike, b: ArrayLike) -> Values:
    """(queries,) a − b.

    Raises:
        DataError: If the values are none, not finite, or not as many in both.
    """
    first, second = finite_values(a), finite_values(b)
    if len(first) != len(second):
        raise DataError(
            f"a paired test needs the same queries in both: there are {len(first)} and {len(second)} values; "
            "pair them first, by query id (evaluation.pairing.pair_rows)"
        )
    return first - second


def finite_values(values: ArrayLike) -> Values:
    """(queries,) float64.

    Raises:
        DataError: If there are none, not in one dimension, or some that are not finite.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found):
        raise DataError(f"values of queries are one list, at least one long; these have the shape {found.shape}")
    wrong = np.flatnonzero(~np.isfinite(found))
    if len(wrong):
        raise DataError(f"{len(wrong)} of {len(found)} queries have no finite value: numbers {sample(wrong.tolist())}")
    return found


def _places(ids: Ids, wanted: Ids) -> NDArray[np.int64] | slice | None:
    """Where in `ids` each wanted query is; None where they are not the same queries."""
    if np.array_equal(ids, wanted):  # the usual case, and much the quickest
        return slice(None)
    if len(ids) != len(wanted):
        return None
    own, others = np.argsort(ids, kind="stable"), np.argsort(wanted, kind="stable")
    if not np.array_equal(ids[own], wanted[others]):
        return None
    places = np.empty(len(ids), dtype=np.int64)
    places[others] = own  # stable: several queries of one user keep their order
    return places


def _mismatch(name: str, ids: Ids, other: str, other_ids: Ids) -> str:
    """What to tell about rows of different queries."""
    missing, additional = _beyond(ids, other_ids), _beyond(other_ids, ids)
    return (
        f"rows {name!r} ({len(ids)} queries) and {other!r} ({len(other_ids)}) do not answer the same queries: "
        f"{len(missing)} only in {name!r}: {sample(missing) or 'none'}; "
        f"{len(additional)} only in {other!r}: {sample(additional) or 'none'}. "
        "Compare runs of one dataset, split and protocol, with the same seeds where the seed draws the split"
    )


def _beyond(ids: Ids, others: Ids) -> list[str]:
    """The queries that the others lack; a user's second one where they have but one."""
    known, counts = np.unique(others, return_counts=True)
    left = dict(zip(known.tolist(), counts.tolist(), strict=True))
    beyond = []
    for query in ids.tolist():
        left[query] = left.get(query, 0) - 1
        if left[query] < 0:
            beyond.append(query)
    return beyond
